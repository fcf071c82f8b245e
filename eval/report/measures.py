"""Measures in tables: {"value", "interval"}, perhaps with "n", of how many it is a share. Groups of measures nest."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from eval.report.html import Cell, Row, Table, number, words


def is_measure(value: Any) -> bool:
    """Whether this is {"value", ...} rather than a group."""
    return isinstance(value, Mapping) and "value" in value


def defined(value: Any) -> bool:
    """Whether this is a measure with a value: neither None nor nan."""
    return is_measure(value) and value["value"] is not None and not math.isnan(value["value"])


def measures(
    group: Mapping[str, Any], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """Every measure within, however deep, with the names that lead to it."""
    for name, value in group.items():
        if is_measure(value):
            yield (*path, name), value
        elif isinstance(value, Mapping):
            yield from measures(value, (*path, name))


def nested(found: Mapping[str, Any]) -> Iterator[Table]:
    """Tables of nested groups, one below the other.

    What stands at the top has a row each. Below, a group that holds measures or plain values is a row of them, and the
    groups that lead to it are its heading; successive groups of like columns share a table.
    """
    for (columns, depth), records in groupby(_records(found), key=lambda r: (tuple(r[1]), min(len(r[0]), 2))):
        rows: list[Row] = []
        above: tuple[str, ...] = ()
        for path, values in records:
            n = values.get("n")
            cells = {name: measure_cell(value, n if isinstance(n, int) else None) for name, value in values.items()}
            if not depth:
                rows += [Row(words(name), [cell]) for name, cell in cells.items()]
                continue
            if path[:-1] != above:
                above = path[:-1]
                rows.append(Row(" › ".join(map(words, above))))
            rows.append(Row(words(path[-1]), list(cells.values())))
        yield Table(("", *map(words, columns)) if depth else (), rows, "narrow")


def _records(group: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    plain = {name: value for name, value in group.items() if is_measure(value) or not isinstance(value, Mapping)}
    if plain:
        yield path, plain
    for name, value in group.items():
        if name not in plain:
            yield from _records(value, (*path, name))


def measure_cell(value: Any, n: int | None = None) -> Cell:
    """A measure, a number or nothing as a cell."""
    if is_measure(value):
        return number(value["value"], value.get("interval"), value.get("n", n)) if defined(value) else Cell("-")
    if isinstance(value, float):
        return Cell("-") if math.isnan(value) else number(value, None)
    return Cell("-" if value is None else f"{value:,}" if isinstance(value, int) else str(value))
