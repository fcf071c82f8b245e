"""In its own words: the model rewrites a question as the statement that would answer it (data/pipeline/rewriting.py).

Its words are bound: each token is one that statements of tuning questions have besides their entities, or it is copied
from the question, in the question's order. So a name that nobody has is copied rather than turned into one that the
model knows. Greedy, a few tokens a question.

Shape letters: B questions, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch

from data.pipeline.rewriting import ANSWERED, Rewriting
from data.records import Question
from eval.answerers.lm_answerer import LMAnswerer
from model.generate import read_on

LONGEST = 64  # tokens of a rewriting


@dataclass(frozen=True)
class StatementWriter:
    """Rewrites questions with a model; `words` are the tokens that statements have besides entities."""

    answerer: LMAnswerer
    words: frozenset[int]

    @classmethod
    def of(cls, answerer: LMAnswerer, questions: Iterable[Question]) -> StatementWriter:
        """`questions` are those of tuning."""
        tokenizer = answerer.tokenizer
        words: set[int] = {tokenizer.doc, tokenizer.answer, tokenizer.end}
        for question in questions:
            (name,) = tokenizer.encode([question.entity])
            halves = [half for statement in question.statement for half in statement.split(ANSWERED) if half.strip()]
            for tokens in tokenizer.encode([half.strip() for half in halves]):
                words |= set(tokens.tolist()) - set(name.tolist())
        return cls(answerer, frozenset(words))

    def write(self, questions: Sequence[Question]) -> list[Question]:
        """The questions with the statement and the premise that the model writes; with none where it writes none."""
        answerer, form = self.answerer, Rewriting(self.answerer.tokenizer)
        texts = [tokens.tolist() for tokens in answerer.tokenizer.encode([question.text for question in questions])]
        order = sorted(range(len(questions)), key=lambda i: len(texts[i]))
        found = list(questions)
        for start in range(0, len(order), answerer.batch):
            chunk = order[start : start + answerer.batch]
            for i, tokens in zip(chunk, self._written([texts[i] for i in chunk]), strict=True):
                statement = form.parse(tokens)
                found[i] = replace(
                    questions[i],
                    statement=(statement.text,) if statement else (),
                    premise=(statement.premise,) if statement and statement.premise else (),
                )
        return found

    @torch.inference_mode()
    def _written(self, texts: Sequence[Sequence[int]]) -> list[list[int]]:
        answerer, end = self.answerer, self.answerer.tokenizer.end
        form = Rewriting(answerer.tokenizer)
        context, logits = answerer.read([form.prompt(text) for text in texts])
        copies = [Copying(text, self.words, answerer.tokenizer.starts) for text in texts]
        written: list[list[int]] = [[] for _ in texts]
        alive = torch.ones(len(texts), dtype=torch.bool, device=logits.device)
        for _ in range(LONGEST):
            for row, copy in enumerate(copies):
                if alive[row]:
                    barred = torch.ones_like(logits[row], dtype=torch.bool)
                    barred[list(copy.allowed(written[row]))] = False
                    logits[row, barred] = -torch.inf
            chosen = logits.argmax(-1)
            for row, token in enumerate(chosen.tolist()):
                if alive[row]:
                    written[row].append(token)
            alive = alive & (chosen != end)
            if not alive.any():
                break
            logits = read_on(answerer.model, context, chosen[:, None], alive[:, None])
        return [tokens[:-1] if tokens and tokens[-1] == end else [] for tokens in written]


@dataclass(frozen=True)
class Copying:
    """What may follow what was written about a question of these tokens.

    Attributes:
        text: tokens of the question.
        words: those that may stand anywhere.
        starts: those that begin a word.
    """

    text: Sequence[int]
    words: frozenset[int]
    starts: frozenset[int]

    def allowed(self, written: Sequence[int]) -> set[int]:
        """A word of statements, the beginning of a word of the question, or what follows there what was written last.

        A name that was begun is copied to its end.
        """
        last = written[-1] if written else -1
        following = {after for before, after in pairwise(self.text) if before == last}
        inside = {token for token in following if token not in self.starts and token not in self.words}
        if inside and last not in self.words:
            return inside
        return {*self.words, *following, *(self.starts & {*self.text})}
