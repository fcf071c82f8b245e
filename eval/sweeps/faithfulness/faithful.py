"""Is the citation caused by the document? The table of a family of runs.

    python -m eval.sweeps.faithfulness.faithful runs/faithful

Finds the runs in and below the folders that were denied documents or told others' identifiers (counterfactual.*), puts
those together that differ in nothing but the member and the seed, and gives for each system what
eval/metrics/citation_effect.py measures, with intervals that resample documents and runs. What a group found of each
document and of each fact is written beside the table, as faithful_items.json. Systems:

    its own statement, recited; the answer in dialogue
    by its policy            what eval.ask says, which may be nothing: on the test fold, since the others were fitted on
    the names alone          the floor that reads identifiers and no documents: it must fail all but `cited10`
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hydra.experimental.callback import Callback

from data.atomic import write_json
from data.pipeline.counterfactual import Counterfactual, CounterfactualConfig
from data.records import Document, Prediction, Question, read_jsonl
from data.storage.shards import read_index
from eval.answerers.floors import QuestionOnly
from eval.compare import find
from eval.grading.attribution import EVERY, RANKS, grade
from eval.grading.counterfactual import Item, Member, exchanged, facts, left_out, untouched
from eval.metrics.citation_effect import EXCHANGED, LEFT_OUT, measured, rates
from eval.metrics.rule_of_three import bounds
from eval.results.recorded import record_sweep
from eval.results.results import flatten, read_results
from eval.results.table import Column, Row, Value
from eval.selective.policy import read_policies
from eval.sweeps.shown import of_runs

COMMAND = of_runs(
    "faithfulness.faithful",
    "Say of families of runs whether their citations are caused by the documents.",
)
NOT_IDENTITY = ("seed", "sft.seed", "run_dir", "counterfactual.member")
RECITED, DIALOGUE, POLICY, NAMES = "recited", "in dialogue", "by its policy, test fold", "the names alone"
ITEMS = "faithful_items.json"
COLUMNS = (
    Column("lcd", "LCD", "", 3, "higher"),
    Column("lcd_multi", "LCD, several sources", "", 3, "higher"),
    Column("phantom", "phantom", "%", 1, "lower"),
    Column("reroute", "re-routed", "%", 1, "higher"),
    Column("retention", "answer kept", "%", 1, "higher"),
    Column("abstained", "withheld, no source read", "%", 1, "higher"),
    Column("abstained_told", "withheld, a source read", "%", 1, "lower"),
    Column("tracking", "tracking", "%", 1, "higher"),
    Column("leak", "leak", "%", 1, "lower"),
    Column("surname_tracking", "tracking under surnames", "%", 1, "lower"),
    Column("joint", "joint, untouched", "%", 1, "higher"),
    Column("cited10", "among the first 10, untouched", "%", 1, "higher"),
)
NOTE = (
    "Intervals hold 95% and resample documents and runs, each for themselves. Untouched: facts whose sources were all "
    "read under identifiers of their own."
)


@dataclass(frozen=True)
class FamilyRun:
    """A run that was denied something: its configuration, and what stands in its directory."""

    folder: Path
    config: Mapping[str, Any]
    seed: int

    @property
    def identity(self) -> str:
        kept = {key: value for key, value in flatten(self.config).items() if key not in NOT_IDENTITY}
        return json.dumps(kept, sort_keys=True)

    def leaks(self) -> bool:
        """Whether identifiers are the corpus's own, which may say what their documents are about."""
        return bool(self.config["ids"]["scheme"] == "given")


class Table(Callback):
    """Hydra's callback that ends a sweep with the table."""

    def on_multirun_end(self, config: Any, **_: Any) -> None:
        groups = _shown([config.run_dir])
        rows = [row for group in groups for row in group.rows]
        best = next((i for i, row in enumerate(rows) if row.values["lcd"]), None)
        title = "Is the citation caused by the document?"
        record_sweep(config, find([config.run_dir]), COLUMNS, rows, title=title, note=NOTE, headline=best)


@dataclass(frozen=True)
class Group:
    """Runs that differ in the member and the seed only: a row for each system, and what it found item by item."""

    rows: list[Row]
    items: dict[str, Any]


def main(_: Mapping[str, str], folders: Sequence[str]) -> None:
    _shown(folders)


def _shown(folders: Sequence[str]) -> list[Group]:
    groups = table(list(family_runs(folders)))
    for group in groups:
        for row in group.rows:
            said = (f"{key} {_words(value)}" for key, value in row.values.items() if value)
            print(f"{row.system} ({len(row.seeds)} runs): {', '.join(said)}")
    write_json(Path(folders[0]) / ITEMS, {name: found for group in groups for name, found in group.items.items()})
    return groups


def family_runs(folders: Sequence[str]) -> Iterator[FamilyRun]:
    for path in find(folders):
        results = read_results(path)
        if CounterfactualConfig(**results["config"].get("counterfactual", {})).active:
            yield FamilyRun(path.parent, results["config"], results["seed"])


def table(runs: Sequence[FamilyRun]) -> list[Group]:
    """The groups in order of first appearance. Raises ValueError where no run was denied anything."""
    if not runs:
        raise ValueError("no run here left documents out or exchanged identifiers (counterfactual.*)")
    by_identity: dict[str, list[FamilyRun]] = {}
    for run in sorted(runs, key=FamilyRun.leaks):  # the control last
        by_identity.setdefault(run.identity, []).append(run)
    named = [(_label(group[0], [other[0] for other in by_identity.values()]), group) for group in by_identity.values()]
    found = [_group(label, group) for label, group in named]
    surnames = {
        row.system.removeprefix(label): row.values["tracking"]
        for (label, group), one in zip(named, found, strict=True)
        if group[0].leaks()
        for row in one.rows
    }
    for (label, group), one in zip(named, found, strict=True):
        for row in () if group[0].leaks() else one.rows:
            assert isinstance(row.values, dict)
            row.values["surname_tracking"] = surnames.get(row.system.removeprefix(label))
    return found


def _label(run: FamilyRun, others: Sequence[FamilyRun]) -> str:
    """What tells a group from the others: its identifiers, or, where these do not, every key that differs."""
    mine, theirs = flatten(run.config), [flatten(other.config) for other in others]
    keys = ["ids.scheme"]
    if sum(one["ids.scheme"] == mine["ids.scheme"] for one in theirs) > 1:
        keys = [key for key in mine if key not in NOT_IDENTITY and any(mine[key] != one.get(key) for one in theirs)]
    return ", ".join(f"{key}={mine[key]}" for key in keys) + ", "


def family_members(runs: Sequence[FamilyRun]) -> tuple[dict[str, list[Member]], list[Question]]:
    """What each system said in the runs of a family, and the facts that were asked for."""
    systems: dict[str, list[Member]] = {}
    asked: list[Question] = []
    for number, run in enumerate(runs):
        documents = list(read_index(run.folder / "prepare"))
        questions = list(read_jsonl(run.folder / "prepare" / "questions.jsonl", Question))
        family = Counterfactual.draw(CounterfactualConfig(**run.config["counterfactual"]), documents, questions)
        labels = [document.id for document in documents]
        asked = facts(questions)
        for system, said in _said(run, family, documents, asked).items():
            member = Member(number, family, labels, {p.question: p for p in said})
            systems.setdefault(system, []).append(member)
    return systems, asked


def _group(label: str, runs: Sequence[FamilyRun]) -> Group:
    systems, asked = family_members(runs)
    rows, items = [], {}
    for system, members in systems.items():
        shown = ["cited10"] if system == NAMES else ["joint", "cited10"]
        if system != NAMES and runs[0].config["eval"]["citations"] < RANKS:
            shown.remove("cited10")  # which needs ten
        values, found = _measures(members, asked, shown)
        seeds = tuple(runs[member.run].seed for member in members)
        rows.append(Row(label + system, values, seeds=seeds))
        items[label + system] = found
    return Group(rows, items)


def _said(
    run: FamilyRun, family: Counterfactual, documents: Sequence[Document], asked: Sequence[Question]
) -> dict[str, list[Prediction]]:
    """What each system said in a run."""
    files = {RECITED: "statements/cloze.jsonl", DIALOGUE: "answer/whence.jsonl"}
    found = {
        system: list(read_jsonl(run.folder / name, Prediction))
        for system, name in files.items()
        if (run.folder / name).exists()
    }
    policies, forced = read_policies(run.folder / "policy.json"), run.folder / "statements" / "declarative.jsonl"
    if policies and forced.exists():
        fold = {q.id for q in asked if q.fold == "test"}
        tested = [p for p in read_jsonl(forced, Prediction) if p.question in fold]
        found[POLICY] = next(iter(policies.values())).apply(tested)
    if run.leaks():
        shown = {d.id: documents[family.bears.get(i, i)].id for i, d in enumerate(documents)}
        found[NAMES] = QuestionOnly(shown).answer(asked)
    return found


def _measures(
    members: Sequence[Member], asked: Sequence[Question], untouched_metrics: Sequence[str]
) -> tuple[dict[str, Value | None], dict[str, Any]]:
    """The figures of one system by the keys of `COLUMNS`, and LCD and phantom rate by document and by fact.

    Args:
        untouched_metrics: of attribution, on what is untouched. A system without "joint" says nothing but citations.
    """
    items, of_left_out = left_out(members, asked)
    swapped, of_exchanged = exchanged(members, asked)
    values: dict[str, Value | None] = {column.key: None for column in COLUMNS}
    for key, statistic in LEFT_OUT.items():
        if "joint" in untouched_metrics or key not in ("retention", "abstained", "abstained_told"):
            values[key] = figure_of(statistic(of_left_out), items, share=key not in ("lcd", "lcd_multi"))
    for key, made in EXCHANGED.items():
        values[key] = figure_of(made(of_exchanged), swapped)
    plain = untouched(members, asked)
    clusters = [(q.support[0], member.run) for member, q, _ in plain]
    graded = [grade([q], [p])[0] for _, q, p in plain]
    for key in untouched_metrics:
        terms = np.array([EVERY[key].term(g) for g in graded], dtype=float).reshape(-1, 2)
        values[key] = figure_of(lambda w, terms=terms: w @ terms[:, 0] / (w @ terms[:, 1]), _items(clusters))
    found = {
        "documents": rates([item.document for item in items], of_left_out),
        "facts": rates([item.question for item in items], of_left_out),
    }
    return values, found


def _items(clusters: Sequence[tuple[str, int]]) -> list[Item]:
    return [Item(run, document, "") for document, run in clusters]


def figure_of(statistic: Any, items: Sequence[Item], share: bool = True) -> Value | None:
    if not items:
        return None
    documents = [item.document for item in items]
    found = measured(statistic, documents, [item.run for item in items])
    if found["value"] is None:
        return None
    # What never happened, or always did, has no width by resampling; of trials there are as many as documents, at most.
    bounded = bounds(found["value"], found["interval"], len({*documents}) if share else None)
    return Value(found["value"], bounded, None, len(items))


def _words(value: Value) -> str:
    bounds = f" [{value.interval[0]:.3f}, {value.interval[1]:.3f}]" if value.interval else ""
    return f"{value.value:.3f}{bounds}"


if __name__ == "__main__":
    COMMAND.run(main)
