"""The model as its own critic: how likely it finds each sentence of the constitution behind an answer.

    P(v | question, answer) = p(words of v | question, answer) / sum over sentences u of p(words of u | ...)

over those u that can hold of such an answer (constitution.possible), 0 for the others.
The sentences are those that it was taught to write behind answers to tuning questions (refinements.py here); nothing is
told of the question at hand. Its critique is the likeliest sentence, and its judgement of an answer the expected worth.

Shape letters: N answers, V sentences.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import log_softmax

from data.pipeline.questions.attempts import Attempt, AttemptForm
from data.pipeline.questions.refinements import RefinementForm
from data.pipeline.sample import Tokens
from eval.answerers.likelihoods import token_log_probs
from eval.feedback.constitution import SENTENCES, possible
from eval.metrics.statistics import Floats
from model.transformer import Transformer

Said = tuple[str, Attempt]  # the id of a question, and what was said to it


def own_verdicts(
    model: Transformer, form: AttemptForm, texts: dict[str, Tokens], said: Sequence[Said], batch: int = 256
) -> Floats:
    """The probability of each sentence behind each answer, float64 (N, V); what was said twice is read once.

    Args:
        texts: the questions in tokens, by id.
    """
    shape, names = RefinementForm(form), list(SENTENCES)
    sentences = [[*words, shape.between] for words in form.tokenizer.encode([one.words for one in SENTENCES.values()])]
    distinct = list(dict.fromkeys(said))
    allowed = np.array([[name in possible(form.parse("", attempt)) for name in names] for _, attempt in distinct])
    scores = np.where(allowed, 0.0, -np.inf)
    asked = np.argwhere(allowed & (allowed.sum(1, keepdims=True) > 1))  # one that alone is possible is certain
    rows = [(shape.told(texts[distinct[row][0]], distinct[row][1]), sentences[column]) for row, column in asked]
    scores[tuple(asked.T)] = [found.sum() for found in token_log_probs(model, rows, batch)]
    place = {one: number for number, one in enumerate(distinct)}
    found: Floats = np.exp(log_softmax(scores, axis=1))[[place[one] for one in said]]
    return found


def likeliest(probabilities: Floats) -> list[str]:
    """The name of each row's likeliest sentence."""
    order = list(SENTENCES)
    return [order[number] for number in probabilities.argmax(1)]
