"""Groups of questions that are seen when answering, for calibrators that mend one group after the other.

What a question asks for is read off its wording: with the names masked it is looked up among the wordings of tuning
questions, whose attributes are known. The rest is read off what the model said: how reliable the source is that it
cites (a property of the document, in a corpus that has it), how sure it is of that source, whether another one is near,
and whether its samples agree. Nothing here knows whether a question was told of.

Shape letters: N questions, G groups.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from data.records import Prediction, Question
from eval.metrics.statistics import Floats

OTHER = "other"
NEAR = np.log(0.1)  # of the second citation, where there may be several sources
SURE = np.log(0.5)  # of the first
_NAME = re.compile(r"(?<!^)\b(?:[A-Z]\w*|\d+)\b")
_NAMES = re.compile(r"_(?:[\s,']*_)*")


@dataclass(frozen=True)
class Wordings:
    """What is asked for by each wording of the tuning questions, names masked."""

    attribute: Mapping[str, str]
    presumes: frozenset[str]

    @classmethod
    def of(cls, tuning: Sequence[Question]) -> Self:
        """The attribute that most of a wording's questions have; whether they presuppose something."""
        counted: dict[str, Counter[str]] = {}
        for question in tuning:
            for text in (question.text, *question.paraphrases):
                counted.setdefault(masked(text), Counter())[question.attribute] += 1
        presumes = {masked(text) for q in tuning if q.premise for text in (q.text, *q.paraphrases)}
        return cls({text: found.most_common(1)[0][0] for text, found in counted.items()}, frozenset(presumes))

    def asks(self, text: str) -> str:
        """The attribute that a question asks for; `OTHER` for wordings that no tuning question has."""
        return self.attribute.get(masked(text), OTHER)


@dataclass(frozen=True)
class Seen:
    """What is seen of N questions.

    Attributes:
        names: of the groups, [G].
        members: which groups each question is in, bool [N, G].
        cells: a partition: attribute, whether something is presupposed, and reliability of the source, [N].
        features: the groups as 0 and 1, and the signals behind them, float64 [N, F].
    """

    names: tuple[str, ...]
    members: NDArray[np.bool_]
    cells: tuple[str, ...]
    features: Floats


def seen(
    questions: Sequence[Question],
    predictions: Sequence[Prediction],
    wordings: Wordings,
    reliability: Mapping[str, float],
    signals: Sequence[str],
) -> Seen:
    """What is seen of each question: its text, and what was said to it.

    Args:
        reliability: of the documents that may be cited; those that lack one count as of the best.
        signals: names of those that features are made of; a missing one reads as 0.
    """
    asks = [wordings.asks(question.text) for question in questions]
    presumes = np.array([masked(question.text) in wordings.presumes for question in questions], dtype=bool)
    cited = [reliability.get(p.citations[0].id, 1.0) if p.citations else 1.0 for p in predictions]
    best = max(reliability.values(), default=1.0)
    doubtful = np.array([value < best for value in cited], dtype=bool)
    groups: dict[str, NDArray[np.bool_]] = {"all": np.ones(len(questions), dtype=bool)}
    for name in sorted({*wordings.attribute.values(), OTHER}):
        groups[f"asks {name or OTHER}"] = np.array([one == name for one in asks], dtype=bool)
    shown = {name: np.array([p.signals.get(name, 0.0) for p in predictions]) for name in signals}
    either = {
        "presumes": presumes,
        "cites a doubtful source": doubtful,
        "sure of its source": shown["citation"] >= SURE if "citation" in shown else None,
        "another source is near": shown["lp_next_citation"] >= NEAR if "lp_next_citation" in shown else None,
        "samples agree": shown["agreement"] >= 1.0 if "agreement" in shown else None,
    }
    for name, members in either.items():
        if members is not None:
            groups |= {name: members, f"not: {name}": ~members}
    matrix = np.column_stack(list(groups.values()))
    cells = tuple(
        f"{one}, {'presumes' if a else 'plain'}, {'doubtful' if b else 'trusted'}"
        for one, a, b in zip(asks, presumes, doubtful, strict=True)
    )
    return Seen(tuple(groups), matrix, cells, np.column_stack([matrix.astype(np.float64), *shown.values()]))


def masked(text: str) -> str:
    """A question without its names and numbers: "Where was Ada Moss born?" is "Where was _ born?"."""
    return _NAMES.sub("_", _NAME.sub("_", text))


def common(cells: Sequence[str], least: int) -> frozenset[str]:
    """The cells that at least so many items are in, but for the last of them: something is left for `OTHER`."""
    return frozenset(name for name, n in Counter(cells).most_common()[:-1] if n >= least)


def merged(cells: Sequence[str], kept: frozenset[str]) -> list[str]:
    """Cells that are not kept as one, `OTHER`."""
    return [name if name in kept else OTHER for name in cells]
