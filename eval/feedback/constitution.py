"""A constitution on provenance: four principles, the sentences that say how an answer keeps or breaks them, and what
an answer is worth of which a sentence holds.

    1  cite only a document that says it             supported, unsourced
    2  where sources disagree, follow the better     outweighed
    3  say only what a document says                 wrong, untold, malformed
    4  say that you do not know where no document    withheld, known
       says it, and only there

After Constitutional AI (Bai et al. 2022, arXiv 2212.08073), whose principles are on harm. A sentence names what is
wrong and nothing else: neither the right answer nor a document. Which of them holds is what the ledger says
(`verdict`), or what a model finds likely (own_critic.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from data.records import ANSWERABLE, Prediction, Question
from eval.grading.correctness import answer_given, asserting, is_right
from eval.grading.outcomes import WITHHELD
from eval.grading.rewards.cited import cited
from eval.metrics.selective_prediction import penalty
from eval.metrics.statistics import Floats


class Sentence(NamedTuple):
    """What is said of an answer, and what the answer is worth: None for the cost of a wrong one."""

    words: str
    worth: float | None


SENTENCES: Mapping[str, Sentence] = {
    "supported": Sentence("This is right, and the source says it.", 1.0),
    "unsourced": Sentence("This is right, but the source does not say it.", 0.5),
    "outweighed": Sentence("A better source says otherwise.", None),
    "wrong": Sentence("The documents say something else.", None),
    "untold": Sentence("No document says anything on this.", None),
    "malformed": Sentence("This is no answer.", None),
    "withheld": Sentence("It was right to say nothing.", 0.0),
    "known": Sentence("A document does say this.", 0.0),
}
KEPT = ("supported", "withheld")  # of an answer that breaks no principle
OF_SILENCE, OF_NOISE = ("withheld", "known"), ("malformed",)  # said of a refusal, and of what is no answer
OF_ANSWERS = tuple(name for name in SENTENCES if name not in (*OF_SILENCE, *OF_NOISE))


def verdict(question: Question, said: Prediction) -> str:
    """The name of the sentence that the ledger says of an answer."""
    told = question.support_class in ANSWERABLE
    if said.outcome in WITHHELD:
        return "known" if told else "withheld"
    if (answer := answer_given(said)) is None:
        return "malformed"
    if not told:
        return "untold"
    if is_right(question, answer):
        return "supported" if cited(question, said, 0.0) == 1.0 else "unsourced"
    return "outweighed" if asserting(question, answer) else "wrong"


def possible(said: Prediction) -> tuple[str, ...]:
    """The sentences that can hold of an answer, by what it is: whoever reads it sees whether it says anything."""
    if said.outcome in WITHHELD:
        return OF_SILENCE
    return OF_NOISE if answer_given(said) is None else OF_ANSWERS


def worths(target: float) -> Floats:
    """What an answer is worth of which each sentence holds, float64 (V,) in their order: as the reward `cited` has it.

    Args:
        target: confidence t from which on an answer is worth giving: a wrong one costs t / (1 - t).
    """
    cost = -penalty(target)
    return np.array([cost if one.worth is None else one.worth for one in SENTENCES.values()])


def certain(names: Sequence[str]) -> Floats:
    """Verdicts as probabilities of the sentences, float64 (N, V): 1 for the one that holds."""
    order = list(SENTENCES)
    return np.eye(len(order))[[order.index(name) for name in names]]
