"""A finished run from its directory: the model, and what it was trained to cite."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from data.identifiers import Identifiers, IdsConfig, assign
from data.records import Document, Question, read_jsonl
from data.shards import read_documents
from data.tokenizer import Codec
from eval.model import ModelAnswerer
from eval.policy import Policy, read_policies
from eval.wordings import Wordings
from model.hf import load_model


@dataclass(frozen=True)
class Run:
    """What the commands need of a run."""

    answerer: ModelAnswerer
    documents: dict[str, list[Document]]  # by what a citation names: an id, or a source or url that several share
    identifiers: Identifiers
    wordings: Wordings  # of its questions
    policies: dict[str, Policy]  # how answers are judged, the best first; none where the run could not fit any


def load_run(folder: Path) -> Run:
    """Read `folder` as `run.py` leaves it. Raises ValueError, saying what is missing, when it holds no finished run."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        codec = Codec.load(folder / "prepare" / "tokenizer.json")
    except Exception as error:  # tokenizers raises bare Exception for a missing file
        raise ValueError(
            f"{folder} holds no finished run ({error}); make one with python run.py run_dir={folder}"
        ) from None
    documents = list(read_documents(folder / "prepare"))
    identifiers = assign(documents, codec, IdsConfig(**config["ids"]), config["tags"]["content"])
    named: dict[str, list[Document]] = {}
    for label, document in zip(identifiers.labels, documents, strict=True):
        named.setdefault(label, []).append(document)
    taught = config.get("second", {}).get("method", "none") != "none"
    nosrc = config["tags"].get("untagged") == "nosrc"
    model, longest = load_model(folder / "model"), config["batch"]["row"]
    answerer = ModelAnswerer(model, codec, identifiers, forced=True, marks=taught, nosrc=nosrc, longest=longest)
    wordings = Wordings.of(read_jsonl(folder / "prepare" / "questions.jsonl", Question))
    return Run(answerer, named, identifiers, wordings, read_policies(folder / "policy.json"))
