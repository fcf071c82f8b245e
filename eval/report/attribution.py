"""The report's headline and its tables of right answers with right sources, ours beside the floors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from markupsafe import Markup

from eval.grading.attribution import measured
from eval.report.html import Row, Table, in_words, render, share, words
from eval.results import given
from eval.results.results import EMPTY, percent
from eval.results.run_table import pseudo_questions

FLOORS = {
    "uniform": "a random document",
    "most_frequent": "the most cited documents",
    "question_only": "the question's words against the identifiers",
    "bm25": "BM25, which searches the corpus,",
    "sentence_trie": "the model bound to the corpus's sentences",
    "open_book": "the model reading what BM25 finds in the corpus",
}


MARGIN = "Our margin"


def headline(results: Mapping[str, Any]) -> Markup:
    """The main numbers as sentences."""
    part = results["attribution"].get("never_tuned")
    said: dict[str, str] = {}
    floors: list[str] = []
    if part and part["n"]:
        for metric in ("joint", "answer_em", "citation", "valid_unconstrained"):
            said[metric] = in_words(part[metric], part["intervals"][metric], _asked(part, metric))
        floors = [f"{FLOORS[name]} {percent(of['cited'])}%" for name, of in part["floors"].items() if name in FLOORS]
    more = pseudo_questions(results.get("config") or {}).strip()
    return render("headline", part=part, said=said, floors=floors, more=more, results=results)


def attribution(part: Mapping[str, Any], handed: Mapping[str, Mapping[str, Any]] = EMPTY) -> Markup:
    """Of one split: what was counted, and all metrics of all systems; last those that are given the statement form."""
    metrics = measured(part)
    several = part["by_support_class"].get("multi", {}).get("n")
    rows = [_row(part["system"], part, metrics, several)._replace(kind="ours")]
    rows += [_row(name, floor, metrics, several) for name, floor in part["floors"].items()]
    rows += [_row(given.marked(name), system, metrics, several) for name, system in handed.items()]
    abouts = {metric.title: metric.about for metric in metrics.values()}
    abouts[MARGIN] = "how far our Cited is ahead, paired"
    return render("attribution", part=part, table=Table(("%", *abouts), rows, abouts=abouts))


def _row(name: str, part: Mapping[str, Any], metrics: Iterable[str], several: int | None) -> Row:
    margin = part.get("margin", {"value": None, "interval": None})
    cells = [
        share(part.get(metric), part["intervals"].get(metric), _asked(part, metric, several)) for metric in metrics
    ]
    return Row(words(name), [*cells, share(margin["value"], margin["interval"])])


def _asked(part: Mapping[str, Any], metric: str, several: int | None = None) -> int | None:
    """Of how many questions a metric is a share; None when the results do not say.

    Args:
        several: how many questions have several supporting documents.
    """
    if metric in ("citation", "hits10"):
        return None if part["answer_em"] is None else round(part["answer_em"] * part["n"])
    return {"set_recall": several, "valid_unconstrained": None}.get(metric, part["n"])
