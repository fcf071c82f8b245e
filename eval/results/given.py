"""What is given more than a user has: the corpus's own statement form of each question (`Question.statement`).

Such a system shows what a model holds, not what one gets by asking it. Its figures stand by themselves, under `given`
of results.json, are marked wherever they stand, and are never a headline.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MARK = "given the statement form"


def marked(name: str) -> str:
    """The name of a system that is given it."""
    return f"{name}, {MARK}"


def systems_of(results: Mapping[str, Any], split: str) -> dict[str, Mapping[str, Any]]:
    """The attribution of each system that is given it, by name, from results.json; the best first."""
    part = results.get("given", {}).get("attribution", {}).get(split)
    return {part["system"]: part, **part["floors"]} if part else {}
