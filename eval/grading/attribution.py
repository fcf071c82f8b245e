"""Is the answer right, and does the cited document say so: from single grades to a summary.

Every metric is a ratio of sums over the questions the corpus answers (support classes single and multi), so that one
bootstrap gives all intervals:

    joint                P(answer exactly right and first citation supports it): the headline, unconditional
    answer_em            P(answer exactly right)
    citation, hits10     P(first / any of the first ten citations supports it | answer exactly right): Hits@1 and
                         Hits@10 as Khalifa et al. (Source-Aware Training, arXiv 2404.01019) report them. Their
                         denominator shrinks as answers get worse, so they never stand without `joint`
    cited, cited10       P(first / any of the first ten citations in the support), the answer ignored: the metric that
                         systems without answers (retrievers, floors) share with the others
    valid_unconstrained  share of citations decoded without constraint that name a document of the corpus, among those
                         tried; from a system that tries, an unparseable or missing prediction is an invalid one
    set_recall           on multi questions: share of the support among the first |support| citations

Where documents were cut into passages (data/storage/passages.py), each passage is cited for itself, and all of these
are of passages. Two more, had only there, are of documents:

    joint_document       P(answer exactly right and a passage of the document first cited supports it)
    cited_document       P(a passage of the document first cited is in the support), the answer ignored

A missing, unparseable or abstaining prediction has neither answer nor citations; one that says it knows no source has
no citations. A metric without a denominator is None. Systems that never put an answer in words (whose "answered"
predictions all lack one) have no answer metrics at all: right is None. What is right and what supports it is defined in
eval/grading/correctness.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from data.records import OUTCOMES, PLAIN, Prediction, Question
from eval.grading.correctness import answer_given, is_right, supports, supports_document
from eval.metrics.statistics import Floats, bootstrap_difference, bootstrap_ratios

RANKS = 10  # citations beyond the tenth never count


@dataclass(frozen=True, slots=True)
class Grade:
    """One question with its prediction, graded.

    Attributes:
        prediction: None when the system gave none.
        right: the answer is one of the accepted ones; None for a system that never answers in words.
        cited: the first citation is in the support, the answer ignored.
        cited10: any of the first ten is.
        supported: the answer is right, and the first citation supports it.
        supported10: it is, and any of the first ten does.
        set_recall: share of the support among the first |support| citations.
        valid: the unconstrained citation names a document of the corpus; None when that was not tried.
        cited_document, supported_document: `cited` and `supported` for any passage of the same document; None where no
            document was cut.
    """

    question: Question
    prediction: Prediction | None
    right: bool | None
    cited: bool
    cited10: bool
    supported: bool
    supported10: bool
    set_recall: float
    valid: bool | None
    cited_document: bool | None = None
    supported_document: bool | None = None

    @property
    def plain(self) -> bool:
        """Whether the corpus answers the question."""
        return self.question.support_class in PLAIN

    @property
    def cluster(self) -> Hashable:
        """What intervals resample: the entity, or the question itself when its entity is unknown."""
        return self.question.entity or (self.question.id,)


@dataclass(frozen=True)
class Metric:
    """A ratio of sums over told questions.

    Attributes:
        term: what a grade adds to numerator and denominator.
        title, about: in tables and on the page.
    """

    term: Callable[[Grade], tuple[float, float]]
    title: str
    about: str


METRICS: Mapping[str, Metric] = {
    "joint": Metric(
        lambda g: (g.supported, g.right is not None), "Joint", "answer exactly right and the first citation says so"
    ),
    "answer_em": Metric(lambda g: (bool(g.right), g.right is not None), "Answer", "answer exactly right"),
    "citation": Metric(
        lambda g: (g.supported, bool(g.right)), "Citation", "first citation says so, given that the answer is right"
    ),
    "hits10": Metric(
        lambda g: (g.supported10, bool(g.right)),
        "Hits@10",
        "any of the first ten says so, given that the answer is right",
    ),
    "cited": Metric(lambda g: (g.cited, 1), "Cited", "first citation says so, whatever the answer"),
    "cited10": Metric(lambda g: (g.cited10, 1), "Cited@10", "any of the first ten says so, whatever the answer"),
    "valid_unconstrained": Metric(
        lambda g: (bool(g.valid), g.valid is not None),
        "Valid",
        "citations decoded without constraint that name a document of the corpus",
    ),
    "set_recall": Metric(
        lambda g: (g.set_recall, 1) if g.question.support_class == "multi" else (0, 0),
        "Set recall",
        "share of all supporting documents, where there are several",
    ),
}

PASSAGE_METRICS: Mapping[str, Metric] = {
    "joint_document": Metric(
        lambda g: (bool(g.supported_document), g.right is not None),
        "Joint, document",
        "answer exactly right and the first citation is of a document that says so in one of its passages",
    ),
    "cited_document": Metric(
        lambda g: (bool(g.cited_document), 1),
        "Cited, document",
        "first citation is of a document that says so in one of its passages, whatever the answer",
    ),
}
EVERY: Mapping[str, Metric] = {**METRICS, **PASSAGE_METRICS}
UNCUT: Mapping[str, str] = MappingProxyType({})


def measured(*parts: Mapping[str, Any]) -> dict[str, Metric]:
    """The metrics that summaries have: those of passages only where documents were cut."""
    return {name: metric for name, metric in EVERY.items() if name in METRICS or any(name in part for part in parts)}


def grade(
    questions: Sequence[Question], predictions: Sequence[Prediction], whole: Mapping[str, str] = UNCUT
) -> list[Grade]:
    """Grade one system: a grade per question, in their order.

    Args:
        whole: by the id of a passage the id of its document; empty where no document was cut.

    Raises:
        ValueError: a question or prediction occurs twice, or a prediction answers no known question; names the id.
    """
    asked = Counter(question.id for question in questions)
    if repeated := [id for id, count in asked.items() if count > 1]:
        raise ValueError(f'question "{repeated[0]}" is there {asked[repeated[0]]} times; ids must be unique')
    given: dict[str, Prediction] = {}
    for prediction in predictions:
        if prediction.question not in asked:
            raise ValueError(f'a prediction answers question "{prediction.question}", which is not in the question set')
        if prediction.question in given:
            raise ValueError(f'question "{prediction.question}" has more than one prediction')
        given[prediction.question] = prediction
    wordless = _wordless(predictions)
    tries = any(prediction.valid is not None for prediction in predictions)
    return [_grade(question, given.get(question.id), wordless, tries, whole) for question in questions]


def summarise(grades: Sequence[Grade]) -> dict[str, Any]:
    """Counts, metrics and their 95% intervals as plain JSON values; see the module docstring.

    "n" counts told questions, which the metrics are over; "n_absent" the others, which count in "outcomes" and
    "missing" only.
    """
    told = [g for g in grades if g.plain]
    metrics = EVERY if any(g.cited_document is not None for g in grades) else METRICS
    numerators, denominators = _terms(told, metrics)
    intervals = bootstrap_ratios(numerators, denominators, [g.cluster for g in told])
    tops, bottoms = numerators.sum(axis=0), denominators.sum(axis=0)
    outcomes = Counter(g.prediction.outcome for g in grades if g.prediction)
    return {
        "n": len(told),
        "n_absent": len(grades) - len(told),
        **{name: float(tops[i] / bottoms[i]) if bottoms[i] else None for i, name in enumerate(metrics)},
        "missing": sum(g.prediction is None for g in grades),
        "outcomes": {outcome: outcomes[outcome] for outcome in OUTCOMES},
        "intervals": {
            name: None if interval is None else list(interval)
            for name, interval in zip(metrics, intervals, strict=True)
        },
    }


def margin(grades: Sequence[Grade], other: Sequence[Grade], metric: str = "cited") -> dict[str, Any]:
    """How far the first system is ahead of the other on the same questions, with the paired 95% interval."""
    mine, theirs = ([g for g in grades_ if g.plain] for grades_ in (grades, other))
    assert [g.question.id for g in mine] == [g.question.id for g in theirs]
    (top, bottom), (other_top, other_bottom) = (
        tuple(terms[:, 0] for terms in _terms(graded, {metric: EVERY[metric]})) for graded in (mine, theirs)
    )
    if not (bottom.sum() and other_bottom.sum()):
        return {"value": None, "interval": None}
    interval = bootstrap_difference((top, other_top), (bottom, other_bottom), [g.cluster for g in mine])
    return {
        "value": float(top.sum() / bottom.sum() - other_top.sum() / other_bottom.sum()),
        "interval": None if interval is None else list(interval),
    }


def _wordless(predictions: Sequence[Prediction]) -> bool:
    """Whether the system only retrieves. One that abstains or fails throughout does not: its answers are wrong."""
    answered = [prediction for prediction in predictions if prediction.outcome == "answered"]
    return bool(answered) and all(prediction.answer is None for prediction in predictions)


def _grade(
    question: Question, prediction: Prediction | None, wordless: bool, tries: bool, whole: Mapping[str, str]
) -> Grade:
    outcome = prediction.outcome if prediction else "missing"
    failed = outcome in ("missing", "unparseable")
    answer = answer_given(prediction)
    cited = [c.id for c in prediction.citations[:RANKS]] if prediction and outcome == "answered" else []
    support = set(question.support)
    says_so = [supports(question, answer, name) for name in cited]
    valid = prediction.valid if prediction else None
    return Grade(
        question=question,
        prediction=prediction,
        right=None if wordless else is_right(question, answer),
        cited=bool(cited) and cited[0] in support,
        cited10=not support.isdisjoint(cited),
        supported=bool(says_so) and says_so[0],
        supported10=any(says_so),
        set_recall=len(support.intersection(cited[: len(support)])) / len(support) if support else 0.0,
        valid=False if tries and failed else valid,
        **(_of_documents(question, answer, cited[:1], whole) if whole else {}),
    )


def _of_documents(
    question: Question, answer: str | None, first: Sequence[str], whole: Mapping[str, str]
) -> dict[str, bool]:
    """What the first citation, if any, is worth for any passage of its document."""
    support = {whole.get(name, name) for name in question.support}
    return {
        "cited_document": any(whole.get(name, name) in support for name in first),
        "supported_document": any(supports_document(question, answer, name, whole) for name in first),
    }


def _terms(grades: Sequence[Grade], metrics: Mapping[str, Metric]) -> tuple[Floats, Floats]:
    """Numerators and denominators, [grades, metrics] each."""
    terms = np.array([[metric.term(g) for metric in metrics.values()] for g in grades], dtype=np.float64)
    terms = terms.reshape(len(grades), len(metrics), 2)
    return terms[:, :, 0], terms[:, :, 1]
