"""The ledger of a closed world: what is true, who said what, and what follows from that for a question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from data.records import Claim

RELIABLE = 0.9  # a source below this is one of low reliability, in a hard world


@dataclass(frozen=True, slots=True)
class Assertion:
    """One document saying that a fact has a value, in its sentence number `sentence` (from 0).

    `reliability` is that of the document's source; a document that is not `tagged` never shows its identifier.
    """

    value: str
    document: str
    source: str
    sentence: int
    reliability: float
    tagged: bool = True


@dataclass(frozen=True, slots=True)
class Fact:
    """A row of the ledger: the true `value` of an attribute of an entity, and everything that was said of it."""

    entity: str
    attribute: str
    value: str
    assertions: tuple[Assertion, ...] = ()

    @property
    def claims(self) -> tuple[Claim, ...]:
        """Every value that was said, best first: the most reliable source counts, then the number of documents."""
        by_value: dict[str, list[Assertion]] = {}
        for assertion in self.assertions:
            by_value.setdefault(assertion.value, []).append(assertion)
        claims = [
            Claim(value, tuple(sorted(a.document for a in said)), max(a.reliability for a in said))
            for value, said in by_value.items()
        ]
        return tuple(sorted(claims, key=lambda claim: (*_strength(claim), claim.value), reverse=True))

    @property
    def best(self) -> tuple[Claim, ...]:
        """The claims that no other beats: one, unless sources disagree on equal terms."""
        claims = self.claims
        return tuple(claim for claim in claims if _strength(claim) == _strength(claims[0]))

    def support_class(self, reliable: float = 0.0) -> str:
        """What the assertions make of the fact, "" if there are none; `reliable`: sources below it count as low."""
        if not self.assertions:
            return ""
        if len({assertion.value for assertion in self.assertions}) > 1:
            return "contested"
        if not any(assertion.tagged for assertion in self.assertions):
            return "untagged"
        if all(assertion.reliability < reliable for assertion in self.assertions):
            return "low_reliability"
        return "single" if len(self.assertions) == 1 else "multi"

    @property
    def dispute(self) -> str:
        """How sources disagree: are the best claim's reliability and its number of documents above the next one's?"""
        first, second, *_ = self.claims
        if first.reliability == second.reliability:
            return "equal" if len(first.documents) == len(second.documents) else "counts"
        return "reliability" if len(first.documents) >= len(second.documents) else "outnumbered"

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Self:
        """Inverse of `to_json`."""
        said = tuple(Assertion(**assertion) for assertion in row["assertions"])
        return cls(row["entity"], row["attribute"], row["value"], said)

    def to_json(self) -> dict[str, Any]:
        said = [{name: getattr(assertion, name) for name in Assertion.__slots__} for assertion in self.assertions]
        return {"entity": self.entity, "attribute": self.attribute, "value": self.value, "assertions": said}


def _strength(claim: Claim) -> tuple[float, int]:
    return claim.reliability or 0.0, len(claim.documents)
