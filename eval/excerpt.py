"""The part of a text that matters, for a terminal."""

from __future__ import annotations

SIZE = 400  # letters


def excerpt(text: str, about: str, size: int = SIZE) -> str:
    """At most about `size` letters of a text, around where it first says `about`, or else from its beginning."""
    text = " ".join(text.split())
    if len(text) <= size:
        return text
    at = max(text.lower().find(about.lower()), 0)
    begin = max(0, min(at + len(about) // 2 - size // 2, len(text) - size))
    begin = text.find(" ", begin) + 1 if begin else 0
    end = begin + size if begin + size >= len(text) else text.rfind(" ", begin, begin + size)
    end = end if end > begin else begin + size
    return f"{'… ' if begin else ''}{text[begin:end]}{' …' if end < len(text) else ''}"
