"""A corpus that was prepared elsewhere and lies at a url: its shards stay there and are streamed while training.

Prepare once, copy the folder to where all machines can read it, and train on it from anywhere:

    python run.py corpus=files corpus.path=... ; aws s3 cp --recursive runs/<name>/prepare s3://bucket/folder
    python run.py corpus=shards corpus.url=s3://bucket/folder

Everything but the shards is small and copied at once, with its checksums; shards are checked when they are read.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from configs.keys import GIVEN, Section, key, one_of
from data.fetch import fetch
from data.records import Question, read_jsonl
from data.storage.passages import documents_of
from data.storage.prepare import HELDOUT, LEDGER, PREPARED, QUESTIONS, check_splits
from data.storage.shards import INDEX, MANIFEST, Manifest, ShardError, parse_manifest, read_index, write_manifest


@dataclass
class ShardsCorpus(Section):
    """A folder that was prepared before, anywhere."""

    section: ClassVar[str] = "corpus"

    kind: str = key("shards", "of corpus", one_of("shards"))
    url: str = key("", "where the folder lies that prepare has made: a path, or a url that fsspec knows", GIVEN)

    def inputs(self) -> list[Path]:
        """The files that it is read from: none that `digest` does not stand for."""
        return []


def adopt(config: ShardsCorpus, folder: Path) -> Manifest:
    """Make `folder` stand for the prepared one at the url.

    Raises ValueError or OSError, naming the file at fault, when there is none, or its files don't belong together.
    """
    root = _root(config)
    folder.mkdir(parents=True, exist_ok=True)
    manifest = replace(parse_manifest(_read(root, MANIFEST), f"{root}/{MANIFEST}"), root=root)
    for name in (INDEX, QUESTIONS, HELDOUT, LEDGER, PREPARED):
        (folder / name).write_bytes(_read(root, name))
    write_manifest(folder, manifest)
    questions = list(read_jsonl(folder / QUESTIONS, Question))
    index = list(read_index(folder))
    check_splits(questions, documents_of(index))
    unknown = {document: question.id for question in questions for document in question.support}
    for document in index:
        unknown.pop(document.id, None)
    for name, question in unknown.items():
        raise ValueError(f"question {question!r} names document {name!r}, which is not in the corpus at {root}")
    return manifest


def digest(config: ShardsCorpus) -> str:
    """The identity of what lies at the url: of its documents, questions and held-out documents."""
    root = _root(config)
    parts = [hashlib.sha256(_read(root, name)).digest() for name in (MANIFEST, QUESTIONS, HELDOUT)]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _root(config: ShardsCorpus) -> str:
    config.check()
    url = config.url.rstrip("/")
    return url if "://" in url else str(Path(url).absolute())


def _read(root: str, name: str) -> bytes:
    try:
        return fetch(f"{root}/{name}")
    except FileNotFoundError:
        raise ShardError(f"{root}/{name}: no such file, so this is no folder that prepare has finished") from None
