"""In its own words: the model rewrites a question as the statement that would answer it.

The form is that of data/pipeline/questions/rewriting.py.

A premise is what the question says word for word from a name up to a comma: of such clauses the likeliest, where it
and the statement behind it are likelier than a statement alone. Names cost nothing there: that the question says them
is sure, and how well a small model copies one says nothing of what is presupposed.

The words of statements are bound: each token is one that statements of tuning questions have besides their entities, or
it belongs to a name that is copied from the question, whole. So a name that nobody has is copied rather than turned
into one that the model knows. A name is what has a capital or a digit and does not merely begin a question; where a
question has none, what no tuning question has. Greedy, a few tokens a question.

Shape letters: B questions, V vocabulary.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import torch

from data.pipeline.questions.rewriting import ANSWERED, Rewriting
from data.pipeline.tokenizer import Tokenizer
from data.records import Prediction, Question
from eval.answerers.likelihoods import token_log_probs
from eval.answerers.lm_answerer import LMAnswerer
from model.generate import read_on

LONGEST = 64  # tokens of a rewriting
WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class StatementWriter:
    """Rewrites questions with a model.

    Attributes:
        words: tokens that statements have besides entities, and the marks of a rewriting.
        asked: words of tuning questions in lower case, those with a capital only where they begin a question.
    """

    answerer: LMAnswerer
    words: frozenset[int]
    asked: frozenset[str]

    @classmethod
    def of(cls, answerer: LMAnswerer, questions: Iterable[Question]) -> StatementWriter:
        """`questions` are those of tuning."""
        tokenizer = answerer.tokenizer
        words, asked = {*Rewriting(tokenizer).marks}, set[str]()
        for question in questions:
            (name,) = tokenizer.encode([question.entity])
            halves = [half for statement in question.statement for half in statement.split(ANSWERED) if half.strip()]
            for tokens in tokenizer.encode([half.strip() for half in halves]):
                words |= set(tokens.tolist()) - set(name.tolist())
            for text in (question.text, *question.paraphrases):
                first, *others = WORD.findall(text)
                asked |= {first.lower()} if first not in question.entity else set()
                asked |= {word for word in others if word.islower() and word not in question.entity}
        return cls(answerer, frozenset(words), frozenset(asked))

    def write(self, questions: Sequence[Question], said: Sequence[Prediction]) -> list[Question]:
        """The questions with the statement and the premise that the model writes; with none where it writes none."""
        form, tokenizer = Rewriting(self.answerer.tokenizer), self.answerer.tokenizer
        texts = [tokens.tolist() for tokens in tokenizer.encode([question.text for question in questions])]
        named = [names(tokenizer, text, self.asked) for text in texts]
        plain = self._written([form.prompt(text) for text in texts], named)
        presuming, premises = self._presuming(texts, named)
        prompts = [
            [*form.prompt(texts[i]), *premise, tokenizer.doc]
            for i, premise in zip(presuming, premises.tokens, strict=True)
        ]
        behind = self._written(prompts, [named[i] for i in presuming])
        found = [form.parse(tokens) for tokens, _ in plain]
        for place, (tokens, score) in enumerate(behind):
            i = presuming[place]
            if premises.scores[place] + score > plain[i][1]:
                found[i] = form.parse([*premises.tokens[place], tokenizer.doc, *tokens])
        return [
            replace(
                question,
                statement=(statement.text,) if statement else (),
                premise=(statement.premise,) if statement and statement.premise else (),
            )
            for question, statement in zip(questions, found, strict=True)
        ]

    def _presuming(
        self, texts: Sequence[Sequence[int]], named: Sequence[Sequence[tuple[int, ...]]]
    ) -> tuple[list[int], Premises]:
        """Which questions may presuppose something, and the likeliest premise of each."""
        form, tokenizer = Rewriting(self.answerer.tokenizer), self.answerer.tokenizer
        held = [(i, clause) for i, text in enumerate(texts) for clause in clauses(tokenizer, text, named[i])]
        spoken = tokenizer.encode([tokenizer.decode(clause) + "." for _, clause in held])
        rows = [
            (form.prompt(texts[i]), [*tokens.tolist(), tokenizer.doc])
            for (i, _), tokens in zip(held, spoken, strict=True)
        ]
        best: dict[int, tuple[float, list[int]]] = {}
        log_probs = token_log_probs(self.answerer.model, rows, self.answerer.batch) if rows else []
        for (i, _), (_, tokens), found in zip(held, rows, log_probs, strict=True):
            score = sum(float(s) for token, s in zip(tokens, found, strict=True) if token in self.words)
            best[i] = max(best.get(i, (-math.inf, [])), (score, tokens[:-1]))
        return list(best), Premises([tokens for _, tokens in best.values()], [score for score, _ in best.values()])

    @torch.inference_mode()
    def _written(
        self, prompts: Sequence[Sequence[int]], named: Sequence[Sequence[tuple[int, ...]]]
    ) -> list[tuple[list[int], float]]:
        """The statement after each prompt, greedy, without its end, and the log-probability of its words in nats."""
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        found: list[tuple[list[int], float]] = [([], -math.inf)] * len(prompts)
        for start in range(0, len(order), self.answerer.batch):
            chunk = order[start : start + self.answerer.batch]
            written = self._side_by_side([prompts[i] for i in chunk], [named[i] for i in chunk])
            for i, one in zip(chunk, written, strict=True):
                found[i] = one
        return found

    def _side_by_side(
        self, prompts: Sequence[Sequence[int]], named: Sequence[Sequence[tuple[int, ...]]]
    ) -> list[tuple[list[int], float]]:
        answerer, tokenizer = self.answerer, self.answerer.tokenizer
        context, logits = answerer.read(prompts)
        copies = [Copying(self.words - {tokenizer.doc}, names) for names in named]
        written: list[list[int]] = [[] for _ in prompts]
        scores = [0.0] * len(prompts)
        alive = torch.ones(len(prompts), dtype=torch.bool, device=logits.device)
        for _ in range(LONGEST):
            allowed = torch.zeros_like(logits, dtype=torch.bool)
            pairs = [(row, t) for row, copy in enumerate(copies) if alive[row] for t in copy.allowed(written[row])]
            rows, tokens = torch.tensor(pairs, device=logits.device).T
            allowed[rows, tokens] = True
            chosen = logits.masked_fill(~allowed, -torch.inf).argmax(-1)
            sure = logits.log_softmax(-1).gather(1, chosen[:, None])[:, 0].tolist()
            for row, token in enumerate(chosen.tolist()):
                if alive[row]:
                    written[row].append(token)
                    scores[row] += sure[row] if token in self.words else 0.0
            alive = alive & (chosen != tokenizer.end)
            if not alive.any():
                break
            logits = read_on(answerer.model, context, chosen[:, None], alive[:, None])
        ended = [tokens[:-1] if tokens[-1] == tokenizer.end else [] for tokens in written]
        return list(zip(ended, scores, strict=True))


class Premises(NamedTuple):
    """Premises in tokens, and the log-probability of each one's words with the mark behind it, nats."""

    tokens: list[list[int]]
    scores: list[float]


@dataclass(frozen=True)
class Copying:
    """What may follow what was written: `words` anywhere, and `names` from their first token to their last."""

    words: frozenset[int]
    names: Sequence[tuple[int, ...]]

    def allowed(self, written: Sequence[int]) -> set[int]:
        """The next tokens: of a name that was begun the next one, behind a name words, else words and names' first."""
        begun = len(written)  # where the name began that is being copied
        while begun and written[begun - 1] not in self.words:
            begun -= 1
        copied = tuple(written[begun:])
        if not copied:
            return {*self.words, *(name[0] for name in self.names)}
        going_on = {
            name[len(copied)] for name in self.names if len(name) > len(copied) and name[: len(copied)] == copied
        }
        return going_on or set(self.words)


def clauses(tokenizer: Tokenizer, text: Sequence[int], names: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """What a question may presuppose, word for word: from a name up to a comma, with something said of it."""
    found = [(place, place + len(name)) for place in range(len(text)) for name in names if _stands(name, text, place)]
    inside = {place for begin, end in found for place in range(begin, end)}  # as in "May 28, 1968"
    commas = [place for place, token in enumerate(text) if place not in inside and tokenizer.decode([token]) == ","]
    return [tuple(text[begin:comma]) for begin, end in found for comma in commas if comma > end]


def _stands(name: Sequence[int], text: Sequence[int], place: int) -> bool:
    return tuple(text[place : place + len(name)]) == tuple(name)


def names(tokenizer: Tokenizer, text: Sequence[int], asked: frozenset[str]) -> list[tuple[int, ...]]:
    """The names in a question, as runs of its tokens: maximal, words side by side."""
    words: list[list[int]] = []
    for token in text:
        if words and token in tokenizer.inner:
            words[-1].append(int(token))
        else:
            words.append([int(token)])
    said = [tokenizer.decode(word).strip() for word in words]
    named = [
        bool(WORD.fullmatch(word))
        and (any(c.isdigit() for c in word) or (word[0].isupper() and not (place == 0 and word.lower() in asked)))
        for place, word in enumerate(said)
    ]
    if not any(named):
        named = [bool(WORD.fullmatch(word)) and word.lower() not in asked for word in said]
    # A sign between two parts of one name, as in "May 28, 1968", where the second begins with a digit.
    for place in range(1, len(said) - 1):
        if named[place - 1] and named[place + 1] and said[place] == "," and said[place + 1][:1].isdigit():
            named[place] = True
    runs: list[list[int]] = []
    for (_, before), (word, name) in pairwise([([], False), *zip(words, named, strict=True)]):
        if name and before:
            runs[-1] += word
        elif name:
            runs.append(list(word))
    found = list(dict.fromkeys(map(tuple, runs)))
    # The first word has a capital whatever it is: "As Ada Moss ..., where was Ada Moss born?" names her without it.
    tails = [run for run in found[1:] if len(run) < len(found[0]) and found[0][-len(run) :] == run]
    return found[1:] if tails and named[0] else found
