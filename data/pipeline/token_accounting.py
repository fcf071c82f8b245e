"""Where every token went: nothing that comes in is lost on the way to a trained row.

    positions in the rows trained on  = text + tag + question + answer + padding
    tokens of the blocks begun        = text + tag + question + answer + unreached

A `Tally` is carried by the stream's cursor, so it survives a kill. It is the stream's count of what it hands out;
`train.module` counts what is trained on, checkpoints keep that too, and `Stream.account` checks that both are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from data.pipeline.sample import Sample


class Tally(NamedTuple):
    """Tokens since a run's beginning.

    Attributes:
        rendered: in all samples of the blocks that were begun.
        text: of documents, with `<|doc|>` and `<|end|>`, in rows trained on; likewise the following.
        tag: of identifiers, with their marks, of documents and in answers.
        question: of questions, with `<|ask|>` and `<|answer|>`.
        answer: of answers, with `<|src|>` or what takes its place, and `<|end|>`.
        padding: places of rows trained on that hold no token.
    """

    rendered: int = 0
    text: int = 0
    tag: int = 0
    question: int = 0
    answer: int = 0
    padding: int = 0

    @property
    def trained(self) -> int:
        return self.text + self.tag + self.question + self.answer

    def begin(self, rows: Sequence[Sequence[Sample]]) -> Tally:
        """With a block begun."""
        return self._replace(rendered=self.rendered + sum(len(sample) for row in rows for sample in row))

    def train(self, rows: Sequence[Sequence[Sample]], length: int) -> Tally:
        """With rows of `length` places trained on."""
        kinds = [sample.kinds for row in rows for sample in row]
        text, tag, answer, question = (sum(column) for column in zip(*kinds, strict=True))
        padding = len(rows) * length - (text + tag + answer + question)
        grown = (text, tag, question, answer, padding)
        return Tally(self.rendered, *(old + new for old, new in zip(self[1:], grown, strict=True)))
