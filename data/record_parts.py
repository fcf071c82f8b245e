"""Parts of a Question and of a Prediction (data/records.py)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from data import fields
from data.fields import RecordError


@dataclass(frozen=True, slots=True)
class Claim:
    """A value that was said of a fact, the documents that say so, and the reliability of the best of them."""

    value: str
    documents: tuple[str, ...]
    reliability: float | None = None

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Inverse of `to_json`. Raises RecordError."""
        fields.known(value, set(cls.__slots__))
        if not (documents := fields.names(value, "documents")):
            raise RecordError(f'the claim {fields.shown(value.get("value"))} has no "documents" that make it')
        return cls(fields.text(value, "value"), documents, fields.share(value, "reliability"))

    def to_json(self) -> dict[str, Any]:
        return {"value": self.value, "documents": list(self.documents), "reliability": self.reliability}


@dataclass(frozen=True, slots=True)
class Evidence:
    """A sentence that gives the answer, in the words of a document."""

    document: str
    text: str

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Inverse of `to_json`. Raises RecordError."""
        fields.known(value, set(cls.__slots__))
        return cls(fields.name(value, "document"), fields.text(value, "text"))

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Citation:
    """One ranked source: a document id and its probability in [0, 1] (None when the system gives none)."""

    id: str
    probability: float | None = None
