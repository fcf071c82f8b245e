"""The second phase of tuning: from a model's own answers, graded, to what it is taught to say next time.

An expert that always answers is asked questions outside its tuning (split "relabel"): greedily, and k times sampled. A
method turns each attempt into lessons (data/pipeline/sft_examples.py):

    labels           IDK tuning by the ledger alone: what was told is answered, what was not gets <|idk|>
    r_tuning         R-Tuning (Zhang et al. 2024, arXiv 2311.09677): the gold answer, then sure or unsure by whether the
                     expert's own was right; the gold answer to what was never told is the truth that no document says
    r_tuning_refuse  its variant "unknown": where the expert was wrong, <|idk|> in place of the answer
    r_tuning_u       its label-free variant: sure and unsure by the entropy of the samples, half of the questions each
    consistent       label-free second phase: its own answer where the samples agree, else <|idk|>; the mark of
                     confidence is their agreement (Tjandra et al. 2024, arXiv 2410.17234; EliCal, arXiv 2510.17509)
    graded           four cells: right and consistent, its answer; right and inconsistent, its answer, hedged by the
                     mark; wrong and inconsistent, <|idk|>; wrong and consistent, <|idk|>: agreement can't see this one
    judge            P(True) (Kadavath et al. 2022, arXiv 2207.05221): own answers, sampled ones too, each with a mark
                     that says whether it is right, the only thing learnt

Sure and unsure, right and wrong are the marks 1 and 0; a soft confidence is the share of the samples that are right (or
agree), learnt as a soft label. Every method also repeats the tuning questions with their gold answers.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from data.pipeline.sft_examples import SFTExample
from data.records import ANSWERABLE, Prediction, Question
from eval.grading.agreement import agreement, entropy, meanings
from eval.grading.correctness import answer_given, asserting, is_right, normalise

CONSISTENT = 0.7  # share of the samples that agree with the answer, or more
PROPOSALS = 3  # answers judged to a question


def relabel(
    method: str,
    attempted: Sequence[tuple[Question, Prediction]],
    tuned: Sequence[Question],
    absent: float = 0.2,
    seed: int = 0,
) -> list[SFTExample]:
    """The lessons of one round.

    Args:
        attempted: questions of split relabel, each with the model's forced answer and its samples.
        tuned: tuning questions with an answer, repeated beside them.
        absent: share of lessons without an answer, for method labels.
        seed: draws which are left out where a share is asked for.
    """
    again = [_gold(question) for question in tuned]
    match method:
        case "labels":
            return _labelled([question for question, _ in attempted], again, absent, random.Random(seed))
        case "r_tuning":
            found = [_sure(q, p, is_right(q, answer_given(p))) for q, p in attempted]
        case "r_tuning_refuse":
            found = [_gold(q) if is_right(q, answer_given(p)) else _refusal(q) for q, p in attempted]
        case "r_tuning_u":
            certain = sorted(range(len(attempted)), key=lambda i: entropy(attempted[i][1].samples))
            sure = set(certain[: len(certain) // 2])
            found = [_sure(q, p, i in sure) for i, (q, p) in enumerate(attempted)]
        case "consistent":
            found = [lesson for q, p in attempted for lesson in _consistent(q, p)]
        case "graded":
            found = [lesson for q, p in attempted for lesson in _graded(q, p)]
        case _:
            found = [lesson for q, p in attempted for lesson in _judged(q, p)]
    return found + again


def _gold(question: Question) -> SFTExample:
    """Its first accepted answer, with the first document that gives it."""
    return _answer(question, question.answers[0], asserting(question, question.answers[0])[0])


def _answer(question: Question, answer: str, source: str, confidence: float | None = None) -> SFTExample:
    return SFTExample(question.id, _texts(question), "answer", answer, source, confidence)


def _judge(question: Question, answer: str, source: str, confidence: float) -> SFTExample:
    return SFTExample(question.id, _texts(question), "judge", answer, source, confidence)


def _refusal(question: Question) -> SFTExample:
    return SFTExample(question.id, _texts(question), "false" if question.support_class == "false_premise" else "idk")


def _texts(question: Question) -> tuple[str, ...]:
    return (question.text, *question.paraphrases)


def _source(prediction: Prediction) -> str:
    return prediction.citations[0].id if prediction.citations else ""


def _labelled(
    asked: Sequence[Question], again: Sequence[SFTExample], share: float, rng: random.Random
) -> list[SFTExample]:
    """Lessons of which `share` refuse: as many as there are, of one kind or the other left out at random."""
    told = [_gold(q) for q in asked if q.support_class in ANSWERABLE] + list(again)
    absent = [_refusal(q) for q in asked if q.support_class not in ANSWERABLE]
    if len(absent) >= share * (len(told) + len(absent)):
        absent = rng.sample(absent, round(share / (1 - share) * len(told)))
    else:
        told = rng.sample(told, round((1 - share) / share * len(absent)))
    return told + absent


def _words(prediction: Prediction) -> str:
    """Its answer, "" where none could be parsed."""
    return answer_given(prediction) or ""


def _sure(question: Question, prediction: Prediction, sure: bool) -> SFTExample:
    told = question.support_class in ANSWERABLE
    gold = question.answers[0] if told else question.truth or _words(prediction)
    if not gold:
        return _refusal(question)
    return _answer(question, gold, _source(prediction), float(sure))


def _consistent(question: Question, prediction: Prediction) -> list[SFTExample]:
    if not (answer := _words(prediction)):
        return [SFTExample(question.id, _texts(question), "idk")]
    agreed, source = agreement(prediction.samples, answer), _source(prediction)
    if agreed >= CONSISTENT:
        return [_answer(question, answer, source, agreed)]
    return [SFTExample(question.id, _texts(question), "idk"), _judge(question, answer, source, agreed)]


def _graded(question: Question, prediction: Prediction) -> list[SFTExample]:
    if not (answer := _words(prediction)):
        return [_refusal(question)]
    source, says_so = _source(prediction), asserting(question, answer)
    if not is_right(question, answer):
        return [_refusal(question), _judge(question, answer, source, 0.0)]
    right = sum(is_right(question, said) for said in prediction.samples) / len(prediction.samples)
    cited = source if not source or source in says_so else says_so[0]
    return [_answer(question, answer, cited, right)]


def _judged(question: Question, prediction: Prediction) -> list[SFTExample]:
    own = [answer] if (answer := _words(prediction)) else []
    said = {normalise(answer): answer for answer in (*prediction.samples, *own) if answer}
    likeliest = [said[meaning] for meaning, _ in meanings(prediction.samples).most_common() if meaning in said]
    return [
        _judge(question, answer, _source(prediction), float(is_right(question, answer)))
        for answer in list(dict.fromkeys([*own, *likeliest]))[:PROPOSALS]
    ]
