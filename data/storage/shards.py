"""Documents on disk: WebDataset `.tar` shards, an index, and a manifest that can vouch for every byte of both.

A shard is an ordinary tar with one `<number>.json` a document, so any WebDataset reader can use it. We read whole
shards and check their sha256 first: nothing read can run code, and a damaged or exchanged shard is an error that names
the file. The bytes of a shard depend on its documents only. The index has a line for each document, without its
sentences, so that documents can be named without reading them.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

from data.atomic import atomic_file
from data.fetch import fetch
from data.records import Document, RecordError, read_jsonl

MANIFEST, INDEX = "manifest.json", "index.jsonl"
# What of a document's metadata the index has: what its tag may depend on, and of which document it is a passage.
INDEXED = ("url", "date", "reliability", "untagged", "document")
FORMAT = 3
SHARD = 512  # documents; a training block of about 4096 mixes eight shards drawn anew each epoch
BLOCK = 512  # bytes; a tar header is one block (our names are short), and contents are padded to whole blocks


REMEDY = "restore it from a copy, or run prepare again"


class ShardError(ValueError):
    """A folder of shards is not what its manifest says; the message names the file and what to do."""


@dataclass(frozen=True)
class Shard:
    """One file: its name, length in bytes, sha256, and how many documents it holds."""

    file: str
    bytes: int
    sha256: str
    documents: int


@dataclass(frozen=True)
class Manifest:
    """What a folder holds.

    Attributes:
        documents: number of documents in all shards.
        sentences: number of their sentences, each counted once whatever its number of wordings.
        text_bytes: UTF-8 bytes of the canonical wordings.
        fingerprint: sha256 over the canonical JSON lines of the documents in order: the identity of the corpus.
        index_sha256: of the index file.
        root: url of the folder that the shards lie in, "" for the manifest's own.
    """

    shards: tuple[Shard, ...]
    documents: int
    sentences: int
    text_bytes: int
    fingerprint: str
    index_sha256: str
    root: str = ""


def write_shards(documents: Iterable[Document], folder: Path, shard_documents: int = SHARD) -> Manifest:
    """Write the documents, in order, `shard_documents` to a file; the manifest comes last, so a folder without one is
    unfinished. Holds one document in memory at a time.

    Raises:
        ValueError: a document that is not JSON or not Unicode text, a folder that already holds shards.
    """
    if shard_documents < 1:
        raise ValueError(f"shard_documents is {shard_documents}, it must be at least 1")
    if (folder / MANIFEST).exists():
        raise ValueError(f"{folder} already holds shards; write into an empty folder")
    shards: list[Shard] = []
    rest = iter(documents)
    with atomic_file(folder / INDEX, "wb") as index:
        tally = _Tally(index)
        while shard := _write_shard(folder / f"shard-{len(shards):05}.tar", islice(rest, shard_documents), tally):
            shards.append(shard)
    manifest = Manifest(
        tuple(shards),
        tally.documents,
        tally.sentences,
        tally.text_bytes,
        tally.fingerprint.hexdigest(),
        tally.index_digest.hexdigest(),
    )
    write_manifest(folder, manifest)
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    with atomic_file(folder / MANIFEST) as file:
        file.write(json.dumps({"format": FORMAT} | asdict(manifest)))


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder of shards. Raises ShardError when it is missing or malformed."""
    path = folder / MANIFEST
    try:
        return parse_manifest(path.read_bytes(), str(path))
    except FileNotFoundError:
        raise ShardError(f"{path}: no such file, so {folder} holds no finished shards; run prepare") from None


def parse_manifest(content: bytes, where: str) -> Manifest:
    """The manifest in a file's content. Raises ShardError, naming `where` it is from, for anything else."""
    try:
        value = json.loads(content)
        if value.pop("format") != FORMAT:
            raise ShardError(f"{where}: written by another version of this code; run prepare again")
        shards = tuple(_shard(row) for row in value.pop("shards"))
        manifest = Manifest(shards, **value)
        total = sum(shard.documents for shard in shards)
    except ShardError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ShardError(f"{where}: not a manifest ({error}); run prepare again") from None
    if twice := [name for name, count in Counter(shard.file for shard in shards).items() if count > 1]:
        raise ShardError(f"{where}: lists {twice[0]} twice; run prepare again")
    if manifest.documents != total:
        raise ShardError(
            f"{where}: the documents of its shards do not add up to {manifest.documents}; run prepare again"
        )
    return manifest


def locate(folder: Path, manifest: Manifest, shard: Shard) -> str:
    """The path or url of a shard."""
    return f"{manifest.root or folder}/{shard.file}"


def read_shard(folder: Path, index: int, manifest: Manifest | None = None) -> list[Document]:
    """The documents of shard number `index`, checked against its checksum.

    Args:
        manifest: that of the folder, to spare reading it again for every shard.

    Raises:
        ShardError: the file is missing, truncated, changed or another shard.
        IndexError: there is no such shard.
    """
    manifest = manifest or read_manifest(folder)
    shard = manifest.shards[index]
    return unpack(fetch_shard(where := locate(folder, manifest, shard), shard), shard, where)


def read_documents(folder: Path) -> Iterator[Document]:
    """All documents of a folder in order, a shard at a time in memory. Raises ShardError like `read_shard`."""
    manifest = read_manifest(folder)
    for index in range(len(manifest.shards)):
        yield from read_shard(folder, index, manifest)


def read_index(folder: Path) -> Iterator[Document]:
    """All documents of a folder in order, with no sentences and, of their metadata, `INDEXED`. Raises ShardError."""
    path = folder / INDEX
    manifest = read_manifest(folder)
    try:
        with open(path, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise ShardError(f"{path}: missing; {REMEDY}") from None
    if found != manifest.index_sha256:
        raise ShardError(f"{path}: sha256 is {found}, not {manifest.index_sha256} as in {MANIFEST}; {REMEDY}")
    yield from read_jsonl(path, Document)


def fetch_shard(where: str, shard: Shard) -> bytes:
    """The content of a shard from its path or url. Raises ShardError when it is missing or not what it should be."""
    try:
        content = fetch(where)
    except FileNotFoundError:
        raise ShardError(f"{where}: listed in {MANIFEST} but missing; {REMEDY}") from None
    if fault := damage(content, shard):
        raise ShardError(f"{where}: {fault}; {REMEDY}")
    return content


def damage(content: bytes, shard: Shard) -> str:
    """What is wrong with the content of a shard, "" for nothing."""
    if len(content) != shard.bytes:
        return f"{len(content)} bytes where {MANIFEST} has {shard.bytes}"
    if (found := hashlib.sha256(content).hexdigest()) != shard.sha256:
        return f"sha256 is {found}, not {shard.sha256} as in {MANIFEST}: changed or swapped"
    return ""


def unpack(content: bytes, shard: Shard, where: str) -> list[Document]:
    """The documents in a shard's undamaged content. Raises ShardError when it holds anything else."""
    try:
        documents = [Document.from_json(json.loads(record)) for record in _members(content)]
    except (ValueError, RecordError) as error:
        raise ShardError(f"{where}: not a shard of documents ({error}); {REMEDY}") from None
    if len(documents) != shard.documents:
        raise ShardError(f"{where}: {len(documents)} documents where {MANIFEST} has {shard.documents}; {REMEDY}")
    return documents


def _members(content: bytes) -> Iterator[bytes]:
    """The contents of a tar's members; its end is a block of zeros."""
    at = 0
    while any(content[at : at + BLOCK]):
        size = int(content[at + 124 : at + 136].rstrip(b"\0 "), 8)  # octal digits, POSIX.1-1988
        yield content[at + BLOCK : at + BLOCK + size]
        at += BLOCK + -(-size // BLOCK) * BLOCK


class _Tally:
    """Totals over all shards, and their index, while they are written."""

    def __init__(self, index: IO[bytes]) -> None:
        self.index = index
        self.documents = 0
        self.sentences = 0
        self.text_bytes = 0
        self.fingerprint = hashlib.sha256()
        self.index_digest = hashlib.sha256()

    def add(self, document: Document, line: bytes) -> None:
        self.documents += 1
        self.sentences += len(document.sentences)
        self.text_bytes += len(document.text.encode())
        self.fingerprint.update(line + b"\n")
        kept = {key: document.metadata[key] for key in INDEXED if key in document.metadata}
        named = canonical(Document(document.id, (), document.source, kept)) + b"\n"
        self.index.write(named)
        self.index_digest.update(named)


def _write_shard(path: Path, documents: Iterator[Document], tally: _Tally) -> Shard | None:
    """Write one shard, whole or not at all; None when no document is left."""
    from webdataset import TarWriter  # over a second to import: only when it is needed

    first = next(documents, None)
    if first is None:
        return None
    before = tally.documents
    with (
        atomic_file(path, "wb") as file,
        TarWriter(file, user="whence", group="whence", mtime=0, encoder=False) as tar,
    ):
        for document in chain([first], documents):
            line = canonical(document)
            tar.write({"__key__": f"{tally.documents:09}", "json": line})
            tally.add(document, line)
    with open(path, "rb") as written:
        sha256 = hashlib.file_digest(written, "sha256").hexdigest()
    return Shard(path.name, path.stat().st_size, sha256, tally.documents - before)


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
    if not isinstance(row["documents"], int) or row["documents"] < 1:
        raise ShardError(f"{MANIFEST}: {row['file']} has {row['documents']!r} documents; run prepare again")
    return Shard(row["file"], row["bytes"], row["sha256"], row["documents"])
