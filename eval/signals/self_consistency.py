"""Several answers to each question, sampled: what they say of the answer is in eval/grading/agreement.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from data.records import Prediction, Question
from eval.answerers.lm_answerer import ANSWERED, LMAnswerer
from eval.grading.agreement import Samples, agreement, entropy
from eval.signals import Asked, Extractor, Signal

SIDE_BY_SIDE = 64  # samples; with more of them, keys and values leave the processor's cache


def draw_samples(
    answerer: LMAnswerer, questions: Sequence[Question], count: int, temperature: float = 1.0, seed: int = 0
) -> list[Samples]:
    """`count` sampled answers to each question, in the order of the questions; it is barred from abstaining."""
    tokenizer, model = answerer.tokenizer, answerer.model
    texts = tokenizer.encode([question.text for question in questions])
    order = sorted(range(len(questions)), key=lambda i: len(texts[i]))
    generator = torch.Generator(model.embed_tokens.weight.device).manual_seed(seed)
    drawn: dict[int, Samples] = {}
    size = max(1, SIDE_BY_SIDE // count)
    for start in range(0, len(order), size):
        chunk = order[start : start + size]
        context, logits = answerer.read([answerer.prompt(texts[i]) for i in chunk])
        rows = torch.arange(len(chunk), device=logits.device).repeat_interleave(count)
        logits = answerer.barred(logits)[rows]
        written = answerer.write(context.select(rows), logits, temperature, generator).answers
        said = [
            tokenizer.decode(tokens) if answerer.format.parse(tokens, stop) in ANSWERED else ""
            for tokens, stop in zip(written.tokens, written.stops, strict=True)
        ]
        drawn.update({i: tuple(said[place * count : (place + 1) * count]) for place, i in enumerate(chunk)})
    return [drawn[i] for i in range(len(questions))]


def add_samples(
    answerer: LMAnswerer, questions: Sequence[Question], said: Sequence[Prediction], count: int, seed: int = 0
) -> list[Prediction]:
    """The predictions with `count` samples each, and what these say of the answer as signals."""
    drawn = draw_samples(answerer, questions, count, seed=seed)
    return [
        replace(
            prediction,
            samples=samples,
            signals={
                **prediction.signals,
                "agreement": agreement(samples, prediction.answer or ""),
                "neg_semantic_entropy": -entropy(samples),
            },
        )
        for prediction, samples in zip(said, drawn, strict=True)
    ]


def _extract(asked: Asked) -> list[Prediction]:
    """Of questions that abstention is judged on, or a probe is fitted on; nothing else is said of samples."""
    found = list(asked.said)
    if not asked.samples:
        return found
    here = [i for i, q in enumerate(asked.questions) if q.fold or q.split == "relabel"]
    questions, said = [asked.questions[i] for i in here], [found[i] for i in here]
    sampled = add_samples(asked.answerer, questions, said, asked.samples, asked.seed)
    for i, prediction in zip(here, sampled, strict=True):
        found[i] = prediction
    return found


EXTRACTOR = Extractor(
    signals={
        "agreement": Signal("share of the samples that say the same as the answer", "share", system="agreement"),
        "neg_semantic_entropy": Signal("less the semantic entropy of the samples", system="semantic_entropy"),
    },
    extract=_extract,
)
