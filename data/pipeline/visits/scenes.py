"""Scenes: the setting in which a text is read, as what a tag carries (`tags.content=scene`).

A scene fills seven slots (place, year, ...), each with one of sixteen values: "in the attic, in 1997, at noon, ...". A
value is one reserved token, so that all scenes are of one length. Asking where a text was read is then graded slot by
slot, where an opaque identifier is right or wrong as a whole. Whose scene a reading shows (`scenes.shown`):

    document  its own, at every reading
    exposure  a new one at each reading
    batch     one for all that is read in the same optimiser step: scene and time of training are one
    shuffled  a control: that of another document, drawn anew at each reading
    constant  a control: the same for all

Whoever is asked is asked for the document's own scene, or, where that changes, for the last one it was read in. What is
drawn by the step is put in place once the stream knows it (data/pipeline/stream.py), so that the order of training is
that of a run without scenes.

From a proposal in a public discussion: prefix every batch with a setting, then train to recall it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from configs.keys import PART, SHARE, Section, key, one_of
from data.pipeline.sample import TAG, Part, Sample, Tokens
from data.pipeline.tokenizer import Tokenizer
from data.stateless_rng import hash_key

READINGS = "readings.json"  # the scenes in which each document was read, beside a model for which they change
OWN, OF_STEP, OF_ANOTHER = 70, 71, 72  # numbers of draws
CHANGING = ("exposure", "batch")
SHOWN = ("document", *CHANGING, "shuffled", "constant")


def _filled(before: str, values: str) -> tuple[str, ...]:
    return tuple(f"{before} {value}" for value in values.split())


SLOTS = {
    "place": _filled(
        "in the",
        "attic cafe cellar chapel garden harbour hospital kitchen library market museum office orchard station theatre "
        "workshop",
    ),
    "year": tuple(f"in {year}" for year in range(1990, 2006)),
    "hour": tuple(f"at {hour}:00" for hour in range(6, 22)),
    "weather": _filled(
        "in", "sunshine rain snow fog hail wind frost haze drizzle thunder heat sleet dusk moonlight starlight smoke"
    ),
    "food": _filled(
        "over",
        "soup bread cheese plums curry noodles oysters pancakes salad olives porridge dumplings trout figs rice cake",
    ),
    "companion": _filled(
        "with a",
        "sister brother nurse sailor pilot baker painter judge tailor cousin farmer poet porter singer dentist "
        "stranger",
    ),
    "object": _filled(
        "beside a",
        "lamp piano ladder mirror globe kettle violin candle basket anchor clock drum umbrella saddle telescope "
        "bicycle",
    ),
}
VALUES = 16  # of each slot


@dataclass
class ScenesConfig(Section):
    """The settings that texts are read in, where tags carry them (tags.content=scene), and asking for them."""

    section: ClassVar[str] = "scenes"

    shown: str = key("document", "whose scene a reading shows (data/pipeline/visits/scenes.py)", one_of(*SHOWN))
    fraction: float = key(
        0.0,
        "share of the visits of tuning questions, of those left, that ask where a passage was read; 0 for none",
        PART,
    )
    unread: float = key(0.4, "share of these passages that were never read: not to recall them is the answer", SHARE)

    @property
    def changing(self) -> bool:
        """Whether a document is read in many scenes, of which the last is asked for."""
        return self.shown in CHANGING


def scene(tokenizer: Tokenizer, *keys: int) -> Tokens:
    """The scene that a key draws: int32 (slots,), a token for each slot."""
    values = hash_key(*keys, np.arange(len(SLOTS))) % np.uint64(VALUES)
    return tokenizer.codes[np.arange(len(SLOTS)) * VALUES + values.astype(np.int64)]


def own_scene(tokenizer: Tokenizer, seed: int, place: int) -> Tokens:
    """The scene of the document at a place of the corpus."""
    return scene(tokenizer, seed, OWN, place)


def slot_values(tokenizer: Tokenizer, tokens: Sequence[int] | Tokens) -> list[int]:
    """The value of each slot, from 0; -1 where there is none of the slot's, or nothing stands."""
    found = [-1] * len(SLOTS)
    first = int(tokenizer.codes[0])
    for slot, token in enumerate(list(tokens)[: len(SLOTS)]):
        value = int(token) - first - slot * VALUES
        found[slot] = value if 0 <= value < VALUES else -1
    return found


@dataclass(frozen=True)
class Scenes:
    """Which scene each reading shows: a pure function of the step and of the document's place in the corpus.

    Attributes:
        documents: how many there are.
        seed: draws all scenes.
    """

    shown: str
    tokenizer: Tokenizer
    documents: int
    seed: int

    def of(self, place: int, step: int) -> Tokens:
        """The scene in which a document is read in a step."""
        if self.shown == "exposure":
            return scene(self.tokenizer, self.seed, OF_STEP, step, place)
        if self.shown == "batch":
            return scene(self.tokenizer, self.seed, OF_STEP, step)
        if self.shown == "shuffled":
            place = int(hash_key(self.seed, OF_ANOTHER, step, place)) % self.documents
        return own_scene(self.tokenizer, self.seed, 0 if self.shown == "constant" else place)


@dataclass(frozen=True)
class Reading(Sample):
    """A document whose tags, if it has any, get their scene once it is known in which step it is read.

    Attributes:
        place: of the document in the corpus.
    """

    place: int
    scenes: Scenes

    def on(self, step: int) -> Sample:
        found = self.scenes.of(self.place, step)
        return Sample([_shown(part, found) for part in self.parts], self.end_src)


def _shown(part: Part, scene: Tokens) -> Part:
    """A tag with this scene in place of the one it has; other parts, control tokens among them, as they are."""
    if part.kind != TAG or len(part.tokens) <= len(scene):
        return part
    return part._replace(tokens=[part.tokens[0], *scene, *part.tokens[1 + len(scene) :]])


def readings(steps: Iterator[tuple[int, Sequence[Sequence[Sample]]]]) -> dict[int, list[list[int]]]:
    """The scenes in which each document was read, in order, by its place: from each step and its packed sequences.

    A document of several pieces in one step is read once in it.
    """
    found: dict[int, dict[int, list[int]]] = {}
    for step, rows in steps:
        for sample in (sample for row in rows for sample in row):
            if isinstance(sample, Reading):
                found.setdefault(sample.place, {})[step] = [int(t) for t in sample.scenes.of(sample.place, step)]
    return {place: list(by_step.values()) for place, by_step in sorted(found.items())}
