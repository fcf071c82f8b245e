"""Several sentences that may answer: the model's evidence by beam, each answered from, cited and checked three ways.

A question has its evidence somewhere among what was read; greedily the model often writes a true sentence about
something else. So the likeliest few are candidates (where the source is written first, a sentence of each of the
likeliest few sources), and each is looked at from all sides:

    lp_evidence                   log P(sentence | question), of its source, too, where that is written first
    lp_question_given_evidence    log P(question | sentence, answer): does it answer that question? (asking.fraction)
    the two-way check             log P(ID | sentence) and log P(sentence | ID), as of any statement

eval/selective/answer_selection.py chooses, by the calibration fold; `best_evidence` by the first two, nothing fitted.
Both directions count alike there: log P(sentence | question) + log P(question | sentence, answer), as channel and
direct model are added in reranking (Ng et al. 2019, arXiv 1907.06616).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from tqdm import tqdm

from data.pipeline.questions.asking import Asking
from data.records import Prediction, Question
from eval.answerers.candidates import enumerate_candidates, with_signals
from eval.answerers.likelihoods import log_probabilities
from eval.answerers.lm_answerer import ANSWERED, LONGEST_EVIDENCE, LMAnswerer
from eval.answerers.prefilled import answer_from, recited
from eval.answerers.writers.statements import stating
from eval.signals import Asked, Extractor, Signal
from eval.signals.bidirectional import restate
from model.generate import beam_search

WIDTH = 4  # sentences to a question
SIDE_BY_SIDE = 8  # questions; with more, keys and values of their beams leave the processor's cache


class Found(NamedTuple):
    """A sentence of evidence, its log-probability (nats), and the label of the source before it, "" for none."""

    sentence: str
    score: float
    source: str = ""


def add_evidence_candidates(
    answerer: LMAnswerer, questions: Sequence[Question], said: Sequence[Prediction]
) -> list[Prediction]:
    """The predictions with the answers from other evidence as `rivals`, the likeliest first, each checked.

    Unchanged where the model writes no evidence or can't be asked for the source of a statement.
    """
    if not answerer.format.evidenced or not answerer.cites:
        return list(said)
    write = recited_sources if answerer.format.leads == "source" else _written
    written: list[list[Found]] = []
    for start in tqdm(range(0, len(questions), answerer.batch), desc="evidence", unit=" batches", disable=None):
        written += write(answerer, questions[start : start + answerer.batch])
    others = [
        [one for one in found if one.sentence != prediction.evidence]
        for found, prediction in zip(written, said, strict=True)
    ]
    asked = [question for question, held in zip(questions, others, strict=True) for _ in held]
    rivals = iter(_checked(answerer, asked, _answered(answerer, questions, others)))
    held = [
        replace(prediction, rivals=tuple(rival for rival in (next(rivals) for _ in found) if rival.answer))
        for found, prediction in zip(others, said, strict=True)
    ]
    return _asked_back(answerer, questions, held)


def best_evidence(prediction: Prediction) -> Prediction:
    """The answer from the evidence that fits the question best; the answer as it is where none was looked at."""
    looked_at = [p for p in (prediction, *prediction.rivals) if "lp_question_given_evidence" in p.signals]
    return replace(
        max(
            looked_at,
            key=lambda p: p.signals["lp_evidence"] + p.signals["lp_question_given_evidence"],
            default=prediction,
        ),
        rivals=(),
    )


def recited_sources(answerer: LMAnswerer, questions: Sequence[Question]) -> list[list[Found]]:
    """A sentence of each of the likeliest sources of each question, different ones."""
    tokenizer, form, identifiers = answerer.tokenizer, answerer.format, answerer.identifiers
    prompts = [answerer.prompt(text) for text in tokenizer.encode([question.text for question in questions])]
    ranked = answerer.sources_after(prompts, WIDTH)
    sources = [(i, index, score) for i, each in enumerate(ranked) for index, score in each]
    written = recited(answerer, [[*prompts[i], *form.citation(identifiers.tokens[index])] for i, index, _ in sources])
    found: list[dict[str, Found]] = [{} for _ in questions]
    for (i, index, likely), (tokens, score) in zip(sources, written, strict=True):
        if tokens and not tokenizer.reserved.intersection(tokens):
            sentence = tokenizer.decode(tokens)
            found[i].setdefault(sentence, Found(sentence, likely + score, identifiers.labels[index]))
    return [list(each.values()) for each in found]


def _written(answerer: LMAnswerer, questions: Sequence[Question]) -> list[list[Found]]:
    """The likeliest sentences of evidence to each question, different ones."""
    tokenizer, form = answerer.tokenizer, answerer.format
    texts = tokenizer.encode([question.text for question in questions])
    order = sorted(range(len(questions)), key=lambda i: len(texts[i]))
    found: list[list[Found]] = [[] for _ in questions]
    for start in range(0, len(order), SIDE_BY_SIDE):
        chunk = order[start : start + SIDE_BY_SIDE]
        context, _ = answerer.read([answerer.prompt(texts[i]) for i in chunk])
        logits = answerer.begun(context)
        beams = beam_search(answerer.model, context, logits, [form.between], LONGEST_EVIDENCE, WIDTH)
        for i, sentences in zip(chunk, beams, strict=True):
            best: dict[str, Found] = {}
            for tokens, score in sentences:
                if len(tokens) > 1 and not tokenizer.reserved.intersection(tokens[:-1]):
                    sentence = tokenizer.decode(tokens[:-1])
                    best.setdefault(sentence, Found(sentence, score))
            found[i] = list(best.values())
    return found


def _answered(
    answerer: LMAnswerer, questions: Sequence[Question], evidence: Sequence[Sequence[Found]]
) -> list[Prediction]:
    """The answer from each sentence; one without words where none is given."""
    wanted = [(question, one) for question, found in zip(questions, evidence, strict=True) for one in found]
    made: list[Prediction] = []
    for start in tqdm(range(0, len(wanted), answerer.batch), desc="answers", unit=" batches", disable=None):
        chunk = wanted[start : start + answerer.batch]
        sources = [one.source for _, one in chunk if one.source]
        answers = answer_from(answerer, [(question.text, one.sentence) for question, one in chunk], sources)
        made += [
            Prediction(
                question.id,
                "answered" if answer else "unparseable",
                answer or None,
                signals={"answer": log_prob, "lp_evidence": one.score} if answer else {},
                evidence=one.sentence,
            )
            for (question, one), (answer, log_prob) in zip(chunk, answers, strict=True)
        ]
    return made


def _checked(answerer: LMAnswerer, questions: Sequence[Question], made: Sequence[Prediction]) -> list[Prediction]:
    """Each cited by its footnote and checked; one without an answer where it can't be."""
    order = sorted(range(len(made)), key=lambda i: made[i].evidence)  # `restate` looks once at what is the same
    found = list(made)
    for start in tqdm(range(0, len(order), answerer.batch), desc="checks", unit=" batches", disable=None):
        chunk = order[start : start + answerer.batch]
        said = [made[i] for i in chunk]
        forms = [tuple(filter(None, [stating(p.evidence, p.answer or "")])) for p in said]
        asked = [replace(questions[i], statement=form, premise=()) for i, form in zip(chunk, forms, strict=True)]
        for i, checked in zip(chunk, restate(answerer, asked, said), strict=True):
            found[i] = checked if checked.citations else replace(checked, answer=None, outcome="unparseable")
    return found


@torch.inference_mode()
def _asked_back(answerer: LMAnswerer, questions: Sequence[Question], said: Sequence[Prediction]) -> list[Prediction]:
    """All candidates with log P(question | sentence, answer)."""
    tokenizer, form = answerer.tokenizer, Asking(answerer.tokenizer)
    held = [(i, p) for i, p in enumerate_candidates(said) if p.evidence and p.outcome in ANSWERED]
    texts = tokenizer.encode([questions[i].text for i, _ in held])
    sentences = tokenizer.encode([p.evidence for _, p in held])
    answers = tokenizer.encode([p.answer or "" for _, p in held])
    samples = [
        form.scored(sentence, answer, text) for sentence, answer, text in zip(sentences, answers, texts, strict=True)
    ]
    scores = log_probabilities(answerer.model, tokenizer, samples, answerer.batch)[0].tolist()
    others = [
        replace(p, signals={**p.signals, "lp_question_given_evidence": score})
        for (_, p), score in zip(held, scores, strict=True)
    ]
    return with_signals(said, [p for _, p in held], others)


def _extract(asked: Asked) -> list[Prediction]:
    return add_evidence_candidates(asked.answerer, asked.questions, asked.said)


EXTRACTOR = Extractor(
    signals={
        "lp_question_given_evidence": Signal(
            "the question, after the sentence of evidence and its answer", statement=True, compared=True
        ),
    },
    extract=_extract,
    statement=True,
)
