"""The calibrators of the literature over the same predictions: from what models showed to confidences.

Every method gets the same: questions of split relabel to learn from, the calibration and dev folds to fit on, and no
label of the test fold. No threshold is chosen, so that each of the three folds, which share no person, can be the test
fold once, with the others in the place of calibration and dev (`cross_fitted`). What is learnt on relabel (LitCab, the
reader) is mapped by isotonic regression on the other two where a row says so; maps of the stated confidence are fitted
on both. IGHB and IGLB patch a logistic regression of it, fitted on the calibration fold, and like the regions go by dev
in what they keep.

    stated confidence      P(answer), of the model's own tokens
    maps of it             temperature, isotonic; group by group: GCULR, IGHB, IGLB, learned regions
    other confidences      LitCab, APRICOT's reader, agreement of samples, uncertainty x fidelity, agents of other seeds

Shape letters: N questions, G groups, A agents (runs that differ in the seed).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from data.records import FOLDS, Prediction, Question
from eval.grading.correctness import answer_given, right
from eval.metrics.calibration import worst_confidence
from eval.metrics.statistics import Floats
from eval.selective import multicalibration, reconfidencing
from eval.selective.calibrators import GroupLogistic, Isotonic, Temperature
from eval.selective.deliberation import deliberate
from eval.selective.policy import signal
from eval.selective.reader import Reader
from eval.selective.seen_groups import Seen, common, merged
from eval.signals.citation_fidelity import uncertainty_fidelity

LEAST = 20  # items of a cell of GCULR; fewer are calibrated with all others that are few
STATED, BASELINE, TOLD = "as stated, P(answer)", "isotonic", "GCULR, told the support class"


@dataclass(frozen=True)
class Agent:
    """One run: N questions of the splits relabel and never_tuned, what it said, and what is seen of them.

    Attributes:
        turn: how many places each fold is moved on among `FOLDS`.
    """

    questions: Sequence[Question]
    predictions: Sequence[Prediction]
    seen: Seen
    turn: int = 0

    @cached_property
    def correct(self) -> NDArray[np.bool_]:
        return right(self.questions, self.predictions)

    @cached_property
    def stated(self) -> Floats:
        return self.probability("answer")

    def part(self, *names: str) -> NDArray[np.bool_]:
        """Which questions are of the folds, or of the split, so called."""
        called = {fold: FOLDS[(n + self.turn) % len(FOLDS)] for n, fold in enumerate(FOLDS)}
        return np.array([(called.get(q.fold) or q.split) in names for q in self.questions], dtype=bool)

    def probability(self, name: str) -> Floats:
        """exp of a log-probability, or a share as it is: [N]; where it is missing, the worst for the item."""
        found = signal(self.predictions, name)
        found = found if name == "agreement" else np.exp(found)
        return self.filled([None if np.isnan(value) else float(value) for value in found])

    def filled(self, confidence: Sequence[float | None]) -> Floats:
        return worst_confidence([None if c is None else min(1.0, max(0.0, c)) for c in confidence], self.correct)


def cross_fitted(agents: Sequence[Agent]) -> dict[str, list[Floats]]:
    """Of each method the confidences of each agent on the questions of all folds, in their order: `confidences`, with
    each fold as the test fold once."""
    folded = [agent.part(*FOLDS) for agent in agents]
    found: dict[str, list[Floats]] = {}
    for turn in range(len(FOLDS)):
        turned = [replace(agent, turn=turn) for agent in agents]
        for name, each in confidences(turned).items():
            whole = found.setdefault(name, [np.full(int(here.sum()), np.nan) for here in folded])
            for number, (agent, here) in enumerate(zip(turned, folded, strict=True)):
                whole[number][agent.part("test")[here]] = each[number]
    return found


def confidences(agents: Sequence[Agent]) -> dict[str, list[Floats]]:
    """Of each method the confidences of each agent on the test fold, [A][N of test].

    Methods whose signals no prediction shows are left out. Raises ValueError where a fold is empty.
    """
    for agent in agents:
        if empty := [name for name in ("calibration", "dev", "test") if not agent.part(name).any()]:
            raise ValueError(f"no question of fold {empty[0]}: calibrators need the folds of a hard world")
    found: dict[str, list[Floats]] = {}
    for name, method in MAPS.items():
        found[name] = [method(agent) for agent in agents]
    for name, scores in _scores(agents).items():
        found[name] = [score[agent.part("test")] for agent, score in zip(agents, scores, strict=True)]
        found[f"{name}, then isotonic"] = [_isotonic(agent, score) for agent, score in zip(agents, scores, strict=True)]
    return found


def _temperature(agent: Agent) -> Floats:
    fitting = agent.part("calibration", "dev")
    fitted = Temperature.fit(agent.stated[fitting], agent.correct[fitting])
    return fitted.apply(agent.stated[agent.part("test")])


def _isotonic(agent: Agent, score: Floats) -> Floats:
    fitting = agent.part("calibration", "dev")
    return Isotonic.fit(score[fitting], agent.correct[fitting]).apply(score[agent.part("test")])


def _grouped(agent: Agent, cells: Sequence[str]) -> Floats:
    fitting, testing = agent.part("calibration", "dev"), agent.part("test")
    kept = common([cell for cell, here in zip(cells, fitting, strict=True) if here], LEAST)
    named = np.array(merged(cells, kept))
    fitted = GroupLogistic.fit(agent.stated[fitting], agent.correct[fitting], named[fitting].tolist())
    return fitted.apply(agent.stated[testing], named[testing].tolist())


def _patched(propose: multicalibration.Proposal) -> Callable[[Agent], Floats]:
    def method(agent: Agent) -> Floats:
        parts = [agent.part(name) for name in ("calibration", "dev", "test")]
        platt = GroupLogistic.fit(agent.stated[parts[0]], agent.correct[parts[0]], ["all"] * parts[0].sum())
        begun = [platt.apply(agent.stated[p], ["all"] * p.sum()) for p in parts]
        folds = [
            multicalibration.Fold(c, agent.correct[p], agent.seen.members[p]) for c, p in zip(begun, parts, strict=True)
        ]
        return multicalibration.Multicalibrator.fit(propose, *folds[:2]).apply(folds[2].confidence, folds[2].members)

    return method


def _regions(agent: Agent, features: Floats) -> Floats:
    parts = [agent.part(name) for name in ("calibration", "dev", "test")]
    folds = [reconfidencing.Fold(agent.stated[p], agent.correct[p], features[p]) for p in parts]
    return reconfidencing.Reconfidenced.fit(*folds[:2]).apply(folds[2].confidence, folds[2].features)


MAPS: Mapping[str, Callable[[Agent], Floats]] = {
    STATED: lambda agent: agent.stated[agent.part("test")],
    "temperature": _temperature,
    BASELINE: lambda agent: _isotonic(agent, agent.stated),
    "GCULR, cells of seen groups": lambda agent: _grouped(agent, agent.seen.cells),
    "IGHB, seen groups": _patched(multicalibration.worst_cell),
    "IGLB, seen groups": _patched(multicalibration.worst_group),
    "learned regions, seen groups": lambda agent: _regions(agent, agent.seen.members.astype(np.float64)),
    "learned regions, groups and signals": lambda agent: _regions(agent, agent.seen.features),
    TOLD: lambda agent: _grouped(agent, [question.support_class for question in agent.questions]),
}


def _scores(agents: Sequence[Agent]) -> dict[str, list[Floats]]:
    """Confidences of other kinds, as published: [A][N]."""
    found: dict[str, list[Floats]] = {}
    shown = set(agents[0].predictions[-1].signals)
    if "litcab" in shown:
        found["LitCab"] = [agent.probability("litcab") for agent in agents]
    if agents[0].part("relabel").any():
        found["APRICOT's reader"] = [_read(agent) for agent in agents]
    if "agreement" in shown:
        found["agreement of samples"] = [agent.probability("agreement") for agent in agents]
    if {"agreement", "citation_fidelity"} <= shown:
        found["uncertainty x fidelity"] = [
            agent.filled([uncertainty_fidelity(p) for p in agent.predictions]) for agent in agents
        ]
    if len(agents) > 1:
        answers = [[answer_given(p) or "" for p in agent.predictions] for agent in agents]
        stated = [agent.stated.tolist() for agent in agents]
        both = [deliberate(answers, stated, number) for number in range(len(agents))]
        found["votes of the agents"] = [votes for votes, _ in both]
        found["confidence of the agents"] = [confidence for _, confidence in both]
    return found


def _read(agent: Agent) -> Floats:
    learning = agent.part("relabel")
    texts = [(q.text, answer_given(p) or "") for q, p in zip(agent.questions, agent.predictions, strict=True)]
    clusters = [f"{q.attribute} {q.support_class}" for q in agent.questions]
    chosen = np.flatnonzero(learning)
    reader = Reader.fit([texts[i] for i in chosen], agent.correct[chosen], [clusters[i] for i in chosen])
    return reader.apply(texts)
