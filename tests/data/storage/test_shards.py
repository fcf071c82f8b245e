"""Shards hold every document exactly, and no damage goes unnoticed."""

import hashlib
import json
import os
import tarfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
import webdataset
from hypothesis import given, settings
from hypothesis import strategies as st

from data.records import Document
from data.storage.shards import (
    ShardError,
    canonical,
    read_documents,
    read_index,
    read_manifest,
    read_shard,
    write_shards,
)

TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30).filter(str.strip)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
DOCUMENTS = st.lists(
    st.builds(
        Document,
        id=TEXT,
        sentences=st.lists(st.lists(TEXT, min_size=1, max_size=3).map(tuple), max_size=4).map(tuple),
        source=TEXT,
        metadata=st.dictionaries(TEXT, JSON, max_size=3),
    ),
    max_size=12,
)


def some(count: int) -> list[Document]:
    return [Document(f"d{n}", ((f"Sentence {n}.", f"Number {n}."), ("Ünd.",)), "s", {"n": n}) for n in range(count)]


def test_the_index_keeps_what_a_tag_may_depend_on(tmp_path: Path) -> None:
    depended = {"untagged": True, "reliability": 0.7, "url": "u", "date": "2020"}
    write_shards([Document("d", (("s",),), "", depended | {"author": "a"})], tmp_path)
    assert [d.metadata for d in read_index(tmp_path)] == [depended]


@settings(max_examples=40, deadline=None)
@given(documents=DOCUMENTS, size=st.integers(1, 5))
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, documents: list[Document], size: int) -> None:
    folder = tmp_path_factory.mktemp("shards")
    manifest = write_shards(documents, folder, size)
    assert read_manifest(folder) == manifest
    assert list(read_documents(folder)) == documents
    named = [(document.id, document.source, document.metadata.get("url")) for document in documents]
    assert [(d.id, d.source, d.metadata.get("url")) for d in read_index(folder)] == named
    assert not any(document.sentences for document in read_index(folder))
    assert [shard.documents for shard in manifest.shards] == [
        len(documents[start : start + size]) for start in range(0, len(documents), size)
    ]
    assert manifest.sentences == sum(len(document.sentences) for document in documents)
    assert manifest.text_bytes == sum(len(document.text.encode()) for document in documents)


def test_manifest_describes_the_bytes(tmp_path: Path) -> None:
    documents = some(5)
    short = len(canonical(Document("d", (("x",),))))
    documents[0] = Document("d", (("x" * (513 - short),),))
    assert len(canonical(documents[0])) == 512, "just a block, so there is no padding"
    manifest = write_shards(documents, tmp_path, 2)
    numbers = []
    for shard in manifest.shards:
        content = (tmp_path / shard.file).read_bytes()
        assert len(content) == shard.bytes
        assert hashlib.sha256(content).hexdigest() == shard.sha256
        with tarfile.open(tmp_path / shard.file) as tar:
            members = tar.getmembers()
        assert len(members) == shard.documents
        numbers += [member.name for member in members]
    assert numbers == [f"{n:09}.json" for n in range(5)]
    assert not list(tmp_path.glob("*.partial"))


def test_any_webdataset_reader_can_use_a_shard(tmp_path: Path) -> None:
    (shard,) = write_shards(some(3), tmp_path).shards
    samples = list(webdataset.WebDataset(str(tmp_path / shard.file), shardshuffle=False))
    assert [Document.from_json(json.loads(sample["json"])) for sample in samples] == some(3)


def test_bytes_depend_on_the_documents_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = write_shards(some(5), made(tmp_path, "a"), 2)
    monkeypatch.setattr("time.time", lambda: 2e9)
    second = write_shards(iter(some(5)), made(tmp_path, "b"), 2)
    assert first == second
    for shard in first.shards:
        assert (tmp_path / "a" / shard.file).read_bytes() == (tmp_path / "b" / shard.file).read_bytes()


def test_fingerprint_is_that_of_the_ordered_documents(tmp_path: Path) -> None:
    documents = some(5)
    expected = hashlib.sha256(b"".join(canonical(document) + b"\n" for document in documents)).hexdigest()
    for size in (1, 4, 100):
        assert write_shards(documents, made(tmp_path, str(size)), size).fingerprint == expected
    assert write_shards(documents[::-1], made(tmp_path, "reversed")).fingerprint != expected


@pytest.mark.parametrize("damage", ["missing", "truncated", "grown", "flipped", "swapped"])
def test_damaged_shard_is_an_error_naming_the_file(tmp_path: Path, damage: str) -> None:
    manifest = write_shards(some(6), tmp_path, 2)
    victim, other = (tmp_path / shard.file for shard in manifest.shards[1:])
    content = victim.read_bytes()
    if damage == "missing":
        victim.unlink()
    elif damage == "truncated":
        victim.write_bytes(content[:-1])
    elif damage == "grown":
        victim.write_bytes(content + b"\0")
    elif damage == "flipped":
        victim.write_bytes(content[:700] + bytes([content[700] ^ 1]) + content[701:])
    else:
        assert victim.stat().st_size == other.stat().st_size
        victim.write_bytes(other.read_bytes())
        other.write_bytes(content)
    assert read_shard(tmp_path, 0) == some(6)[:2]
    said = {"missing": "but missing", "flipped": "sha256 is", "swapped": "sha256 is"}.get(damage, "bytes where")
    with pytest.raises(ShardError, match=rf"{victim.name}: .*{said}.*run prepare again"):
        read_shard(tmp_path, 1)
    with pytest.raises(ShardError, match=victim.name):
        list(read_documents(tmp_path))


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"format": 2}', '{"format": 2, "shards": [{}]}', '{"format": 99}', "\xff",
     '{"format": 2, "shards": [], "documents": 3, "sentences": 0, "text_bytes": 0, "fingerprint": "",'
     ' "index_sha256": ""}',
     '{"format": 2, "shards": [{"file": "a", "bytes": 1, "sha256": "", "documents": 0}], "documents": 0,'
     ' "sentences": 0, "text_bytes": 0, "fingerprint": "", "index_sha256": ""}'],
)  # fmt: skip
def test_malformed_manifest_is_an_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content, encoding="latin-1")
    with pytest.raises(ShardError, match=r"manifest\.json.*run prepare"):
        read_manifest(tmp_path)


def test_unfinished_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="no such file"):
        read_manifest(tmp_path)


def test_manifest_can_not_point_outside_its_folder(tmp_path: Path) -> None:
    write_shards(some(1), made(tmp_path, "a"))
    path = tmp_path / "a" / "manifest.json"
    path.write_text(path.read_text().replace("shard-00000.tar", "../a/shard-00000.tar"))
    with pytest.raises(ShardError, match="not a file of its folder"):
        read_shard(tmp_path / "a", 0)


def test_a_manifest_lists_each_shard_once(tmp_path: Path) -> None:
    write_shards(some(2), tmp_path, 1)
    path = tmp_path / "manifest.json"
    path.write_text(path.read_text().replace("shard-00001.tar", "shard-00000.tar"))
    with pytest.raises(ShardError, match=r"manifest\.json: lists shard-00000\.tar twice"):
        read_manifest(tmp_path)


def test_failed_write_leaves_no_manifest_and_no_partial_file(tmp_path: Path) -> None:
    def failing() -> Iterator[Document]:
        yield from some(3)
        raise KeyError("source went away")

    with pytest.raises(KeyError):
        write_shards(failing(), tmp_path, 2)
    assert sorted(os.listdir(tmp_path)) == ["shard-00000.tar"]


@pytest.mark.parametrize("metadata", [{"x": float("nan")}, {"x": {1, 2}}, {"x": "\ud800"}])
def test_document_that_is_not_json_is_named(tmp_path: Path, metadata: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="document 'bad'"):
        write_shards([*some(1), Document("bad", (("A.",),), "", metadata)], tmp_path)


def test_bad_requests_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="shard_documents is 0"):
        write_shards(some(1), tmp_path, 0)
    write_shards(some(1), tmp_path)
    with pytest.raises(ValueError, match="already holds shards"):
        write_shards(some(1), tmp_path)
    with pytest.raises(IndexError):
        read_shard(tmp_path, 1)


@pytest.mark.parametrize("damage", ["missing", "truncated", "flipped"])
def test_damaged_index_is_an_error_naming_the_file(tmp_path: Path, damage: str) -> None:
    write_shards(some(6), tmp_path, 2)
    path = tmp_path / "index.jsonl"
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(content[:-1] if damage == "truncated" else content.replace(b"d3", b"d2"))
    with pytest.raises(ShardError, match=r"index\.jsonl.*run prepare again"):
        list(read_index(tmp_path))


@pytest.mark.parametrize("change", [{"documents": 3}, {"documents": 1}])
def test_a_manifest_that_miscounts_a_shard_is_an_error(tmp_path: Path, change: dict[str, int]) -> None:
    write_shards(some(2), tmp_path)
    path = tmp_path / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["shards"][0] |= change
    path.write_text(json.dumps(manifest | change))
    with pytest.raises(ShardError, match=r"shard-00000\.tar: 2 documents where manifest\.json has [13]"):
        read_shard(tmp_path, 0)


def test_a_manifest_that_lists_a_shard_twice_is_an_error(tmp_path: Path) -> None:
    write_shards(some(2), tmp_path)
    path = tmp_path / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(manifest | {"shards": manifest["shards"] * 2, "documents": 4}))
    with pytest.raises(ShardError, match=r"manifest\.json: lists shard-00000\.tar twice; run prepare again"):
        read_shard(tmp_path, 0)


def test_writing_holds_few_documents_in_memory(tmp_path: Path) -> None:
    long = "x" * 10_000
    tracemalloc.start()
    write_shards((Document(f"d{n}", ((f"{long}{n}",),)) for n in range(1000)), tmp_path, 1000)  # 10 MB in one shard
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000


def made(parent: Path, name: str) -> Path:
    (parent / name).mkdir()
    return parent / name
