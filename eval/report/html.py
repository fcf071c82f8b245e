"""What the report is built of: cells, rows and tables as data, and the templates that make HTML of them.

HTML is written in eval/report/templates alone, and whatever a template is given is escaped there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from eval.metrics.rule_of_three import bounds
from eval.results.results import EMPTY, percent

ACRONYMS = {"bm25", "ece", "auroc", "augrc", "aurc"}


class Cell(NamedTuple):
    """Text, and what stands small below it."""

    text: str
    below: tuple[str, ...] = ()


class Row(NamedTuple):
    """A row of a table, or a heading among its rows where it has no cells.

    Attributes:
        about: what the name means, for below it.
        kind: its class.
    """

    name: str
    cells: Sequence[Cell] = ()
    about: str = ""
    kind: str = ""


class Table(NamedTuple):
    """Scrolls sideways by itself where it is wider than the page.

    Attributes:
        head: names of the columns, that of the rows' names included; none for a table without.
        kind: its class.
        abouts: what columns mean, by their names.
    """

    head: Sequence[str]
    rows: Sequence[Row]
    kind: str = ""
    abouts: Mapping[str, str] = EMPTY


class Section(NamedTuple):
    """A part of the page that its contents list."""

    title: str
    html: Markup

    @property
    def id(self) -> str:
        """What a link to it names."""
        return "-".join(re.findall(r"\w+", self.title.lower()))


def render(template: str, **given: Any) -> Markup:
    """The HTML of a template of eval/report/templates; what it is given is escaped, except for HTML made so."""
    return Markup(TEMPLATES.get_template(f"{template}.html").render(given))


def share(value: float | None, interval: Sequence[float] | None, n: int | None = None) -> Cell:
    """A share in percent over its bounds; n as in `eval.metrics.rule_of_three.bounds`."""
    return _over(value, interval, n, 100, 1)


def number(value: float | None, interval: Sequence[float] | None, n: int | None = None) -> Cell:
    """A number over its bounds; n as in `eval.metrics.rule_of_three.bounds`."""
    return _over(value, interval, n, 1, 3)


def _over(value: float | None, interval: Sequence[float] | None, n: int | None, scale: float, digits: int) -> Cell:
    if value is None:
        return Cell("-")
    found = bounds(value, interval, n)
    below = (" to ".join(f"{scale * bound:.{digits}f}" for bound in found),) if found else ()
    return Cell(f"{scale * value:.{digits}f}", below)


def in_words(value: float | None, interval: Sequence[float] | None, n: int | None) -> str:
    """A share as a sentence has it."""
    if value is None:
        return "an unknown share"
    cell = share(value, interval, n)
    return f"{cell.text}%" + "".join(f" ({below})" for below in cell.below)


def words(name: str) -> str:
    """A name from a record as words."""
    return " ".join(word.upper() if word in ACRONYMS else word for word in name.split("_"))


TEMPLATES = Environment(
    loader=PackageLoader("eval.report"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters |= {"thousands": "{:,}".format, "words": words, "percent": percent}
