"""report.html: what a run learnt, on one page that needs nothing else.

The page loads nothing from elsewhere: figures are inline SVG, the style sheet is in its head, and the script that
searches the examples at its end. Documents, questions and answers are text from outside: the templates of
eval/report/templates escape every piece of it. The same figures and numbers go to TensorBoard where a folder is given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure
from torch.utils.tensorboard import SummaryWriter

from data.atomic import atomic_file, atomic_folder
from data.records import Document, Prediction, Question
from eval.grading.attribution import Grade, grade, measured
from eval.grading.outcomes import Outcomes
from eval.report.abstention import abstention, exposure, probe, signals, systems
from eval.report.attribution import attribution, headline
from eval.report.examples import browse, examples
from eval.report.html import Section, render
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
    drawn = {name: Markup(svg(figure, salt=name)) for name, figure in plotted.items()}
    sections = list(_sections(results, drawn, grade(questions, predictions), by_id, outcomes))
    path = folder / "report.html"
    with atomic_file(path) as file:
        file.write(render("page", name=results["name"], headline=headline(results), sections=sections))
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


def _sections(
    results: Mapping[str, Any],
    drawn: Mapping[str, Markup],
    grades: Sequence[Grade],
    documents: Mapping[str, Document],
    outcomes: Outcomes,
) -> Iterator[Section]:
    """The sections, those that there is something for."""
    handed = results.get("given", {})
    for split, part in _splits(results):
        title = SPLITS[split]
        shown = [drawn[f"{split}/{figure}"] for figure in ("cited", "attribute", "support")]
        yield Section(title, attribution(part, systems_of(results, split)) + _side_by_side(shown))
        if split == "never_tuned":
            those = [g for g in grades if g.question.split == split]
            yield Section(f"Examples: {title[0].lower()}{title[1:]}", examples(those, documents))
    if test := results["abstention"].get("test"):
        shown = [drawn[name] for name in drawn if name.startswith("knowing/") and name != "knowing/exposure"]
        found = abstention(test, handed.get("abstention", {}).get("test"), results["abstention"].get("reworded"))
        yield Section("Does it know what it does not know?", found + _side_by_side(shown))
    if by_system := results.get("systems"):
        asked = (test or {}).get("n_by_class", {})
        yield Section("Beside other ways to decide", systems(by_system, handed.get("systems", {}), asked))
    if by_signal := results.get("signals"):
        yield Section("What tells it so?", signals(by_signal))
    if curve := results.get("exposure"):
        shown = [drawn[name] for name in drawn if name == "knowing/exposure"]
        yield Section("Does it matter how often it was told?", _side_by_side(shown) + exposure(curve))
    if outcomes:
        yield Section("What became of the questions", browse(outcomes, documents))
    if probes := {name: found for name, found in results.get("probes", {}).items() if found}:
        shown = [probe(name, found) for name, found in probes.items()]
        yield Section("Probes, by scoring alone", Markup().join(shown))
    if "loss" in drawn:
        yield Section("Training", _side_by_side([drawn["loss"]]))
    columns = measured(*(part for _, part in _splits(results))).values()
    yield Section("What the columns mean", render("definitions", items={c.title: c.about for c in columns}))
    yield Section("The run", _run(results))


def _side_by_side(drawn: Sequence[Markup]) -> Markup:
    """Side by side where there is room."""
    return render("figures", drawn=drawn)


def _run(results: Mapping[str, Any]) -> Markup:
    seconds = {f"seconds, {stage}": f"{value:,.1f}" for stage, value in results["stage_seconds"].items()}
    tokens = {f"tokens, {stage}": f"{value:,}" for stage, value in results["tokens"].items()}
    for stage, counts in results["accounting"].items():
        parts = ("text", "tag", "question", "answer", "padding")
        tokens[f"of these, {stage}"] = ", ".join(f"{part} {counts[part]:,}" for part in parts)
    versions = {f"version of {name}": version for name, version in results["versions"].items()}
    facts = {"seed": results["seed"], "code": results["git"]} | seconds | tokens | versions
    known = {name: fact for name, fact in facts.items() if fact is not None}
    return render("run", facts=known, config=flatten(results["config"]))
