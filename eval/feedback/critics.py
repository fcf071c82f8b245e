"""Critics: who says what of an answer, in tokens.

oracle      the sentence that the ledger says of it; names no answer and no document
answer      the same with the right answer and its source behind it: the control that leaks the label
shuffled    what the oracle says of an answer to another question: the control that knows nothing of this one (Chen
            et al. 2023, arXiv 2303.16749, have unrelated feedback)
own         the sentence that the model finds likeliest (own_critic.py)
none        nothing: the model is merely asked again
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from data.pipeline.questions.attempts import Attempt, AttemptForm
from data.records import ANSWERABLE, Question
from eval.feedback.constitution import KEPT, SENTENCES
from eval.grading.correctness import asserting

Critique = tuple[int, ...]
LEAD = "The answer is"


class Critic:
    """What is said by the ledger, over one form of attempts; `shuffled` and `own` are taught to write by the oracle's.

    Attributes:
        kind: one of those above.
    """

    def __init__(self, form: AttemptForm, kind: str) -> None:
        self.form, self.kind = form, kind
        names, texts = list(SENTENCES), [one.words for one in SENTENCES.values()]
        *words, lead = (tuple(tokens.tolist()) for tokens in form.tokenizer.encode([*texts, LEAD]))
        self.words: dict[str, Critique] = dict(zip(names, words, strict=True))
        self.lead: Critique = lead
        self.identifiers = {name: tokens for tokens, name in form.named.items()}

    def says(self, question: Question, verdict: str) -> Critique:
        """The critique of an answer of which this verdict holds."""
        if self.kind == "none":
            return ()
        leaks = self.kind == "answer" and verdict not in KEPT and question.support_class in ANSWERABLE
        return (*self.words[verdict], *self.lead, *self.gold(question)[:-1]) if leaks else self.words[verdict]

    def gold(self, question: Question) -> Attempt:
        """The right attempt: the first answer with a document that gives it, or a refusal where nothing was told."""
        if question.support_class not in ANSWERABLE:
            return self.form.refusal
        answer = question.answers[0]
        source = None if question.support_class == "untagged" else asserting(question, answer)[0]
        return self.written(answer, source)

    def written(self, answer: str, source: str | None) -> Attempt:
        """An attempt of these words that cites this document, None for no source."""
        form = self.form
        words = form.tokenizer.encode([answer])[0].tolist()
        named = self.identifiers.get(source or "")
        cited = [form.tokenizer.nosrc] if named is None else form.format.citation(named)
        return (*words, *cited, form.end)


T = TypeVar("T")


def shuffled(said: Sequence[T], questions: Sequence[str], seed: int) -> list[T]:
    """The same things, each behind an answer to another question than its own; (N,) all.

    A turn of them in the order of their questions, by at least as many as any question has. Raises ValueError where one
    question has more than half of all answers, so that there is none.
    """
    order = sorted(range(len(questions)), key=lambda place: questions[place])
    most = max(Counter(questions).values(), default=0)
    if 2 * most > len(order):
        raise ValueError(
            "self_correction.critique.critic=shuffled: one question has more than half of all answers, so that others' "
            "critiques are too few; raise self_correction.questions, or set another critic"
        )
    turn = int(np.random.default_rng(seed).integers(most, len(order) - most + 1))
    theirs = {here: said[there] for here, there in zip(order, [*order[turn:], *order[:turn]], strict=True)}
    return [theirs[place] for place in range(len(order))]
