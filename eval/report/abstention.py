"""The report's part on what a model knows of its own knowledge: abstention, its signals, exposure, and probes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from configs.keys import modules
from eval.metrics.rule_of_three import bounds
from eval.probes import probe as probe_of
from eval.report.html import details, row, share, table, words
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
) -> Iterator[str]:
    """The metrics of the test fold: the main ones, then the others folded away.

    Beside the main ones stand those of the same questions in wordings that the corpus never used, and `handed`, of the
    system that is given the statement form.
    """
    counts = ", ".join(f"{n} {words(name)}" for name, n in test["n_by_class"].items())
    yield (
        f'<p class="muted">{test["n"]:,} questions of the test fold ({escape(counts)}). Confidence is calibrated on '
        "another fold, the threshold of abstention chosen on a third; entities are in one fold only.</p>"
    )
    columns = {words(str(test.get("policy", "policy"))): test}
    if reworded:
        columns["the same, reworded"] = reworded
    if handed:
        columns[words(given.marked(str(handed["policy"])))] = handed
    asked = test["n_by_class"]
    rows = (
        row(
            METRICS[name].title,
            [_asked(name, measures.get(name), asked) for measures in columns.values()],
            METRICS[name].about,
        )
        for name in MAIN
        if defined(test.get(name))
    )
    yield table(("answered and withheld by", *columns), rows, "narrow")
    rest = [(path, measure) for path, measure in measures(test) if path[0] not in MAIN]
    if rest:
        rows = (
            row(" › ".join(map(words, path)), [_asked(path[0], measure, asked)], _about(path[0]))
            for path, measure in rest
        )
        yield details("More metrics", len(rest), [table((), rows, "narrow")])


def systems(
    found: Mapping[str, Mapping[str, Any]], handed: Mapping[str, Mapping[str, Any]], asked: Mapping[str, int]
) -> Iterator[str]:
    """The metrics of each system, the main ones first; `asked` says how many questions each class has.

    `handed` are those that are given the statement form; of them only what it makes different is shown.
    """
    yield (
        '<p class="muted">The same model on the test fold, but other ways to choose an answer, to be sure of it and to '
        "withhold it; what each does stands in eval/selective/selective_baselines.py.</p>"
    )
    names = [name for name in BY_SYSTEM if any(name in metrics for metrics in found.values())]
    shown = dict(found) | {given.marked(name): m for name, m in handed.items() if m != found.get(name)}
    rows = (
        row(words(system), [_asked(name, metrics.get(name), asked) for name in names])
        for system, metrics in shown.items()
    )
    yield table(("", *(METRICS[name].title or words(name) for name in names)), rows)


def signals(found: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Each signal alone, beside the policy's score."""
    yield (
        '<p class="muted">Each signal by itself, as AUROC: what was told before what never was, and right before wrong '
        "answers. The difference is that of its first column to the policy's score, paired, with p after Holm.</p>"
    )
    rows, shown = [], [pair for pair in PAIRS if any(pair in by for by in found.values())]
    for name, by in found.items():
        cells = [measure_cell(by.get(column)) for column in shown]
        rows.append(row(words(name), [*cells, _difference(by.get("difference"))], _signal(name)))
    yield table(("signal", *(PAIRS[pair] for pair in shown), "difference"), rows)


def exposure(curve: Mapping[str, Any]) -> Iterator[str]:
    """In words and as a table what `eval.results.fact_frequency.exposure_curve` found; the figure stands beside it."""
    rate, error, never = (_percent(curve[name]) for name in ("singletons", "error", "never_told"))
    yield (
        f"<p>Of {curve['singletons']['n']:,} tellings of plain facts, {rate} are of a fact that no other "
        "document tells: the singleton rate, Good and Turing's estimate of how often the next fact told would be a "
        "new one. Asked for facts as often as they are told, a model that always answers errs at about that rate at "
        "least (Kalai et al., arXiv 2509.04664), less terms that are not small for a corpus of this size.</p>"
        f"<p>Here each told fact is asked for once, and {never} of {curve['error']['n']:,} questions are on what was "
        f"never told. Made to answer them all, the model errs on {error}.</p>"
    )
    rows = [
        row(
            f"{at['documents']:,}",
            [f'{at["n"]:,}<span class="interval">on {at["entities"]:,}</span>']
            + [
                share(at[name]["value"], at[name]["interval"], at["n"]) for name in ("right", "right_cited", "withheld")
            ],
        )
        for at in curve["by_documents"]
    ]
    heads = ("documents", "questions, on entities", "right, %", "right and cited, %", "withheld, %")
    yield details("The figures", None, [table(heads, rows, "narrow")])


def probe(name: str, found: Mapping[str, Any]) -> Iterator[str]:
    """One probe: a sentence of explanation where it is known, then all that it found."""
    if name in modules("eval/probes"):
        title, meaning = probe_of(name).title, probe_of(name).about
        yield f'<h3>{escape(title)}</h3><p class="muted">{escape(meaning)}</p>'
    else:
        yield f"<h3>{escape(words(name).capitalize())}</h3>"
    yield from nested(found)


def _asked(name: str, measure: Mapping[str, Any] | None, asked: Mapping[str, int]) -> str:
    """The cell of a metric, whose denominator is known from its name."""
    return measure_cell(measure, sum(asked.get(kind, 0) for kind in METRICS[name].of) if name in METRICS else 0)


def _about(name: str) -> str:
    return METRICS[name].about if name in METRICS else ""


def _signal(name: str) -> str:
    """What a signal is; "" for the score of a system."""
    return registered()[name].about if name in registered() else ""


def _difference(measure: Mapping[str, Any] | None) -> str:
    cell = measure_cell(measure)
    if measure is None or measure.get("p") is None:
        return cell
    p = "p &lt; 0.001" if measure["p"] < 0.001 else f"p = {measure['p']:.3f}"
    return f'{cell}<span class="interval">{p}</span>'


def _percent(measure: Mapping[str, Any]) -> str:
    found = bounds(measure["value"], measure["interval"], measure["n"])
    low_high = f" ({100 * found[0]:.1f} to {100 * found[1]:.1f})" if found else ""
    return f"{100 * measure['value']:.1f}%{low_high}"
