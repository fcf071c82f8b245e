"""The report's headline and its tables of right answers with right sources, ours beside the floors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from eval.grading.attribution import measured
from eval.metrics.rule_of_three import bounds
from eval.report.html import share, words
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


def headline(results: Mapping[str, Any]) -> Iterator[str]:
    """The main numbers as sentences."""
    part = results["attribution"].get("never_tuned")
    if part is None or not part["n"]:
        yield '<p class="headline">No questions about documents on which none was tuned were asked.</p>'
    else:
        yield (
            f'<p class="headline">Of {part["n"]:,} questions about documents on which none was tuned, '
            f"<strong>{_said(part, 'joint')}</strong> got the exact answer <em>and</em>, as first source, "
            "a document that says so.</p>"
        )
        sentences = []
        sentences.append(f"The answer alone was right for {_said(part, 'answer_em')}.")
        if part["citation"] is not None:
            sentences.append(f"Where it was right, the first source was right for {_said(part, 'citation')}.")
        if part["valid_unconstrained"] is not None:
            valid = _said(part, "valid_unconstrained")
            sentences.append(f"Left unconstrained, {valid} of the citations named a document that exists.")
        compared = [n for n in part["floors"] if n in FLOORS]
        if floors := [f"{FLOORS[n]} {percent(part['floors'][n]['cited'])}%" for n in compared]:
            sentences.append(f"Whatever the answer, its first source was right for {percent(part['cited'])}%;")
            sentences.append(f"for comparison: {', '.join(floors)}.")
        if more := pseudo_questions(results.get("config") or {}):
            sentences.append(more.strip())
        yield f"<p>{escape(' '.join(sentences))}</p>"
    if results["bits_per_byte"] is not None:
        yield f"<p>Language modelling on held-out documents: {results['bits_per_byte']:.3f} bits per byte.</p>"
    if results["single_run"]:
        yield (
            '<p class="muted">A single run: the intervals (95%, entities resampled) cover the choice of questions, '
            "not the choice of seed. Beside 0% and 100%, where resampling has no spread, stands the rule of three.</p>"
        )


def attribution(part: Mapping[str, Any], handed: Mapping[str, Mapping[str, Any]] = EMPTY) -> Iterator[str]:
    """Of one split: what was counted, and all metrics of all systems; last those that are given the statement form."""
    outcomes = ", ".join(f"{count:,} {words(name)}" for name, count in part["outcomes"].items() if count)
    text = f"{part['n']:,} questions the corpus answers, {part['n_absent']:,} it does not. Predictions: "
    yield f'<p class="muted">{text}{escape(outcomes or "none")}, {part["missing"]:,} missing.</p>'
    heads = "".join(f'<th title="{escape(metric.about)}">{metric.title}</th>' for metric in measured(part).values())
    several = part["by_support_class"].get("multi", {}).get("n")
    rows = [_row(part["system"], part, several, ' class="ours"')]
    rows += [_row(name, floor, several, "") for name, floor in part["floors"].items()]
    rows += [_row(given.marked(name), system, several, "") for name, system in handed.items()]
    yield (
        f'<div class="scroll"><table><thead><tr><th>%</th>{heads}<th title="how far our Cited is ahead, paired">'
        f"Our margin</th></tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _row(name: str, part: Mapping[str, Any], several: int | None, attributes: str) -> str:
    margin = part.get("margin", {"value": None, "interval": None})
    cells = [share(part[metric], part["intervals"][metric], _asked(part, metric, several)) for metric in measured(part)]
    cells.append(share(margin["value"], margin["interval"]))
    return f"<tr{attributes}><td>{escape(words(name))}</td>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _said(part: Mapping[str, Any], metric: str) -> str:
    if part[metric] is None:
        return "an unknown share"
    found = bounds(part[metric], part["intervals"][metric], _asked(part, metric))
    low_high = f" ({100 * found[0]:.1f} to {100 * found[1]:.1f})" if found else ""
    return f"{percent(part[metric])}%{low_high}"


def _asked(part: Mapping[str, Any], metric: str, several: int | None = None) -> int | None:
    """Of how many questions a metric is a share; None when the results do not say.

    Args:
        several: how many questions have several supporting documents.
    """
    if metric in ("citation", "hits10"):
        return None if part["answer_em"] is None else round(part["answer_em"] * part["n"])
    return {"set_recall": several, "valid_unconstrained": None}.get(metric, part["n"])
