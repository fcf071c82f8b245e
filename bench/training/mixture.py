"""What our contenders train on: the demo's documents with footnotes and recall, its questions mixed in."""

from __future__ import annotations

from typing import NamedTuple

from bench.inputs import open_documents
from bench.settings import Settings
from data.pipeline.sources import Questions, Source
from data.pipeline.stream import Plan
from data.pipeline.tokenizer import Tokenizer
from data.records import Question, read_jsonl
from data.storage.shards import read_index
from train.config import OptimizerConfig

MIX = 0.3  # of the tokens are questions, as in the demo


class Training(NamedTuple):
    """All that a stream and an optimiser need."""

    first: Source
    second: Source
    plan: Plan
    tokenizer: Tokenizer
    optimizer: OptimizerConfig


def make_training(settings: Settings, share: float = MIX, lr: float = 1e-3) -> Training:
    """Of the settings' corpus."""
    world = settings.corpus
    documents, identifiers, tokenizer = open_documents(settings)
    asked = [
        q
        for q in read_jsonl(world / "questions.jsonl", Question)
        if q.split == "tune" and q.support_class in ("single", "multi")
    ]
    return Training(
        documents,
        Questions(asked, read_index(world), identifiers, tokenizer, settings.seed),
        Plan(settings.row, settings.rows, settings.warmup + settings.steps, share, seed=settings.seed),
        tokenizer,
        OptimizerConfig(name=settings.optimizer, lr=lr),
    )
