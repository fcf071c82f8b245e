"""The command line of the eval commands: `key=value` arguments and plain text, checked against a list of known keys.

    python -m eval.score questions=Q.jsonl predictions=P.jsonl

An argument is a key when a lower-case word stands directly before the first "=" and the command takes keys; everything
else is text, so that a folder called `sweep/tags.name=end` is not taken for a key.

Not argparse: its keys begin with a dash, it lets a repeated or an empty one pass, names no nearest one, and takes a
question that begins with a dash for an option, so all that stands here would be written around it.
"""

from __future__ import annotations

import difflib
import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

_KEY = re.compile(r"([a-z][a-z0-9_]*)=(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Command:
    """What a command takes.

    Attributes:
        name: as typed, `python -m eval.score`.
        summary: what it does, in a sentence.
        required: keys that must be given, with their descriptions.
        optional: keys that may be given, with their descriptions.
        text: what the arguments without a key are, "" when there are none.
    """

    name: str
    summary: str
    required: Mapping[str, str]
    optional: Mapping[str, str]
    text: str = ""

    @property
    def usage(self) -> str:
        keys = {**self.required, **{key: f"{what} (optional)" for key, what in self.optional.items()}}
        width = max((len(key) for key in keys), default=0)
        call = [self.name, *([self.text] if self.text else []), *(f"{key}=..." for key in self.required)]
        call += [f"[{key}=...]" for key in self.optional]
        lines = [f"usage: {' '.join(call)}", "", self.summary, ""]
        return "\n".join(lines + [f"  {key:<{width}}  {what}" for key, what in keys.items()]).rstrip()

    def parse(self, arguments: Sequence[str]) -> tuple[dict[str, str], list[str]]:
        """The values by key, and the arguments without a key in order.

        Raises:
            ValueError: an unknown or repeated key, a required one missing, an empty value, or text that is not taken.
        """
        known = [*self.required, *self.optional]
        values: dict[str, str] = {}
        text: list[str] = []
        for argument in arguments:
            match = _KEY.fullmatch(argument)
            if not match or not known:
                text.append(argument)
                continue
            key, value = match.groups()
            if key not in known:
                raise ValueError(f'unknown key "{key}"' + _nearest(key, known))
            if key in values:
                raise ValueError(f'key "{key}" is given twice')
            if not value:
                raise ValueError(f'key "{key}" has no value')
            values[key] = value
        if missing := [key for key in self.required if key not in values]:
            raise ValueError(f'key "{missing[0]}" is missing: give {missing[0]}=... ({self.required[missing[0]]})')
        if text and not self.text:
            raise ValueError(f'"{text[0]}" is not of the form key=value' + _nearest(text[0], known))
        return values, text

    def run(self, work: Callable[[dict[str, str], list[str]], None]) -> None:
        """Parse the process's arguments and do the work; user mistakes end as one line on stderr and exit status 2."""
        if {"--help", "-h"}.intersection(sys.argv[1:]):
            print(self.usage)
            return
        try:
            work(*self.parse(sys.argv[1:]))
        except (ValueError, OSError) as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(2)


def whole_number(values: Mapping[str, str], key: str, default: int, least: int = 1) -> int:
    """The value of a key. Raises ValueError where it is no whole number, or less than the least."""
    value = values.get(key, str(default))
    if not (value.isascii() and value.isdigit()) or int(value) < least:
        raise ValueError(f"{key}={value} is not a whole number of {least} or more")
    return int(value)


def number(values: Mapping[str, str], key: str, default: float) -> float:
    """The value of a key. Raises ValueError where it is no number of 0 or more."""
    value = values.get(key, str(default))
    try:
        found = float(value)
    except ValueError:
        found = math.nan
    if not 0 <= found < math.inf:
        raise ValueError(f"{key}={value} is not a number of 0 or more")
    return found


def one_of(values: Mapping[str, str], key: str, known: Sequence[str]) -> str:
    """The value of a key, the first one known unless given. Raises ValueError where it is none of those known."""
    value = values.get(key, known[0])
    if value not in known:
        raise ValueError(f"{key}={value} is not one of {', '.join(known)}")
    return value


def _nearest(key: str, known: Sequence[str]) -> str:
    if not known:
        return ""
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
    return f'; did you mean "{near[0]}"? (known: {", ".join(known)})'
