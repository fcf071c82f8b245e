"""When is an answer right, and which documents support it: the one definition that every measure and lesson uses.

An answer is right when it is one of those the corpus gives, by exact match. A document asserts an answer when it says
so, be it the best that is said or not: where claims are listed, each value has its own documents. It supports the
answer when, besides, the answer is right and the document may carry a tag, since one that never does can't be cited.

Exact match follows SQuAD (Rajpurkar et al. 2016, official evaluation script): lower case, no punctuation, no English
articles, single spaces.

Shape letters: N questions, each with its prediction.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from data.records import ANSWERABLE, Prediction, Question

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalise(text: str) -> str:
    """SQuAD's normal form of an answer."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(answer: str, accepted: Iterable[str]) -> bool:
    """Whether the answer is one of the accepted ones after `normalise`.

    Where nothing survives normalising (the answer "A", or "?"), texts are compared as they are, case aside.
    """
    found = normalise(answer)
    return any(
        found == normalise(gold) if found else answer.strip().lower() == gold.strip().lower() for gold in accepted
    )


def answer_given(prediction: Prediction | None) -> str | None:
    """The answer in words; None where there is none: missing, a refusal, or what could not be parsed."""
    return prediction.answer if prediction and prediction.outcome in ("answered", "no_source") else None


def is_right(question: Question, answer: str | None) -> bool:
    """Whether an answer is one the corpus gives; never where nothing was told."""
    return bool(answer) and question.support_class in ANSWERABLE and exact_match(answer or "", question.answers)


def right(questions: Sequence[Question], predictions: Sequence[Prediction]) -> np.ndarray:
    """Whether the answer given is right: bool (N,)."""
    pairs = zip(questions, predictions, strict=True)
    return np.array([is_right(q, answer_given(p)) for q, p in pairs], dtype=bool)


def asserting(question: Question, answer: str | None) -> tuple[str, ...]:
    """The documents that assert this answer, be it the best or not; none of a question that nothing answers.

    The claims of a contradicted premise are about another fact than the one asked for.
    """
    if not answer or question.support_class not in ANSWERABLE:
        return ()
    claimed = [name for c in question.claims if exact_match(answer, (c.value,)) for name in c.documents]
    return tuple(dict.fromkeys(claimed)) or (question.support if is_right(question, answer) else ())


def supports(question: Question, answer: str | None, document: str) -> bool:
    """Whether the answer is right and this is a document that asserts it and that can be cited."""
    return (
        question.support_class != "untagged" and is_right(question, answer) and document in asserting(question, answer)
    )


def supports_document(question: Question, answer: str | None, passage: str, whole: Mapping[str, str]) -> bool:
    """Whether the answer is right and this is a passage of a document that has one which supports it.

    Args:
        whole: by the id of a passage the id of its document; other documents are their own.
    """
    cited = whole.get(passage, passage)
    return any(supports(question, answer, n) for n in asserting(question, answer) if whole.get(n, n) == cited)


def supported(questions: Sequence[Question], predictions: Sequence[Prediction]) -> np.ndarray:
    """Whether the first citation supports the answer given: bool (N,)."""
    return np.array(
        [
            bool(p.citations) and supports(q, answer_given(p), p.citations[0].id)
            for q, p in zip(questions, predictions, strict=True)
        ],
        dtype=bool,
    )
