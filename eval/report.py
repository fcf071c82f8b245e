"""report.html: what a run learnt, on one page that needs nothing else.

The page loads nothing from elsewhere: figures are inline SVG, the style sheet is in its head. Documents, questions and
answers are text from outside: every piece of text is escaped. The same figures and the headline numbers go to
TensorBoard where a folder is given.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from torch.utils.tensorboard import SummaryWriter

from data.records import Document, Prediction, Question
from eval.attribution import METRICS, Grade, grade, normalise
from eval.plots import Curves, breakdown_figure, comparison_figure, loss_figure, svg
from eval.results import EMPTY, flatten, percent

EXAMPLES = 3  # of each kind
SPLITS = {
    "never_tuned": "Documents never used in tuning",
    "in_domain": "Documents used in tuning, other questions",
}
COLUMNS = {
    "joint": ("Joint", "answer exactly right and the first citation says so"),
    "answer_em": ("Answer", "answer exactly right"),
    "citation": ("Citation", "first citation says so, given that the answer is right"),
    "hits10": ("Hits@10", "any of the first ten says so, given that the answer is right"),
    "cited": ("Cited", "first citation says so, whatever the answer"),
    "cited10": ("Cited@10", "any of the first ten says so, whatever the answer"),
    "valid_unconstrained": ("Valid", "citations decoded without constraint that name a document of the corpus"),
    "set_recall": ("Set recall", "share of all supporting documents, where there are several"),
}
assert list(COLUMNS) == list(METRICS)
KNOWING = {
    "smooth_ece": ("Calibration error", "smooth ECE of the confidence, over all questions"),
    "auroc_forced": ("Right or wrong", "AUROC of the score, right against wrong answers to told questions"),
    "auroc_told": ("Told or never told", "AUROC of the score, told against never told"),
    "recall_absent_entity": ("Abstains: unknown person", "of questions on people never mentioned"),
    "recall_absent_attribute": ("Abstains: unknown fact", "of questions on what was never said of a known person"),
    "over_abstention": ("Abstains wrongly", "of told questions"),
    "false_citation": ("False citations", "never-told questions answered with a source"),
    "false_premise_balanced": ("False premises", "mean of false ones not answered and true twins answered"),
    "accuracy_free": ("Right when free to abstain", "of told questions; withheld answers count as wrong"),
}
KINDS: Mapping[str, Callable[[Grade], bool]] = {
    "Right answer, right source": lambda g: bool(g.right) and g.cited,
    "Right answer, wrong source": lambda g: bool(g.right) and not g.cited,
    "Wrong answer": lambda g: g.right is False and _outcome(g) in ("answered", "no_source"),
    "No answer, though a document has it": lambda g: _outcome(g) in ("abstained", "false_premise"),
    "Unparseable": lambda g: _outcome(g) == "unparseable",
}
STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 62rem; overflow-wrap: anywhere;
  background: #fff; color: #1f2933; font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 .25rem; }
h2 { font-size: 1.25rem; margin: 2.75rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.75rem 0 .5rem; }
p { margin: .5rem 0; }
.muted { color: #5f6c7b; font-size: .875rem; font-weight: 400; }
.headline { font-size: 1.1rem; border-left: 4px solid #2b6cb0; padding: .25rem 0 .25rem 1rem; margin: 1rem 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .8125rem; width: 100%; }
th, td { text-align: right; padding: .4rem .35rem; border-bottom: 1px solid #e3e7ec; white-space: nowrap;
  font-variant-numeric: tabular-nums; vertical-align: top; }
th:first-child, td:first-child { text-align: left; }
thead th { color: #5f6c7b; font-weight: 600; }
.ours td { font-weight: 600; background: #f1f6fc; }
.interval { display: block; color: #5f6c7b; font-weight: 400; font-size: .6875rem; }
dl { font-size: .875rem; display: grid; grid-template-columns: max-content 1fr; gap: .1rem .75rem; }
dt { color: #5f6c7b; }
dd { margin: 0; }
svg { width: 100%; max-width: 38rem; height: auto; display: block; margin: .75rem 0; }
svg text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, sans-serif !important; }
.example { border: 1px solid #e3e7ec; border-radius: 8px; padding: .75rem 1rem; margin: .75rem 0; }
.example > p { margin: .1rem 0; }
.sides { display: grid; gap: .75rem; margin-top: .6rem;
  grid-template-columns: repeat(auto-fit, minmax(min(18rem, 100%), 1fr)); }
.document { background: #f7f9fb; border-radius: 6px; padding: .6rem .8rem; font-size: .875rem; }
.document h4 { margin: 0 0 .25rem; font-size: .8rem; color: #5f6c7b; font-weight: 600; }
mark { background: #fdeeb5; color: inherit; border-radius: 2px; padding: 0 .1em; }
.config td { white-space: normal; text-align: left; }
summary { cursor: pointer; }
"""


def write_report(
    folder: Path,
    results: Mapping[str, Any],
    curves: Curves,
    questions: Sequence[Question],
    predictions: Sequence[Prediction],
    documents: Sequence[Document],
    tensorboard: Path | None = None,
    knowing: Mapping[str, Figure] = EMPTY,
) -> Path:
    """Write report.html into the folder, whole or not at all, and the same figures for TensorBoard.

    Args:
        results: as documented in eval/results.py.
        curves: for each stage the rows of its metrics.jsonl.
        questions, predictions: those of our model that the results were made from, for the examples.
        documents: the corpus, to show what was cited.
        tensorboard: where TensorBoard's event files go; None for none.
        knowing: figures of abstention on the test fold, by name, for the section of that name.

    Returns:
        the path of the page.
    """
    figures = _figures(results, curves) | {f"knowing/{name}": figure for name, figure in knowing.items()}
    grades = grade(questions, predictions)
    page = _page(results, figures, grades, {document.id: document for document in documents})
    path = folder / "report.html"
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(page, encoding="utf-8")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    if tensorboard is not None:
        _write_tensorboard(tensorboard, results, figures)
    return path


def _figures(results: Mapping[str, Any], curves: Curves) -> dict[str, Figure]:
    figures = {}
    for split, part in _splits(results):
        figures[f"{split}/cited"] = comparison_figure(part, "How often the first citation supports the answer")
        figures[f"{split}/attribute"] = breakdown_figure(
            part, "by_attribute", "Right answer with a right source, by attribute"
        )
        figures[f"{split}/support"] = breakdown_figure(
            part, "by_support_class", "Right answer with a right source, by support class"
        )
    if any("loss" in row for rows in curves.values() for row in rows):
        figures["loss"] = loss_figure(curves)
    return figures


def _splits(results: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(split, results["attribution"][split]) for split in SPLITS if split in results["attribution"]]


def _write_tensorboard(folder: Path, results: Mapping[str, Any], figures: Mapping[str, Figure]) -> None:
    with SummaryWriter(log_dir=str(folder)) as writer:
        for name, figure in figures.items():
            writer.add_figure(f"report/{name}", figure)
        for split, part in _splits(results):
            for metric in METRICS:
                if part[metric] is not None:
                    writer.add_scalar(f"{split}/{metric}", part[metric])
        for key in ("bits_per_byte", "bits_per_byte_train"):
            if results[key] is not None:
                writer.add_scalar(key, results[key])


def _page(
    results: Mapping[str, Any],
    figures: Mapping[str, Figure],
    grades: Sequence[Grade],
    documents: Mapping[str, Document],
) -> str:
    drawn = {name: svg(figure, salt=name) for name, figure in figures.items()}
    body = [f"<h1>{escape(str(results['name']))}</h1>", *_headline(results)]
    for split, part in _splits(results):
        body += [f"<h2>{SPLITS[split]}</h2>", _counts(part), _table(part)]
        body += [drawn[f"{split}/{figure}"] for figure in ("cited", "attribute", "support")]
        body += [f"<h2>Examples: {SPLITS[split][0].lower()}{SPLITS[split][1:]}</h2>"] if split == "never_tuned" else []
        body += _examples([g for g in grades if g.question.split == split], documents) if split == "never_tuned" else []
    if test := results["abstention"].get("test"):
        body += ["<h2>Does it know what it does not know?</h2>", *_knowing(test)]
        body += [drawing for name, drawing in drawn.items() if name.startswith("knowing/")]
    if "loss" in drawn:
        body += ["<h2>Training</h2>", drawn["loss"]]
    body += ["<h2>What the columns mean</h2>", _definitions(COLUMNS.values())]
    body += ["<h2>The run</h2>", *_details(results)]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(str(results['name']))}: whence report</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def _headline(results: Mapping[str, Any]) -> Iterator[str]:
    """The main numbers as sentences."""
    part = results["attribution"].get("never_tuned")
    if part is None or not part["n"]:
        yield '<p class="headline">No questions about documents never used in tuning were asked.</p>'
    else:
        yield (
            f'<p class="headline">Of {part["n"]:,} questions about documents never used in tuning, '
            f"<strong>{_said(part, 'joint')}</strong> got the exact answer <em>and</em>, as first source, "
            "a document that says so.</p>"
        )
        sentences = [f"The answer alone was right for {_said(part, 'answer_em')}."]
        if part["citation"] is not None:
            sentences.append(f"Where it was right, the first source was right for {_said(part, 'citation')}.")
        if part["valid_unconstrained"] is not None:
            valid = _said(part, "valid_unconstrained")
            sentences.append(f"Left unconstrained, {valid} of the citations named a document that exists.")
        if floors := [f"{_NAMES.get(n, n)} {percent(f['cited'])}%" for n, f in part["floors"].items() if n != "oracle"]:
            sentences.append(f"Whatever the answer, its first source was right for {percent(part['cited'])}%;")
            sentences.append(f"for comparison: {', '.join(floors)}.")
        yield f"<p>{escape(' '.join(sentences))}</p>"
    if results["bits_per_byte"] is not None:
        yield f"<p>Language modelling on held-out documents: {results['bits_per_byte']:.3f} bits per byte.</p>"
    if results["single_run"]:
        yield (
            '<p class="muted">A single run: the intervals (95%, entities resampled) cover the choice of questions, '
            "not the choice of seed.</p>"
        )


_NAMES = {
    "uniform": "a random document",
    "most_frequent": "the most cited documents",
    "question_only": "the question's words against the identifiers",
    "bm25": "BM25, which searches the corpus,",
}


def _knowing(test: Mapping[str, Any]) -> Iterator[str]:
    counts = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in test["n_by_class"].items())
    yield (
        f'<p class="muted">{test["n"]:,} questions of the test fold ({escape(counts)}). Confidence is calibrated on '
        "another fold, the threshold of abstention chosen on a third; entities are in one fold only.</p>"
    )
    rows = []
    for name, (label, meaning) in KNOWING.items():
        if (metric := test.get(name)) is not None and metric["value"] is not None:
            low_high = metric["interval"]
            interval = f" [{low_high[0]:.3f}, {low_high[1]:.3f}]" if low_high else ""
            cells = f'<td>{label}</td><td>{metric["value"]:.3f}<span class="interval">{interval}</span></td>'
            rows.append(f'<tr>{cells}<td style="text-align:left;white-space:normal">{meaning}</td></tr>')
    yield f'<div class="scroll"><table>{"".join(rows)}</table></div>'


def _said(part: Mapping[str, Any], metric: str) -> str:
    interval = part["intervals"][metric]
    bounds = f" ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})" if interval else ""
    return f"{percent(part[metric])}%{bounds}" if part[metric] is not None else "an unknown share"


def _counts(part: Mapping[str, Any]) -> str:
    outcomes = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in part["outcomes"].items() if count)
    text = f"{part['n']:,} questions the corpus answers, {part['n_absent']:,} it does not. Predictions: "
    return f'<p class="muted">{text}{escape(outcomes or "none")}, {part["missing"]:,} missing.</p>'


def _table(part: Mapping[str, Any]) -> str:
    heads = "".join(f'<th title="{escape(what)}">{name}</th>' for name, what in COLUMNS.values())
    rows = [_row("whence", part, ' class="ours"')]
    rows += [_row(name, floor, "") for name, floor in part["floors"].items()]
    return (
        f'<div class="scroll"><table><thead><tr><th>%</th>{heads}<th title="how far our Cited is ahead, paired">'
        f"Our margin</th></tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _row(name: str, part: Mapping[str, Any], attributes: str) -> str:
    margin = part.get("margin", {"value": None, "interval": None})
    cells = [(part[metric], part["intervals"][metric]) for metric in METRICS] + [(margin["value"], margin["interval"])]
    shown = "BM25" if name == "bm25" else name.replace("_", " ")
    return f"<tr{attributes}><td>{escape(shown)}</td>{''.join(_cell(*cell) for cell in cells)}</tr>"


def _cell(value: float | None, interval: Sequence[float] | None) -> str:
    bounds = f'<span class="interval">{100 * interval[0]:.1f} to {100 * interval[1]:.1f}</span>' if interval else ""
    return f"<td>{percent(value)}{bounds}</td>"


def _definitions(items: Any) -> str:
    return "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{escape(what)}</dd>" for name, what in items) + "</dl>"


def _examples(grades: Sequence[Grade], documents: Mapping[str, Document]) -> Iterator[str]:
    """A few of each kind, drawn at random but the same every time."""
    for kind, belongs in KINDS.items():
        those = [g for g in grades if g.told and belongs(g)]
        yield f'<h3>{kind} <span class="muted">({len(those):,})</span></h3>'
        for g in random.Random(0).sample(those, min(EXAMPLES, len(those))):
            yield _example(g, documents)


def _example(g: Grade, documents: Mapping[str, Document]) -> str:
    assert g.prediction is not None
    question, answer, citations = g.question, g.prediction.answer, g.prediction.citations
    lines = [
        f"<p><strong>{escape(question.text)}</strong></p>",
        f'<p><span class="muted">Right answer</span> {escape(" or ".join(question.answers))}</p>',
        f'<p><span class="muted">Model</span> {escape(answer) if answer is not None else _outcome(g)}'
        + (f", citing {escape(citations[0].id)}{_probability(citations[0].probability)}" if citations else "")
        + "</p>",
    ]
    sides = []
    if citations:
        title = "Cited, and it says so" if g.cited else "Cited"
        said = [answer] if answer is not None else []
        sides.append(_document(title, citations[0].id, documents, said, question.entity))
    if not (g.right and g.cited):
        sides.append(_document("Says so", question.support[0], documents, question.answers, question.entity))
    return f'<div class="example">{"".join(lines)}<div class="sides">{"".join(sides)}</div></div>'


def _document(title: str, id: str, documents: Mapping[str, Document], answers: Sequence[str], entity: str) -> str:
    """A document's text, with the sentences that give one of the answers emphasised."""
    if id not in documents:
        text = "<p>There is no such document in the corpus.</p>"
    else:
        sentences = [wordings[0] for wordings in documents[id].sentences]
        giving = [s for s in sentences if any(_contains(s, answer) for answer in answers)]
        giving = [s for s in giving if _contains(s, entity)] or giving  # others may have the same answer
        shown = (f"<mark>{escape(s)}</mark>" if s in giving else escape(s) for s in sentences)
        text = f"<p>{' '.join(shown)}</p>"
    return f'<div class="document"><h4>{title}: {escape(id)}</h4>{text}</div>'


def _contains(sentence: str, words: str) -> bool:
    return bool(normalise(words)) and f" {normalise(words)} " in f" {normalise(sentence)} "


def _details(results: Mapping[str, Any]) -> Iterator[str]:
    seconds = {f"seconds, {stage}": f"{value:,.1f}" for stage, value in results["stage_seconds"].items()}
    tokens = {f"tokens, {stage}": f"{value:,}" for stage, value in results["tokens"].items()}
    for stage, counts in results["accounting"].items():
        parts = ("text", "tag", "question", "answer", "padding")
        tokens[f"of these, {stage}"] = ", ".join(f"{part} {counts[part]:,}" for part in parts)
    versions = {f"version of {name}": version for name, version in results["versions"].items()}
    facts = {"seed": results["seed"], "code": results["git"]} | seconds | tokens | versions
    yield _definitions((key, str(value)) for key, value in facts.items() if value is not None)
    rows = (
        f"<tr><td>{escape(key)}</td><td>{escape(str(value))}</td></tr>"
        for key, value in flatten(results["config"]).items()
    )
    yield f'<details><summary>Configuration</summary><table class="config">{"".join(rows)}</table></details>'


def _outcome(g: Grade) -> str:
    return g.prediction.outcome if g.prediction else "missing"


def _probability(value: float | None) -> str:
    return "" if value is None else f" with probability {value:.2f}"
