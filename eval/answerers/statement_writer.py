"""In its own words: the model rewrites a question as the statement that would answer it.

The form is that of data/pipeline/questions/rewriting.py.

Its words are bound: each token is one that statements of tuning questions have besides their entities, or it belongs to
a name that is copied from the question, whole. So a name that nobody has is copied rather than turned into one that the
model knows. A name is what has a capital or a digit and does not merely begin a question; where a question has none,
what no tuning question has. Greedy, a few tokens a question.

Shape letters: B questions, V vocabulary.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch

from data.pipeline.questions.rewriting import ANSWERED, Rewriting
from data.pipeline.tokenizer import Tokenizer
from data.records import Prediction, Question
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
        answerer, tokenizer = self.answerer, self.answerer.tokenizer
        form = Rewriting(tokenizer)
        context, logits = answerer.read([form.prompt(text) for text in texts])
        copies = [Copying(self.words, names(tokenizer, text, self.asked)) for text in texts]
        written: list[list[int]] = [[] for _ in texts]
        alive = torch.ones(len(texts), dtype=torch.bool, device=logits.device)
        for _ in range(LONGEST):
            allowed = torch.zeros_like(logits, dtype=torch.bool)
            pairs = [(row, t) for row, copy in enumerate(copies) if alive[row] for t in copy.allowed(written[row])]
            rows, tokens = torch.tensor(pairs, device=logits.device).T
            allowed[rows, tokens] = True
            chosen = logits.masked_fill(~allowed, -torch.inf).argmax(-1)
            for row, token in enumerate(chosen.tolist()):
                if alive[row]:
                    written[row].append(token)
            alive = alive & (chosen != tokenizer.end)
            if not alive.any():
                break
            logits = read_on(answerer.model, context, chosen[:, None], alive[:, None])
        return [tokens[:-1] if tokens[-1] == tokenizer.end else [] for tokens in written]


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
    return [tuple(run) for run in dict.fromkeys(map(tuple, runs))]
