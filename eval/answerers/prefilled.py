"""Prefilled answers: what the model writes behind a source or a sentence of evidence that is put there for it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from eval.answerers.lm_answerer import LONGEST_EVIDENCE, LMAnswerer
from model.generate import Context, generate, pad_left, read_on


def opened(answerer: LMAnswerer, texts: Sequence[Sequence[int] | np.ndarray]) -> Context:
    """What the evidence to each question is written after: the prompt, and the likeliest source where it leads."""
    context, _ = answerer.read([answerer.prompt(text) for text in texts])
    if answerer.format.leads == "source":
        best = [found[0][0] for found in answerer.ranked(context, 1)]
        cited = [answerer.format.citation(answerer.identifiers.tokens[index]) for index in best]
        read_on(answerer.model, context, *pad_left(cited, context.seen.device))
    return context


def answer_from(
    answerer: LMAnswerer, asked: Sequence[tuple[str, str]], sources: Sequence[str] = ()
) -> list[tuple[str, float]]:
    """The answer to each question from a given sentence of evidence, greedy: its words and log-probability.

    The words are "" where it gives none, and where they all are more than it reads at once. For a format that shows
    evidence.

    Args:
        sources: the label of the document that each sentence is from, which a format may name; none are named
            where they are not given.
    """
    texts = answerer.tokenizer.encode([text for text, _ in asked])
    sentences = answerer.tokenizer.encode([sentence for _, sentence in asked])
    named: Sequence[np.ndarray | None] = [answerer.called[label] for label in sources] or [None] * len(asked)
    prompts = [
        answerer.format.led(answerer.prompt(text), sentence, source)
        for text, sentence, source in zip(texts, sentences, named, strict=True)
    ]
    return answerer.finished(prompts)


def answer_by(answerer: LMAnswerer, asked: Sequence[tuple[str, str]]) -> list[tuple[str, float]]:
    """The answer to each question by way of a given source, greedy: its words and log-probability.

    For a format that begins with the source; what it recites of it is written, too.

    Args:
        asked: the text of each question and the label of the document.
    """
    texts = answerer.tokenizer.encode([text for text, _ in asked])
    prompts = [
        [*answerer.prompt(text), *answerer.format.citation(answerer.called[label])]
        for text, (_, label) in zip(texts, asked, strict=True)
    ]
    if answerer.format.evidenced:
        said = [said for said, _ in recited(answerer, prompts)]
        prompts = [answerer.format.led(prompt, sentence) for prompt, sentence in zip(prompts, said, strict=True)]
    return answerer.finished(prompts)


@torch.inference_mode()
def recited(answerer: LMAnswerer, prompts: Sequence[Sequence[int]]) -> list[tuple[list[int], float]]:
    """The evidence that follows prompts which it stands next after, greedy: its tokens and log-probability."""
    found: list[tuple[list[int], float]] = []
    for start in range(0, len(prompts), answerer.batch):
        context, _ = answerer.read(prompts[start : start + answerer.batch])
        begun, ends = answerer.begun(context), [answerer.format.between]
        written = generate(answerer.model, context, begun, ends, LONGEST_EVIDENCE, last=True)
        found += [(t, float(scores.sum())) for t, scores in zip(written.tokens, written.log_probs, strict=True)]
    return found
