"""A report with every section, of a run that never was: what the tests of the page share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from data.records import ANSWERABLE, Citation, Document, Prediction, Question
from eval.answerers.floors import Oracle, Uniform
from eval.answerers.retrievers.bm25 import BM25
from eval.grading.outcomes import sort_outcomes
from eval.report.plots import confidence_figure, exposure_figure, risk_coverage_figure
from eval.report.report import write_report
from eval.results.fact_frequency import exposure_curve
from eval.results.results import attribution_results, build_results

EVIL = "<script>alert(1)</script>"
UNBROKEN = "w" * 200  # wider than a phone, with no place to break
DOCUMENTS = [
    Document("d0", (("Ann & Bo met.",), ("Ann Ramos lives in Oslo.",), ("Cy Kwan lives in Oslo.",))),
    Document("d1", ((f"Di Stone lives in {EVIL}.",), ("Ed Moss lives in Lima.",), (UNBROKEN,))),
]
CURVES = {
    "pretrain": [{"step": i, "tokens": 10 * i, "loss": 3 / i, "loss_text": 2 / i} for i in range(1, 9)],
    "tune": [{"step": i, "loss": 1 / i, "lr": 0.1} for i in range(1, 9)],
}


def ask(
    id: str, text: str, answer: str, support: str, entity: str, split: str = "never_tuned", kind: str = "single"
) -> Question:
    told = kind in ANSWERABLE
    attribute = f"city {EVIL}"
    return Question(id, text, (answer,) * told, (support,) * told, kind, entity, split, attribute)


QUESTIONS = [
    ask("right", "Where does Ann Ramos live?", "Oslo", "d0", "Ann Ramos"),
    ask("source", f"Where does {EVIL} live?", "Oslo", "d0", "Cy Kwan"),
    ask("ghost", "Where does Cy Kwan live?", "Oslo", "d0", "Cy Kwan"),
    ask("wrong", "Where does Ed Moss live?", "Lima", "d1", "Ed Moss"),
    ask("broken", "Where does Di Stone live?", EVIL, "d1", "Di Stone"),
    ask("silent", "Where does Di Stone live now?", EVIL, "d1", "Di Stone"),
    ask("missing", "Who is left out?", EVIL, "d1", "Di Stone"),
    ask("tuned", "Where does Ann Ramos stay?", "Oslo", "d0", "Ann Ramos", "in_domain"),
]
PREDICTIONS = [
    Prediction("right", "answered", "Oslo", (Citation("d0", 0.875), Citation("d1", 0.1)), valid=True),
    Prediction("source", "answered", "Oslo", (Citation("d1", 0.5),), valid=True),
    Prediction("ghost", "answered", "Oslo", (Citation(EVIL, 0.5),), valid=False),
    Prediction("wrong", "answered", EVIL, (Citation("d1", 0.5),), valid=True),
    Prediction("broken", "unparseable"),
    Prediction("silent", "abstained"),
    Prediction("tuned", "answered", "Oslo", (Citation("d0"),), valid=True),
]
TESTED = [
    *QUESTIONS[:6],
    replace(QUESTIONS[0], id="again", support=("d0", "d1"), support_class="multi"),
    ask("fact", "When was Ann Ramos born?", "", "", "Ann Ramos", kind="absent_attribute"),
    ask("stranger", f"Where does {EVIL} {EVIL} live?", "", "", "Fay Lund", kind="absent_entity"),
    ask("premise", "Since Ann Ramos lives in Lima, where was she born?", "", "", "Ann Ramos", kind="false_premise"),
]
FORCED = [
    *PREDICTIONS[:5],
    Prediction("silent", "answered", EVIL, (Citation("d1", 0.75),)),
    Prediction("again", "answered", "Oslo", (Citation("d0", 0.5),)),
    Prediction("fact", "answered", "Oslo", (Citation("d0", 0.5),)),
    Prediction("stranger", "answered", EVIL, (Citation(EVIL, 0.5),)),
    Prediction("premise", "answered", "Oslo", (Citation("d0", 0.5),)),
]
FREE = [
    replace(p, outcome="abstained" if p.question in ("silent", "fact", "premise") else p.outcome, confidence=0.25)
    for p in FORCED
]


def measure(value: float, width: float = 0.05, **more: Any) -> dict[str, Any]:
    return {"value": value, "interval": [value - width, value + width], **more}


KNOWN = {
    "policy": "two_way",
    "n": 10,
    "n_by_class": {"single": 6, "multi": 1, "absent_attribute": 1, "absent_entity": 1, "false_premise": 1},
    "smooth_ece": measure(0.125),
    "auroc_answerable": measure(0.75),
    "recall_absent_entity": measure(0.0, 0.0),
    "accuracy_free": measure(0.5),
    "undefined": {"value": float("nan"), "interval": None},
    f"new {EVIL}": measure(0.375),
    "by_class": {"single": measure(0.625), "multi": {"value": None, "interval": None}},
    "confusion": {"tagged": {"cited": 3, "abstained": 1}},
}
SIGNALS = {
    "bidirectional": {name: measure(0.875) for name in ("answerable", "absent_attribute", "absent_entity", "right")},
    f"least {EVIL}": {"answerable": measure(0.5), "difference": measure(-0.375, p=0.0004)},
    "answer": {"answerable": measure(0.625), "difference": measure(-0.25, p=0.04)},
}
SCORES = ("bidirectional", "id_to_text", "footnote", "loss", "min_k")
PROBES = {
    "membership": {
        "n": {"read": 1200, "altered": 600},
        "where": measure(0.9375),
        "read": {
            kind: {score: {"auroc": measure(0.5 + i / 16), "false_recollection": measure(0.25)} for score in SCORES}
            for i, kind in enumerate(("altered", "unread_attribute", "unread_entity"))
        },
    },
    "self_evidence": {
        "n": {"unknown": 40, "known": 30},
        "text": {group: {"external": measure(2.5), "ratio": {"value": 0.8125, "interval": None}} for group in "ab"},
    },
    "dominance": {"pass": measure(1.0, 0.0), "null": 0.1, "n": 30, "matched": 1.0},
    f"other {EVIL}": {f"name {EVIL}": measure(0.5), "nothing": None, "said": EVIL},
    "empty": {},
}


def make_results(**changes: Any) -> dict[str, Any]:
    """Of our model, floors and the oracle, without what only some runs have."""
    systems = {"whence": PREDICTIONS}
    for other in (Uniform(["d0", "d1"]), BM25(DOCUMENTS), Oracle()):
        systems[other.name] = other.answer(QUESTIONS)
    fixed = {
        "name": f"run {EVIL}", "config": {"tags": {"name": f"end {EVIL}"}, "cache_dir": UNBROKEN},
        "seed": 4, "bits_per_byte": 1.2345,
        "attribution": attribution_results(QUESTIONS, systems), "stage_seconds": {"pretrain": 12.0},
        "tokens": {"pretrain": 80}, "accounting": {}, "versions": {"torch": EVIL}, "git": None,
    }  # fmt: skip
    return build_results(**fixed | changes)


def whole_results() -> dict[str, Any]:
    """With all that a run can have."""
    systems = {"bidirectional": {"accuracy_free": measure(0.5)}, f"own {EVIL}": {"brier": measure(0.25)}}
    return make_results(abstention={"test": KNOWN}) | {
        "systems": systems,
        "signals": SIGNALS,
        "exposure": exposure_curve(TESTED, FORCED, FREE),
        "probes": PROBES,
        "given": {
            "attribution": attribution_results(QUESTIONS, {"cloze": PREDICTIONS}, "cloze"),
            "abstention": {"test": {"policy": "cloze", "smooth_ece": measure(0.0625)}},
            "systems": {"bidirectional": {"accuracy_free": measure(0.625)}, f"own {EVIL}": systems[f"own {EVIL}"]},
        },
    }


def write_whole_page(folder: Path, tensorboard: Path | None = None) -> Path:
    """Every section, into the folder; returns the page's path."""
    results = whole_results()
    risks = {"by confidence": (np.array([0.5, 1.0]), np.array([0.0, 0.5]))}
    knowing = {
        "risk": risk_coverage_figure(risks, "Errors"),
        "confidence": confidence_figure({"single": np.array([0.25, 0.75])}, "Confidence"),
        "exposure": exposure_figure(results["exposure"], "Exposures"),
    }
    outcomes = sort_outcomes(TESTED, FORCED, FREE)
    return write_report(
        folder, results, CURVES, QUESTIONS, PREDICTIONS, DOCUMENTS, tensorboard, knowing, outcomes=outcomes
    )
