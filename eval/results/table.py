"""A table of results as data, and as Markdown: docs/results/NAME.json, and table.json of a run or sweep.

    schema     1
    name       of the experiment or run; on pages the table stands between `<!-- table: NAME -->` and `<!-- end -->`
    title      what it shows, in a line
    command    what was typed to measure it; null where it was measured from Python
    revision   of the code that measured it, "+" at its end where files differed; null when unknown
    machine    what it was measured on
    date       when it was written down, YYYY-MM-DD
    note       what the intervals and counts mean, and what else a reader has to know
    headline   the row that is the result, counted from 0; null for none. Never one that is given the statement form
    columns    key, title, unit ("%", "x" for times as much, or ""), digits after the point, and whether "higher" or
               "lower" is better ("" where neither is)
    rows       system; given: it had the corpus's own statement form of the question (eval/results/given.py); seeds; and
               values by key of a column, null where a seed has none: value, interval ([low, high] or null), sd over the
               seeds (or null) and n, how many questions it is over (null where unknown or not the same for all seeds)

Shares are in [0, 1], as in results.json; the unit "%" says that people see them as percentages.
"""

from __future__ import annotations

import json
import os
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data import fields
from data.atomic import write_json
from data.fields import RecordError
from eval.results.given import MARK

SCHEMA = 1
UNITS, BETTER = ("%", "x", ""), ("higher", "lower", "")


@dataclass(frozen=True)
class Value:
    """One figure of a system; see the module docstring."""

    value: float
    interval: tuple[float, float] | None = None
    sd: float | None = None
    n: int | None = None


@dataclass(frozen=True)
class Column:
    key: str
    title: str
    unit: str = ""
    digits: int = 1
    better: str = ""


@dataclass(frozen=True)
class Row:
    system: str
    values: Mapping[str, Value | None]
    given: bool = False
    seeds: tuple[int, ...] = ()


@dataclass(frozen=True)
class Table:
    """See the module docstring."""

    name: str
    title: str
    command: str | None
    revision: str | None
    machine: str
    date: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    note: str = ""
    headline: int | None = None


def write_table(path: str | os.PathLike[str], table: Table) -> None:
    """Write it as JSON, whole or not at all. Raises ValueError where it could not be read again."""
    value = {"schema": SCHEMA} | asdict(table)
    _table(json.loads(json.dumps(value)))
    write_json(Path(path), value)


def read_table(path: str | os.PathLike[str]) -> Table:
    """Inverse of `write_table`. Raises ValueError, naming the file and the key, when it is not such a file."""
    try:
        return _table(json.loads(Path(path).read_text(encoding="utf-8")))
    except RecordError as error:
        raise ValueError(f"{path}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not JSON ({error})") from None


def over_seeds(values: Sequence[Value | None]) -> Value | None:
    """Mean and sample standard deviation; one seed's value with its interval as it is. None where a seed has none."""
    found = [value for value in values if value is not None]
    if not found or len(found) < len(values):
        return None
    if len(found) == 1:
        return found[0]
    each, counts = [value.value for value in found], {value.n for value in found}
    return Value(statistics.fmean(each), None, statistics.stdev(each), counts.pop() if len(counts) == 1 else None)


def markdown(table: Table) -> str:
    """The table as pages show it, with the revision and the day below."""
    heads = ["system", *(column.title + (" (%)" if column.unit == "%" else "") for column in table.columns)]
    lines = [_line(heads), _line(["---"] * len(heads))]
    for index, row in enumerate(table.rows):
        system = f"**{row.system}**" if index == table.headline else row.system
        marks = [f"{len(row.seeds)} seeds"] if len(row.seeds) > 1 else []
        marks += [MARK] if row.given else []
        cells = [figure(row.values.get(column.key), column) for column in table.columns]
        lines.append(_line([f"{system} ({', '.join(marks)})" if marks else system, *cells]))
    revision = f" at revision {table.revision[:7]}{'+' * table.revision.endswith('+')}" if table.revision else ""
    return "\n".join([*lines, "", f"Measured on {table.date}{revision}."])


def figure(found: Value | None, column: Column) -> str:
    """A value for people: "99.6 [99.1, 100.0]", "0.865 ± 0.003", "8,597 [8,485-8,619]", "1.4 x" or "-".

    What is less than one and would read as one gets one more digit: .9999 with three digits is 0.9999.
    """
    if found is None:
        return "-"
    factor = 100 if column.unit == "%" else 1
    digits = column.digits
    if found.value < 1 and round(found.value * factor, digits) == factor:
        digits += 1

    def shown(value: float) -> str:
        return f"{value * factor:,.{digits}f}"

    text = shown(found.value) + (f" ± {shown(found.sd)}" if found.sd is not None else "")
    if found.interval:
        between = ", " if digits else "-"  # beside the commas of thousands
        text += f" [{between.join(map(shown, found.interval))}]"
    return text + (" x" if column.unit == "x" else "")


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _table(value: Any) -> Table:
    """Raises RecordError, naming the key, for anything that is not as the module docstring has it."""
    known = {"name", "title", "command", "revision", "machine", "date", "note", "headline", "columns", "rows"}
    fields.known(value, {"schema", *known})
    if value.get("schema") != SCHEMA:
        raise RecordError(f'"schema" must be {SCHEMA}, not {fields.shown(value.get("schema"))}')
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", date := fields.text(value, "date")):
        raise RecordError(f'"date" must be YYYY-MM-DD, not {fields.shown(date)}')
    columns = [_within(f"columns[{i}]", _column, item) for i, item in enumerate(fields.items(value, "columns"))]
    keys = [column.key for column in columns]
    if not keys or len(set(keys)) < len(keys):
        raise RecordError('"columns" must be at least one, each of another key')
    rows = [_within(f"rows[{i}]", _row, item, keys) for i, item in enumerate(fields.items(value, "rows"))]
    headline = _whole(value, "headline")
    if headline is not None and (headline >= len(rows) or rows[headline].given):
        raise RecordError(f'"headline" must be a row that is not {MARK}, not {headline}')
    return Table(
        name=fields.text(value, "name"),
        title=fields.text(value, "title"),
        command=_or_null(value, "command"),
        revision=_or_null(value, "revision"),
        machine=fields.text(value, "machine"),
        date=date,
        columns=tuple(columns),
        rows=tuple(rows),
        note=fields.text(value, "note", ""),
        headline=headline,
    )


def _within(where: str, read: Any, *arguments: Any) -> Any:
    try:
        return read(*arguments)
    except RecordError as error:
        raise RecordError(f"{where}: {error}") from None


def _column(value: Any) -> Column:
    fields.known(value, {"key", "title", "unit", "digits", "better"})
    unit, better = fields.text(value, "unit", ""), fields.text(value, "better", "")
    for key, found, allowed in (("unit", unit, UNITS), ("better", better, BETTER)):
        if found not in allowed:
            raise RecordError(f'"{key}" must be one of {", ".join(map(json.dumps, allowed))}, not "{found}"')
    digits = _whole(value, "digits")
    if digits is None:
        raise RecordError('"digits" is missing')
    return Column(fields.text(value, "key"), fields.text(value, "title"), unit, digits, better)


def _row(value: Any, keys: Sequence[str]) -> Row:
    fields.known(value, {"system", "given", "seeds", "values"})
    if not isinstance(given := value.get("given"), bool):
        raise RecordError(f'"given" must be true or false, not {fields.shown(given)}')
    seeds = fields.items(value, "seeds")
    if not all(type(seed) is int for seed in seeds):
        raise RecordError(f'"seeds" must be whole numbers, not {fields.shown(seeds)}')
    fields.known(values := value.get("values"), set(keys))
    read = {key: None if one is None else _within(f"values.{key}", _value, one) for key, one in values.items()}
    return Row(fields.text(value, "system"), read, given, tuple(seeds))


def _value(value: Any) -> Value:
    fields.known(value, {"value", "interval", "sd", "n"})
    if (found := fields.number(value, "value")) is None:
        raise RecordError('"value" must be a number, not missing')
    bounds = value.get("interval")
    if bounds is not None:
        if not (isinstance(bounds, list) and len(bounds) == 2):
            raise RecordError(f'"interval" must be [low, high] or null, not {fields.shown(bounds)}')
        ends = [fields.number({"interval": bound}, "interval") for bound in bounds]
        if ends[0] is None or ends[1] is None or ends[0] > ends[1]:
            raise RecordError(f'"interval" must be [low, high] or null, not {fields.shown(bounds)}')
        bounds = (ends[0], ends[1])
    return Value(found, bounds, fields.number(value, "sd"), _whole(value, "n"))


def _or_null(value: Mapping[str, Any], key: str) -> str | None:
    return None if value.get(key) is None else fields.text(value, key)


def _whole(value: Mapping[str, Any], key: str) -> int | None:
    """A whole number from 0 on, None when there is none."""
    found = value.get(key)
    if found is not None and (type(found) is not int or found < 0):
        raise RecordError(f'"{key}" must be a whole number or null, not {fields.shown(found)}')
    return found
