"""The model as its own critic: how likely it finds each sentence of the constitution behind an answer.

    P(v | question, answer) = p(words of v | question, answer) / sum over all sentences u of p(words of u | ...)

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
from eval.feedback.constitution import SENTENCES
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
    shape = RefinementForm(form)
    sentences = [[*words, shape.between] for words in form.tokenizer.encode([one.words for one in SENTENCES.values()])]
    distinct = list(dict.fromkeys(said))
    rows = [(shape.told(texts[name], attempt), words) for name, attempt in distinct for words in sentences]
    scores = np.array([scores.sum() for scores in token_log_probs(model, rows, batch)]).reshape(-1, len(sentences))
    place = {one: number for number, one in enumerate(distinct)}
    found: Floats = np.exp(log_softmax(scores, axis=1))[[place[one] for one in said]]
    return found


def likeliest(probabilities: Floats) -> list[str]:
    """The name of each row's likeliest sentence."""
    order = list(SENTENCES)
    return [order[number] for number in probabilities.argmax(1)]
