"""Does the model notice that it is about to make something up? The mark before a value, and what comes behind it.

For models that were taught to backtrack (eval/grading/methods/backtrack.py). Each question of the test fold is answered
greedily: the likeliest first token is the mark of not being sure, a refusal, or the first word of an answer. Behind the
mark the model says that it does not know, or names a source (the likeliest of all, over the trie) and answers from it.
Suppressed, the mark is barred and nothing else is.

    precision, precision_unknown   of the marks, the share before what was never told; that, or where the answer that
                                   comes with the mark suppressed is wrong
    recall                         of what was never told, the share that is marked
    derived                        of what was told and is marked, the share that is answered by way of a source
    derived_right                  of these answers, the share that is right; `suppressed_right` is of the same
                                   questions, with the mark suppressed
    confabulated, confabulated_suppressed   of what was never told, the share that gets an answer
    right, right_suppressed        of what was told, the share answered rightly

Shape letters: N questions, B side by side, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from data.pipeline.answer_format import ANSWERED
from data.records import ANSWERABLE, NEVER, Question
from eval.answerers.lm_answerer import LONGEST_ANSWER, LMAnswerer
from eval.grading.correctness import is_right
from eval.metrics.calibration import ratio
from eval.probes import Probe, Read, held_out, measured
from model.generate import Context, generate, pad_left, read_on


@dataclass(frozen=True, slots=True)
class Said:
    """What was said to a question: whether the mark came first, and the words, "" for none."""

    marked: bool
    answer: str


def backtracking(read: Read) -> dict[str, Any]:
    """The figures of the module's docstring; {} where nothing was asked of both kinds."""
    asked = [q for q in held_out(read.questions) if q.support_class in (*ANSWERABLE, *NEVER)]
    told = np.array([q.support_class in ANSWERABLE for q in asked], dtype=bool)
    if told.all() or not told.any():
        return {}
    free, barred = (answers(read.answerer, asked, suppressed) for suppressed in (False, True))
    marked = np.array([said.marked for said in free])
    answered, answered_barred = (np.array([bool(said.answer) for said in each]) for each in (free, barred))
    right, right_barred = (
        np.array([bool(s.answer) and is_right(q, s.answer) for q, s in zip(asked, each, strict=True)])
        for each in (free, barred)
    )
    derived = told & marked & answered
    shares = {
        "precision": (~told, marked),
        "precision_unknown": (~told | ~right_barred, marked),
        "recall": (marked, ~told),
        "derived": (answered, told & marked),
        "derived_right": (right, derived),
        "suppressed_right": (right_barred, derived),
        "confabulated": (answered, ~told),
        "confabulated_suppressed": (answered_barred, ~told),
        "right": (right, told),
        "right_suppressed": (right_barred, told),
    }
    people = [q.entity or q.id for q in asked]
    return {"n": len(asked)} | {name: _share(hit, among, people) for name, (hit, among) in shares.items()}


def answers(answerer: LMAnswerer, questions: Sequence[Question], suppressed: bool) -> list[Said]:
    """What the model says to each question, greedily; with `suppressed` it can't write the mark."""
    texts = answerer.tokenizer.encode([question.text for question in questions])
    order = sorted(range(len(questions)), key=lambda i: len(texts[i]))
    found: dict[int, Said] = {}
    for start in range(0, len(order), answerer.batch):
        chunk = order[start : start + answerer.batch]
        prompts = [answerer.prompt(texts[i]) for i in chunk]
        found.update(zip(chunk, _said(answerer, [questions[i] for i in chunk], prompts, suppressed), strict=True))
    return [found[i] for i in range(len(questions))]


@torch.inference_mode()
def _said(
    answerer: LMAnswerer, questions: Sequence[Question], prompts: Sequence[Sequence[int]], suppressed: bool
) -> list[Said]:
    mark = torch.tensor([answerer.format.unsure], device=answerer.model.embed_tokens.weight.device)
    context, logits = answerer.read(prompts, answerer.told(questions))
    if suppressed:
        logits = logits.index_fill(1, mark, -torch.inf)
    marked = logits.argmax(-1) == mark
    plain, backed = (~marked).nonzero()[:, 0], marked.nonzero()[:, 0]
    found: dict[int, str] = {}
    for rows, answer in ((plain, _answered), (backed, _recalled)):
        if len(rows):
            found.update(zip(rows.tolist(), answer(answerer, context.select(rows), logits[rows]), strict=True))
    return [Said(bool(marked[row]), found[row]) for row in range(len(prompts))]


def _answered(answerer: LMAnswerer, context: Context, logits: torch.Tensor) -> list[str]:
    """The words that begin with these logits."""
    written = generate(answerer.model, context, logits, answerer.format.stops, LONGEST_ANSWER, last=True)
    outcomes = [answerer.format.parse(*each) for each in zip(written.tokens, written.stops, strict=True)]
    pairs = zip(written.tokens, outcomes, strict=True)
    return [answerer.tokenizer.decode(tokens) if outcome in ANSWERED else "" for tokens, outcome in pairs]


def _recalled(answerer: LMAnswerer, context: Context, logits: torch.Tensor) -> list[str]:
    """What stands behind the mark: "" for a refusal, else the words behind the source."""
    form, tokenizer = answerer.format, answerer.tokenizer
    rows, device = len(logits), logits.device
    mark = torch.full((rows, 1), form.unsure, device=device)
    after = read_on(answerer.model, context, mark, torch.ones_like(mark, dtype=torch.bool))
    options = torch.tensor([form.opening, tokenizer.nosrc, *form.refusals], device=device)
    chosen = after[:, options].argmax(-1)
    going = (chosen < 2).nonzero()[:, 0]
    words = [""] * rows
    if not len(going):
        return words
    context = context.select(going)
    ranked = answerer.ranked(context)
    sources = [
        form.citation(answerer.identifiers.tokens[first[0][0]]) if option == 0 else [tokenizer.nosrc]
        for first, option in zip(ranked, chosen[going].tolist(), strict=True)
    ]
    logits = read_on(answerer.model, context, *pad_left(sources, device))
    written = generate(answerer.model, context, logits, [tokenizer.end], LONGEST_ANSWER, last=True)
    for row, tokens, stop in zip(going.tolist(), written.tokens, written.stops, strict=True):
        worded = bool(tokens) and not tokenizer.reserved.intersection(tokens)
        words[row] = tokenizer.decode(tokens) if worded and stop is not None else ""
    return words


def _share(hit: np.ndarray, among: np.ndarray, people: Sequence[str]) -> dict[str, Any]:
    top, bottom = (hit & among).astype(float), among.astype(float)
    return measured(lambda w: ratio(w @ top, w @ bottom), people) | {"n": int(among.sum())}


PROBE = Probe(
    title="Does it back off before it makes something up?",
    about=(
        "precision and recall of the mark before what was never told; derived_right: answers by way of a source; "
        "confabulated: answers to what was never told, with the mark and with the mark suppressed."
    ),
    run=backtracking,
    after=("backtrack",),
)
