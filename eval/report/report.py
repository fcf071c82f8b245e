"""report.html: what a run learnt, on one page that needs nothing else.

The page loads nothing from elsewhere: figures are inline SVG, the style sheet is in its head, and it has no script.
Documents, questions and answers are text from outside: every piece of text is escaped. The same figures and numbers go
to TensorBoard where a folder is given. Its sections are made in eval/report_*.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from torch.utils.tensorboard import SummaryWriter

from data.atomic import atomic_file, atomic_folder
from data.records import Document, Prediction, Question
from eval.grading.attribution import Grade, grade, measured
from eval.grading.outcomes import Outcomes
from eval.report.abstention import abstention, exposure, probe, signals, systems
from eval.report.attribution import attribution, headline
from eval.report.examples import browse, examples
from eval.report.html import definitions, details, figures, page
from eval.report.measures import defined, measures
from eval.report.plots import Curves, breakdown_figure, comparison_figure, loss_figure, svg
from eval.results.given import systems_of
from eval.results.results import EMPTY, flatten

SPLITS = {
    "never_tuned": "Documents on which no question was tuned",
    "reworded": "Documents on which no question was tuned, asked in words that no tuning question has",
    "in_domain": "Documents on which other questions were tuned",
}


def write_report(
    folder: Path,
    results: Mapping[str, Any],
    curves: Curves,
    questions: Sequence[Question],
    predictions: Sequence[Prediction],
    documents: Sequence[Document],
    tensorboard: Path | None = None,
    knowing: Mapping[str, Figure] = EMPTY,
    *,
    outcomes: Outcomes = EMPTY,
) -> Path:
    """Write report.html into the folder, whole or not at all, and the same figures for TensorBoard.

    Args:
        results: as documented in eval/results/results.py; "systems", "signals", "exposure" and "probes" may be missing.
        curves: for each stage the rows of its metrics.jsonl.
        questions, predictions: those of our model that the results were made from, for the examples.
        documents: the corpus, to show what was cited.
        tensorboard: where TensorBoard's event files go; None for none.
        knowing: figures of the test fold, by name: "exposure" goes to its section, the others to that of abstention.
        outcomes: the test fold as sorted by `eval.grading.outcomes.sort_outcomes`.

    Returns:
        the path of the page.
    """
    plotted = _figures(results, curves) | {f"knowing/{name}": figure for name, figure in knowing.items()}
    by_id = {document.id: document for document in documents}
    drawn = {name: svg(figure, salt=name) for name, figure in plotted.items()}
    body = _body(results, drawn, grade(questions, predictions), by_id, outcomes)
    path = folder / "report.html"
    with atomic_file(path) as file:
        file.write(page(f"{results['name']}: whence report", body))
    if tensorboard is not None:
        _write_tensorboard(tensorboard, results, plotted)
    return path


def _figures(results: Mapping[str, Any], curves: Curves) -> dict[str, Figure]:
    found = {}
    for split, part in _splits(results):
        found[f"{split}/cited"] = comparison_figure(part, "How often the first citation supports the answer")
        found[f"{split}/attribute"] = breakdown_figure(
            part, "by_attribute", "Right answer with a right source, by attribute"
        )
        found[f"{split}/support"] = breakdown_figure(
            part, "by_support_class", "Right answer with a right source, by support class"
        )
    if any("loss" in row for rows in curves.values() for row in rows):
        found["loss"] = loss_figure(curves)
    return found


def _splits(results: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(split, results["attribution"][split]) for split in SPLITS if split in results["attribution"]]


def _write_tensorboard(folder: Path, results: Mapping[str, Any], plotted: Mapping[str, Figure]) -> None:
    # Made anew each time: events of another seed or of a run before would be shown beside these.
    with atomic_folder(folder) as fresh, SummaryWriter(log_dir=str(fresh)) as writer:
        for name, figure in plotted.items():
            writer.add_figure(f"report/{name}", figure)
        for split, part in _splits(results):
            for metric in measured(part):
                if part[metric] is not None:
                    writer.add_scalar(f"{split}/{metric}", part[metric])
        for key in ("bits_per_byte", "bits_per_byte_train"):
            if results[key] is not None:
                writer.add_scalar(key, results[key])
        groups = {
            "abstention": results["abstention"].get("test", {}),
            "systems": results.get("systems", {}),
            "signals": results.get("signals", {}),
            "probes": results.get("probes", {}),
        }
        for path, measure in measures(groups):
            if defined(measure):
                writer.add_scalar("/".join(path), measure["value"])


def _body(
    results: Mapping[str, Any],
    drawn: Mapping[str, str],
    grades: Sequence[Grade],
    documents: Mapping[str, Document],
    outcomes: Outcomes,
) -> Iterator[str]:
    """The sections, those that there is something for."""
    yield f"<h1>{escape(str(results['name']))}</h1>"
    yield from headline(results)
    handed = results.get("given", {})
    for split, part in _splits(results):
        title = SPLITS[split]
        yield f"<h2>{title}</h2>"
        yield from attribution(part, systems_of(results, split))
        yield figures(drawn[f"{split}/{figure}"] for figure in ("cited", "attribute", "support"))
        if split == "never_tuned":
            yield f"<h2>Examples: {title[0].lower()}{title[1:]}</h2>"
            yield from examples([g for g in grades if g.question.split == split], documents)
    if test := results["abstention"].get("test"):
        yield "<h2>Does it know what it does not know?</h2>"
        yield from abstention(test, handed.get("abstention", {}).get("test"), results["abstention"].get("reworded"))
        yield figures(drawn[name] for name in drawn if name.startswith("knowing/") and name != "knowing/exposure")
    if found := results.get("systems"):
        yield "<h2>Beside other ways to decide</h2>"
        yield from systems(found, handed.get("systems", {}), (test or {}).get("n_by_class", {}))
    if found := results.get("signals"):
        yield "<h2>What tells it so?</h2>"
        yield from signals(found)
    if curve := results.get("exposure"):
        yield "<h2>Does it matter how often it was told?</h2>"
        yield figures(drawn[name] for name in drawn if name == "knowing/exposure")
        yield from exposure(curve)
    if outcomes:
        yield "<h2>What became of the questions</h2>"
        yield '<p class="muted">Of the test fold, free to abstain. Each opens to some examples, drawn at random.</p>'
        yield from browse(outcomes, documents)
    if probes := {name: found for name, found in results.get("probes", {}).items() if found}:
        yield "<h2>Probes, by scoring alone</h2>"
        for name, found in probes.items():
            yield from probe(name, found)
    if "loss" in drawn:
        yield "<h2>Training</h2>"
        yield figures([drawn["loss"]])
    yield "<h2>What the columns mean</h2>"
    yield definitions(
        (metric.title, metric.about) for metric in measured(*(part for _, part in _splits(results))).values()
    )
    yield "<h2>The run</h2>"
    yield from _run(results)


def _run(results: Mapping[str, Any]) -> Iterator[str]:
    seconds = {f"seconds, {stage}": f"{value:,.1f}" for stage, value in results["stage_seconds"].items()}
    tokens = {f"tokens, {stage}": f"{value:,}" for stage, value in results["tokens"].items()}
    for stage, counts in results["accounting"].items():
        parts = ("text", "tag", "question", "answer", "padding")
        tokens[f"of these, {stage}"] = ", ".join(f"{part} {counts[part]:,}" for part in parts)
    versions = {f"version of {name}": version for name, version in results["versions"].items()}
    facts = {"seed": results["seed"], "code": results["git"]} | seconds | tokens | versions
    yield definitions((key, str(value)) for key, value in facts.items() if value is not None)
    rows = (
        f"<tr><td>{escape(key)}</td><td>{escape(str(value))}</td></tr>"
        for key, value in flatten(results["config"]).items()
    )
    yield details("Configuration", None, [f'<table class="config">{"".join(rows)}</table>'])
