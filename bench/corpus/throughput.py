"""Preparing a corpus and the loader alone: what data costs before any model sees it."""

from __future__ import annotations

import shutil
from dataclasses import replace

from bench.corpus.costs import load, prepare
from bench.device import memory, start
from bench.settings import Measured, Settings, contend
from data.pipeline.tokenizer import Tokenizer
from data.storage.shards import read_documents

TIMES = 10  # as many documents as the shared world has


def measure(settings: Settings) -> Measured:
    """Megabytes of text and tokens per second of preparing, tokens per second of the loader."""
    start(settings)
    settings = replace(settings, documents=TIMES * settings.documents, world="large")
    prepared, loaded = prepare(settings), load(settings)
    tokenizer = Tokenizer.load(settings.corpus / "tokenizer.json")
    texts = [wordings[0] for document in read_documents(settings.corpus) for wordings in document.sentences]
    tokens = sum(map(len, tokenizer.encode(texts)))
    shutil.rmtree(settings.corpus)
    return {
        "prepare_mb_per_second": prepared["mb_per_second"],
        "prepare_tokens_per_second": tokens / prepared["seconds"],
        "loader_tokens_per_second": loaded["tokens_per_second"],
        "loader_first_seconds": loaded["first_seconds"],
        "documents": settings.documents,
    } | memory(settings)


if __name__ == "__main__":
    contend(measure)
