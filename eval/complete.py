"""Completing from memory: how does the statement go on, whose beginning is what is known of an answer?

"Ada Moss was born in" is written on by beam. A completion ends where the wording goes on after the answer, at a full
stop as a rule: an answer that holds one is cut there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from data.records import Question
from data.tokenizer import Codec
from eval.attribution import exact_match
from eval.model import LONGEST_ANSWER, ModelAnswerer
from model.generate import likeliest

WIDTH = 4  # completions of a statement
SIDE_BY_SIDE = 16  # statements; with more, keys and values of their completions leave the processor's cache
LEAST = math.log(1e-4)  # what is less likely was not told; the lesser side of a dispute may have one in a thousand

Completions = dict[str, float]  # answers with their log-probabilities, the likeliest first


def complete(answerer: ModelAnswerer, questions: Sequence[Question]) -> list[Completions]:
    """The likeliest completions of each question's statement; none where no wording has words before the answer."""
    codec = answerer.codec
    halves = [opening(question.statement) for question in questions]
    texts = codec.encode([before for before, _ in halves])
    marks = {after: endings(codec, after) for after in {after for _, after in halves}}
    order = sorted((i for i, half in enumerate(halves) if half[0]), key=lambda i: (halves[i][1], len(texts[i])))
    found: list[Completions] = [{} for _ in questions]
    while order:
        after = halves[order[0]][1]
        chunk = [i for i in order[:SIDE_BY_SIDE] if halves[i][1] == after]
        order = order[len(chunk) :]
        context, logits = answerer.read([[codec.doc, *texts[i]] for i in chunk])
        stops, mark = marks[after]
        written = likeliest(answerer.model, context, logits, stops, LONGEST_ANSWER, WIDTH)
        for i, completions in zip(chunk, written, strict=True):
            for tokens, score in completions:
                words = tokens if mark else tokens[:-1]
                answer = codec.decode(words).removesuffix(mark).strip()
                if score < LEAST or not answer or codec.reserved.intersection(words):
                    continue
                if not exact_match(answer, list(found[i])):  # "Oslo," would be a rival of "Oslo"
                    found[i][answer] = score
    return found


def endings(codec: Codec, after: str) -> tuple[list[int], str]:
    """Tokens that end an answer which `after` follows, and what of their text is not the answer's.

    A full stop is part of several tokens, such as ")."; a word is one, and nothing is the end of the document.
    """
    if not after.strip():
        return [codec.end], ""
    mark = int(codec.encode([f"0{after}"])[0][len(codec.encode(["0"])[0])])
    text = codec.decode([mark])
    if after[0].isspace() or not text:
        return [mark], text
    words = (token for token in range(len(codec)) if token not in codec.reserved)
    return [token for token in words if codec.decode([token]).endswith(text)], text


def opening(statement: Sequence[str]) -> tuple[str, str]:
    """What stands before and after the answer, in the wording with least after it; "" where nothing stands before."""
    halves = [wording.split("{answer}") for wording in statement]
    fit = [(before.rstrip(), after) for before, after in halves if before.strip()]
    return min(fit, key=lambda half: len(half[1]), default=("", ""))
