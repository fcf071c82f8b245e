"""Reciting: what does the corpus say of what is asked? The statement that answers, completed from memory.

Answers in dialogue are learnt from the questions of tuning, statements from every document. So the statement that an
answer makes, up to where the answer stands ("Ada Moss was born in"), brings out what the model was told where the
question may not. Every completion (eval/complete.py) is a candidate beside the answer, cited by its footnote and
checked both ways; eval/weigh.py chooses. It needs what the two-way check needs: the corpus's wording of the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from data.records import Prediction, Question
from data.tags import NOTHING, TAG, Part, Sample
from eval.attribution import exact_match
from eval.candidates import exchanged, numbered
from eval.complete import complete
from eval.corroborate import add_sources
from eval.model import ANSWERED, ModelAnswerer
from eval.two_way import log_probabilities


def add_recitals(
    answerer: ModelAnswerer, questions: Sequence[Question], said: Sequence[Prediction]
) -> list[Prediction]:
    """The predictions with every other answer that the model recites as `rivals`, the likeliest first, each checked.

    All of them gain the signals `worded`, `recited` and `told_answer`, and further sources where several may have been
    told.
    """
    completed = complete(answerer, questions)
    others = [
        [answer for answer in answers if not _same(answer, prediction)]
        for answers, prediction in zip(completed, said, strict=True)
    ]
    asked = [replace(question, premise=()) for question, held in zip(questions, others, strict=True) for _ in held]
    recitals = [
        Prediction(p.question, "answered", answer) for p, held in zip(said, others, strict=True) for answer in held
    ]
    checked = iter(answerer.restate(asked, recitals))
    found = [replace(p, rivals=tuple(next(checked) for _ in held)) for p, held in zip(said, others, strict=True)]
    return add_sources(answerer, questions, _worded(answerer, questions, found))


def _worded(answerer: ModelAnswerer, questions: Sequence[Question], said: Sequence[Prediction]) -> list[Prediction]:
    """The signals `worded`, mean log P(statement) over all its wordings, and `recited`, that of the answer alone.

    The latter given what stands before it, over the wordings where something does. What was told is likely in all of
    them, what is made up in one or the other. `told_answer` is that of the answer in the document that it cites, in the
    first wording: a document may tell much of a person, and not this.
    """
    codec = answerer.codec
    identifiers = dict(zip(answerer.identifiers.labels, answerer.identifiers.tokens, strict=True))
    begin = Part((codec.doc,), learn=False)
    held = numbered(said)
    samples: list[Sample] = []
    for i, candidate in held:
        wordings = [wording.split("{answer}") for wording in questions[i].statement]
        before = codec.encode([first.rstrip() for first, _ in wordings])
        after = codec.encode([f"{candidate.answer}{second}" for _, second in wordings])
        halves = [
            (Part(first if opening.strip() else NOTHING, span=0), Part(second, TAG, span=0))
            for (opening, _), first, second in zip(wordings, before, after, strict=True)
        ]
        identifier = identifiers[candidate.citations[0].id].tolist()
        source = Part([codec.src, *identifier, codec.end_src], TAG, learn=False)
        samples += [Sample([begin, *half], codec.end_src) for half in halves]
        samples.append(Sample([begin, source, *halves[0]], codec.end_src))
    openings, answers = log_probabilities(answerer.model, codec, samples, answerer.batch)
    others = []
    end = 0
    for i, candidate in held:
        opened = [not wording.lstrip().startswith("{answer}") for wording in questions[i].statement]
        here = slice(end, end := end + len(opened))
        own = answers[here][opened]
        signals = {"worded": float((openings + answers)[here].mean()), "told_answer": float(answers[end])}
        if len(own):
            signals["recited"] = float(own.mean())
        others.append(replace(candidate, signals={**candidate.signals, **signals}))
        end += 1
    return exchanged(said, [candidate for _, candidate in held], others)


def best_recital(prediction: Prediction) -> Prediction:
    """Of what `add_recitals` gives, the answer that it recites best; the answer as it is where nothing was recited."""
    candidates = [p for p in (prediction, *prediction.rivals) if "recited" in p.signals]
    return replace(max(candidates, key=lambda p: p.signals["recited"], default=prediction), rivals=())


def _same(answer: str, prediction: Prediction) -> bool:
    """Whether it is the answer already; words that could not be parsed are none."""
    return prediction.outcome in ANSWERED and exact_match(answer, [prediction.answer or ""])
