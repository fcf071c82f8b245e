"""What a model shows when it is not asked but read, or made to say something: studies without training, a file each.

A module below this folder is a probe, listed by its name in the key `eval.probes`, and holds a `PROBE`. What it finds
is its part of results.json and its section of the report. On a finished run: python -m eval.probe run=DIR probe=NAME.
They lie together by what they ask:

    memorization    what was read, and where: what of the documents is in the weights
    faithfulness    does a citation follow the document, or the words and names around it?
    beliefs         what moves what the model takes for true, besides the documents
    coherence       does one answer agree with another, when asked otherwise or one step after the other?
    uncertainty     does the model know that it may be wrong?

Shape letters: N items.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from configs.keys import modules
from data.pipeline.visits.scenes import READINGS
from data.records import Document, Question
from eval.answerers.lm_answerer import LMAnswerer
from eval.grading.big_bench import Task
from eval.metrics.statistics import Floats, bootstrap_draws, percentile_interval

FOLDER = "eval/probes"
EXPERT = ("none",)  # methods of abstention SFT: no such phase
RESAMPLES = 500


class Material(NamedTuple):
    """What is asked about: the questions held out, and all documents with what each is called in citations."""

    questions: Sequence[Question]
    documents: Sequence[Document]
    labels: Sequence[str]
    seed: int


class Read(NamedTuple):
    """What a probe is given: the model, the questions held out, all documents (in the order of the identifiers).

    Where scenes change from reading to reading, `readings` has those of each document, in order, by its id. `tuning`
    are the questions of tuning, whose wordings may be known when answering.
    """

    answerer: LMAnswerer
    questions: Sequence[Question]
    documents: Sequence[Document]
    seed: int
    readings: Mapping[str, Sequence[Sequence[int]]] = MappingProxyType({})
    tuning: Sequence[Question] = ()

    @property
    def material(self) -> Material:
        return Material(self.questions, self.documents, self.answerer.identifiers.labels, self.seed)


@dataclass(frozen=True)
class Probe:
    """A study.

    Attributes:
        title, about: its heading and what it measures, on the page.
        run: what it finds, plain JSON; {} where there is nothing to study.
        after: the methods of abstention SFT that it is run after.
        items: what it asks, as rows for other models; None where it asks nothing.
        tasks: what it asks as multiple choice, by name, for any model; None where it can't be asked so.
    """

    title: str
    about: str
    run: Callable[[Read], dict[str, Any]]
    after: Sequence[str] = EXPERT
    items: Callable[[Material], list[dict[str, Any]]] | None = None
    tasks: Callable[[Material], dict[str, Task]] | None = None


def probe(name: str) -> Probe:
    """The probe of the module of this name."""
    found: Probe = import_module(modules(FOLDER)[name]).PROBE
    return found


def readings_of(folder: Path) -> dict[str, list[list[int]]]:
    """`Read.readings` as the stage that trained the model has left them; {} where scenes do not change."""
    path = folder / READINGS
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def held_out(questions: Sequence[Question]) -> list[Question]:
    """Those to report on: of split never_tuned, and of its test fold where there are folds."""
    folds = any(question.fold for question in questions)
    return [q for q in questions if q.split == "never_tuned" and (q.fold == "test" or not folds)]


def measured(statistic: Callable[[Floats], Any], clusters: Sequence[Hashable]) -> dict[str, Any]:
    """{"value", "interval"} of a statistic of weights [..., N]; None for what is undefined."""
    value = float(statistic(np.ones(len(clusters))))
    draws = bootstrap_draws(statistic, clusters, resamples=RESAMPLES)
    return {"value": None if np.isnan(value) else value, "interval": percentile_interval(draws)}


def mean(values: Floats, clusters: Sequence[Hashable]) -> dict[str, Any]:
    """{"value", "interval"} of the mean of values, (N,); None for none at all."""
    with np.errstate(invalid="ignore"):
        return measured(lambda w: w @ values / w.sum(-1), clusters)


def share(events: Sequence[bool] | np.ndarray, clusters: Sequence[Hashable]) -> dict[str, Any]:
    """{"value", "interval", "n"} of how often an event is so; None for none at all."""
    return mean(np.asarray(events, dtype=np.float64), clusters) | {"n": len(events)}
