"""Corpus to shards, questions and tokenizer."""

from __future__ import annotations

import glob
import logging
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path
from typing import Any

from configs.schema import Config
from data.readers.corpus import Corpus
from data.storage.editing import corpus_before
from stages import Stage, announced, file_digest
from stages.code import code_digest
from steps.edit_corpus import drawn
from steps.initial import tokenizer_base

log = logging.getLogger("whence")


def prepare(config: Config) -> Stage:
    """The stage of this corpus and tokenizer."""
    from data.pipeline.tokenizer import build_tokenizer
    from data.records import Question, read_jsonl
    from data.storage.prepare import sample_texts
    from data.storage.prepare_corpus import made_by, prepare_corpus
    from data.storage.remote import ShardsCorpus, digest

    files = config.corpus.inputs() + ([Path(config.tokenizer.base)] if config.tokenizer.base else [])
    contents = {str(path): _digest(path) for path in files}
    borrowed = config.tokenizer
    if config.init:  # by content, wherever the checkpoint lies
        base = tokenizer_base(config)
        borrowed = replace(config.tokenizer, base=str(base))
        contents["init"] = file_digest(base)
    if isinstance(config.corpus, ShardsCorpus):
        contents["url"] = digest(config.corpus)
    settings = {
        "corpus": asdict(config.corpus),
        "contents": contents,
        "tokenizer": asdict(config.tokenizer),
        "duplicates": config.duplicates,
        "code": code_digest(made_by(config.corpus), packages=("data",)),
    }

    if config.edit.added:
        settings["edit"] = {"added": config.edit.added, "seed": config.edit.seed}

    def before(corpus: Corpus) -> Corpus:
        return corpus_before(corpus, drawn(config.edit, corpus)) if config.edit.added else corpus

    def work(folder: Path) -> dict[str, Any]:
        manifest = prepare_corpus(config.corpus, folder, config.duplicates, before)
        # Only what is trained on shapes the tokenizer: documents, and questions of the tuning split.
        asked = [q for q in read_jsonl(folder / "questions.jsonl", Question) if q.split == "tune"]
        texts = (text for q in asked for text in (q.text, *q.paraphrases, *q.answers))
        tokenizer = build_tokenizer(borrowed, chain(sample_texts(folder), texts))
        tokenizer.save(folder / "tokenizer.json")
        record = {"fingerprint": manifest.fingerprint, "documents": manifest.documents, "vocabulary": len(tokenizer)}
        return record | {"sha256": {} if manifest.root else {shard.file: shard.sha256 for shard in manifest.shards}}

    stage = Stage("prepare", settings, Path(config.stages_dir), Path(config.run_dir))
    record = announced(stage, stage.whole, work)
    log.info("         %d documents, vocabulary of %d", record["documents"], record["vocabulary"])
    return stage


def _digest(path: Path) -> Any:
    """The content of an input, so that a changed file is another stage; a folder's or pattern's files together."""
    if path.is_file():
        return file_digest(path)
    found = sorted(path.rglob("*")) if path.is_dir() else sorted(map(Path, glob.glob(str(path), recursive=True)))
    return [[str(file), file_digest(file)] for file in found if file.is_file()]
