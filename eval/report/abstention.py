"""The report's part on what a model knows of its own knowledge: abstention, its signals, exposure, and probes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from data.records import ANSWERABLE, PLAIN
from eval.metrics.rule_of_three import bounds
from eval.report.html import details, row, share, table, words
from eval.report.measures import defined, measure_cell, measures, nested
from eval.results import given

KNOWING = {
    "smooth_ece": ("Calibration error", "smooth ECE of the confidence, over all questions"),
    "auroc_forced": ("Right or wrong", "AUROC of the score, right against wrong answers to told questions"),
    "auroc_answerable": ("Told or never told", "AUROC of the score, told against never told"),
    "recall_absent_entity": ("Abstains: unknown person", "of questions on people never mentioned"),
    "recall_absent_attribute": ("Abstains: unknown fact", "of questions on what was never said of a known person"),
    "over_abstention": ("Abstains wrongly", "of told questions"),
    "false_citation": ("False citations", "never-told questions answered with a source"),
    "false_premise_balanced": ("False premises", "mean of false ones not answered and true twins answered"),
    "accuracy_free": ("Right when free to abstain", "of told questions; withheld answers count as wrong"),
}
SHARES = {  # metrics that are a share of the questions of some classes
    "recall_absent_entity": ("absent_entity",),
    "recall_absent_attribute": ("absent_attribute",),
    "over_abstention": ANSWERABLE,
    "over_abstention_plain": PLAIN,
    "false_citation": ("absent_attribute", "absent_entity"),
    "false_premise_detected": ("false_premise",),
    "true_premise_flagged": ("true_premise",),
    "accuracy_forced": ANSWERABLE,
    "accuracy_free": ANSWERABLE,
}
SIGNALS = {
    "answerable": "told or never told",
    "absent_attribute": "told or unknown fact",
    "absent_entity": "told or unknown person",
    "right": "right or wrong",
}
PROBES = {
    "membership": (
        "Did it read this, and where?",
        "Sentences that documents hold, in their words or in new ones, against altered ones and ones that no document "
        "holds. AUROC: how often the read one scores higher; false recollection: of what was not read, the share that "
        "passes where 90% of what was read does. Loss and Min-K% know no documents: the baselines.",
    ),
    "self_evidence": (
        "Does it take what it said itself for evidence?",
        "How far a claim moves its belief in what follows from it, in nats: said by a document (external), said by "
        "itself (self), and the second over the first (ratio). On people it knows nothing of, a ratio near 0 is right "
        "and one near 1 takes a guess for news.",
    ),
    "dominance": (
        "Does every source come before every other document?",
        "Of the questions with several sources, the share (pass) whose sources are all likelier than documents that "
        "tell of the same person, but not this; null is what chance passes.",
    ),
}


def abstention(test: Mapping[str, Any]) -> Iterator[str]:
    """The metrics of the test fold: the main ones, then the others folded away."""
    counts = ", ".join(f"{n} {words(name)}" for name, n in test["n_by_class"].items())
    yield (
        f'<p class="muted">{test["n"]:,} questions of the test fold ({escape(counts)}). Confidence is calibrated on '
        "another fold, the threshold of abstention chosen on a third; entities are in one fold only.</p>"
    )
    if policy := test.get("policy"):
        yield f'<p class="muted">Answered and withheld by {escape(words(given.marked(policy)))}.</p>'

    asked = test["n_by_class"]
    found = {name: test[name] for name in KNOWING if defined(test.get(name))}
    rows = (row(KNOWING[name][0], [_asked(name, found[name], asked)], KNOWING[name][1]) for name in found)
    yield table((), rows, "narrow")
    rest = [(path, measure) for path, measure in measures(test) if path[0] not in KNOWING]
    if rest:
        rows = (row(" › ".join(map(words, path)), [_asked(path[0], measure, asked)]) for path, measure in rest)
        yield details("More metrics", len(rest), [table((), rows, "narrow")])


def systems(found: Mapping[str, Mapping[str, Any]], asked: Mapping[str, int]) -> Iterator[str]:
    """The metrics of each system, those of `KNOWING` first; `asked` says how many questions each class has."""
    yield (
        '<p class="muted">The same model on the test fold, but other ways to choose an answer, to be sure of it and to '
        "withhold it; what each does stands in eval/selective/selective_baselines.py.</p>"
    )
    names = list(dict.fromkeys(name for metrics in found.values() for name in metrics))
    names = [name for name in KNOWING if name in names] + [name for name in names if name not in KNOWING]
    rows = (
        row(words(given.marked(system)), [_asked(name, metrics.get(name), asked) for name in names])
        for system, metrics in found.items()
    )
    yield table(("", *(KNOWING[name][0] if name in KNOWING else words(name) for name in names)), rows)


def signals(found: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Each signal alone, beside the policy's score."""
    yield (
        '<p class="muted">Each signal by itself, as AUROC: what was told before what never was, and right before wrong '
        "answers. The difference is that of its first column to the policy's score, paired, with p after Holm.</p>"
    )
    rows = []
    for name, by in found.items():
        cells = [measure_cell(by.get(column)) for column in SIGNALS]
        rows.append(row(words(given.marked(name)), [*cells, _difference(by.get("difference"))]))
    yield table(("signal", *SIGNALS.values(), "difference"), rows)


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
    title, meaning = PROBES.get(name, (words(name).capitalize(), ""))
    yield f"<h3>{escape(title)}</h3>"
    if meaning:
        yield f'<p class="muted">{escape(meaning)}</p>'
    yield from nested(found)


def _asked(name: str, measure: Mapping[str, Any] | None, asked: Mapping[str, int]) -> str:
    """The cell of a metric, whose denominator is known from its name."""
    return measure_cell(measure, sum(asked.get(kind, 0) for kind in SHARES.get(name, ())))


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
