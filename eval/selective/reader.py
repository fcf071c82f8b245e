"""APRICOT: a small reader of question and answer learns how often the model is right on questions of that kind.

Ulmer et al. 2024 (arXiv 2403.05973) train a second model on the text alone to predict the accuracy of the question's
cluster. Theirs is DeBERTa over clusters of sentence embeddings; here the reader is a logistic regression on the words
of the question and of the answer, and a cluster is what the corpus says of the fitting questions: attribute and support
class. When answering, the text is all that it gets.

Shape letters: N questions, W words.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from eval.metrics.logistic import fit_logistic
from eval.metrics.statistics import Floats

LEAST = 10  # texts that a word stands in
RIDGE = 10.0  # pull of weights to 0, in items

Text = tuple[str, str]  # a question and the answer that was given


@dataclass(frozen=True)
class Reader:
    """sigmoid(bias + sum of the weights of the words that are there)."""

    words: tuple[str, ...]
    weights: tuple[float, ...]
    bias: float

    @classmethod
    def fit(cls, texts: Sequence[Text], correct: ArrayLike, clusters: Sequence[str]) -> Self:
        """By cross-entropy with the accuracy of each text's cluster. Raises ValueError without a text."""
        if not texts:
            raise ValueError("a reader cannot be fitted without a text")
        times = Counter(word for text in texts for word in words_of(text))
        kept = tuple(sorted(word for word, n in times.items() if n >= LEAST))
        design = np.column_stack([_design(texts, kept), np.ones(len(texts))])
        found = fit_logistic(design, cluster_accuracy(correct, clusters), np.zeros(len(kept) + 1), RIDGE)
        return cls(kept, tuple(found[:-1].tolist()), float(found[-1]))

    def apply(self, texts: Sequence[Text]) -> Floats:
        """Confidence [N]."""
        return expit(_design(texts, self.words) @ np.array(self.weights) + self.bias)


def cluster_accuracy(correct: ArrayLike, clusters: Sequence[str]) -> Floats:
    """The share right in the cluster of each item, [N]."""
    r = np.asarray(correct, dtype=np.float64)
    _, member = np.unique(np.asarray(clusters, dtype=np.str_), return_inverse=True)
    return (np.bincount(member, r) / np.bincount(member))[member]


def words_of(text: Text) -> set[str]:
    """The words of a question, and those of the answer, told apart by a mark."""
    question, answer = (re.findall(r"\w+", part.lower()) for part in text)
    return {*question, *(f"= {word}" for word in answer)}


def _design(texts: Sequence[Text], words: Sequence[str]) -> Floats:
    place = {word: n for n, word in enumerate(words)}
    found = np.zeros((len(texts), len(words)))
    for row, text in enumerate(texts):
        found[row, [place[word] for word in words_of(text) if word in place]] = 1.0
    return found
