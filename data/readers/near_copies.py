"""Texts that are nearly the same: copies under two names blur who said what, and tell what was withheld.

Two texts are near copies when at least `ALIKE` of the runs of `RUN` words of the shorter one stand in the other
(containment of shingles; Broder 1997, "On the resemblance and containment of documents"), those aside that stand in
more than `COMMON` texts. By an index of the runs' hashes, about 100 bytes a word.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping

RUN = 8  # words
ALIKE = 0.5
COMMON = 50  # a run in more texts than that is boilerplate, and tells nothing
WORD = re.compile(r"\w+")


def near_copies(texts: Mapping[str, str]) -> list[tuple[str, str]]:
    """The pairs of names of texts that are nearly the same, in the order of the texts."""
    runs = {name: _runs(text) for name, text in texts.items()}
    holding: dict[int, list[str]] = defaultdict(list)
    for name, found in runs.items():
        for run in found:
            holding[run].append(name)
    shared: Counter[tuple[str, str]] = Counter()
    for names in holding.values():
        if 1 < len(names) <= COMMON:
            shared.update((one, other) for place, one in enumerate(names) for other in names[place + 1 :])
    return [pair for pair, n in shared.items() if n >= ALIKE * min(len(runs[pair[0]]), len(runs[pair[1]]))]


def _runs(text: str) -> set[int]:
    words = WORD.findall(text.casefold())
    return {hash(tuple(words[i : i + RUN])) for i in range(len(words) - RUN + 1)} or {hash(tuple(words))}
