"""Samples: what is trained on at once, put together from parts of one nature each.

Every token carries: its own `span` (which sentence), whether it is part of a `note`, its `kind` (for the loss curves),
whether it is learnt, with what weight and under which objective; `assemble` derives targets and positions from these
alone.

Shape letters: N tokens of one sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

IGNORE = -100  # target of a position that predicts nothing
TEXT, TAG, ANSWER, QUESTION = 0, 1, 2, 3  # kinds of token; a question's own tokens are never targets
KINDS = ("text", "tag", "answer")  # of targets
NEXT_TOKEN, JUDGED = 0, 1  # labels of targets: learnt as they are; by the run's objective, which may go by their score

Tokens = NDArray[np.int32]
NOTHING: Tokens = np.zeros(0, dtype=np.int32)


class Part(NamedTuple):
    """A run of tokens of one nature, the unit that samples are assembled from.

    `weight`, 0 or more, the label `objective` and the `score`, from 0 to 1, are those of its tokens as targets: see
    data/pipeline/feedback.py and train/objectives. `own` are words that the model wrote itself
    (model/inputs/authorship.py).
    """

    tokens: Tokens | Sequence[int]
    kind: int = TEXT
    learn: bool = True
    note: bool = False
    span: int = -1
    weight: float = 1.0
    objective: int = NEXT_TOKEN
    score: float = 1.0
    own: bool = False


class Laid(NamedTuple):
    """Samples one behind the other; all arrays are (N,).

    Attributes:
        tokens: int32 inputs.
        targets: int32, what each position predicts, `IGNORE` for nothing.
        positions: int32 rotary positions, from 0 in each sample.
        span: int32, the sentence that a token belongs to; -1 for `<|doc|>` and the like.
        note: bool, part of a footnote.
        kind: int8, the kind of the *target*.
        weight: float32, that of the target; 0 where there is none.
        objective: int8, the label of the target.
        score: float32, that of the target; 0 where there is none.
        sample: int32, the number of the sample.
        own: bool, written by the model itself.
    """

    tokens: Tokens
    targets: Tokens
    positions: Tokens
    span: Tokens
    note: NDArray[np.bool_]
    kind: NDArray[np.int8]
    weight: NDArray[np.float32]
    objective: NDArray[np.int8]
    score: NDArray[np.float32]
    sample: Tokens
    own: NDArray[np.bool_]


@dataclass(frozen=True)
class Sample:
    """One document or question, ready to be packed.

    Its length and its counts cost little; its arrays, those of `Laid`, are made when they are asked for, so that only
    who trains on a sample pays for them.
    """

    parts: Sequence[Part]
    end_src: int

    def __len__(self) -> int:
        return self.size

    @cached_property
    def size(self) -> int:
        return sum([len(part.tokens) for part in self.parts])

    @property
    def kinds(self) -> tuple[int, int, int, int]:
        """How many of its tokens are text, tag, answer and question."""
        counts = [0, 0, 0, 0]
        for part in self.parts:
            counts[part.kind] += len(part.tokens)
        return counts[0], counts[1], counts[2], counts[3]

    @property
    def total_weight(self) -> float:
        """Of its targets together: one for each token learnt, but nothing predicts the first."""
        first = next((part for part in self.parts if len(part.tokens) and not part.note), None)
        whole = sum([len(part.tokens) * part.weight for part in self.parts if part.learn])
        return whole - (first.weight if first and first.learn else 0.0)

    def on(self, step: int) -> Sample:
        """As it is shown in this optimiser step: of the same length and weight whichever that is."""
        return self

    @cached_property
    def laid(self) -> Laid:
        return assemble([self.parts], self.end_src)

    @property
    def tokens(self) -> Tokens:
        return self.laid.tokens

    @property
    def targets(self) -> Tokens:
        return self.laid.targets

    @property
    def positions(self) -> Tokens:
        return self.laid.positions

    @property
    def span(self) -> Tokens:
        return self.laid.span

    @property
    def note(self) -> NDArray[np.bool_]:
        return self.laid.note

    @property
    def kind(self) -> NDArray[np.int8]:
        return self.laid.kind


def assemble(samples: Sequence[Sequence[Part]], end_src: int) -> Laid:
    """Lay the parts of samples in a row and derive what follows from them: targets and positions.

    A text token predicts the next text token, across footnotes; a footnote token the next of its footnote, the last one
    `end_src`. A footnote's positions go on from the sentence before it; text positions do not count footnotes. All
    samples of a batch are laid at once, since numpy's cost is per call.
    """
    parts = [part for sample in samples for part in sample]
    sizes = [len(part.tokens) for part in parts]
    tokens = np.concatenate([part.tokens for part in parts], dtype=np.int32, casting="unsafe")
    number = np.repeat(np.arange(len(samples)), [len(sample) for sample in samples])
    begin = np.cumsum(sizes) - sizes
    nature = np.array([(part.kind, part.learn, part.note, part.span, part.objective, part.own) for part in parts]).T
    spread = np.repeat(np.vstack((nature, number, begin)).astype(np.int32), sizes, 1)
    kind, learn, note, span, label, own, number, begin = spread
    weights = np.repeat(np.array([part.weight for part in parts], dtype=np.float32), sizes)
    scores = np.repeat(np.array([part.score for part in parts], dtype=np.float32), sizes)
    learn, note, place = learn.astype(np.bool_), note.astype(np.bool_), np.arange(len(tokens), dtype=np.int32) - begin

    targets = np.full(len(tokens), IGNORE, dtype=np.int32)
    target_kind = np.zeros(len(tokens), dtype=np.int8)
    text = np.flatnonzero(~note)
    here, following = text[:-1], text[1:]
    learnt = learn[following] & (number[here] == number[following])
    targets[here] = np.where(learnt, tokens[following], IGNORE)
    target_kind[here] = np.where(learnt, kind[following], TEXT)
    targets[note] = end_src
    inside = np.flatnonzero(note[1:] & (place[1:] > 0))  # those that are not the last of their footnote
    targets[inside] = tokens[inside + 1]
    targets[note & ~learn] = IGNORE
    target_kind[note] = TAG
    weight, objective = np.zeros(len(tokens), dtype=np.float32), np.zeros(len(tokens), dtype=np.int8)
    weight[here], objective[here] = weights[following], label[following]
    weight[note], objective[note] = weights[note], label[note]
    score = np.zeros(len(tokens), dtype=np.float32)
    score[here], score[note] = scores[following], scores[note]
    weight[targets == IGNORE] = objective[targets == IGNORE] = score[targets == IGNORE] = 0

    texts = np.cumsum(~note, dtype=np.int32)  # up to and with each token
    first = np.flatnonzero(np.diff(number, prepend=-1))
    positions = texts - 1 - (texts - ~note)[first][number]
    positions[note] += place[note] + 1
    return Laid(
        tokens, targets, positions, span, note, target_kind, weight, objective, score, number, own.astype(np.bool_)
    )
