"""Two attempts at each question: what became of the first, and which attempts a model may learn from.

An attempt is right (c), withheld (a) or neither (i): wrong, invented, or not well formed. Right is what the corpus
gives, so nothing is where nothing was told; there to withhold is what should be done.

    pairs       each first attempt with one that went well, of another episode on the same question (Pair-SFT; Welleck
                et al. 2023, arXiv 2211.00053): the second is learnt, the first where it went well itself
    kept        the episodes whose second attempt went well (STaR; Zelikman et al. 2022, arXiv 2203.14465)

Both keep what was right at first and stayed so, without which a model learns to change whatever it said (Kumar et al.
2024, arXiv 2409.12917, section 4). An attempt went well where it says what should be said: an answer with a source that
supports it, or nothing where nothing was told.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

from data.pipeline.questions.attempts import Attempt, Episode
from data.records import ANSWERABLE, Prediction, Question
from eval.grading.correctness import answer_given, is_right, supports
from eval.grading.outcomes import WITHHELD

RIGHT, WITHHELD_STATE, WRONG = "c", "a", "i"
Tried = tuple[Question, Sequence[Prediction]]  # a question and what was said to it, attempt after attempt


def state(question: Question, said: Prediction) -> str:
    """ "c", "a" or "i"."""
    if said.outcome in WITHHELD:
        return WITHHELD_STATE
    return RIGHT if is_right(question, answer_given(said)) else WRONG


def went_well(question: Question, said: Prediction) -> bool:
    if question.support_class not in ANSWERABLE:
        return said.outcome in WITHHELD
    answer = answer_given(said)
    if question.support_class == "untagged":
        return is_right(question, answer) and said.outcome == "no_source"
    return bool(said.citations) and supports(question, answer, said.citations[0].id)


def kept(episodes: Sequence[Episode], well: Mapping[tuple[str, Attempt], bool]) -> list[Episode]:
    """Those to learn by STaR. `well`: whether each attempt at each question, by its id, went well."""
    return [
        replace(one, learn=tuple(well[one.question, attempt] for attempt in one.attempts))
        for one in episodes
        if well[one.question, one.attempts[-1]]
    ]


def pairs(episodes: Sequence[Episode], well: Mapping[tuple[str, Attempt], bool], seed: int) -> list[Episode]:
    """Pairs of a first attempt and one that went well, a pair for each episode on a question where any did."""
    rng = random.Random(seed)
    good: dict[str, list[Attempt]] = {}
    for one in episodes:
        good.setdefault(one.question, []).extend(a for a in one.attempts if well[one.question, a])
    found = []
    for one in episodes:
        if good[one.question]:
            first = one.attempts[0]
            fine = well[one.question, first]
            second = first if fine else rng.choice(good[one.question])
            found.append(Episode(one.question, (first, second), (fine, True)))
    return found
