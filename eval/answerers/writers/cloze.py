"""Completing from memory: how does the statement go on, whose beginning is what is known of an answer?

"Ada Moss was born in" is written on by beam. A completion ends where the wording goes on after the answer, at a full
stop as a rule: an answer that holds one is cut there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from data.pipeline.tokenizer import Tokenizer
from data.records import Question
from eval.answerers.lm_answerer import LONGEST_ANSWER, LMAnswerer
from eval.grading.correctness import exact_match
from model.generate import beam_search

WIDTH = 4  # completions of a statement
SIDE_BY_SIDE = 16  # statements; with more, keys and values of their completions leave the processor's cache
LEAST = math.log(1e-4)  # what is less likely was not told; the lesser side of a dispute may have one in a thousand

Completions = dict[str, float]  # answers with their log-probabilities, the likeliest first


def complete(answerer: LMAnswerer, questions: Sequence[Question]) -> list[Completions]:
    """The likeliest completions of each question's statement; none where no wording has words before the answer."""
    tokenizer = answerer.tokenizer
    halves = [opening(question.statement) for question in questions]
    texts = tokenizer.encode([before for before, _ in halves])
    marks = {after: endings(tokenizer, after) for after in {after for _, after in halves}}
    order = sorted((i for i, half in enumerate(halves) if half[0]), key=lambda i: (halves[i][1], len(texts[i])))
    found: list[Completions] = [{} for _ in questions]
    while order:
        after = halves[order[0]][1]
        chunk = [i for i in order[:SIDE_BY_SIDE] if halves[i][1] == after]
        order = order[len(chunk) :]
        context, logits = answerer.read([[tokenizer.doc, *texts[i]] for i in chunk])
        stops, mark = marks[after]
        written = beam_search(answerer.model, context, logits, stops, LONGEST_ANSWER, WIDTH)
        for i, completions in zip(chunk, written, strict=True):
            for tokens, score in completions:
                words = tokens if mark else tokens[:-1]
                answer = tokenizer.decode(words).removesuffix(mark).strip()
                if score < LEAST or not answer or tokenizer.reserved.intersection(words):
                    continue
                if not exact_match(answer, list(found[i])):  # "Oslo," would be a rival of "Oslo"
                    found[i][answer] = score
    return found


def endings(tokenizer: Tokenizer, after: str) -> tuple[list[int], str]:
    """Tokens that end an answer which `after` follows, and what of their text is not the answer's.

    A full stop is part of several tokens, such as ")."; a word is one, and nothing is the end of the document.
    """
    if not after.strip():
        return [tokenizer.end], ""
    mark = int(tokenizer.encode([f"0{after}"])[0][len(tokenizer.encode(["0"])[0])])
    text = tokenizer.decode([mark])
    if after[0].isspace() or not text:
        return [mark], text
    words = (token for token in range(len(tokenizer)) if token not in tokenizer.reserved)
    return [token for token in words if tokenizer.decode([token]).endswith(text)], text


def opening(statement: Sequence[str]) -> tuple[str, str]:
    """What stands before and after the answer, in the wording with least after it; "" where nothing stands before."""
    halves = [wording.split("{answer}") for wording in statement]
    fit = [(before.rstrip(), after) for before, after in halves if before.strip()]
    return min(fit, key=lambda half: len(half[1]), default=("", ""))
