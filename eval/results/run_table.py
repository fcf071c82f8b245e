"""The tables of one run, from its results.json.

Answers and sources, on documents on which no question was tuned; and what it knows of its ignorance, where that is
measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from eval.results import given
from eval.results.table import Column, Row, Table, Value

SPLIT = "never_tuned"
COLUMNS = (
    Column("joint", "joint", "%", 1, "higher"),
    Column("answer_em", "answer", "%", 1, "higher"),
    Column("citation", "citation given a right answer", "%", 1, "higher"),
    Column("cited", "cited, answer ignored", "%", 1, "higher"),
    Column("cited10", "among the first 10", "%", 1, "higher"),
)
COSTS = (
    Column("megabytes", "MB held at question time", "", 1, "lower"),
    Column("milliseconds", "ms a question", "", 1, "lower"),
)
WHENCE = {  # by the answer format
    "direct": "whence, cited after the answer",
    "cite_first": "whence, cited before the answer",
    "evidence_first": "whence, its evidence cited",
    "recite": "whence, cited, recited, then answered",
}
SYSTEMS = {
    "whence_hi": "whence, asked for good sources",
    "whence_lo": "whence, asked for bad sources",
    "whence_guided": "whence, guided from bad sources to good ones",
    "declarative": "whence, answer restated",
    "cloze": "whence, recited",
    "evidence": "whence, of several sentences of evidence",
    "bm25": "BM25 over the documents",
    "dense": "dense retriever over the documents",
    "sentence_trie": "whence, its evidence one of the corpus's sentences",
    "open_book": "BM25 finds a sentence of the corpus, whence reads it",
    "question_only": "question only",
    "most_frequent": "most frequent",
    "oracle": "ledger oracle",
}


def run_table(results: Mapping[str, Any], command: str | None, machine: str, date: str) -> Table:
    """Our system first, which is the headline; then the others; last those that are given the statement form.

    A run without questions has a table without rows.
    """
    part = results["attribution"].get(SPLIT)
    ours = {part["system"]: part, **part["floors"]} if part else {}
    seeds = () if results["seed"] is None else (results["seed"],)
    called = SYSTEMS | {"whence": WHENCE[results["config"].get("answer_format", "direct")]}

    costs = results.get("costs", {})  # none in what was measured before they were

    def row(system: str, measured: Mapping[str, Any], handed: bool) -> Row:
        values = {column.key: measure(measured, column.key) for column in COLUMNS}
        if costs:
            spent = None if handed else costs.get(system)
            values["megabytes"] = Value(spent["bytes"] / 1e6) if spent else None
            values["milliseconds"] = Value(spent["seconds"] * 1e3) if spent else None
        return Row(called.get(system, system), values, handed, seeds)

    return Table(
        name=results["name"],
        title="Right answers and right sources, on documents on which no question was tuned",
        command=command,
        revision=results["git"],
        machine=machine,
        date=date,
        columns=[*COLUMNS, *(COSTS if costs else ())],
        rows=[
            *(row(system, measured, False) for system, measured in ours.items()),
            *(row(system, measured, True) for system, measured in given.systems_of(results, SPLIT).items()),
        ],
        note="A single run; intervals hold 95% and resample entities." + pseudo_questions(results["config"]),
        headline=0 if ours else None,
    )


def pseudo_questions(config: Mapping[str, Any]) -> str:
    """What was trained on beside the corpus's questions, in a sentence that begins with a space; "" for nothing."""
    crops, own = (config.get(name, {}) for name in ("crops", "self_questions"))
    kinds = [
        *(["made of all documents' own words (crops.fraction)"] if crops.get("fraction") else []),
        *(["that ask what a named document says (crops.from_source)"] if crops.get("from_source") else []),
        *(["that the model wrote itself for all documents (self_questions.each)"] if own.get("each") else []),
    ]
    return f" Pseudo-questions were trained on, too: those {' and those '.join(kinds)}." if kinds else ""


def knowing_table(results: Mapping[str, Any], command: str | None, machine: str, date: str) -> Table | None:
    """Abstention on the test fold: of the run's policy, of the same in other words, and given the statement form.

    None where abstention was not measured.
    """
    from eval.results.selective_metrics import MAIN  # torch, which a table of attribution does not need

    seeds = () if results["seed"] is None else (results["seed"],)
    rows = [Row(name, figures(part, MAIN), is_given, seeds) for name, part, is_given in knowing_parts(results)]
    if not rows:
        return None
    shown = [name for name in MAIN if any(row.values[name] for row in rows)]
    rows = [replace(row, values={name: row.values[name] for name in shown}) for row in rows]
    return Table(
        name=f"{results['name']}_abstention",
        title="What it knows of its ignorance, on the test fold",
        command=command,
        revision=results["git"],
        machine=machine,
        date=date,
        columns=knowing_columns(shown),
        rows=rows,
        note="A single run; intervals hold 95% and resample entities.",
        headline=0,
    )


def knowing_parts(results: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any], bool]]:
    """What was measured of abstention on the test fold: how it was asked, the metrics, and whether it was given the
    statement form. Nothing where abstention was not measured.
    """
    own, handed = (part.get("abstention", {}) for part in (results, results.get("given", {})))
    if "test" not in own:
        return []
    parts = (
        ("its own statements", own["test"], False),
        ("its own statements, questions reworded", own.get("reworded"), False),
        ("statements of the corpus", handed.get("test"), True),
    )
    return [(name, part, is_given) for name, part, is_given in parts if part]


def knowing_columns(metrics: Sequence[str]) -> list[Column]:
    """A column for each metric of abstention: shares per cent, the others as they are."""
    from eval.results.selective_metrics import METRICS

    return [
        Column(
            n,
            METRICS[n].title,
            *(("", 3) if n.startswith("auroc") or n.endswith("ece") else ("%", 1)),
            METRICS[n].better,
        )
        for n in metrics
    ]


def figures(part: Mapping[str, Any], metrics: Sequence[str]) -> dict[str, Value | None]:
    found: dict[str, Value | None] = {}
    for name in metrics:
        measured = part.get(name) or {"value": None}
        interval = measured.get("interval")
        known = measured["value"] is not None and not math.isnan(measured["value"])
        found[name] = Value(measured["value"], tuple(interval) if interval else None) if known else None
    return found


def measure(part: Mapping[str, Any], metric: str) -> Value | None:
    """A metric of one system's attribution, with its interval and the number of questions it is over, where known."""
    if (value := part[metric]) is None:
        return None
    interval = part["intervals"][metric]
    n = {"citation": round(part["n"] * (part["answer_em"] or 0)), "valid_unconstrained": None}.get(metric, part["n"])
    return Value(value, (interval[0], interval[1]) if interval else None, None, n)
