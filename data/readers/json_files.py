"""Records in JSON: one a line (`.jsonl`, `.ndjson`), or in arrays and objects of any layout (`.json`)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from data.fetch import open_text
from data.records import RecordError, read_numbered

Records = Iterator[tuple[str, dict[str, Any]]]  # where each stands, for messages, and its columns
GAP = re.compile(r"\s*")


@dataclass(frozen=True)
class JsonObject:
    """A line of a JSONL file whose columns are not known in advance."""

    values: dict[str, Any]

    @classmethod
    def from_json(cls, value: Any) -> Self:
        if not isinstance(value, dict):
            raise RecordError("expected a JSON object")
        return cls(value)

    def to_json(self) -> dict[str, Any]:
        return self.values


def read_json_lines(path: Path) -> Records:
    """The objects of a JSONL file. Raises RecordError naming file and line."""
    for number, record in read_numbered(path, JsonObject):
        yield f"{path}, line {number}", record.values


def read_json(path: Path) -> Records:
    """The objects in a file of JSON: those of its arrays, or itself. All of it is in memory, unlike `.jsonl`.

    Raises ValueError naming the file and line that is not JSON, or the record that is no object.
    """
    with open_text(path) as file:
        text = file.read()
    count, at = 0, _skip(text, 0)
    while at < len(text):
        try:
            value, at = json.JSONDecoder().raw_decode(text, at)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}, line {error.lineno}: not JSON ({error})") from None
        except (RecursionError, ValueError) as error:  # nested too deep, or a number of thousands of digits
            raise ValueError(f"{path}: JSON that can't be read ({error})") from None
        at = _skip(text, at)
        for record in value if isinstance(value, list) else [value]:
            count += 1
            if not isinstance(record, dict):
                raise ValueError(f"{path}, record {count}: expected a JSON object, not {record!r:.60}")
            yield f"{path}, record {count}", record


def _skip(text: str, at: int) -> int:
    gap = GAP.match(text, at)
    return gap.end() if gap else at


def is_squad(value: Any) -> bool:
    """Whether it is a question set in SQuAD's form."""
    articles = value.get("data") if isinstance(value, dict) else None
    return isinstance(articles, list) and any(isinstance(a, dict) and "paragraphs" in a for a in articles)
