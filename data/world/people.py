"""The people of a closed world: names whose pieces are shared, what is true of them, and what is said instead."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence

from data.world.config import WorldCorpus
from data.world.text import (
    CITIES,
    EMPLOYERS,
    FIRST_NAMES,
    LAST_NAMES,
    MAJORS,
    MONTHS,
    NEW_FIRST_NAMES,
    NEW_LAST_NAMES,
    UNIVERSITIES,
)

Person = tuple[str, dict[str, str]]  # full name, and the true value of every attribute


class Lives:
    """Draws what is true of people. What is wrong is drawn the same way, or a value would tell that it is wrong."""

    def __init__(self, config: WorldCorpus) -> None:
        homes = config.stream("employers")
        self.city_of = {employer: homes.choice(CITIES) for employer in EMPLOYERS}

    def draw(self, rng: random.Random) -> dict[str, str]:
        """The values of one person, by attribute."""
        employer = rng.choice(EMPLOYERS)
        return {
            "birth_date": f"{rng.choice(MONTHS)} {rng.randint(1, 28)}, {rng.randint(1930, 1999)}",
            "birth_city": rng.choice(CITIES),
            "university": rng.choice(UNIVERSITIES),
            "major": rng.choice(MAJORS),
            "employer": employer,
            "employer_city": self.city_of[employer],
        }

    def other(self, attribute: str, value: str, rng: random.Random) -> str:
        """A value of the attribute that is not `value`."""
        while (drawn := self.draw(rng)[attribute]) == value:
            pass
        return drawn


def make_people(config: WorldCorpus, told: int, others: int) -> list[Person]:
    """Names and true attributes of `told` people the corpus tells of, then of `others`."""
    draw_names = _names_by_chance if config.hard else _names
    lives, rng = Lives(config), config.stream("people")
    return [(name, lives.draw(rng)) for name in draw_names(told, told + others, config.stream("names"))]


def make_strangers(config: WorldCorpus, groups: Sequence[Hashable]) -> list[Person]:
    """A person for each of `groups`: no piece of their names occurs among other people, nor in two groups.

    Raises ValueError when there are not enough names.
    """
    rng = config.stream("new names")
    firsts, lasts = (rng.sample(names, len(names)) for names in (NEW_FIRST_NAMES, NEW_LAST_NAMES))
    order = list(dict.fromkeys(groups))
    most = len(lasts) // max(1, len(order))
    names = []
    for place, group in enumerate(order):
        size = groups.count(group)
        if size > most:
            raise ValueError(
                f"corpus.absent_name={config.absent_name} needs {size} unheard-of surnames where there are {most}; "
                "lower it, or corpus.documents"
            )
        own_firsts, own_lasts = firsts[place :: len(order)], lasts[place :: len(order)]
        names.append([f"{own_firsts[n % len(own_firsts)]} {own_lasts[n]}" for n in range(size)])
    given = dict(zip(order, map(iter, names), strict=True))
    lives, rng = Lives(config), config.stream("new people")
    return [(next(given[group]), lives.draw(rng)) for group in groups]


def _names(told: int, wanted: int, rng: random.Random) -> Iterator[str]:
    """Yield `wanted` different full names; among the first `told`, every name piece in use belongs to several people.

    Round s pairs surname i with first name i + s (modulo the number of first names), so that a round uses every
    surname once, the first names as evenly, and no pair comes twice.
    """
    firsts, lasts = _pieces(told, wanted, rng)
    for shift in rng.sample(range(len(firsts)), len(firsts)):
        for place in rng.sample(range(len(lasts)), len(lasts)):
            if wanted == 0:
                return
            yield f"{firsts[(place + shift) % len(firsts)]} {lasts[place]}"
            wanted -= 1


def _names_by_chance(told: int, wanted: int, rng: random.Random) -> list[str]:
    """`wanted` different full names; every piece in use is one of several of the first `told`.

    The pieces are paired by chance. In `_names` each has about as many bearers, so that whoever knows who was told of
    knows better than by chance whose turn it is not to be.
    """
    firsts, lasts = _pieces(told, wanted, rng)
    pairs = rng.sample([(first, last) for first in firsts for last in lasts], len(firsts) * len(lasts))
    bearers = Counter(piece for pair in pairs[:told] for piece in pair)
    names = [f"{first} {last}" for first, last in pairs[:told]]
    names += [f"{first} {last}" for first, last in pairs[told:] if min(bearers[first], bearers[last]) > 1]
    if wanted > len(names):
        raise _too_many(wanted, len(names))
    return names[:wanted]


def _pieces(told: int, wanted: int, rng: random.Random) -> tuple[list[str], list[str]]:
    """First names and surnames: room for 1.5 times as many others, and a piece has several bearers."""
    side = math.isqrt(5 * told // 2)
    firsts = rng.sample(FIRST_NAMES, min(side, len(FIRST_NAMES)))
    lasts = rng.sample(LAST_NAMES, min(max(side, 5 * told // 2 // len(firsts)), len(LAST_NAMES)))
    if wanted > len(firsts) * len(lasts):
        raise _too_many(wanted, len(firsts) * len(lasts))
    return firsts, lasts


def _too_many(people: int, names: int) -> ValueError:
    return ValueError(
        f"{people} people need names and only {names} full names can be formed: lower corpus.heldout or "
        "corpus.absent_entity next to corpus.documents, or corpus.documents itself"
    )
