"""From an opened corpus to a prepared folder: shards, questions, held-out documents, ledger and counts.

Whatever can be wrong with a corpus has one defined outcome here:

    duplicate document id                  error naming the id and both positions; or dropped and counted on request,
                                           with the questions on it if the two texts differ
    empty document                         dropped, counted
    held-out copy of a training document   dropped, counted: it would flatter perplexity
    question naming an unknown document    error
    question on dropped documents only     dropped, counted
    tuning and test sharing a document     error
        or an entity
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from data.corpus import Corpus
from data.records import Document, Question, write_jsonl
from data.shards import Manifest, canonical, write_shards

QUESTIONS, HELDOUT, LEDGER, PREPARED = "questions.jsonl", "heldout.jsonl", "ledger.jsonl", "prepared.json"


def prepare(corpus: Corpus, folder: Path, *, duplicates: str = "error", shard_documents: int = 4096) -> Manifest:
    """Validate the corpus and write it into `folder`, which is to be empty and is published by the caller.

    Args:
        duplicates: "error", or "drop" to keep the first document of an id. A question is dropped with them when its
            document exists in two different versions, since which of them supports it is unknown.

    Raises:
        ValueError: see the table of this module.
    """
    if duplicates not in ("error", "drop"):
        raise ValueError(f'duplicates is {duplicates!r}, it must be "error" or "drop"')
    folder.mkdir(parents=True, exist_ok=True)
    intake = Intake(duplicates)
    with tqdm(intake.accept(corpus.documents), desc="prepare", unit=" documents") as documents:
        manifest = write_shards(documents, folder, shard_documents)
    if not manifest.documents:
        raise ValueError(f"the corpus has no documents to train on ({dict(intake.outcomes)})")
    heldout = intake.accept_heldout(corpus.heldout)
    questions = intake.accept_questions(corpus.questions)
    check_splits(questions)

    write_jsonl(folder / QUESTIONS, questions)
    write_jsonl(folder / HELDOUT, heldout)
    rows = _write_rows(folder / LEDGER, corpus)
    prepared = {
        "documents": manifest.documents,
        "sentences": manifest.sentences,
        "text_bytes": manifest.text_bytes,
        "fingerprint": manifest.fingerprint,
        "heldout": len(heldout),
        "ledger": rows,
        "questions": dict(sorted(Counter(f"{q.split}/{q.support_class}" for q in questions).items())),
        "outcomes": corpus.outcomes | dict(intake.outcomes),
    }
    (folder / PREPARED).write_text(json.dumps(prepared, indent=2) + "\n", encoding="utf-8")
    return manifest


class Intake:
    """Decides what enters, and counts in `outcomes` what does not."""

    def __init__(self, duplicates: str = "error") -> None:
        self.duplicates = duplicates
        self.outcomes: Counter[str] = Counter(
            dict.fromkeys(("duplicate_documents", "empty_documents"), 0)
            | dict.fromkeys(("duplicate_heldout", "empty_heldout", "heldout_copies"), 0)
            | dict.fromkeys(("questions_on_dropped_documents", "questions_on_duplicates"), 0)
        )
        self.accepted: dict[str, tuple[int, bytes]] = {}  # id -> its position in the corpus and a digest of its text
        self.empty: set[str] = set()
        self.versions: set[str] = set()  # ids of which two different documents came

    def accept(self, documents: Iterable[Document]) -> Iterator[Document]:
        """Yield the documents to train on. Raises ValueError on a duplicate id (unless dropping), a blank sentence."""
        for position, document in enumerate(documents):
            if not document.text.strip():
                self.outcomes["empty_documents"] += 1
                self.empty.add(document.id)
                continue
            _check(document)
            digest = _digest(document)
            first = self.accepted.setdefault(document.id, (position, digest))
            if first[0] == position:
                yield document
                continue
            if self.duplicates == "error":
                raise ValueError(
                    f"document id {document.id!r} comes twice, as documents {first[0]} and {position} of the corpus "
                    '(counted from 0); give them different ids, or set duplicates="drop" to keep the first'
                )
            self.outcomes["duplicate_documents"] += 1
            if first[1] != digest:
                self.versions.add(document.id)

    def accept_heldout(self, documents: tuple[Document, ...]) -> list[Document]:
        """The held-out documents that no training document repeats. Raises ValueError for an id in use."""
        texts = {digest for _, digest in self.accepted.values()}
        ids: set[str] = set()
        kept = []
        for document in documents:
            taken = document.id in self.accepted or document.id in ids
            if taken and self.duplicates == "error":
                raise ValueError(
                    f"held-out document {document.id!r} has the id of another document; rename one of them"
                )
            ids.add(document.id)
            if taken:
                self.outcomes["duplicate_heldout"] += 1
            elif not document.text.strip():
                self.outcomes["empty_heldout"] += 1
            elif _digest(document) in texts:
                self.outcomes["heldout_copies"] += 1
            else:
                _check(document)
                canonical(document)
                kept.append(document)
        return kept

    def accept_questions(self, questions: tuple[Question, ...]) -> list[Question]:
        """The questions whose supporting documents are all in the corpus. Raises ValueError for an unknown document
        and for an id that comes twice."""
        ids: set[str] = set()
        kept = []
        for question in questions:
            if question.id in ids:
                raise ValueError(f"question id {question.id!r} comes twice; give them different ids")
            ids.add(question.id)
            for document in question.support:
                if document not in self.accepted and document not in self.empty:
                    raise ValueError(
                        f"question {question.id!r} names document {document!r} as its support, which is not in the "
                        "training corpus; add the document or remove the question"
                    )
            support = tuple(document for document in question.support if document in self.accepted)
            if question.support and not support:
                self.outcomes["questions_on_dropped_documents"] += 1
            elif self.versions.intersection(support):
                self.outcomes["questions_on_duplicates"] += 1
            elif len(support) < len(question.support):
                kept.append(
                    replace(question, support=support, support_class="single" if len(support) == 1 else "multi")
                )
            else:
                kept.append(question)
        return kept


def check_splits(questions: list[Question]) -> None:
    """Insist that nothing about a never-tuned question is in the tuning data. Raises ValueError naming both sides."""
    tuned_documents: dict[str, str] = {}
    tuned_entities: dict[str, str] = {}
    for question in questions:
        if question.split == "tune":
            tuned_documents |= dict.fromkeys(question.support, question.id)
            tuned_entities[question.entity] = question.id
    tuned_entities.pop("", None)  # unknown
    for question in questions:
        if question.split != "never_tuned":
            continue
        for document in question.support:
            if document in tuned_documents:
                raise ValueError(
                    f"document {document!r} supports question {question.id!r} of split never_tuned and "
                    f"{tuned_documents[document]!r} of split tune; a document must be on one side"
                )
        if question.entity in tuned_entities:
            raise ValueError(
                f"entity {question.entity!r} is asked about in question {question.id!r} of split never_tuned and "
                f"{tuned_entities[question.entity]!r} of split tune; an entity must be on one side"
            )


def _check(document: Document) -> None:
    if not document.id:
        raise ValueError(f"a document has an empty id; its text begins {document.text[:60]!r}")
    if not all(wordings and all(wording.strip() for wording in wordings) for wordings in document.sentences):
        raise ValueError(f"document {document.id!r} has a blank sentence; remove it")


def _digest(document: Document) -> bytes:
    return hashlib.blake2b(document.text.encode(errors="surrogatepass"), digest_size=16).digest()


def _write_rows(path: Path, corpus: Corpus) -> int:
    rows = 0
    with open(path, "w", encoding="utf-8") as file:
        for row in corpus.ledger:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            rows += 1
    return rows
