"""README and the pages of docs/, taken apart: fenced blocks, code within sentences, links and what they may lead to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
README, LOG = ROOT / "README.md", ROOT / "LOG.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]

FENCE = re.compile(r"```(\w*)\s*")
MARKER = re.compile(r"<!-- (.+) -->")
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


class Block(NamedTuple):
    """A fenced block: the comment on the line before it ("" for none), its language, and what stands in it."""

    marker: str
    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    return _parted(page)[0]


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return "\n".join(_parted(page)[1])


def spans(page: Path) -> list[str]:
    """Code within sentences and tables."""
    return SPAN.findall(prose(page))


def links(page: Path) -> list[str]:
    return LINK.findall(SPAN.sub("", prose(page)) if page != LOG else prose(page))


def anchors(page: Path) -> set[str]:
    """What a link to a heading of the page may end in, as forges and the site make it."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def tables(page: Path) -> dict[str, str]:
    """The tables that stand between `<!-- table: NAME -->` and `<!-- end -->`, by name."""
    found = re.findall(r"<!-- table: (\w+) -->\n(.*?)\n<!-- end -->", page.read_text(encoding="utf-8"), re.DOTALL)
    assert len(dict(found)) == len(found) == page.read_text(encoding="utf-8").count("<!-- table: "), page
    return dict(found)


def _parted(page: Path) -> tuple[list[Block], list[str]]:
    found: list[Block] = []
    outside: list[str] = []
    inside: list[str] | None = None
    language = marker = ""
    for line in page.read_text(encoding="utf-8").splitlines():
        if inside is None and (fence := FENCE.fullmatch(line)):
            before = MARKER.fullmatch(outside[-1]) if outside else None
            inside, language, marker = [], fence[1], before[1] if before else ""
        elif inside is not None and line == "```":
            found.append(Block(marker, language, "\n".join(inside) + "\n"))
            inside = None
        else:
            (outside if inside is None else inside).append(line)
    assert inside is None, f"{page} ends within a block"
    return found, outside
