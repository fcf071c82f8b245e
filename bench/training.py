"""What our contenders train on: the demo's documents with footnotes and recall, its questions mixed in."""

from __future__ import annotations

from typing import NamedTuple

from bench.settings import Settings
from data.identifiers import Identifiers, IdsConfig, assign
from data.records import Question, read_jsonl
from data.shards import read_index, read_manifest
from data.sources import Documents, Questions, Source
from data.store import Store
from data.stream import Plan
from data.tags import TagsConfig
from data.tokenizer import Codec
from train.config import OptimizerConfig

MIX = 0.3  # of the tokens are questions, as in the demo


class Training(NamedTuple):
    """All that a stream and an optimiser need."""

    first: Source
    second: Source
    plan: Plan
    codec: Codec
    optimizer: OptimizerConfig


def make_training(settings: Settings, share: float = MIX, lr: float = 1e-3) -> Training:
    """Of the settings' corpus."""
    world = settings.corpus
    documents, identifiers, codec = open_documents(settings)
    asked = [
        q
        for q in read_jsonl(world / "questions.jsonl", Question)
        if q.split == "tune" and q.support_class in ("single", "multi")
    ]
    return Training(
        documents,
        Questions(asked, read_index(world), identifiers, codec, settings.seed),
        Plan(settings.row, settings.rows, settings.warmup + settings.steps, share, seed=settings.seed),
        codec,
        OptimizerConfig(name=settings.optimizer, lr=lr),
    )


def open_documents(settings: Settings) -> tuple[Documents, Identifiers, Codec]:
    """The settings' corpus as it is trained on, the names of its documents, and its tokenizer."""
    folder = settings.corpus
    codec = Codec.load(folder / "tokenizer.json")
    identifiers = assign(read_index(folder), codec, IdsConfig())
    store = Store(folder, read_manifest(folder))
    return Documents(store, identifiers, codec, TagsConfig(), settings.row, settings.seed), identifiers, codec
