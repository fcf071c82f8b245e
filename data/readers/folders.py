"""Which files a path means: a file, a folder with all below it, or a pattern; none of them is left out unsaid."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data.fetch import COMPRESSED
from data.readers.tables import is_saved

TABLES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
TEXTS = (".txt", ".md")
SAVED = "saved"  # the kind of a folder that save_to_disk wrote
READ = f"{', '.join(TABLES + TEXTS)}, all but .parquet also with {' or '.join(COMPRESSED)}"


@dataclass(frozen=True)
class File:
    """A file to read: its kind, one of `TABLES`, `TEXTS` or `SAVED`, and its path below what was asked for."""

    path: Path
    kind: str
    name: str


def find_files(path: str) -> tuple[list[File], list[str]]:
    """The files that `path` means, sorted by name, and the names of those in its folder that are of no known kind.

    Hidden files are no part of a folder.

    Raises:
        ValueError: there are none; one is asked for that can't be read; or there are tables of documents beside texts
            that are documents, such as a README beside data.
    """
    whole = Path(path)
    if is_saved(whole):
        return [File(whole, SAVED, "")], []
    if whole.is_dir():
        root, found = whole, [file for file in whole.rglob("*") if not _hidden(file.relative_to(whole))]
    elif whole.is_file():
        root, found = whole.parent, [whole]
    else:
        fixed = path[: min((path.index(mark) for mark in "*?[" if mark in path), default=len(path))]
        root, found = Path(fixed.rpartition("/")[0]), [Path(name) for name in glob.glob(path, recursive=True)]
    files = [File(file, _kind(file), file.relative_to(root).as_posix()) for file in sorted(found) if file.is_file()]
    known, others = [file for file in files if file.kind], [file for file in files if not file.kind]
    if others and not whole.is_dir():
        raise ValueError(f"files: {others[0].path} is none of {READ}; convert it or narrow corpus.path")
    if not known:
        raise ValueError(f"files: no file to read at corpus.path={path!r}; files read are {READ}")
    _check_alike(known)
    return known, [file.name for file in others]


def _check_alike(files: Sequence[File]) -> None:
    for file in files:
        if file.path.name in ("state.json", "dataset_dict.json") and is_saved(file.path.parent):
            raise ValueError(f"files: {file.path.parent} is a folder of save_to_disk: give it alone as corpus.path")
    tables, texts = [f for f in files if f.kind in TABLES], [f for f in files if f.kind in TEXTS]
    if tables and texts:
        raise ValueError(
            f"files: {tables[0].path} is a table of documents and {texts[0].path} a document; narrow corpus.path to "
            f"one of them, for example to '*{tables[0].kind}'"
        )


def _kind(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in COMPRESSED:
        suffix = Path(path.stem).suffix.lower()
        return suffix if suffix in TABLES + TEXTS and suffix != ".parquet" else ""
    return suffix if suffix in TABLES + TEXTS else ""


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
