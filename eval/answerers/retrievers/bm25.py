"""BM25 over the training documents: what an index gives that is allowed to read the corpus at question time.

Ranking function: BM25 as in Lucene (Kamphuis et al. 2020, "Which BM25 do you mean?") with k1 = 1.5 and b = 0.75, by the
library bm25s (Lù 2024, arXiv 2407.03618). Tokens are lower-case words of two or more characters, English stop words
left out, no stemming; a document is its canonical text.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import bm25s
import numpy as np

from data.records import Citation, Document, Prediction, Question
from eval.grading.attribution import RANKS
from eval.metrics.statistics import Floats

logging.getLogger(bm25s.__name__).setLevel(logging.WARNING)  # its import sets DEBUG, and it tells of every index

METHOD, K1, B = "lucene", 1.5, 0.75


class BM25:
    """Cites the ten documents that score best, leaving out those that share no word; gives no answer.

    Citations have no probability: the scores are not on that scale.
    """

    name = "bm25"

    def __init__(self, documents: Sequence[Document]) -> None:
        if not documents:
            raise ValueError("BM25 needs at least one document")
        self._ids = [document.id for document in documents]
        self.nbytes = text_bytes(documents)
        words = _words([document.text for document in documents])
        self._index = bm25s.BM25(method=METHOD, k1=K1, b=B) if any(words) else None  # it can't index no word at all
        if self._index:
            self._index.index(words, show_progress=False)

    def answer(self, questions: Sequence[Question]) -> list[Prediction]:
        if not self._index:
            return [Prediction(question.id, "answered") for question in questions]
        if not questions:
            return []
        found, scores = self._index.retrieve(
            _words([question.text for question in questions]), k=min(RANKS, len(self._ids)), show_progress=False
        )
        return [
            Prediction(
                question.id,
                "answered",
                citations=tuple(Citation(self._ids[i]) for i, score in zip(row, row_scores, strict=True) if score > 0),
            )
            for question, row, row_scores in zip(questions, found, scores, strict=True)
        ]

    def scores(self, texts: Sequence[str]) -> Floats:
        """Of each text and each document, float64 (texts, documents); 0 for those that share no word."""
        found = np.zeros((len(texts), len(self._ids)))
        for row, words in enumerate(_words(list(texts)) if texts else []):
            if self._index and words:
                found[row] = self._index.get_scores(words)
        return found


def text_bytes(documents: Sequence[Document]) -> int:
    """Of the documents' canonical texts in UTF-8."""
    return sum(len(document.text.encode()) for document in documents)


def _words(texts: list[str]) -> list[list[str]]:
    words: list[list[str]] = bm25s.tokenize(texts, stopwords="english", return_ids=False, show_progress=False)
    return words
