"""Shards stream through a bounded cache that any number of processes share, and no damage passes it."""

import logging
import multiprocessing
import os
import time
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from data.fetch import fetch
from data.records import Document
from data.storage.shards import Manifest, ShardError, read_documents, read_manifest, write_manifest, write_shards
from data.storage.store import Cache, Store


def some(count: int) -> list[Document]:
    return [Document(f"d{n}", ((f"Sentence {n}.", f"Number {n}."), ("Ünd.",)), "s", {"n": n}) for n in range(count)]


@pytest.fixture(params=["file", "memory"])
def remote(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Manifest, str]]:
    """The manifest of 12 documents in 6 shards of equal size at a url, and the url."""
    made = tmp_path / "made"
    made.mkdir()
    manifest = write_shards(some(12), made, 2)
    root = f"file://{made}" if request.param == "file" else f"memory://{tmp_path.name}"
    if request.param == "memory":
        for shard in manifest.shards:
            with fsspec.open(f"{root}/{shard.file}", "wb") as file:
                file.write((made / shard.file).read_bytes())
    write_manifest(made, Manifest(**(vars(manifest) | {"root": root})))
    yield read_manifest(made), root
    fsspec.filesystem("memory").store.clear()


def rewrite(root: str, file: str, content: bytes | None) -> None:
    if content is None:
        system, path = fsspec.url_to_fs(f"{root}/{file}")
        system.rm(path)
    else:
        with fsspec.open(f"{root}/{file}", "wb") as opened:
            opened.write(content)


def held(cache: Cache) -> int:
    return sum(file.stat().st_size for file in cache.folder.iterdir())


def test_a_cache_smaller_than_the_corpus_gives_all_of_it(tmp_path: Path, remote: tuple[Manifest, str]) -> None:
    manifest, _ = remote
    size = manifest.shards[0].bytes
    assert {shard.bytes for shard in manifest.shards} == {size}
    cache = Cache(tmp_path / "cache", 2 * size + 1)
    store = Store(tmp_path / "elsewhere", manifest, cache)
    assert store.sizes == [2] * 6
    for _ in range(2):
        documents = []
        for index in range(6):
            documents += store.read(index)
            assert held(cache) <= 2 * size
        assert documents == some(12)
    assert len(list(cache.folder.glob("*.tar"))) == 2


def test_the_least_recently_used_makes_room(
    tmp_path: Path, remote: tuple[Manifest, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, _ = remote
    asked: list[str] = []
    monkeypatch.setattr("data.storage.shards.fetch", lambda where: (asked.append(where[-9:]), fetch(where))[1])
    store = Store(tmp_path, manifest, Cache(tmp_path / "cache", 2 * manifest.shards[0].bytes))
    for index in (0, 1, 0, 2, 0, 1):  # 2 evicts 1, for 0 was used after it
        store.read(index)
        time.sleep(0.02)  # the clock of the file system ticks
    assert asked == ["00000.tar", "00001.tar", "00002.tar", "00001.tar"]


def test_a_shard_larger_than_the_cache_is_held_alone(tmp_path: Path, remote: tuple[Manifest, str]) -> None:
    cache = Cache(tmp_path / "cache", 1)
    store = Store(tmp_path, remote[0], cache)
    assert [document for index in range(6) for document in store.read(index)] == some(12)
    assert len(list(cache.folder.glob("*.tar"))) == 1


@pytest.mark.parametrize("damage", ["missing", "truncated", "flipped", "swapped"])
@pytest.mark.parametrize("cached", [True, False])
def test_damage_at_the_source_is_an_error_naming_the_url(
    tmp_path: Path, remote: tuple[Manifest, str], damage: str, cached: bool
) -> None:
    manifest, root = remote
    victim, other = (shard.file for shard in manifest.shards[1:3])
    content = fetch(f"{root}/{victim}")
    bad = {
        "missing": None,
        "truncated": content[:-1],
        "flipped": content[:700] + bytes([content[700] ^ 1]) + content[701:],
        "swapped": fetch(f"{root}/{other}"),
    }[damage]
    rewrite(root, victim, bad)
    cache = Cache(tmp_path / "cache", 10**6)
    store = Store(tmp_path, manifest, cache if cached else None)
    assert store.read(0) == some(12)[:2]
    with pytest.raises(ShardError, match=rf"{root}/{victim}: .*restore it"):
        store.read(1)
    if cached:
        assert not (cache.folder / f"{manifest.shards[1].sha256}.tar").exists(), "nothing bad is kept"
    rewrite(root, victim, content)
    assert store.read(1) == some(12)[2:4]


@pytest.mark.parametrize("damage", ["truncated", "flipped", "swapped"])
def test_damage_in_the_cache_is_told_and_mended(
    tmp_path: Path, remote: tuple[Manifest, str], damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    manifest, root = remote
    cache = Cache(tmp_path / "cache", 10**6)
    store = Store(tmp_path, manifest, cache)
    for index in range(6):
        store.read(index)
    path, other = (cache.folder / f"{shard.sha256}.tar" for shard in manifest.shards[:2])
    content = path.read_bytes()
    flipped = content[:700] + bytes([content[700] ^ 1]) + content[701:]
    path.write_bytes({"truncated": content[:-1], "flipped": flipped, "swapped": other.read_bytes()}[damage])
    with caplog.at_level(logging.WARNING, "whence"):
        assert store.read(0) == some(12)[:2]
    assert str(path) in caplog.text
    assert path.read_bytes() == content
    path.write_bytes(b"")
    rewrite(root, manifest.shards[0].file, None)
    with pytest.raises(ShardError, match="missing"):
        store.read(0)


def test_a_cache_serves_when_the_source_is_gone(tmp_path: Path, remote: tuple[Manifest, str]) -> None:
    manifest, root = remote
    store = Store(tmp_path, manifest, Cache(tmp_path / "cache", 10**6))
    before = [store.read(index) for index in range(6)]
    for shard in manifest.shards:
        rewrite(root, shard.file, None)
    assert [store.read(index) for index in range(6)] == before


def test_what_a_killed_process_left_is_not_read(tmp_path: Path, remote: tuple[Manifest, str]) -> None:
    manifest, _ = remote
    cache = Cache(tmp_path / "cache", 10**6)
    cache.folder.mkdir()
    (cache.folder / f"{manifest.shards[0].sha256}.tar.partial").write_bytes(b"half of it")
    assert Store(tmp_path, manifest, cache).read(0) == some(12)[:2]
    assert not list(cache.folder.glob("*.partial"))


def test_local_shards_are_read_where_they_lie(tmp_path: Path) -> None:
    manifest = write_shards(some(4), tmp_path, 2)
    cache = Cache(tmp_path / "cache", 10**6)
    assert Store(tmp_path, manifest, cache).read(1) == some(4)[2:]
    assert not cache.folder.exists()


def test_all_documents_of_a_folder_whose_shards_are_elsewhere(tmp_path: Path, remote: tuple[Manifest, str]) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    write_manifest(folder, remote[0])
    assert list(read_documents(folder)) == some(12)


def _read_often(folder: Path, cache: Cache, ready: Path, out: "multiprocessing.Queue[str]") -> None:
    store = Store(folder, read_manifest(folder), cache)
    while not ready.exists():
        time.sleep(0.001)
    for turn in range(60):
        index = (turn * 5 + os.getpid()) % 6
        if store.read(index) != some(12)[2 * index : 2 * index + 2]:
            out.put(f"shard {index} was wrong")
            return
    out.put("well")


def test_processes_share_a_cache_that_is_always_too_small(tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.mkdir()
    manifest = write_shards(some(12), made, 2)
    write_manifest(made, Manifest(**(vars(manifest) | {"root": f"file://{made}"})))
    cache, ready = Cache(tmp_path / "cache", 2 * manifest.shards[0].bytes), tmp_path / "ready"
    context = multiprocessing.get_context("fork")
    out: multiprocessing.Queue[str] = context.Queue()
    workers = [context.Process(target=_read_often, args=(made, cache, ready, out)) for _ in range(3)]
    for worker in workers:
        worker.start()
    ready.touch()
    assert [out.get(timeout=60) for _ in workers] == ["well"] * 3
    for worker in workers:
        worker.join()
    assert held(cache) <= cache.limit
    assert not list(cache.folder.glob("*.partial"))


def _read_one(folder: Path, cache: Cache, log: Path) -> None:
    import data.storage.shards

    def counted(where: str) -> bytes:
        time.sleep(0.3)
        with open(log, "a") as file:
            file.write("fetched\n")
        return fetch(where)

    data.storage.shards.fetch = counted
    Store(folder, read_manifest(folder), cache).read(0)


def test_one_process_fetches_while_the_others_wait(tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.mkdir()
    manifest = write_shards(some(2), made)
    write_manifest(made, Manifest(**(vars(manifest) | {"root": f"file://{made}"})))
    log, cache = tmp_path / "log", Cache(tmp_path / "cache", 10**6)
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_read_one, args=(made, cache, log)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert log.read_text().splitlines() == ["fetched"]


def test_unknown_kinds_of_url_are_named() -> None:
    with pytest.raises(ValueError, match="nonsense://bucket/x can't be opened"):
        fetch("nonsense://bucket/x")
