"""The shards of a prepared folder, wherever they lie, read through a bounded cache on the local disk.

Shards at a url are copied into the cache under their sha256, so that folders share what they have in common and a
changed shard is another file. Any number of processes may use one cache: files come whole or not at all, one process
fetches while the others wait for it, and a reader keeps what it has opened. What leaves the cache has been checked
against the manifest; a damaged copy is reported and fetched again.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from filelock import BaseFileLock, FileLock

from data.atomic import atomic_file
from data.records import Document
from data.storage.shards import Manifest, Shard, damage, fetch_shard, locate, unpack

log = logging.getLogger("whence")


@dataclass(frozen=True)
class Cache:
    """A folder of shards named by their sha256, the least recently used of which make room for new ones.

    Attributes:
        limit: bytes that its shards take together at most, but for a single one that is larger.
    """

    folder: Path
    limit: int

    def read(self, shard: Shard, source: str) -> bytes:
        """The content of a shard, from here or from its `source`. Raises ShardError when the source is damaged."""
        if (content := self._cached(shard)) is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._locked(shard.sha256[:2]):
                if (content := self._cached(shard)) is None:  # nobody fetched it while we waited
                    content = fetch_shard(source, shard)
                    self._keep(shard, content)
        return content

    def _path(self, shard: Shard) -> Path:
        return self.folder / f"{shard.sha256}.tar"

    def _cached(self, shard: Shard) -> bytes | None:
        path = self._path(shard)
        try:
            os.utime(path)  # used just now
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        if fault := damage(content, shard):
            log.warning("%s: %s; fetched again from where it came", path, fault)
            return None
        return content

    def _keep(self, shard: Shard, content: bytes) -> None:
        path = self._path(shard)
        with self._locked("evict"), atomic_file(path, "wb") as kept:
            kept.write(content)
            held = sorted((file.stat().st_mtime_ns, file) for file in self.folder.glob("*.tar") if file != path)
            excess = sum(file.stat().st_size for _, file in held) + len(content) - self.limit
            for _, file in held:
                if excess <= 0:
                    break
                excess -= file.stat().st_size
                file.unlink()

    def _locked(self, name: str) -> BaseFileLock:
        """Alone among all processes; a lock is free again when its process dies."""
        return FileLock(self.folder / f".lock-{name}", fallback_to_soft=False)


class Store:
    """Documents by shard.

    Attributes:
        sizes: documents in each shard.
    """

    def __init__(self, folder: Path, manifest: Manifest, cache: Cache | None = None) -> None:
        """With a `cache`, shards that lie at a url are kept in it; local ones are read where they are."""
        self.folder, self.manifest = folder, manifest
        self.cache = cache if "://" in manifest.root else None
        self.sizes = [shard.documents for shard in manifest.shards]

    def read(self, index: int) -> list[Document]:
        """The documents of shard number `index`. Raises ShardError, naming the file, when it is not as it was."""
        shard = self.manifest.shards[index]
        where = locate(self.folder, self.manifest, shard)
        return unpack(self.cache.read(shard, where) if self.cache else fetch_shard(where, shard), shard, where)
