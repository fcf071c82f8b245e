"""The report's part on what a model knows of its own knowledge: abstention, its signals, exposure, and probes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from configs.keys import modules
from eval.probes import FOLDER
from eval.probes import probe as probe_of
from eval.report.html import Cell, Row, Table, in_words, render, share, words
from eval.report.measures import defined, measure_cell, measures, nested
from eval.results import given
from eval.results.selective_metrics import BY_SYSTEM, MAIN, METRICS
from eval.signals import registered

PAIRS = {
    "answerable": "told or never told",
    "absent_attribute": "told or unknown fact",
    "absent_entity": "told or unknown person",
    "withheld": "told or withheld",
    "unanswerable": "told or unanswerable",
    "right": "right or wrong",
}


def abstention(
    test: Mapping[str, Any], handed: Mapping[str, Any] | None = None, reworded: Mapping[str, Any] | None = None
) -> Markup:
    """The metrics of the test fold: the main ones, then the others folded away.

    Beside the main ones stand those of the same questions in wordings that the corpus never used, and `handed`, of the
    system that is given the statement form.
    """
    columns = {words(str(test.get("policy", "policy"))): test}
    if reworded:
        columns["the same, reworded"] = reworded
    if handed:
        columns[words(given.marked(str(handed["policy"])))] = handed
    asked = test["n_by_class"]
    main = [
        Row(
            METRICS[name].title,
            [_asked(name, measures.get(name), asked) for measures in columns.values()],
            METRICS[name].about,
        )
        for name in MAIN
        if defined(test.get(name))
    ]
    rest = [
        Row(" › ".join(map(words, path)), [_asked(path[0], measure, asked)], _about(path[0]))
        for path, measure in measures(test)
        if path[0] not in MAIN
    ]
    return render(
        "abstention",
        test=test,
        main=Table(("answered and withheld by", *columns), main, "narrow"),
        rest=Table((), rest, "narrow"),
    )


def systems(
    found: Mapping[str, Mapping[str, Any]], handed: Mapping[str, Mapping[str, Any]], asked: Mapping[str, int]
) -> Markup:
    """The metrics of each system, the main ones first; `asked` says how many questions each class has.

    `handed` are those that are given the statement form; of them only what it makes different is shown.
    """
    names = [name for name in BY_SYSTEM if any(name in metrics for metrics in found.values())]
    shown = dict(found) | {given.marked(name): m for name, m in handed.items() if m != found.get(name)}
    rows = [
        Row(words(system), [_asked(name, metrics.get(name), asked) for name in names])
        for system, metrics in shown.items()
    ]
    return render("systems", table=Table(("", *(METRICS[name].title or words(name) for name in names)), rows))


def signals(found: Mapping[str, Mapping[str, Any]]) -> Markup:
    """Each signal alone, beside the policy's score."""
    shown = [pair for pair in PAIRS if any(pair in by for by in found.values())]
    rows = [
        Row(words(name), [*(measure_cell(by.get(pair)) for pair in shown), _difference(by)], _signal(name))
        for name, by in found.items()
    ]
    return render("signals", table=Table(("signal", *(PAIRS[pair] for pair in shown), "difference"), rows))


def exposure(curve: Mapping[str, Any]) -> Markup:
    """In words and as a table what `eval.results.fact_frequency.exposure_curve` found; the figure stands beside it."""
    rows = [
        Row(
            f"{at['documents']:,}",
            [
                Cell(f"{at['n']:,}", (f"on {at['entities']:,}",)),
                *(share(at[of]["value"], at[of]["interval"], at["n"]) for of in ("right", "right_cited", "withheld")),
            ],
        )
        for at in curve["by_documents"]
    ]
    heads = ("documents", "questions, on entities", "right, %", "right and cited, %", "withheld, %")
    said = {name: in_words(**curve[name]) for name in ("singletons", "error", "never_told")}
    return render("exposure", curve=curve, said=said, table=Table(heads, rows, "narrow"))


def probe(name: str, found: Mapping[str, Any]) -> Markup:
    """One probe: a sentence of explanation where it is known, then all that it found."""
    known = probe_of(name) if name in modules(FOLDER) else None
    title, about = (known.title, known.about) if known else (words(name).capitalize(), "")
    return render("probe", title=title, about=about, tables=nested(found))


def _asked(name: str, measure: Mapping[str, Any] | None, asked: Mapping[str, int]) -> Cell:
    """The cell of a metric, whose denominator is known from its name."""
    return measure_cell(measure, sum(asked.get(kind, 0) for kind in METRICS[name].of) if name in METRICS else 0)


def _about(name: str) -> str:
    return METRICS[name].about if name in METRICS else ""


def _signal(name: str) -> str:
    """What a signal is; "" for the score of a system."""
    return registered()[name].about if name in registered() else ""


def _difference(by: Mapping[str, Any]) -> Cell:
    """From the policy's score, over its p."""
    measure = by.get("difference")
    cell = measure_cell(measure)
    if measure is None or measure.get("p") is None:
        return cell
    p = "p < 0.001" if measure["p"] < 0.001 else f"p = {measure['p']:.3f}"
    return Cell(cell.text, (*cell.below, p))
