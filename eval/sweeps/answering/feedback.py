"""Feedback in words beside each other: who criticises, who judges, and what of it is learnt.

    python -m eval.sweeps.answering.feedback runs/feedback

Rows are systems, seeds of tuning together. Each answers the never-tuned questions of the folds calibration and test
once; nothing is fitted on them here. Intervals hold 95%, entities resampled, of the mean over seeds question by
question. The last four columns are of how refinements came about, on the questions of split relabel.

    right, joint       right, right with a source that supports it / questions that documents answer
    withheld           withheld / questions that nothing answers
    score              mean of the reward `cited`
    gain               score less that of the form alone; gain_p its p, Holm over all comparisons of the table
    of_oracle          gain / gain of ILF by the oracle; none where the latter's interval holds 0
    beside_wordless    score less that of refinements without words, at equally many samples; wordless_p its p
    first_kept         first attempts that keep the constitution / all
    mended             refinements that keep it / first attempts that break it
    spoiled            refinements that break it / first attempts that keep it
    critic_right       first attempts that break it of which the critic says what the ledger says / all that break it:
                       of the model, and of shuffled critiques, which is chance
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from hydra.experimental.callback import Callback

from data.records import ANSWERABLE, read_jsonl
from eval.arguments import Command
from eval.compare import find
from eval.feedback.constitution import KEPT
from eval.feedback.refinements import Judged
from eval.grading.attempt_measures import clusters
from eval.grading.attempts import RIGHT, WITHHELD_STATE, state, went_well
from eval.grading.rewards.cited import cited
from eval.metrics.rule_of_three import bounds
from eval.metrics.statistics import Floats, bootstrap_draws, holm, p_value, percentile_interval
from eval.results.recorded import record_sweep
from eval.results.table import Column, Row, Value
from eval.sweeps.answering.attempts import FORM, AttemptRun, lines, runs_of, systems

COMMAND = Command(
    name="python -m eval.sweeps.answering.feedback",
    summary="Put what runs learnt from critiques into one table.",
    required={},
    optional={},
    text="DIR...",
)
LABELS = {  # by critic, judge and choice
    ("oracle", "oracle", "refinement"): "ILF, critic: oracle",
    ("answer", "oracle", "refinement"): "ILF, critic gives the answer",
    ("shuffled", "oracle", "refinement"): "ILF, critiques shuffled",
    ("none", "oracle", "refinement"): "asked again without words",
    ("none", "oracle", "outcome"): "relabelled by outcome",
    ("own", "oracle", "refinement"): "ILF, own critic",
    ("own", "own", "refinement"): "constitution, own critic and judge",
}
ORACLE, WORDLESS = LABELS["oracle", "oracle", "refinement"], LABELS["none", "oracle", "refinement"]
SHARES = {
    "right": Column("right", "right", "%", 1, "higher"),
    "joint": Column("joint", "right with its source", "%", 1, "higher"),
    "withheld": Column("withheld", "withheld of never told", "%", 1, "higher"),
}
WRITTEN = {
    "first_kept": Column("first_kept", "first attempts kept", "%", 1),
    "mended": Column("mended", "mended by a critique", "%", 1, "higher"),
    "spoiled": Column("spoiled", "spoiled by it", "%", 1, "lower"),
    "critic_right": Column("critic_right", "critic says what the ledger says", "%", 1, "higher"),
}
COLUMNS = [
    *SHARES.values(),
    Column("score", "score", "", 3, "higher"),
    Column("gain", "gain on the form alone", "", 3, "higher"),
    Column("gain_p", "p of it (Holm)", "", 3),
    Column("of_oracle", "of the oracle's gain", "%", 0, "higher"),
    Column("beside_wordless", "score less that without words", "", 3, "higher"),
    Column("wordless_p", "p of that (Holm)", "", 3),
    *WRITTEN.values(),
]
NOTE = (
    "Mean and sample standard deviation over seeds of tuning; intervals of 95% of that mean, entities resampled. Of "
    "never told questions nothing is right but to withhold. The last four columns are of the attempts that were learnt "
    "from, not of the questions that are reported."
)
Part = tuple[Floats, Floats]  # what is summed, and what it is divided by, float64 (N,) each


@dataclass(frozen=True)
class FeedbackRun(AttemptRun):
    """A run that learnt from critiques, or one that such are put beside."""

    @property
    def label(self) -> str:
        part, single = self.part, self.part["attempts"] == 1
        if part["method"] not in ("ilf", "rlaif"):
            return "REINFORCE by the ledger" if part["method"] == "reinforce" and single else super().label
        who = part["critique"]
        if part["method"] == "rlaif":
            return f"RLAIF, judge: {who['judge']}"
        said = who["critic"], who["judge"], who["choice"]
        return LABELS.get(said, f"ILF, critic: {said[0]}, judge: {said[1]}, {said[2]}")

    @cached_property
    def judged(self) -> list[Judged]:
        """Of its refinements, none where it wrote none."""
        path = self.path.parent / "refined" / "judged.jsonl"  # as steps/self_correction/feedback.py leaves it
        return list(read_jsonl(path, Judged)) if path.exists() else []

    def answered(self) -> dict[str, Part]:
        """Of each measure of its answers what is summed and what it is divided by."""
        asked = [(question, said[0]) for question, said in self.tried]
        told = np.array([q.support_class in ANSWERABLE for q, _ in asked], dtype=np.float64)
        states = np.array([state(q, said) for q, said in asked])
        well = np.array([went_well(q, said) for q, said in asked])
        scores = np.array([cited(q, said, self.part["target"]) for q, said in asked])
        return {
            "right": (told * (states == RIGHT), told),
            "joint": (told * well, told),
            "withheld": ((1 - told) * (states == WITHHELD_STATE), 1 - told),
            "score": (scores, np.ones_like(told)),
        }

    def written(self) -> dict[str, Part]:
        """The same of its refinements; the critic's only where it said anything."""
        first, second = (np.array([getattr(one, name) in KEPT for one in self.judged]) for name in ("first", "second"))
        found = {
            "first_kept": (first, np.ones(len(first))),
            "mended": (second & ~first, ~first),
            "spoiled": (first & ~second, first),
        }
        if self.part["critique"]["critic"] in ("own", "shuffled"):  # the oracle says what the ledger says
            found["critic_right"] = (np.array([one.critic == one.first for one in self.judged]) & ~first, ~first)
        return {name: (top.astype(np.float64), bottom.astype(np.float64)) for name, (top, bottom) in found.items()}


class Table(Callback):
    """Hydra's callback that ends a sweep with the table."""

    def on_multirun_end(self, config: Any, **_: Any) -> None:
        paths = find([config.run_dir])
        found = rows(compared(paths))
        print("\n".join(lines(found, COLUMNS)))
        best = next((place for place, row in enumerate(found) if row.system == ORACLE), None)
        record_sweep(config, paths, COLUMNS, found, title="Feedback in words: who criticises, and what is learnt of it",
                     note=NOTE, headline=best)  # fmt: skip


def main(_: Mapping[str, str], folders: Sequence[str]) -> None:
    print("\n".join(lines(rows(compared(find(folders))), COLUMNS)))


def compared(paths: Sequence[Path]) -> dict[str, list[FeedbackRun]]:
    """Runs by what they are called, seeds together. Raises ValueError as `runs_of` does."""
    return systems(runs_of(paths, FeedbackRun))


def rows(found: Mapping[str, Sequence[FeedbackRun]]) -> list[Row]:
    """A row for each system."""
    entities = clusters(next(iter(found.values()))[0].tried)
    each = {label: [run.answered() for run in group] for label, group in found.items()}
    values = {label: _measured(label, found[label], parts, entities) for label, parts in each.items()}
    scores = {label: np.mean([part["score"][0] for part in parts], axis=0) for label, parts in each.items()}
    p_values: dict[str, float] = {}
    for label in found:
        for other, key, p_key in ((FORM, "gain", "gain_p"), (WORDLESS, "beside_wordless", "wordless_p")):
            if label != other and other in scores:
                gap = scores[label] - scores[other]
                draws = bootstrap_draws(partial(_mean, gap), entities)
                values[label][key] = Value(float(gap.mean()), percentile_interval(draws))
                if (p := p_value(draws)) is not None:
                    p_values[f"{label}/{p_key}"] = p
        values[label]["of_oracle"] = _of_oracle(label, scores, entities)
    for where, p in holm(p_values).items():
        label, key = where.rsplit("/", 1)
        values[label][key] = Value(p)
    return [
        Row(label, {c.key: values[label].get(c.key) for c in COLUMNS}, seeds=tuple(run.seed for run in found[label]))
        for label in found
    ]


def _measured(
    label: str, group: Sequence[FeedbackRun], parts: Sequence[Mapping[str, Part]], entities: Sequence[str]
) -> dict[str, Value | None]:
    values = {name: _over([part[name] for part in parts], entities, name in SHARES) for name in (*SHARES, "score")}
    if all(run.judged for run in group):
        names = [one.entity or one.question for one in group[0].judged]
        written = [run.written() for run in group[:1]]  # other seeds sample other attempts: nothing to pair
        values |= {name: _over([one[name] for one in written], names, True) for name in written[0]}
    return values


def _over(parts: Sequence[Part], entities: Sequence[str], share: bool) -> Value | None:
    """Sum / sum over seeds of the same items; None where nothing is counted."""
    top, bottom = np.mean([one for one, _ in parts], axis=0), parts[0][1]
    if not (n := int(bottom.sum())):
        return None
    with np.errstate(invalid="ignore", divide="ignore"):  # a draw may hold nothing that counts
        drawn = percentile_interval(bootstrap_draws(lambda w: (w @ top) / (w @ bottom), entities))
    value, each = float(top.sum() / n), [float(one.sum() / n) for one, _ in parts]
    sd = float(np.std(each, ddof=1)) if len(each) > 1 else None
    return Value(value, bounds(value, drawn, n if share else None), sd, n)


def _of_oracle(label: str, scores: Mapping[str, Floats], entities: Sequence[str]) -> Value | None:
    """What a system gains on the form alone / what ILF by the oracle does, both paired."""
    if label in (FORM, ORACLE) or not {FORM, ORACLE} <= scores.keys():
        return None
    ours, oracle = scores[label] - scores[FORM], scores[ORACLE] - scores[FORM]
    interval = percentile_interval(bootstrap_draws(partial(_mean, oracle), entities))
    if not interval or interval[0] <= 0 <= interval[1]:
        return None  # a share of nothing has no meaning
    with np.errstate(invalid="ignore", divide="ignore"):  # a draw may hold nobody whom the oracle helps
        draws = bootstrap_draws(lambda w: (w @ ours) / (w @ oracle), entities)
    return Value(float(ours.sum() / oracle.sum()), percentile_interval(draws))


def _mean(values: Floats, weights: Floats) -> Floats:
    found: Floats = weights @ values / weights.sum(-1)
    return found


if __name__ == "__main__":
    COMMAND.run(main)
