"""The corpus after an edit, in a prepared folder of its own: with what is added, and both names of what is renamed.

Documents of before keep their identifiers, or the model would have to learn all of them anew. What was retracted keeps
its identifier, too, and so its place in the trie: without it no model could cite it, and a rate of stale citations
would be 0 whatever the model knows.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from configs.schema import Config, EditConfig
from data.readers.corpus import Corpus
from data.storage.editing import EDIT, Edit, corpus_after, draw_edit
from stages import Stage, announced, file_digest, write_json

BEFORE = "before.jsonl"  # the questions, as if nothing had been retracted or renamed


def drawn(edit: EditConfig, corpus: Corpus) -> Edit:
    """The edit of an opened corpus by shares."""
    names = [document.id for document in corpus.documents]
    return draw_edit(names, corpus.questions, edit.added, edit.retracted, edit.renamed, edit.seed)


def edit_corpus(config: Config, prepare: Stage) -> Stage:
    """The stage, which takes the place of `prepare` for all that comes after the edit."""
    part = config.edit
    what = {name: getattr(part, name) for name in ("added", "retracted", "renamed", "seed", "retract")}
    added = file_digest(Path(part.documents)) if part.documents else ""
    settings = {
        "before": prepare.key,
        "edit": what | {"documents": added},
        "ids": [config.ids.scheme, config.ids.seed, config.tags.content],
    }
    stage = Stage("prepare", settings, Path(config.stages_dir), Path(config.run_dir))
    announced(stage, stage.whole, lambda folder: _work(config, prepare.folder, folder))
    return stage


def _work(config: Config, before: Path, folder: Path) -> dict[str, Any]:
    from data.records import Document, Question, read_jsonl, write_jsonl
    from data.storage.passages import cut
    from data.storage.prepare import HELDOUT, QUESTIONS, prepare
    from data.storage.shards import read_documents

    part, words = config.edit, getattr(config.corpus, "passage_words", 0)
    if part.documents or part.retract:
        news = [p for d in read_jsonl(part.documents, Document) for p in cut(d, words)] if part.documents else []
        questions = list(read_jsonl(before / QUESTIONS, Question))
        edit = Edit(tuple(d.id for d in news), tuple(part.retract))
    else:
        from data.readers.corpora import open_corpus

        whole = open_corpus(config.corpus)
        edit, questions = drawn(part, whole), list(whole.questions)
        news = [document for document in whole.documents if document.id in set(edit.added)]
    documents, asked = corpus_after(read_documents(before), news, questions, edit)
    heldout = tuple(read_jsonl(before / HELDOUT, Document))
    manifest = prepare(Corpus(documents, tuple(asked), heldout), folder)
    shutil.copy(before / "tokenizer.json", folder / "tokenizer.json")
    write_jsonl(folder / BEFORE, questions)
    write_json(folder / EDIT, edit.to_json())
    _check_names(config, before, folder)
    sizes = {"added": len(edit.added), "retracted": len(edit.retracted), "renamed": len(edit.renamed)}
    return {"fingerprint": manifest.fingerprint, "documents": manifest.documents, **sizes}


def _check_names(config: Config, before: Path, after: Path) -> None:
    """Raises ValueError where a document of before would get another identifier."""
    from data.pipeline.identifiers import assign
    from data.pipeline.tokenizer import Tokenizer
    from data.storage.shards import read_index

    tokenizer = Tokenizer.load(before / "tokenizer.json")
    old, new = (assign(read_index(folder), tokenizer, config.ids, config.tags.content) for folder in (before, after))
    if any(a.tolist() != b.tolist() for a, b in zip(old.tokens, new.tokens, strict=False)):
        raise ValueError(
            f"ids.scheme={config.ids.scheme} has no codes left for {len(new.labels)} documents beside those given to "
            f"{len(old.labels)}: edit less, or train anew"
        )
