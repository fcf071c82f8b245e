"""Did a change of the code change what is measured? The results of the same run, before and after, compared exactly.

    python -m bench.results_compare OLD/results.json NEW/results.json

Old keys and names are read as what they are called now (configs/renamed.py). Every value is compared, bit for bit, but
for seconds, versions, the revision, where files stand, and the order of keys.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from configs.renamed import MEMBERSHIP, METRICS, PAIRS, SIGNALS, SPLITS, STAGES, SYSTEMS, renamed_key

UNLIKE = ("schema", "seconds", "stage_seconds", "versions", "git")
PLACES = ("run_dir", "stages_dir", "cache_dir")  # of the configuration
BELOW: Mapping[str, Sequence[Mapping[str, str]]] = {  # of a part of results.json: the names at each level below it
    "attribution": (SPLITS, {}, SYSTEMS),
    "abstention": ({}, METRICS),
    "systems": (SYSTEMS, METRICS),
    "signals": ({**SIGNALS, **SYSTEMS}, PAIRS),
    "tokens": (STAGES,),
    "accounting": (STAGES,),
}
Key = tuple[str, ...]


def renamed(key: Key) -> Key:
    """Where a value of an old results.json stands in a new one; where it stands already, of a new one."""
    part, *rest = key
    if part == "config":
        dotted = ".".join(rest)
        return ("config", *(renamed_key(dotted) or dotted).split("."))
    if key[:2] == ("probes", "membership"):
        return (*key[:2], *(MEMBERSHIP.get(name, name) for name in key[2:]))
    levels = BELOW.get(part, ())
    return (part, *(levels[i].get(name, name) if i < len(levels) else name for i, name in enumerate(rest)))


def values(results: Mapping[str, Any]) -> dict[Key, Any]:
    """Every value that is compared, by where it stands in a new results.json."""
    found: dict[Key, Any] = {}
    for key, value in _leaves(results, ()):
        if key[0] in UNLIKE or (key[0] == "config" and key[-1] in PLACES):
            continue
        new = renamed(key)
        if new in found:
            raise ValueError(f"{'.'.join(new)} is there under its old name and its new one")
        found[new] = value
    return found


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """A line for each value that is not the same in both, or stands in one only."""
    a, b = values(old), values(new)
    lines = []
    for key in (*a, *(key for key in b if key not in a)):
        name = ".".join(key)
        if key not in b:
            lines.append(f"{name}: {a[key]!r}, only in the old")
        elif key not in a:
            lines.append(f"{name}: {b[key]!r}, only in the new")
        elif a[key] != b[key] or type(a[key]) is not type(b[key]):
            lines.append(f"{name}: {a[key]!r}, now {b[key]!r}")
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, and tell what differs; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.results_compare",
        description="Compare the results of a run before and after a change of the code, exactly. Exit status: 0 the "
        "same, 1 different, 2 not comparable.",
    )
    parser.add_argument("old", type=Path, help="results.json, names old or new")
    parser.add_argument("new", type=Path, help="results.json")
    paths = parser.parse_args(arguments)
    try:
        old, new = _read(paths.old), _read(paths.new)
        found, compared = differences(old, new), len(values(old))
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("\n".join(found) if found else f"the same: {compared:,} values")
    return 1 if found else 0


def _leaves(value: Any, key: Key) -> Iterator[tuple[Key, Any]]:
    if isinstance(value, Mapping) and value:
        for name, item in value.items():
            yield from _leaves(item, (*key, name))
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        for place, item in enumerate(value):
            yield from _leaves(item, (*key, str(place)))
    else:
        yield key, value


def _read(path: Path) -> dict[str, Any]:
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not JSON ({error})") from None
    if not isinstance(results, dict) or not {"schema", "config"} <= results.keys():
        raise ValueError(f"{path}: no results.json")
    return results


if __name__ == "__main__":
    sys.exit(main())
