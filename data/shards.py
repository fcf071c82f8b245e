"""Documents on disk: WebDataset `.tar` shards and a manifest that can vouch for every byte.

A shard is an ordinary tar with one `<number>.json` a document, so any WebDataset reader can use it. We read the
records by the byte offsets of the manifest instead, after checking the shard's sha256: nothing read can run code, and
a damaged or exchanged shard is an error that names the file. The bytes of a shard depend on its documents only.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from webdataset import TarWriter

from data.records import Document, RecordError

MANIFEST = "manifest.json"
FORMAT = 1
BLOCK = 512  # bytes; a tar header is one block (our names are short), and contents are padded to whole blocks


class ShardError(ValueError):
    """A folder of shards is not what its manifest says; the message names the file and what to do."""


@dataclass(frozen=True)
class Shard:
    """One file: its name, length in bytes, sha256, and the (byte offset, length) of each document's JSON."""

    file: str
    bytes: int
    sha256: str
    records: tuple[tuple[int, int], ...]

    @property
    def documents(self) -> int:
        return len(self.records)


@dataclass(frozen=True)
class Manifest:
    """What a folder holds.

    Attributes:
        documents: number of documents in all shards.
        sentences: number of their sentences, each counted once whatever its number of wordings.
        text_bytes: UTF-8 bytes of the canonical wordings.
        fingerprint: sha256 over the canonical JSON lines of the documents in order: the identity of the corpus.
    """

    shards: tuple[Shard, ...]
    documents: int
    sentences: int
    text_bytes: int
    fingerprint: str


def write_shards(documents: Iterable[Document], folder: Path, shard_documents: int = 4096) -> Manifest:
    """Write the documents, in order, `shard_documents` to a file; the manifest comes last, so a folder without one is
    unfinished. Holds one document in memory at a time.

    Raises:
        ValueError: a document that is not JSON or not Unicode text, a folder that already holds shards.
    """
    if shard_documents < 1:
        raise ValueError(f"shard_documents is {shard_documents}, it must be at least 1")
    if (folder / MANIFEST).exists():
        raise ValueError(f"{folder} already holds shards; write into an empty folder")
    tally = _Tally()
    shards: list[Shard] = []
    rest = iter(documents)
    while shard := _write_shard(folder / f"shard-{len(shards):05}.tar", islice(rest, shard_documents), tally):
        shards.append(shard)
    manifest = Manifest(
        tuple(shards), tally.documents, tally.sentences, tally.text_bytes, tally.fingerprint.hexdigest()
    )
    _write(folder / MANIFEST, json.dumps({"format": FORMAT} | asdict(manifest)).encode())
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder of shards. Raises ShardError when it is missing or malformed."""
    path = folder / MANIFEST
    try:
        value = json.loads(path.read_bytes())
        if value.pop("format") != FORMAT:
            raise ShardError(f"{path}: written by another version of this code; run prepare again")
        shards = tuple(_shard(row) for row in value.pop("shards"))
        manifest = Manifest(shards, **value)
    except FileNotFoundError:
        raise ShardError(f"{path}: no such file, so {folder} holds no finished shards; run prepare") from None
    except ShardError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ShardError(f"{path}: not a manifest ({error}); run prepare again") from None
    if manifest.documents != sum(shard.documents for shard in shards):
        raise ShardError(
            f"{path}: the documents of its shards do not add up to {manifest.documents}; run prepare again"
        )
    return manifest


def read_shard(folder: Path, index: int, manifest: Manifest | None = None) -> list[Document]:
    """The documents of shard number `index`, checked against its checksum.

    Args:
        manifest: that of the folder, to spare reading it again for every shard.

    Raises:
        ShardError: the file is missing, truncated, changed or another shard.
        IndexError: there is no such shard.
    """
    shard = (manifest or read_manifest(folder)).shards[index]
    path = folder / shard.file
    remedy = "restore it from a copy, or run prepare again"
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ShardError(f"{path}: listed in {MANIFEST} but missing; {remedy}") from None
    if len(content) != shard.bytes:
        raise ShardError(f"{path}: {len(content)} bytes where {MANIFEST} has {shard.bytes}; {remedy}")
    if (found := hashlib.sha256(content).hexdigest()) != shard.sha256:
        raise ShardError(
            f"{path}: sha256 is {found}, not {shard.sha256} as in {MANIFEST}: changed or swapped; {remedy}"
        )
    try:
        return [Document.from_json(json.loads(content[start : start + size])) for start, size in shard.records]
    except (ValueError, RecordError) as error:
        raise ShardError(f"{folder / MANIFEST}: does not describe {shard.file} ({error}); {remedy}") from None


def read_documents(folder: Path) -> Iterator[Document]:
    """All documents of a folder in order, a shard at a time in memory. Raises ShardError like `read_shard`."""
    manifest = read_manifest(folder)
    for index in range(len(manifest.shards)):
        yield from read_shard(folder, index, manifest)


class _Tally:
    """Totals over all shards, while they are written."""

    def __init__(self) -> None:
        self.documents = 0
        self.sentences = 0
        self.text_bytes = 0
        self.fingerprint = hashlib.sha256()

    def add(self, document: Document, line: bytes) -> None:
        self.documents += 1
        self.sentences += len(document.sentences)
        self.text_bytes += len(document.text.encode())
        self.fingerprint.update(line + b"\n")


def _write_shard(path: Path, documents: Iterator[Document], tally: _Tally) -> Shard | None:
    """Write one shard, whole or not at all; None when no document is left."""
    first = next(documents, None)
    if first is None:
        return None
    partial = path.with_name(path.name + ".partial")
    records = []
    offset = 0
    try:
        with (
            open(partial, "wb") as file,
            TarWriter(file, user="whence", group="whence", mtime=0, encoder=False) as tar,
        ):
            for document in chain([first], documents):
                line = canonical(document)
                tar.write({"__key__": f"{tally.documents:09}", "json": line})
                records.append((offset + BLOCK, len(line)))
                offset += BLOCK + -(-len(line) // BLOCK) * BLOCK
                tally.add(document, line)
        with open(partial, "rb") as written:
            sha256 = hashlib.file_digest(written, "sha256").hexdigest()
        shard = Shard(path.name, partial.stat().st_size, sha256, tuple(records))
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return shard


def canonical(document: Document) -> bytes:
    """The one JSON form of a document that is stored and hashed. Raises ValueError if it has none."""
    try:
        text = json.dumps(
            document.to_json(), ensure_ascii=False, sort_keys=True, allow_nan=False, separators=(",", ":")
        )
        return text.encode()
    except (TypeError, ValueError) as error:  # a value that is not JSON, NaN, or half of a surrogate pair
        raise ValueError(f"document {document.id!r} can't be written as JSON: {error}") from None


def _shard(row: dict[str, Any]) -> Shard:
    if not isinstance(row["file"], str) or Path(row["file"]).name != row["file"]:
        raise ShardError(f"{MANIFEST} names {row['file']!r}, which is not a file of its folder; run prepare again")
    return Shard(row["file"], row["bytes"], row["sha256"], tuple((start, size) for start, size in row["records"]))


def _write(path: Path, content: bytes) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    os.replace(partial, path)
