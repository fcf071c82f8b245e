"""Imports run one way between the rooms, and no room or file outgrows its idea."""

import ast
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TRACKED = subprocess.run(
    ["git", "ls-files", "-co", "--exclude-standard", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True
)
FILES = sorted(path for path in map(Path, TRACKED.stdout.split()) if (ROOT / path).exists())
SOURCES = [path for path in FILES if path.parts[0] != "tests"]

# From the bottom up: a room may import those before it, and itself. A module belongs to the longest name that fits.
ROOMS = (
    "configs.keys", "configs.renamed",
    "data.fields", "data.atomic", "data.fetch", "data.record_parts", "data.records",
    "data.stateless_rng", "data.ragged_array",
    "data.world", "data.readers", "data.storage", "data.pipeline",
    "model",
    "stages",
    "train",
    "eval.metrics", "eval.grading", "eval.answerers", "eval.feedback", "eval.signals", "eval.selective", "eval.probes",
    "eval.results",
    "eval.report",
    "eval",
    "configs",
    "steps",
    "run",
    "bench",
)  # fmt: skip
APART = (("eval", "train"), ("train", "eval"), ("train", "bench"), ("eval", "bench"), ("bench", "steps"))
ALLOWED = {  # what still runs against the order, to be mended: this list may only shrink
}


def room(module: str) -> str | None:
    """The room of a module of ours; None for somebody else's."""
    fit = [name for name in ROOMS if module == name or module.startswith(name + ".")]
    return max(fit, key=len, default=None)


def named(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, anywhere in it: also for types only, and within functions."""
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative imports hide which room is meant"
            module = node.module or ""
            submodules = [f"{module}.{alias.name}" for alias in node.names]
            yield from (name if (ROOT / (name.replace(".", "/") + ".py")).exists() else module for name in submodules)


def violations() -> set[tuple[str, str]]:
    found = set()
    for path in SOURCES:
        if not (ROOT / path).read_text(encoding="utf-8").strip():
            continue  # an empty __init__.py
        here = room(named(path))
        assert here is not None, f"{path} is in no room: add it to ROOMS"
        for module in imports(path):
            there = room(module)
            if there is None:
                continue
            apart = any(named(path).split(".")[0] == a and module.split(".")[0] == b for a, b in APART)
            if apart or ROOMS.index(there) > ROOMS.index(here):
                found.add((named(path), module))
    return found


def test_imports_run_one_way_between_rooms() -> None:
    assert violations() == ALLOWED.keys() if ALLOWED else not violations(), sorted(violations())


def test_a_file_is_one_idea() -> None:
    lengths = {str(path): len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert not {path: n for path, n in lengths.items() if n > 400}
    assert not [path for path in lengths if Path(path).name in ("utils.py", "helpers.py", "common.py")]


def test_no_room_is_crowded() -> None:
    crowd = Counter(str(path.parent) for path in SOURCES if path.name != "__init__.py" and path.parent != Path())
    assert not {folder: n for folder, n in crowd.items() if n > 14}


@pytest.mark.parametrize(("path", "module"), [("data/records.py", "eval.ask"), ("train/fit.py", "bench.device")])
def test_the_order_is_the_one_that_is_meant(path: str, module: str) -> None:
    """What must never be: the bottom knowing the top, and training knowing the bench."""
    assert ROOMS.index(room(module) or "") > ROOMS.index(room(named(Path(path))) or "")
