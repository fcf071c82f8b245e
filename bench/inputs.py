"""What all contenders share: a generated world, its tokenizer, one set of initial weights, and plain rows of tokens.

world/           the prepared corpus of the demo, with its tokenizer
<model>/         the model in Hugging Face's form, and shape.json: its `ModelConfig`
documents.npy    int32 (documents, longest): a plain document a row, `<|doc|> text <|end|>`, -1 to fill
packed.npy       int32 (rows, row + 1): the same documents one after another, for contenders that do not pad
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from omegaconf import OmegaConf

from bench.device import machine
from bench.settings import Measured, Settings, contend
from data.pipeline.identifiers import Identifiers, IdsConfig, assign
from data.pipeline.placement import TagsConfig
from data.pipeline.sources import Documents
from data.pipeline.tokenizer import Tokenizer, TokenizerConfig, build_tokenizer
from data.readers.corpora import open_corpus
from data.records import Document, Question, read_jsonl
from data.stateless_rng import Permutation
from data.storage.prepare import prepare
from data.storage.shards import read_documents, read_index, read_manifest
from data.storage.store import Store
from data.world.world import WorldCorpus
from model.config import ModelConfig
from model.hf import save_model
from model.precision import fastest_precision
from model.transformer import Transformer
from stages import versions, write_json

PRESETS = Path(__file__).parents[1] / "configs" / "model"
DOCUMENTS, PACKED, SHAPE = "documents.npy", "packed.npy", "shape.json"


def make(settings: Settings) -> Measured:
    """Write the inputs of `settings` into its folder, anew."""
    torch.manual_seed(settings.seed)
    world = settings.corpus
    shutil.rmtree(world, ignore_errors=True)
    tokenizer = prepare_world(world, settings.documents, settings.seed)
    shape = read_preset(settings.model, len(tokenizer))
    model = Transformer(shape)
    save_model(model, settings.path / settings.model, longest=settings.row, end=tokenizer.end)
    write_json(settings.path / settings.model / SHAPE, asdict(shape))
    plain = plain_documents(list(read_documents(world)), tokenizer)
    np.save(settings.path / DOCUMENTS, fill(plain))
    np.save(settings.path / PACKED, concatenate(plain, settings.row + 1, settings.seed))
    return {
        "shape": asdict(shape),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "precision": fastest_precision("gpu" if settings.device == "cuda" else settings.device),
        "versions": versions(),
        "machine": machine(settings.device),
        "longest": max(map(len, plain)),
        "mean_length": float(np.mean([len(tokens) for tokens in plain])),
    }


def prepare_world(folder: Path, documents: int, seed: int) -> Tokenizer:
    """A world of `documents` documents as run.py prepares it, tokenizer included."""
    prepare(open_corpus(WorldCorpus(seed=seed, documents=documents)), folder)
    texts = [w for document in read_documents(folder) for wordings in document.sentences for w in wordings]
    asked = [q for q in read_jsonl(folder / "questions.jsonl", Question) if q.split == "tune"]
    texts += [text for q in asked for text in (q.text, *q.paraphrases, *q.answers)]
    tokenizer = build_tokenizer(TokenizerConfig(), texts)
    tokenizer.save(folder / "tokenizer.json")
    return tokenizer


def read_preset(name: str, vocabulary: int) -> ModelConfig:
    """A preset of configs/model; its vocabulary is the tokenizer's unless it has one. ValueError for an unknown one."""
    path = PRESETS / f"{name}.yaml"
    if not path.exists():
        known = ", ".join(sorted(preset.stem for preset in PRESETS.glob("*.yaml")))
        raise ValueError(f"model {name!r} is not one of {known}")
    config = ModelConfig(**OmegaConf.to_container(OmegaConf.load(path)))  # type: ignore[arg-type]
    return replace(config, vocab_size=config.vocab_size or -(-vocabulary // 64) * 64)


def read_shape(settings: Settings) -> ModelConfig:
    """The shape of the model that `make` wrote."""
    return ModelConfig(**json.loads((settings.path / settings.model / SHAPE).read_text(encoding="utf-8")))


def open_documents(settings: Settings) -> tuple[Documents, Identifiers, Tokenizer]:
    """The settings' corpus as it is trained on, the names of its documents, and its tokenizer."""
    folder = settings.corpus
    tokenizer = Tokenizer.load(folder / "tokenizer.json")
    identifiers = assign(read_index(folder), tokenizer, IdsConfig())
    store = Store(folder, read_manifest(folder))
    return Documents(store, identifiers, tokenizer, TagsConfig(), settings.row, settings.seed), identifiers, tokenizer


def plain_documents(documents: list[Document], tokenizer: Tokenizer) -> list[np.ndarray]:
    """Each document in its canonical wordings, int32, no provenance."""
    encoded = iter(tokenizer.encode([wordings[0] for document in documents for wordings in document.sentences]))
    return [
        np.concatenate([[tokenizer.doc], *(next(encoded) for _ in document.sentences), [tokenizer.end]]).astype(
            np.int32
        )
        for document in documents
    ]


def fill(documents: list[np.ndarray]) -> np.ndarray:
    """Rows of equal length, -1 after the end of each."""
    table = np.full((len(documents), max(map(len, documents))), -1, dtype=np.int32)
    for row, tokens in enumerate(documents):
        table[row, : len(tokens)] = tokens
    return table


def concatenate(documents: list[np.ndarray], length: int, seed: int) -> np.ndarray:
    """The documents in a random order, cut every `length` tokens; what is left over is left out."""
    order = Permutation(len(documents), seed)(np.arange(len(documents)))
    stream = np.concatenate([documents[int(index)] for index in order])
    while len(stream) < length:
        stream = np.concatenate((stream, stream))
    return stream[: len(stream) // length * length].reshape(-1, length)


if __name__ == "__main__":
    contend(make)
