"""A corpus of any kind becomes a prepared folder: read and written as shards, or adopted where that was done before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from configs.keys import Section
from data.readers.corpora import READERS, open_corpus
from data.readers.corpus import Corpus
from data.storage.prepare import prepare
from data.storage.remote import ShardsCorpus, adopt
from data.storage.shards import Manifest


def prepare_corpus(
    config: Section,
    folder: Path,
    duplicates: str = "error",
    changed: Callable[[Corpus], Corpus] | None = None,
) -> Manifest:
    """Make `folder` a prepared one: see `prepare`, and `adopt` for what was prepared elsewhere.

    Args:
        changed: what is prepared in place of the opened corpus; what was prepared elsewhere is taken as it is.
    """
    if isinstance(config, ShardsCorpus):
        return adopt(config, folder)
    corpus = open_corpus(config)
    return prepare(changed(corpus) if changed else corpus, folder, duplicates=duplicates)


def made_by(config: Any) -> tuple[str, ...]:
    """The modules whose code makes a prepared folder of this corpus, whose change makes it another one."""
    if isinstance(config, ShardsCorpus):
        return (adopt.__module__,)
    return READERS[config.kind].open.__module__, prepare.__module__
