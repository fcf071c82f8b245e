"""What a model answers of its own, what it answers if it has to, and how likely it is to say that at all."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace

import numpy as np

from data.pipeline.answer_format import ANSWERED
from data.records import Prediction, Question
from eval.answerers.likelihoods import token_log_probs
from eval.answerers.lm_answerer import LMAnswerer

SURE = "lp_answer"  # signal of a forced answer: log P(its words, then any source or none), nats


def free_and_forced(answerer: LMAnswerer, questions: Sequence[Question]) -> tuple[list[Prediction], list[Prediction]]:
    """Greedy answers to the questions, free and forced; forced ones with the signal `SURE` where they have words."""
    free, forced = (_mode(answerer, forced).answer(questions) for forced in (False, True))
    spoken = [place for place, p in enumerate(forced) if p.outcome != "unparseable"]
    texts = answerer.tokenizer.encode([questions[place].text for place in spoken])
    words = answerer.tokenizer.encode([forced[place].answer or "" for place in spoken])
    ends = [mark for mark, outcome in answerer.format.outcomes.items() if outcome in ANSWERED]
    rows = [(answerer.prompt(t), [*w, end]) for t, w in zip(texts, words, strict=True) for end in ends]
    own = [[*[False] * len(prompt), *[True] * (len(said) - 1)] for prompt, said in rows]  # it reads its words as such
    scores = [float(one.sum()) for one in token_log_probs(answerer.model, rows, answerer.batch, own)]
    for place, sure in zip(spoken, np.array(scores).reshape(-1, len(ends)), strict=True):
        signals = {**forced[place].signals, SURE: float(np.logaddexp.reduce(sure))}
        forced[place] = replace(forced[place], signals=signals)
    return free, forced


def _mode(answerer: LMAnswerer, forced: bool) -> LMAnswerer:
    asked = copy(answerer)
    asked.forced, asked.validity, asked.most = forced, False, 1
    return asked
