"""Ways to decide, from one model's forced answers, what to answer and how sure to be: ours, baselines and bounds.

Most weigh signals into a score, are calibrated by isotonic regression on the calibration fold and have their threshold
from dev; `SYSTEMS` says how. Every signal that asks for a system of its own has one (eval/signals). Beside them stand:

    own                the model's own decisions: it refuses where its likeliest first word is a refusal
    always, never      answers everything, with the calibration fold's accuracy as its confidence; answers nothing
    oracle             the ledger: answers exactly what was told, with the answers of `selected` where it can be had
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from data.records import ANSWERABLE, FOLDS, Prediction, Question
from eval.grading.correctness import right
from eval.metrics.statistics import Floats
from eval.selective.policy import LEARNT, OPTIONAL, SELECTED, SUM, Folded, Policy, Weights, refuses, signal
from eval.signals import registered


@dataclass(frozen=True)
class System:
    """A way to decide.

    Attributes:
        label: in tables.
        weights: of signals in its score, all 0 to have them learnt; none of a system that is not fitted so.
    """

    label: str
    weights: Weights = field(default_factory=dict)


SYSTEMS: Mapping[str, System] = {
    "selected": System("completed, checked, selected", SELECTED),
    "bidirectional": System("two-way check", LEARNT),
    "bidirectional_sum": System("two-way check, added up", SUM),
    "with_citation": System("answer + citation", {"answer": 1.0, "citation": 1.0}),
    "citation_alone": System("citation alone", {"citation": 1.0}),
    **{
        signal.system: System(signal.system.replace("_", " "), {name: signal.surer})
        for name, signal in registered().items()
        if signal.system
    },
    "own": System("its own decisions"),
    "always": System("always answers"),
    "never": System("never answers"),
    "oracle": System("ledger oracle"),
}
FITTED: Mapping[str, Weights] = {name: system.weights for name, system in SYSTEMS.items() if system.weights}


@dataclass(frozen=True)
class SelectiveOutput:
    """What a system makes of each of N questions.

    Attributes:
        score: float64 (N,), more is more certain.
        forced: what it would answer if it had to.
        free: the same with its confidence, whose outcome is "abstained" or the like where it does not answer.
    """

    score: Floats
    forced: list[Prediction]
    free: list[Prediction]


def in_fold(questions: Sequence[Question], predictions: Sequence[Prediction], fold: str) -> Folded:
    """The questions of one fold with their predictions."""
    here = [(q, p) for q, p in zip(questions, predictions, strict=True) if q.fold == fold]
    return [q for q, _ in here], [p for _, p in here]


def fit_policy(
    questions: Sequence[Question], forced: Sequence[Prediction], max_abstained: float, name: str = "bidirectional"
) -> Policy | None:
    """The policy of a name in `FITTED`, from the calibration and dev folds.

    None where a corpus has no folds or nothing is right or wrong there, and where right answers lack the signals.
    """
    calibration, dev = (in_fold(questions, forced, fold) for fold in FOLDS[:2])
    graded, tested = right(*calibration), right(*dev)
    if not graded.any() or graded.all() or not tested.any():
        return None
    if name == "selected":
        return (
            Policy.fit(FITTED[name], calibration, dev, max_abstained) if any(p.rivals for p in calibration[1]) else None
        )
    for name_of in FITTED[name]:
        if not name_of.startswith(OPTIONAL) and np.isnan(signal(calibration[1], name_of)[graded]).any():
            return None
    return Policy.fit(FITTED[name], calibration, dev, max_abstained)


def fit_policies(
    questions: Sequence[Question], forced: Sequence[Prediction], max_abstained: float
) -> dict[str, Policy]:
    """The policies that can be fitted, in the order of `FITTED`."""
    found = {name: fit_policy(questions, forced, max_abstained, name) for name in FITTED}
    return {name: policy for name, policy in found.items() if policy}


def decide(
    questions: Sequence[Question], forced: Sequence[Prediction], policies: Mapping[str, Policy]
) -> dict[str, SelectiveOutput]:
    """Every system that the predictions have signals for, with what `fit_policies` found; questions of all folds."""
    said = list(forced)
    found: dict[str, SelectiveOutput] = {}
    for name, policy in policies.items():
        chosen = policy.chosen(forced)
        found[name] = SelectiveOutput(policy.answer.scores(chosen), chosen, policy.apply(forced))
    graded = right(*in_fold(questions, forced, FOLDS[0]))
    rate = float(graded.mean()) if len(graded) else math.nan
    told = np.array([q.support_class in ANSWERABLE for q in questions])
    refusing = signal(forced, "refusal") - signal(forced, "best_word")
    if not np.isnan(refusing).any():
        found["own"] = SelectiveOutput(-refusing, said, _own(forced, found.get("refusal")))
    found["always"] = SelectiveOutput(np.zeros(len(forced)), said, [replace(p, confidence=rate) for p in forced])
    found["never"] = SelectiveOutput(np.zeros(len(forced)), said, [_refused(p) for p in forced])
    best = found["selected"].forced if "selected" in found else said
    found["oracle"] = SelectiveOutput(told.astype(float), best, [_known(p, t) for p, t in zip(best, told, strict=True)])
    return found


def _own(forced: Sequence[Prediction], calibrated: SelectiveOutput | None) -> list[Prediction]:
    """Its own refusals, and what it has no source for; confidence is calibrated on how little it would refuse."""
    sure = [p.confidence for p in calibrated.free] if calibrated else [p.confidence for p in forced]
    found = []
    for p, c in zip(forced, sure, strict=True):
        outcome = "no_source" if p.signals.get("unsourced") else p.outcome
        found.append(_refused(p) if refuses(p) else replace(p, confidence=c, outcome=outcome))
    return found


def _refused(prediction: Prediction) -> Prediction:
    return replace(prediction, outcome="abstained", confidence=0.0)


def _known(prediction: Prediction, told: bool) -> Prediction:
    return replace(prediction, confidence=1.0) if told else _refused(prediction)
