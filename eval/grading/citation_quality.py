"""Long answers with citations in brackets: does what is cited support what is said, and is all of it needed?

Recall and precision as ALCE defines them (Gao et al. 2023, arXiv 2305.14627, section 3, and its eval.py):

    citation_recall     share of an answer's statements that are supported by the documents cited behind them, taken
                        together; a statement without citations, or with one that is no document, is not
    citation_precision  share of an answer's citations that are precise: their statement is supported, and they support
                        it alone or it isn't supported without them
    answer_stands       whether one of the accepted answers stands in the answer (ALCE's EM recall, of one answer)

Each is a mean over the questions that the corpus answers. An answer without statements or citations has 0, and so has a
question that was not answered: no measure rises when answers are withheld. ALCE leaves citations that are no document
out of the denominator of precision; here they count as not precise.

What supports a statement is exchangeable (`Support`), so that an NLI model may judge. Without one it is `evidence`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from data.records import PLAIN, Document, Prediction, Question
from eval.grading.attribution import grade
from eval.grading.correctness import answer_given, asserting, normalise
from eval.grading.statements import content_words, statements
from eval.metrics.statistics import bootstrap_ratios

Support = Callable[[Question, str, Sequence[Document]], bool]
"""Whether documents together support a statement of an answer to a question."""


def evidence(question: Question, statement: str, documents: Sequence[Document]) -> bool:
    """Support without a model.

    Where the statement gives a value that the question's record knows (an accepted answer, or a claim), the record
    decides: each such value must be asserted by one of the documents. It knows what a document asserts in whatever
    words, and a word like "London" that stands in a document by the way is not enough.

    Of any other statement the record knows nothing; then each of its content words must stand in one of the documents,
    in any wording of theirs. That is strict on paraphrases, and can't see how the words of a document belong together.
    """
    values = [normalise(v) for v in (*question.answers, *(claim.value for claim in question.claims))]
    given = {value for value in values if value and _stands(value, statement)}
    if given:
        whole = [value for value in given if not any(value != other and _stands(value, other) for other in given)]
        return all(any(d.id in asserting(question, value) for d in documents) for value in whole)
    words = content_words(statement)
    there = (content_words(wording) for d in documents for wordings in d.sentences for wording in wordings)
    return bool(words) and words <= frozenset().union(*there)


class Quality(NamedTuple):
    """Of one answer, each in [0, 1]."""

    answer_stands: float
    citation_recall: float
    citation_precision: float


NOTHING = Quality(0.0, 0.0, 0.0)


def quality(
    question: Question, answer: str | None, documents: Mapping[str, Document], support: Support = evidence
) -> Quality:
    """See the module docstring; `documents` are those of the corpus, by id."""
    said = statements(answer or "", documents)
    if not said:
        return NOTHING
    supported = precise = 0
    for text, cited in said:
        held = [documents[id] for id in cited if id in documents]
        if not held or len(held) < len(cited) or not support(question, text, held):
            continue
        supported += 1
        for place, document in enumerate(held):
            rest = held[:place] + held[place + 1 :]
            precise += support(question, text, [document]) or not support(question, text, rest)
    citations = sum(len(statement.cited) for statement in said)
    words = " ".join(statement.text for statement in said)
    return Quality(
        float(any(_stands(normalise(gold), words) for gold in question.answers)),
        supported / len(said),
        precise / citations if citations else 0.0,
    )


def cites_in_brackets(predictions: Sequence[Prediction], documents: Mapping[str, Document]) -> bool:
    """Whether any answer names a document in brackets."""
    return any(
        id in documents for p in predictions for said in statements(p.answer or "", documents) for id in said.cited
    )


def citation_quality(
    questions: Sequence[Question],
    predictions: Sequence[Prediction],
    documents: Mapping[str, Document],
    support: Support = evidence,
) -> dict[str, Any]:
    """Means over the questions that the corpus answers, with 95% intervals (entities resampled), as plain JSON values.

    Raises ValueError where predictions do not fit the questions: see `grade`.
    """
    grades = [g for g in grade(questions, predictions) if g.question.support_class in PLAIN]
    found = [quality(g.question, answer_given(g.prediction), documents, support) for g in grades]
    values = np.array(found, dtype=np.float64).reshape(len(found), len(Quality._fields))
    intervals = bootstrap_ratios(values, np.ones_like(values), [g.cluster for g in grades])
    return {
        "n": len(grades),
        **{name: float(values[:, i].mean()) if found else None for i, name in enumerate(Quality._fields)},
        "intervals": {
            name: None if interval is None else list(interval)
            for name, interval in zip(Quality._fields, intervals, strict=True)
        },
    }


def _stands(value: str, text: str) -> bool:
    """Whether the words of a normalised value stand in a text, whole and in their order."""
    return bool(value) and f" {value} " in f" {normalise(text)} "
