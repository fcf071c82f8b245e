"""Corpora by name: `open_corpus` turns the config of any kind of corpus into a `Corpus`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from data.readers.biocite import BiociteCorpus, open_biocite
from data.readers.corpus import Corpus
from data.readers.files import FilesCorpus, open_files
from data.world.world import WorldCorpus, build_world

__all__ = ["BiociteCorpus", "Corpus", "FilesCorpus", "WorldCorpus", "open_corpus"]


def open_corpus(config: WorldCorpus | BiociteCorpus | FilesCorpus) -> Corpus:
    """Open the corpus that `config` describes. Raises ValueError, naming the key or the file and line at fault."""
    config.check()
    return OPENERS[config.kind](config)


def _open_world(config: WorldCorpus) -> Corpus:
    world = build_world(config)
    return Corpus(world.documents, world.questions, world.heldout, [fact.to_json() for fact in world.ledger])


OPENERS: dict[str, Callable[[Any], Corpus]] = {"world": _open_world, "biocite": open_biocite, "files": open_files}
