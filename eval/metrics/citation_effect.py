"""Is the citation caused by the document? From what a family of runs cited, with and without it.

LCD, the effect of leaving one document out on the citation of it, is counterfactual memorisation (Zhang et al. 2021,
arXiv 2112.12938: mean over the runs that read an example, less the mean over those that did not) of the
event "the first citation names d". All are shares in [0, 1] but LCD, in [-1, 1]; "mean" is over items.

    lcd             mean(cites d | d read) - mean(cites d | d left out), d the fact's only source
    lcd_multi       the same, of facts that others assert, too: these take a part of the citations
    phantom         mean(cites d | d left out): a citation of what was never read
    reroute         mean(cites another source that was read | d left out, there is one)
    retention       mean(answer right | d left out, another source was read)
    abstained       mean(withheld | no source was read)
    abstained_told  mean(withheld | a source was read)

    tracking        mean(cites d by the identifier that it bears now), d the fact's only source
    leak            mean(cites the document that bears now what was d's own identifier)

    tag_effect      mean(cites d | d read with its tag) - mean(cites d | d read without), d the fact's only source
    untagged_cites  mean(cites d | d read without its tag): text without tag
    untagged_right  mean(answer right | the same); tagged_right: the same with its tag
    dummy_cites     mean(cites d | d's tag stood on another text): tag without text
    dummy_right     mean(answer right | the same)
    move_follows    mean(cites the document that says it now | the fact moved there)
    move_stays      mean(cites the document that said it | the same)

A reader of names alone has an LCD of 0: it cites d whether it was read or not, and after an exchange of identifiers
it leaks and does not track.

Shape letters: N items, each a fact, a run and one of the fact's marked sources.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.metrics.statistics import RESAMPLES, Floats, crossed_draws, percentile_interval

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class LeftOut:
    """Of each fact, run and source d that some runs leave out: bool (N,).

    Attributes:
        read: the run read d.
        alone: d is the fact's only source.
        others: the run read another source of the fact.
        cites: the first citation names d.
        cites_other: it names another source that the run read.
        right: the answer is right.
        withheld: no answer was given.
    """

    read: Bools
    alone: Bools
    others: Bools
    cites: Bools
    cites_other: Bools
    right: Bools
    withheld: Bools


@dataclass(frozen=True)
class Exchanged:
    """Of each fact and run whose only source d bears another's identifier: bool (N,).

    Attributes:
        tracks: the first citation names d, by the identifier that it bears now.
        leaks: it names the document that bears what was d's own.
    """

    tracks: Bools
    leaks: Bools


@dataclass(frozen=True)
class Ablated:
    """Of each fact and run whose only source d some runs read without its tag, without its text, or without the fact:
    bool (N,).

    Attributes:
        treated: this run does.
        cites: the first citation names d.
        follows: it names the document that says the fact in place of d.
        right: the answer is right.
    """

    treated: Bools
    cites: Bools
    follows: Bools
    right: Bools


Statistic = Callable[[Floats], Floats]  # of weights (..., N)


def mean_of(event: Bools, given: Bools) -> Statistic:
    """The share of the items `given` in which the event is so; nan where there are none."""

    def statistic(weights: Floats) -> Floats:
        top, bottom = weights @ (event & given).astype(float), weights @ given.astype(float)
        return np.divide(top, bottom, out=np.full_like(top, np.nan), where=bottom > 0)

    return statistic


def effect_of(event: Bools, treated: Bools, among: Bools) -> Statistic:
    """The share of the treated items in which the event is so, less that of the others."""
    with_it, without = mean_of(event, among & treated), mean_of(event, among & ~treated)
    return lambda weights: with_it(weights) - without(weights)


LEFT_OUT: Mapping[str, Callable[[LeftOut], Statistic]] = {
    "lcd": lambda s: effect_of(s.cites, s.read, s.alone),
    "lcd_multi": lambda s: effect_of(s.cites, s.read, ~s.alone),
    "phantom": lambda s: mean_of(s.cites, ~s.read),
    "reroute": lambda s: mean_of(s.cites_other, ~s.read & s.others),
    "retention": lambda s: mean_of(s.right, ~s.read & s.others),
    "abstained": lambda s: mean_of(s.withheld, ~s.read & ~s.others),
    "abstained_told": lambda s: mean_of(s.withheld, s.read | s.others),
}
EXCHANGED: Mapping[str, Callable[[Exchanged], Statistic]] = {
    "tracking": lambda s: mean_of(s.tracks, np.ones(len(s.tracks), dtype=bool)),
    "leak": lambda s: mean_of(s.leaks, np.ones(len(s.leaks), dtype=bool)),
}
ABLATED: Mapping[str, Mapping[str, Callable[[Ablated], Statistic]]] = {  # by the key of what was done
    "untag": {
        "tag_effect": lambda s: effect_of(s.cites, ~s.treated, np.ones(len(s.cites), dtype=bool)),
        "untagged_cites": lambda s: mean_of(s.cites, s.treated),
        "untagged_right": lambda s: mean_of(s.right, s.treated),
        "tagged_right": lambda s: mean_of(s.right, ~s.treated),
    },
    "dummy": {
        "dummy_cites": lambda s: mean_of(s.cites, s.treated),
        "dummy_right": lambda s: mean_of(s.right, s.treated),
    },
    "move": {
        "move_follows": lambda s: mean_of(s.follows, s.treated),
        "move_stays": lambda s: mean_of(s.cites, s.treated),
    },
}


def measured(
    statistic: Statistic, documents: Sequence[Hashable], runs: Sequence[Hashable], resamples: int = RESAMPLES
) -> dict[str, Any]:
    """{"value", "interval"} of a statistic of items; the interval, 95%, resamples documents and runs; None for what is
    undefined."""
    value = float(statistic(np.ones((1, len(documents))))[0])
    interval = percentile_interval(crossed_draws(statistic, documents, runs, resamples=resamples))
    return {"value": None if np.isnan(value) else value, "interval": None if np.isnan(value) else interval}


def rates(names: Sequence[str], items: LeftOut) -> dict[str, dict[str, float | None]]:
    """For each name (a document, or a fact) "lcd", of its items, "phantom" and how many they are: "n"."""
    found: dict[str, dict[str, float | None]] = {}
    of = np.array(names, dtype=object)
    for name in dict.fromkeys(names):
        here = (of == name)[None].astype(float)
        everything = np.ones(len(names), dtype=bool)
        lcd, phantom = (
            float(statistic(here)[0])
            for statistic in (effect_of(items.cites, items.read, everything), LEFT_OUT["phantom"](items))
        )
        found[name] = {
            "lcd": None if np.isnan(lcd) else lcd,
            "phantom": None if np.isnan(phantom) else phantom,
            "n": float(here.sum()),
        }
    return found
