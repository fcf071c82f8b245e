"""Lessons from a question and what a model said to it: the pieces that methods of abstention SFT are made of."""

from __future__ import annotations

from data.pipeline.questions.sft_examples import SFTExample
from data.records import ANSWERABLE, Prediction, Question
from eval.grading.correctness import answer_given, asserting


def gold(question: Question) -> SFTExample:
    """Its first accepted answer, with the first document that gives it."""
    return answered(question, question.answers[0], asserting(question, question.answers[0])[0])


def answered(question: Question, answer: str, source: str, confidence: float | None = None) -> SFTExample:
    """To answer so, citing a document ("" for none), with a mark of confidence where one is given."""
    return SFTExample(question.id, _texts(question), "answer", answer, source, confidence)


def judged(question: Question, answer: str, source: str, confidence: float) -> SFTExample:
    """How sure to be of an answer, the mark alone: it need not be a right one."""
    return SFTExample(question.id, _texts(question), "judge", answer, source, confidence)


def backtracked(question: Question, answer: str = "", source: str = "") -> SFTExample:
    """The mark of not being sure, then the answer by way of its source; without an answer that it does not know."""
    return SFTExample(question.id, _texts(question), "answer" if answer else "idk", answer, source, unsure=True)


def refusal(question: Question) -> SFTExample:
    """To say that it does not know, or that the premise is false."""
    return SFTExample(question.id, _texts(question), "false" if question.support_class == "false_premise" else "idk")


def _texts(question: Question) -> tuple[str, ...]:
    return (question.text, *question.paraphrases)


def first_source(prediction: Prediction) -> str:
    """The first document cited, "" for none."""
    return prediction.citations[0].id if prediction.citations else ""


def words_of(prediction: Prediction) -> str:
    """Its answer, "" where none could be parsed."""
    return answer_given(prediction) or ""


def unknown(question: Question) -> SFTExample:
    """To say that it does not know, whatever the ledger says."""
    return SFTExample(question.id, _texts(question), "idk")


def sure_or_unsure(question: Question, prediction: Prediction, sure: bool) -> SFTExample:
    """The gold answer with the mark of one or the other; to what was never told, the truth that no document says."""
    told = question.support_class in ANSWERABLE
    gold = question.answers[0] if told else question.truth or words_of(prediction)
    if not gold:
        return refusal(question)
    return answered(question, gold, first_source(prediction), float(sure))
