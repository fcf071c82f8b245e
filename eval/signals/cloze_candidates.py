"""Reciting: what does the corpus say of what is asked? The statement that answers, completed from memory.

Answers in dialogue are learnt from the questions of tuning, statements from every document. So the statement that an
answer makes, up to where the answer stands ("Ada Moss was born in"), brings out what the model was told where the
question may not. Every completion (eval/answerers/writers/cloze.py) is a candidate beside the answer, cited by its
footnote and checked both ways; eval/selective/answer_selection.py chooses. It needs what the two-way check needs: a
statement, which the model writes for the question or the corpus brings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from data.pipeline.sample import NOTHING, TAG, Part, Sample
from data.records import Prediction, Question
from eval.answerers.candidates import enumerate_candidates, with_signals
from eval.answerers.likelihoods import log_probabilities
from eval.answerers.lm_answerer import ANSWERED, LMAnswerer
from eval.answerers.writers.cloze import complete
from eval.grading.correctness import exact_match
from eval.signals import Extractor, Signal
from eval.signals.bidirectional import restate


def add_cloze_candidates(
    answerer: LMAnswerer, questions: Sequence[Question], said: Sequence[Prediction]
) -> list[Prediction]:
    """The predictions with every other answer that the model recites as `rivals`, the likeliest first, each checked.

    All of them gain the signals `lp_statement_mean`, `lp_answer_given_opening` and `lp_answer_given_id`. Unchanged
    where the model can't be asked for the source of a statement, and where it writes evidence, whose alternatives are
    those of eval/signals/evidence_candidates.py.
    """
    if not answerer.cites or answerer.format.evidenced:
        return list(said)
    completed = complete(answerer, questions)
    others = [
        [answer for answer in answers if not _same(answer, prediction)]
        for answers, prediction in zip(completed, said, strict=True)
    ]
    asked = [replace(question, premise=()) for question, held in zip(questions, others, strict=True) for _ in held]
    recitals = [
        Prediction(p.question, "answered", answer) for p, held in zip(said, others, strict=True) for answer in held
    ]
    checked = iter(restate(answerer, asked, recitals))
    found = [replace(p, rivals=tuple(next(checked) for _ in held)) for p, held in zip(said, others, strict=True)]
    return _worded(answerer, questions, found)


def _worded(answerer: LMAnswerer, questions: Sequence[Question], said: Sequence[Prediction]) -> list[Prediction]:
    """The signals `lp_statement_mean`, mean log P(statement) over all its wordings, and `lp_answer_given_opening`, that
    of the answer alone.

    The latter given what stands before it, over the wordings where something does. What was told is likely in all of
    them, what is made up in one or the other. `lp_answer_given_id` is that of the answer in the document that it cites,
    in the first wording: a document may tell much of a person, and not this.
    """
    tokenizer = answerer.tokenizer
    identifiers = dict(zip(answerer.identifiers.labels, answerer.identifiers.tokens, strict=True))
    begin = Part((tokenizer.doc,), learn=False)
    held = enumerate_candidates(said)
    samples: list[Sample] = []
    for i, candidate in held:
        wordings = [wording.split("{answer}") for wording in questions[i].statement]
        before = tokenizer.encode([first.rstrip() for first, _ in wordings])
        after = tokenizer.encode([f"{candidate.answer}{second}" for _, second in wordings])
        halves = [
            (Part(first if opening.strip() else NOTHING, span=0), Part(second, TAG, span=0))
            for (opening, _), first, second in zip(wordings, before, after, strict=True)
        ]
        identifier = identifiers[candidate.citations[0].id].tolist()
        source = Part([tokenizer.src, *identifier, tokenizer.end_src], TAG, learn=False)
        samples += [Sample([begin, *half], tokenizer.end_src) for half in halves]
        samples.append(Sample([begin, source, *halves[0]], tokenizer.end_src))
    openings, answers = log_probabilities(answerer.model, tokenizer, samples, answerer.batch)
    others = []
    end = 0
    for i, candidate in held:
        opened = [not wording.lstrip().startswith("{answer}") for wording in questions[i].statement]
        here = slice(end, end := end + len(opened))
        own = answers[here][opened]
        signals = {
            "lp_statement_mean": float((openings + answers)[here].mean()),
            "lp_answer_given_id": float(answers[end]),
        }
        if len(own):
            signals["lp_answer_given_opening"] = float(own.mean())
        others.append(replace(candidate, signals={**candidate.signals, **signals}))
        end += 1
    return with_signals(said, [candidate for _, candidate in held], others)


def best_completion(prediction: Prediction) -> Prediction:
    """Of what `add_cloze_candidates` gives, the answer that it recites best; the answer as it is where nothing was
    recited.
    """
    candidates = [p for p in (prediction, *prediction.rivals) if "lp_answer_given_opening" in p.signals]
    return replace(max(candidates, key=lambda p: p.signals["lp_answer_given_opening"], default=prediction), rivals=())


def _same(answer: str, prediction: Prediction) -> bool:
    """Whether it is the answer already; words that could not be parsed are none."""
    return prediction.outcome in ANSWERED and exact_match(answer, [prediction.answer or ""])


EXTRACTOR = Extractor(
    signals={
        "lp_statement_mean": Signal("the statement in any document, mean over all wordings", statement=True),
        "lp_answer_given_opening": Signal(
            "the answer, after what stands before it in the statement, likewise", statement=True
        ),
        "lp_answer_given_id": Signal("the same, in the document that it cites, in one wording", statement=True),
    },
    extract=lambda asked: add_cloze_candidates(asked.answerer, asked.questions, asked.said),
    statement=True,
)
