"""Corpora by kind: `open_corpus` turns the config of any of them into a `Corpus`."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from configs.keys import modules
from data.readers.biocite import BiociteCorpus
from data.readers.corpus import Corpus, Reader
from data.readers.files import FilesCorpus
from data.world.config import WorldCorpus

__all__ = ["READERS", "BiociteCorpus", "Corpus", "FilesCorpus", "WorldCorpus", "open_corpus"]


def _readers() -> dict[str, Reader]:
    found = (
        getattr(import_module(f"data.readers.{name}"), "READER", None)
        for name in modules("data/readers")
        if name != "corpora"
    )
    return {reader.config.kind: reader for reader in found if reader}


READERS: Mapping[str, Reader] = _readers()


def open_corpus(config: Any) -> Corpus:
    """Open the corpus that `config` describes. Raises ValueError, naming the key or the file and line at fault."""
    config.check()
    return READERS[config.kind].open(config)
