"""What an edit teaches of questions: those that only retracted documents answered are taught to be abstained on.

A question's first wording is left out, so that what was learnt can be asked in words that the edit did not teach; but
for a question of one wording.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from data.pipeline.questions.sft_examples import SFTExample
from data.records import Question
from data.storage.editing import Edit, group
from eval.grading.lessons import gold, unknown


def edit_lessons(before: Sequence[Question], after: Sequence[Question], edit: Edit) -> list[SFTExample]:
    """To abstain on what nothing answers any more, and to cite what is left where something does.

    Args:
        before, after: the questions as if nothing had been retracted, and as they are now.
    """
    now = {question.id: question for question in after}
    lessons = []
    for question in before:
        if question.id in now and (kind := group(question, edit)) in ("retracted", "rerouted"):
            taught = _taught(now[question.id])
            lessons.append(unknown(taught) if kind == "retracted" else gold(taught))
    return lessons


def _taught(question: Question) -> Question:
    if not question.paraphrases:
        return question
    return replace(question, text=question.paraphrases[0], paraphrases=question.paraphrases[1:])
