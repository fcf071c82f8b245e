"""What a system scores that knows nothing, and one that knows everything: the floors and the oracle.

A score means little unless it is set beside what can be had without reading: by chance (`Uniform`), from the habits of
the tuning questions (`MostFrequent`), or from the question's words alone where identifiers leak names (`QuestionOnly`;
in BioCite an identifier is made of the first three letters of the surnames in its document, so that the surname asked
about gives away one piece). `Oracle` reads the ledger: the best that the metrics allow, and a check of the metrics.
"""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from data.records import Citation, Prediction, Question
from eval.grading.attribution import RANKS

_WORD = re.compile(r"[^\W_]+")


class Uniform:
    """Cites documents drawn at random, each as likely as any other; gives no answer."""

    name = "uniform"
    nbytes = None

    def __init__(self, document_ids: Sequence[str], seed: int = 0) -> None:
        if not document_ids:
            raise ValueError("the uniform floor needs at least one document")
        self._ids = sorted(document_ids)
        self._seed = seed

    def answer(self, questions: Sequence[Question]) -> list[Prediction]:
        probability = 1 / len(self._ids)
        drawn = (_generator(self._seed, q).sample(self._ids, min(RANKS, len(self._ids))) for q in questions)
        return [
            Prediction(question.id, "answered", citations=tuple(Citation(id, probability) for id in ids))
            for question, ids in zip(questions, drawn, strict=True)
        ]


class MostFrequent:
    """Says what tuning questions of the same attribute mostly have for an answer, and cites what they mostly cite.

    Citations do not depend on the question: they are the documents that support most tuning questions. Where the
    attribute is new or unknown the most frequent answer of all is given.
    """

    name = "most_frequent"
    nbytes = None

    def __init__(self, tuning: Sequence[Question]) -> None:
        documents = Counter(id for question in tuning for id in question.support)
        if not documents:
            raise ValueError("the most-frequent floor needs tuning questions that have an answer")
        ranked = sorted(documents.items(), key=lambda item: (-item[1], item[0]))
        self._citations = tuple(Citation(id, count / documents.total()) for id, count in ranked[:RANKS])
        answers: defaultdict[str | None, Counter[str]] = defaultdict(Counter)
        for question in tuning:
            for group in (question.attribute, None):  # None: all attributes together
                answers[group].update(question.answers[:1])
        self._answers = {group: _most_common(counts) for group, counts in answers.items() if counts}

    def answer(self, questions: Sequence[Question]) -> list[Prediction]:
        return [
            Prediction(q.id, "answered", self._answers.get(q.attribute, self._answers[None]), self._citations)
            for q in questions
        ]


class QuestionOnly:
    """Cites the identifiers that share most with the words of the question; reads no document and gives no answer.

    An identifier's piece (letters and digits between punctuation, two or more) counts when a word of the question
    begins with it, case aside. Identifiers rank by how many of their pieces count, ties at random; where fewer than ten
    match, chance fills the ranking. Opaque identifiers match nothing, which makes this the uniform floor.
    """

    name = "question_only"
    nbytes = None

    def __init__(self, identifiers: Mapping[str, str], seed: int = 0) -> None:
        """identifiers: each document's id and how that document's identifier is shown to the model."""
        if not identifiers:
            raise ValueError("the question-only floor needs at least one document")
        self._ids = sorted(identifiers)
        self._seed = seed
        self._holders: defaultdict[str, list[str]] = defaultdict(list)
        for id in self._ids:
            for piece in {piece for piece in _WORD.findall(identifiers[id].lower()) if len(piece) > 1}:
                self._holders[piece].append(id)

    def answer(self, questions: Sequence[Question]) -> list[Prediction]:
        return [self._answer(question) for question in questions]

    def _answer(self, question: Question) -> Prediction:
        words = set(_WORD.findall(question.text.lower()))
        prefixes = {word[:end] for word in words for end in range(2, len(word) + 1)}
        matches = Counter(id for prefix in prefixes for id in self._holders.get(prefix, ()))
        generator = _generator(self._seed, question)
        ranked = sorted(sorted(matches), key=lambda id: (-matches[id], generator.random()))[:RANKS]
        if missing := min(RANKS, len(self._ids)) - len(ranked):
            chosen = set(ranked)
            drawn = generator.sample(self._ids, missing + len(ranked))
            ranked += [id for id in drawn if id not in chosen][:missing]
        total = matches.total()
        citations = (Citation(id, matches[id] / total if total else 1 / len(self._ids)) for id in ranked)
        return Prediction(question.id, "answered", citations=tuple(citations))


class Oracle:
    """Answers from the ledger: the accepted answer with every supporting document, and abstains where none is."""

    name = "oracle"
    nbytes = None

    def answer(self, questions: Sequence[Question]) -> list[Prediction]:
        return [
            Prediction(q.id, "answered", q.answers[0], tuple(Citation(id, 1 / len(q.support)) for id in q.support))
            if q.answers
            else Prediction(q.id, "abstained")
            for q in questions
        ]


def _generator(seed: int, question: Question) -> random.Random:
    """Randomness that depends on the seed and the question only, not on the questions before it."""
    return random.Random(f"{seed}/{question.id}")


def _most_common(counts: Counter[str]) -> str:
    return min(counts, key=lambda answer: (-counts[answer], answer))
