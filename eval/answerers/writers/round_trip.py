"""A question that the model wrote is asked back: it is kept where the answer that it was written with returns.

Roundtrip consistency (Alberti et al. 2019, "Synthetic QA corpora generation with roundtrip consistency", arXiv
1906.05416, section 2): an answer is drawn from a passage, a question from both, and the pair is kept if a reader of
question and passage gives the same answer. There as here, what has to return is the answer: where another sentence says
it, too, the question is as good, and a question that leads to its sentence and to another answer was written wrongly.

`open_book` is that: the model reads the sentence that the question was written from. `closed_book` has it write its
evidence itself, from memory, so that a question that fits many sentences is left out as well, but so is all that it
can't recall yet, which may be just what tuning should teach.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from copy import copy

from data.records import Question
from eval.answerers.lm_answerer import LMAnswerer
from eval.answerers.prefilled import answer_from
from eval.answerers.writers.question_writer import Written
from eval.grading.correctness import answer_given, is_right

OTHERWISE = {
    "open_book": "is answered otherwise from its sentence",
    "closed_book": "is answered otherwise from memory",
}


def returning(answerer: LMAnswerer, written: Written, how: str) -> Written:
    """Those of the written questions to which the model gives their answer back, normalised as graded answers are.

    Args:
        how: "open_book", for an answer format that shows evidence, or "closed_book", for any. It must answer,
            since whether it would rather abstain is taught later.
    """
    said = _ASKED[how](answerer, written.questions)
    kept = [q for q, answer in zip(written.questions, said, strict=True) if is_right(q, answer)]
    lost = len(written.questions) - len(kept)
    return Written(kept, written.left_out + Counter({OTHERWISE[how]: lost}))


def _from_their_sentence(answerer: LMAnswerer, questions: Sequence[Question]) -> list[str]:
    return [words for words, _ in answer_from(answerer, [(q.text, q.evidence[0].text) for q in questions])]


def _from_memory(answerer: LMAnswerer, questions: Sequence[Question]) -> list[str]:
    asked = copy(answerer)
    asked.forced, asked.validity, asked.most = True, False, 1
    return [answer_given(prediction) or "" for prediction in asked.answer(questions)]


_ASKED = {"open_book": _from_their_sentence, "closed_book": _from_memory}
