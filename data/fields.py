"""Fields of JSON objects, checked: each function returns a value of the type it names or raises a `RecordError`.

By hand: msgspec refuses unknown keys of its own Structs only, which `dataclasses.replace` can't copy, and its messages
name a path in the JSON and a type, not what to write instead; only these functions, fifty lines, could go.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


class RecordError(ValueError):
    """A record that does not have the documented shape."""


def shown(value: Any) -> str:
    """A value as messages show it: short, "missing" for None."""
    try:
        return "missing" if value is None else json.dumps(value, default=str)[:60]
    except ValueError:  # a whole number of thousands of digits
        return f"a {type(value).__name__} too long to show"


def known(value: Any, names: set[str]) -> None:
    """Insist on an object without other keys than `names`."""
    if not isinstance(value, dict):
        raise RecordError(f"expected a JSON object, got {shown(value)}")
    if unknown := sorted(set(value) - names):
        raise RecordError(f"unknown key {unknown[0]!r} (known: {', '.join(sorted(names))})")


def text(value: Mapping[str, Any], key: str, default: str | None = None) -> str:
    """A string, not empty unless there is a default."""
    found = value.get(key, default)
    if not isinstance(found, str) or (default is None and not found):
        raise RecordError(f'"{key}" must be a non-empty string, not {shown(found)}')
    return found


def texts(value: Mapping[str, Any], key: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """A list of strings, none of them empty."""
    found = value.get(key, default)
    if not isinstance(found, list | tuple) or not all(isinstance(item, str) and item for item in found):
        raise RecordError(f'"{key}" must be a list of non-empty strings, not {shown(found)}')
    return tuple(found)


def name(value: Mapping[str, Any], key: str) -> str:
    """An id: a string that is not empty, or a whole number, which is read as its digits."""
    if (found := _named(value.get(key))) is None:
        raise RecordError(f'"{key}" must be a non-empty string or a whole number, not {shown(value.get(key))}')
    return found


def names(value: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """A list of ids."""
    found = value.get(key)
    read = list(map(_named, found)) if isinstance(found, list | tuple) else [None]
    if None in read:
        raise RecordError(f'"{key}" must be a list of non-empty strings or whole numbers, not {shown(found)}')
    return tuple(id for id in read if id is not None)


def items(value: Mapping[str, Any], key: str) -> list[Any]:
    """A list, empty when the key is missing."""
    found = value.get(key, [])
    if not isinstance(found, list):
        raise RecordError(f'"{key}" must be a list, not {shown(found)}')
    return found


def number(value: Mapping[str, Any], key: str) -> float | None:
    """A finite number, None when there is none."""
    found = value.get(key)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise RecordError(f'"{key}" must be a number or null, not {shown(found)}')
    if not _finite(found):
        raise RecordError(f'"{key}" must be a finite number, not {shown(found)}')
    return found


def share(value: Mapping[str, Any], key: str) -> float | None:
    """A number in [0, 1], None when there is none."""
    found = number(value, key)
    if found is not None and not 0.0 <= found <= 1.0:
        raise RecordError(f'"{key}" is {found}, outside [0, 1]')
    return found


def _named(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    try:
        return str(value) or None
    except ValueError:  # a whole number of thousands of digits
        return None


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float can hold
        return False
