"""Questions answered and cited per second by `eval.answerers.lm_answerer.ModelAnswerer`, float32.

Twice: with ten ranked citations each, and with the likeliest alone. Validity is left out: `generate` doesn't tell it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch

from bench.answering.inputs import ANSWERING
from bench.device import memory, start
from bench.inputs import open_documents
from bench.settings import Measured, Settings, contend
from data.pipeline.identifiers import Identifiers
from data.pipeline.tokenizer import Tokenizer
from data.records import Prediction, Question, read_jsonl
from eval.answerers.lm_answerer import LMAnswerer
from eval.load import load_run
from model.hf import load_model

CITATIONS = 10


class Asked(NamedTuple):
    """What both contenders are asked, and the folder of the model that they ask."""

    tokenizer: Tokenizer
    identifiers: Identifiers
    questions: list[Question]
    model: Path


def read_asked(settings: Settings) -> Asked:
    """The first questions that were kept out of training. Raises ValueError when there are too few."""
    if settings.run:
        run = load_run(Path(settings.run))
        tokenizer, identifiers = run.answerer.tokenizer, run.identifiers
        world, model = Path(settings.run) / "prepare", Path(settings.run) / "model"
    else:
        world, model = settings.corpus, settings.path / ANSWERING
        _, identifiers, tokenizer = open_documents(settings)
    asked = [q for q in read_jsonl(world / "questions.jsonl", Question) if q.split != "tune" and q.support]
    if len(asked) < settings.questions:
        raise ValueError(f"the world has {len(asked)} questions, not {settings.questions}: raise documents")
    # Without the statements there is no two-way check, which `generate` has nothing to compare with.
    return Asked(tokenizer, identifiers, [replace(q, statement=()) for q in asked[: settings.questions]], model)


def measure(settings: Settings) -> Measured:
    """Questions per second, and what was answered, to compare with."""
    device = start(settings)
    tokenizer, identifiers, questions, folder = read_asked(settings)
    model = load_model(folder).to(device)
    results: Measured = {}
    for name, most in (("ranked", CITATIONS), ("one", 1)):
        answerer = LMAnswerer(model, tokenizer, identifiers, most=most, validity=False)
        answerer.answer(questions[:8])  # warm
        begun = time.perf_counter()
        predictions = answerer.answer(questions)
        results[f"{name}_per_second"] = len(questions) / (time.perf_counter() - begun)
        results[name] = summarise(predictions)
    return results | memory(settings)


def summarise(predictions: Sequence[Prediction]) -> list[tuple[str, list[str]]]:
    """Of each question the answer and the cited documents, best first."""
    return [(p.answer or "", [citation.id for citation in p.citations]) for p in predictions]


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    contend(measure)
