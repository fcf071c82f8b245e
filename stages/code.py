"""What a stage's key holds of the code that makes it, so that a stage made by other code is not used as if it were not.

A digest of the modules that are reached by `import` from the one that makes the stage, as far as they lie in the given
packages: of what they say to Python, without comments, docstrings and layout. So a changed probe remakes that probe's
stage, and a better comment remakes nothing. What is imported by a name made at run time is not seen.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("eval", "model")  # data/ and train/ make what is trained: raise `FORMAT` of stages/stage.py for those
TOLD = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)  # what may have a docstring


def code_digest(modules: Sequence[str], root: Path = ROOT, packages: Sequence[str] = PACKAGES) -> str:
    """Twelve digits of the code of `modules` (dotted names below `root`) and of all in `packages` that they import.

    Raises OSError for a module that is not there.
    """
    found = hashlib.sha256()
    for name in sorted(reached(modules, root, packages)):
        found.update(f"{name}\n{_read(_path(name, root)).code}\n".encode())
    return found.hexdigest()[:12]


def reached(modules: Sequence[str], root: Path = ROOT, packages: Sequence[str] = PACKAGES) -> set[str]:
    """Those modules and all in `packages` that they import, at whatever remove, inside of functions too."""
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for other in _read(_path(name, root)).imports:
            if other.split(".")[0] in packages and _path(other, root).is_file():
                waiting.append(other)
    return found


class _Module:
    """What a module imports, and its code without comments, docstrings and layout."""

    def __init__(self, source: str) -> None:
        tree = ast.parse(source)
        self.imports = tuple(_imported(tree))
        for node in ast.walk(tree):
            if isinstance(node, TOLD) and ast.get_docstring(node, clean=False) is not None:
                node.body = node.body[1:] or [ast.Pass()]
        self.code = ast.unparse(tree)


def _read(path: Path) -> _Module:
    return _parsed(path.read_text(encoding="utf-8"))


@cache
def _parsed(source: str) -> _Module:
    return _Module(source)


def _imported(tree: ast.Module) -> Iterator[str]:
    """Names that may be modules: `from a import b` may mean a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _path(name: str, root: Path) -> Path:
    path = root.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
