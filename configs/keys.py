"""How a key is declared: its default, what it means and what it may be, in one place.

    seq_len: int = key(256, "tokens in a packed sequence", at_least(1))

`--help` prints what stands here and `Section.check` holds values against it, so that neither can differ from the code.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import Field, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Range:
    """What a value may be; `words` go after "must be"."""

    words: str
    holds: Callable[[Any], bool]


ANY = Range("", lambda value: True)
FLAG = Range("true or false", lambda value: isinstance(value, bool))
SHARE = Range("a share from 0 to 1", lambda value: 0 <= value <= 1)
PART = Range("a share from 0 to below 1", lambda value: 0 <= value < 1)
POSITIVE = Range("above 0", lambda value: value > 0)
GIVEN = Range("not empty", bool)
CHECKPOINT = Range(
    "empty, a folder that is there, or an id of the Hugging Face hub",
    lambda init: not init or Path(init).is_dir() or bool(re.fullmatch(r"[\w.-]+/[\w.-]+", init)),
)
FILE = Range("empty, or a file that is there", lambda path: not path or Path(path).is_file())


def at_least(least: int) -> Range:
    return Range(f"at least {least}", lambda value: value >= least)


def between(least: float, most: float) -> Range:
    return Range(f"between {least:g} and {most:g}", lambda value: least <= value <= most)


def modules(folder: str) -> dict[str, str]:
    """What may be chosen by its name: of each module in or below a folder of the code, its name and its dotted name.

    In the order of the names, and nothing is imported. Raises ValueError where two are of one name.
    """
    found: dict[str, str] = {}
    for path in sorted((ROOT / folder).rglob("*.py"), key=lambda path: path.stem):
        if path.stem == "__init__":
            continue
        here = path.relative_to(ROOT)
        if path.stem in found:
            raise ValueError(f"{here} and {found[path.stem]} are of one name in {folder}: rename one of them")
        found[path.stem] = ".".join(here.with_suffix("").parts)
    return found


def one_of(*options: str) -> Range:
    return Range(options[0] if len(options) == 1 else f"one of {', '.join(options)}", lambda value: value in options)


def some_of(*options: str) -> Range:
    return Range(
        f"a list without repetition of {', '.join(options)}",
        lambda values: set(values) <= {*options} and len({*values}) == len(values),
    )


SEED = Range("between 0 and 2^63 - 1", lambda value: 0 <= value < 2**63)


def key(default: Any, about: str, allowed: Range = ANY) -> Any:
    """A field of a `Section`. Numbers need a range; not a number and infinity are never in it."""
    if isinstance(default, bool):
        allowed = FLAG
    metadata = {"about": about, "allowed": allowed}
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


class Section:
    """A part of a run's configuration: a dataclass whose fields are made by `key`, or are sections themselves.

    `section` is where its keys stand in a run, for messages: "tags" for `tags.id_to_text`.
    """

    section: ClassVar[str] = ""

    def contradictions(self, path: str) -> Iterator[str]:
        """What can't be together among values that are each in their range, a line each that names the keys."""
        yield from ()

    def check(self, path: str = "") -> None:
        """Raises ValueError with all that is wrong, in one line that names each key and what it may be."""
        if found := list(faults(self, path or self.section)):
            raise ValueError("; ".join(found))


def faults(section: Section, path: str) -> Iterator[str]:
    """All that is wrong with a section and those within; contradictions only among values that are in their range."""
    wrong = False
    known = {item.name: item for item in declared(section)}
    for name in vars(section):
        if name not in known:
            wrong = True
            yield f"{joined(path, name)} is no key; python run.py --help lists them"
    for name, item in known.items():
        value, where = getattr(section, name), joined(path, name)
        found = list(faults(value, where) if isinstance(value, Section) else _fault(value, where, item))
        wrong = wrong or bool(found)
        yield from found
    if not wrong:
        yield from section.contradictions(path)


def declared(section: Any) -> tuple[Field[Any], ...]:
    assert is_dataclass(section)
    return fields(section)


def joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def allowed(item: Field[Any]) -> Range:
    return item.metadata.get("allowed", ANY)


def shown(value: Any) -> str:
    """A value as it would be typed."""
    if isinstance(value, bool | None):
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, list):
        return f"[{','.join(map(shown, value))}]"
    return str(value) if value != "" else "''"


def _fault(value: Any, where: str, item: Field[Any]) -> Iterator[str]:
    if isinstance(value, float) and not math.isfinite(value):
        yield f"{where}={value}: must be a finite number, {allowed(item).words}"
    elif not allowed(item).holds(value):
        yield f"{where}={shown(value)}: must be {allowed(item).words}"
