"""Corpora by name: `open_corpus` turns the config of any kind of corpus into a `Corpus`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from data.readers.biocite import BiociteCorpus, open_biocite
from data.readers.corpus import Corpus
from data.readers.files import FilesCorpus, open_files
from data.storage.prepare import prepare
from data.storage.remote import ShardsCorpus, adopt
from data.storage.shards import Manifest
from data.world.world import WorldCorpus, build_world

__all__ = ["BiociteCorpus", "Corpus", "FilesCorpus", "ShardsCorpus", "WorldCorpus", "open_corpus", "prepare_corpus"]


def open_corpus(config: WorldCorpus | BiociteCorpus | FilesCorpus) -> Corpus:
    """Open the corpus that `config` describes. Raises ValueError, naming the key or the file and line at fault."""
    config.check()
    return OPENERS[config.kind](config)


def prepare_corpus(
    config: WorldCorpus | BiociteCorpus | FilesCorpus | ShardsCorpus, folder: Path, duplicates: str = "error"
) -> Manifest:
    """Make `folder` a prepared one: see `data.storage.prepare` and, for what was prepared elsewhere,
    `data.storage.remote`.
    """
    if isinstance(config, ShardsCorpus):
        return adopt(config, folder)
    return prepare(open_corpus(config), folder, duplicates=duplicates)


def _open_world(config: WorldCorpus) -> Corpus:
    world = build_world(config)
    return Corpus(world.documents, world.questions, world.heldout, [fact.to_json() for fact in world.ledger])


OPENERS: dict[str, Callable[[Any], Corpus]] = {"world": _open_world, "biocite": open_biocite, "files": open_files}
