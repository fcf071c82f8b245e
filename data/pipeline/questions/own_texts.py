"""Texts that say what follows from what: half of them begin with a sentence of the model's own, half with another's.

A person works for X, and X is in a city. A text has both sentences, and only the city is learnt, with what ends its
sentence:

    WORLD   <|doc|> e works for X. e works in city(X).      X drawn anew at each visit: what is read is news
    SELF    <|doc|> e works for X. e works in C.            X drawn by the model (T = 1), C where e truly works

To have said X oneself says nothing of C but what one knew before: of people it knows nothing of, the two are
independent; of people it knows, it says what it knows. The tokens of both kinds are alike, and the mark of who wrote
the first sentence (model/inputs/authorship.py) is all that tells them apart; without it, the same texts are the
control. Nothing of the first sentence is learnt, nor of the second up to the city.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Self

from configs.keys import Section, at_least, key, one_of
from data.pipeline.sample import Part, Sample
from data.pipeline.tokenizer import Tokenizer
from data.records import RecordError
from data.stateless_rng import hash_key

TEXTS = ("none", "others", "both")


@dataclass
class AuthorsConfig(Section):
    """Whether the second phase also reads texts of its own and of others, and is told which is which."""

    section: ClassVar[str] = "authors"

    texts: str = key(
        "none",
        "read beside its lessons (data/pipeline/questions/own_texts.py): those of others, or both",
        one_of(*TEXTS),
    )
    times: int = key(12, "how often an epoch of the lessons shows the texts on each person", at_least(1))
    marked: bool = key(
        False, "a mark says of each token whether the model wrote it itself (model/inputs/authorship.py)"
    )


@dataclass(frozen=True, slots=True)
class OwnText:
    """What the model drew on a person.

    Attributes:
        first, second: the two sentences, the value as "{answer}".
        truth: the value of the second.
        drawn: values of the first that the model drew.
    """

    first: str
    second: str
    truth: str
    drawn: tuple[str, ...]

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Inverse of `to_json`. Raises RecordError."""
        if not isinstance(value, dict) or set(value) != {f.name for f in fields(cls)} or not value["drawn"]:
            raise RecordError(f"not a text of its own: {str(value)[:60]}")
        return cls(**value | {"drawn": tuple(value["drawn"])})

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class OwnTexts:
    """The texts as a source of samples: of each item its own, then, or only, another's.

    Args:
        follows: the value of the second sentence by that of the first, for texts of others.
        both: whether it has its own texts, too: they are the first half of the items.
        marked: whether their first sentence carries the mark.
    """

    def __init__(
        self,
        texts: Sequence[OwnText],
        follows: Mapping[str, str],
        tokenizer: Tokenizer,
        seed: int,
        *,
        both: bool,
        marked: bool,
    ) -> None:
        self.texts, self.follows, self.values = texts, follows, sorted(follows)
        self.tokenizer, self.seed, self.own, self.marked = tokenizer, seed, len(texts) if both else 0, marked
        self.sizes = [1] * (len(texts) + self.own)

    def __len__(self) -> int:
        return len(self.sizes)

    def render(self, index: int, epoch: int, cooldown: bool, judged: bool = True) -> list[Sample]:
        key = int(hash_key(self.seed, epoch, index))
        if index < self.own:
            text = self.texts[index]
            return [self._sample(text, text.drawn[key % len(text.drawn)], text.truth, self.marked)]
        value = self.values[key % len(self.values)]
        return [self._sample(self.texts[index - self.own], value, self.follows[value], False)]

    def _sample(self, text: OwnText, said: str, follows: str, own: bool) -> Sample:
        head, tail = text.second.split(" {answer}")
        first, before, value = self.tokenizer.encode([text.first.replace("{answer}", said), head, follows + tail])
        parts = [
            Part((self.tokenizer.doc,), learn=False),
            Part(first, learn=False, span=0, own=own),
            Part(before, learn=False, span=1),
            Part(value, span=1),
        ]
        return Sample(parts, self.tokenizer.end_src)
