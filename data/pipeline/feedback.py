"""Feedback: which sentences are good, and what the data makes of that.

A sentence's score, from 0 to 1, is what a column of its document's metadata says: one number for all its sentences
(`reliability`, of its source), or a list with one for each (`agreement`, of a closed world: 0 where a more reliable
source says otherwise). Three things can be made of it (Korbak et al. 2023, Pretraining Language Models with Human
Preferences, arXiv 2302.08582, section 2):

    a loss        every token of a sentence carries its score and the label `JUDGED` (train/objectives)
    filtering     what scores below the threshold is left out; the run is as long as without, so the rest comes oftener
    conditional   a control token says whether a document, or each sentence, reaches the threshold. It is an input only
                  (as MeCo masks its prefix, arXiv 2501.01956; theirs is learnt, too): never a target, so that nothing
                  ever samples it, and text without a prefix costs what it costs. A share of visits has none, so that
                  a prompt without one is nothing new.

Control tokens are the reserved marks of 0 and of 1 in tenths, which `tags.content=rated` has for reliability, too. A
checkpoint's new rows are the mean of its others (model/pretrained.py), as there.

All of it begins at a share `begins` of the run; until then training is that of the plain next token.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from configs.keys import PART, SHARE, Section, key, one_of
from configs.keys import shown as typed
from data.fields import shown
from data.pipeline.sample import JUDGED, TAG, Part
from data.pipeline.tokenizer import Tokenizer
from data.records import Document
from data.stateless_rng import uniform

CONTROLS = ("none", "document", "sentence")
GIVEN = ("lo", "hi")  # below the threshold, and from it on


@dataclass
class FeedbackConfig(Section):
    """Which sentences are good, and what the data makes of that."""

    section: ClassVar[str] = "objective"

    score_column: str = key(
        "", "of a document's metadata: a number from 0 to 1, or one for each of its sentences; all are 1 without"
    )
    threshold: float = key(0.9, "score from which on a sentence is good", SHARE)
    begins: float = key(0.0, "share of pretraining that is plain before the scores count", PART)
    filter: bool = key(False, "sentences below the threshold are left out")
    control: str = key(
        "none", "what has a control token, that says whether it reaches the threshold", one_of(*CONTROLS)
    )
    dropout: float = key(0.1, "share of visits without control tokens; of sentences where each has its own", SHARE)

    def contradictions(self, path: str) -> Iterator[str]:
        for name, wanted in (("filter", self.filter), ("control", self.control != "none")):
            if wanted and not self.score_column:
                yield (
                    f"{path}.{name}={typed(getattr(self, name))} goes by scores: set {path}.score_column, for "
                    "example to reliability"
                )


def scores(document: Document, column: str, sentences: int) -> list[float]:
    """Of each of so many sentences. Raises ValueError, naming document and key, for what is no score."""
    if not column:
        return [1.0] * sentences
    found = document.metadata.get(column)
    each: list[Any] = found if isinstance(found, list) else [found] * sentences
    if len(each) != sentences or not all(map(_is_score, each)):
        raise ValueError(
            f"objective.score_column={column}: document {document.id!r} has {shown(found)} there, neither a number "
            f"from 0 to 1 nor one for each of its {sentences} sentences"
        )
    return [float(score) for score in each]


def check_scores(documents: Iterable[Document], column: str) -> None:
    """Raises ValueError, naming the key, for a document without a score; their sentences are not looked at."""
    for document in documents if column else ():
        found = document.metadata.get(column)
        scores(document, column, len(found) if isinstance(found, list) else 1)


def _is_score(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


@dataclass(frozen=True)
class Feedback:
    """How documents are judged.

    Attributes:
        marks: the control tokens of what is below the threshold, and of what reaches it.
    """

    config: FeedbackConfig
    marks: tuple[int, int]

    @classmethod
    def of(cls, config: FeedbackConfig, tokenizer: Tokenizer) -> Feedback:
        config.check()
        return cls(config, control_tokens(tokenizer))

    def mark(self, score: float) -> int:
        return self.marks[score >= self.config.threshold]

    @property
    def a_piece(self) -> int:
        """Tokens that stand beside a document, or a piece of one."""
        return int(self.config.control == "document")

    @property
    def a_sentence(self) -> int:
        return int(self.config.control == "sentence")

    def labelled(self, part: Part, score: float, begun: bool) -> Part:
        """A sentence as its targets are to be learnt."""
        return part._replace(score=score, objective=JUDGED) if begun else part

    def kept(self, sentences: Sequence[Part]) -> list[Part]:
        return [s for s in sentences if not self.config.filter or s.score >= self.config.threshold]

    def controlled(self, inside: Sequence[Part], key: int) -> list[Part]:
        """What stands between <|doc|> and <|end|> with its control tokens, but for those that `key` drops.

        No footnote sees one, so that what leads to a source is the sentence alone.
        """
        if self.config.control == "document" and uniform(key, 5) >= self.config.dropout:
            told = [part.score for part in inside if part.objective == JUDGED]
            return [self._control(sum(told) / max(1, len(told))), *inside]
        if self.config.control != "sentence":
            return list(inside)
        drawn = iter(np.atleast_1d(uniform(key, 6, np.arange(len(inside)))).tolist())
        found: list[Part] = []
        for part in inside:
            if part.objective == JUDGED and next(drawn) >= self.config.dropout:
                found.append(self._control(part.score))
            found.append(part)
        return found

    def _control(self, score: float) -> Part:
        return Part((self.mark(score),), TAG, learn=False)


def control_tokens(tokenizer: Tokenizer) -> tuple[int, int]:
    """Those of `GIVEN`."""
    return int(tokenizer.confidences[0]), int(tokenizer.confidences[-1])
