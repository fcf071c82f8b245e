"""From an opened corpus to a prepared folder: shards, questions, held-out documents, ledger and counts.

Whatever can be wrong with a corpus has one defined outcome here:

    document longer than a passage         cut, where the corpus says so (data/storage/passages.py)
    question on a document that was cut    on its passages that give the answer (data/storage/passage_support.py)
    id of a document that a passage has    error
    duplicate document id                  error naming the id and both positions; or dropped and counted on request,
                                           with the questions on it if the two texts differ
    empty document                         dropped, counted
    held-out copy of a training document   dropped, counted: it would flatter perplexity
    question naming an unknown document    error
    answer that no support holds           said, with examples; kept
    no question that is scored             said
    question on dropped documents only     dropped, counted
    tuning and test sharing a document     error
        or an entity
    two folds sharing an entity            error

All of it is streamed: of each document only its id and a digest of its text stay in memory (about 200 bytes). Bytes are
counted too, and what was read is what is kept, what was dropped, for each reason, and the joiners between passages.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tqdm import tqdm

from data.readers.corpus import Corpus
from data.records import PLAIN, Document, Question, write_jsonl
from data.stateless_rng import Permutation, hash_key
from data.storage.evidence import EvidenceSought
from data.storage.passage_support import PassageSupport
from data.storage.passages import cut, joined_size
from data.storage.question_checks import AnswersSought, QuestionError, unscored
from data.storage.shards import SHARD, Manifest, canonical, read_manifest, read_shard, write_shards

log = logging.getLogger("whence")

QUESTIONS, HELDOUT, LEDGER, PREPARED = "questions.jsonl", "heldout.jsonl", "ledger.jsonl", "prepared.json"
DROPPED = {  # what an Intake leaves out, in words
    "duplicate_documents": "documents dropped, since their id came before",
    "empty_documents": "documents dropped, since they have no text",
    "duplicate_heldout": "held-out documents dropped, since their id came before",
    "empty_heldout": "held-out documents dropped, since they have no text",
    "heldout_copies": "held-out documents dropped, since a document to train on has the same text",
    "questions_on_dropped_documents": "questions dropped, since they are on documents that were dropped",
    "questions_on_duplicates": "questions dropped, since two documents of different text have the id of their support",
}
SAMPLE = 2**28  # bytes of shards that a tokenizer is made from, where there are more


def prepare(corpus: Corpus, folder: Path, *, duplicates: str = "error", shard_documents: int = SHARD) -> Manifest:
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
    support = PassageSupport(corpus.questions)
    intake = Intake(duplicates, corpus.passage_words, support)
    answers, evidence = AnswersSought(corpus.questions), EvidenceSought(corpus.questions)
    with tqdm(intake.accept(corpus.documents, answers, evidence), desc="prepare", unit=" documents") as documents:
        manifest = write_shards(documents, folder, shard_documents)
    if not manifest.documents:
        left_out = [f"{DROPPED[reason]}: {count}" for reason, count in intake.outcomes.items() if count]
        raise ValueError(
            f"the corpus has no documents to train on ({'; '.join(left_out) or 'none was read'}): see what "
            "stands in the files that its keys name"
        )
    heldout = intake.accept_heldout(corpus.heldout)
    try:
        questions = [evidence.given(question) for question in intake.accept_questions(corpus.questions)]
        check_splits(questions)  # of whole documents: passages of one are never on two sides
        questions = [support.given(question) for question in questions]
    except QuestionError as error:
        raise error.at(corpus.questions_file) from None

    write_jsonl(folder / QUESTIONS, questions)
    write_jsonl(folder / HELDOUT, heldout)
    rows = _write_rows(folder / LEDGER, corpus)
    intake.check_bytes(manifest.text_bytes, heldout)
    prepared: dict[str, Any] = {
        "documents": manifest.documents,
        "sentences": manifest.sentences,
        "text_bytes": manifest.text_bytes,
        "fingerprint": manifest.fingerprint,
        "heldout": len(heldout),
        "ledger": rows,
        "questions": dict(sorted(Counter(f"{q.split}/{q.support_class}" for q in questions).items())),
        "outcomes": corpus.outcomes | dict(intake.outcomes),
        "read_bytes": intake.read_bytes,
        "dropped_bytes": dict(intake.dropped_bytes),
    }
    if corpus.passage_words:
        prepared["cut"] = {
            "documents": intake.cut_documents, "passages": len(intake.passages), "joiner_bytes": intake.joiner_bytes
        }  # fmt: skip
        log.info(
            "prepare: %d documents of more than %d words are %d passages",
            intake.cut_documents,
            corpus.passage_words,
            len(intake.passages),
        )
    (folder / PREPARED).write_text(json.dumps(prepared, indent=2) + "\n", encoding="utf-8")
    for reason, count in intake.outcomes.items():
        if count:
            log.warning("prepare: %s: %d", DROPPED[reason], count)
    for warning in (answers.warning, support.warning, unscored(questions)):
        if warning:
            log.warning("prepare: %s", warning)
    return manifest


def sample_texts(folder: Path, most: int = SAMPLE) -> Iterator[str]:
    """What to make a tokenizer from: all documents' wordings, or those of shards drawn at random, of `most` bytes."""
    manifest = read_manifest(folder)
    chosen, size = [], 0
    for index in Permutation(len(manifest.shards), int(hash_key(0x70)))(range(len(manifest.shards))).tolist():
        if size < most:
            chosen.append(index)
            size += manifest.shards[index].bytes
    for index in sorted(chosen):
        for document in read_shard(folder, index, manifest):
            for wordings in document.sentences:
                yield from wordings


class Intake:
    """Decides what enters and in which passages, and counts in `outcomes` and `dropped_bytes` what does not.

    Args:
        passage_words: of a passage, about; 0 to cut no document.
        support: looks into the passages of documents to train on.
    """

    def __init__(
        self, duplicates: str = "error", passage_words: int = 0, support: PassageSupport | None = None
    ) -> None:
        self.duplicates, self.passage_words, self.support = duplicates, passage_words, support
        self.passages: dict[str, str] = {}  # id of a passage: of its document
        self.cut_documents = self.joiner_bytes = 0
        self.outcomes: Counter[str] = Counter(dict.fromkeys(DROPPED, 0))
        self.read_bytes = 0
        self.dropped_bytes: Counter[str] = Counter(
            dict.fromkeys((reason for reason in DROPPED if not reason.startswith("questions")), 0)
        )
        self.accepted: dict[str, tuple[int, bytes]] = {}  # id -> its position in the corpus and a digest of its text
        self.empty: set[str] = set()
        self.versions: set[str] = set()  # ids of which two different documents came

    def accept(self, documents: Iterable[Document], *sought: AnswersSought | EvidenceSought) -> Iterator[Document]:
        """Yield the documents to train on, long ones in passages.

        Raises ValueError on a duplicate id (unless dropping), a blank sentence.

        Args:
            sought: what to look for in them, as they were before they were cut.
        """
        for position, document in enumerate(documents):
            self.read_bytes += _size(document)
            if not document.text.strip():
                self._drop("empty_documents", document)
                self.empty.add(document.id)
                continue
            _check(document)
            digest = _digest(document)
            first = self.accepted.setdefault(document.id, (position, digest))
            if first[0] == position:
                for one in sought:
                    one.look(document)
                passages = self._cut(document)
                if self.support and len(passages) > 1:
                    self.support.look(document.id, passages)
                yield from passages
                continue
            if self.duplicates == "error":
                raise ValueError(
                    f"document id {document.id!r} comes twice, as documents {first[0]} and {position} of the corpus "
                    '(counted from 0); give them different ids, or set duplicates="drop" to keep the first'
                )
            self._drop("duplicate_documents", document)
            if first[1] != digest:
                self.versions.add(document.id)

    def accept_heldout(self, documents: tuple[Document, ...]) -> list[Document]:
        """The held-out documents that no training document repeats, in passages as those are.

        Raises ValueError for an id in use.
        """
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
            self.read_bytes += _size(document)
            if taken:
                self._drop("duplicate_heldout", document)
            elif not document.text.strip():
                self._drop("empty_heldout", document)
            elif _digest(document) in texts:
                self._drop("heldout_copies", document)
            else:
                _check(document)
                canonical(document)
                kept += self._cut(document)
        return kept

    def accept_questions(self, questions: tuple[Question, ...]) -> list[Question]:
        """The questions whose supporting documents are all in the corpus. Raises ValueError for an unknown document
        and for an id that comes twice."""
        ids: set[str] = set()
        kept = []
        for question in questions:
            if question.id in ids:
                raise QuestionError(f"question id {question.id!r} comes twice; give them different ids", question.id)
            ids.add(question.id)
            for document in question.documents:
                if document not in self.accepted and document not in self.empty:
                    raise QuestionError(
                        f"question {question.id!r} names document {document!r} as its support, which is not in the "
                        "training corpus; add the document or remove the question",
                        question.id,
                    )
            support = tuple(document for document in question.support if document in self.accepted)
            incomplete = any(document not in self.accepted for document in question.documents)
            if incomplete and not (support and question.support_class in PLAIN):
                self.outcomes["questions_on_dropped_documents"] += 1
            elif self.versions.intersection(question.documents):
                self.outcomes["questions_on_duplicates"] += 1
            elif len(support) < len(question.support):
                kept.append(
                    replace(question, support=support, support_class="single" if len(support) == 1 else "multi")
                )
            else:
                kept.append(question)
        return kept

    def check_bytes(self, text_bytes: int, heldout: list[Document]) -> None:
        """Insist that what was read is what is kept, joined where it was cut, and what was dropped."""
        kept = text_bytes + sum(map(_size, heldout)) + self.joiner_bytes
        if self.read_bytes != kept + self.dropped_bytes.total():
            raise RuntimeError(
                f"{self.read_bytes} bytes were read, but {kept} kept and {dict(self.dropped_bytes)} dropped; "
                "please report it"
            )

    def _cut(self, document: Document) -> list[Document]:
        """The document's passages. Raises ValueError where it, or one of them, has the id of another."""
        if (other := self.passages.get(document.id)) is not None:
            raise ValueError(f"document {document.id!r} has the id of a passage of document {other!r}; rename it")
        passages = cut(document, self.passage_words)
        if len(passages) == 1:
            return passages
        for passage in passages:
            if passage.id in self.accepted:
                raise ValueError(
                    f"document {passage.id!r} has the id of a passage of document {document.id!r}; rename it"
                )
            self.passages[passage.id] = document.id
        self.cut_documents += 1
        self.joiner_bytes += joined_size(passages, document.joiner) - sum(map(_size, passages))
        return passages

    def _drop(self, reason: str, document: Document) -> None:
        self.outcomes[reason] += 1
        self.dropped_bytes[reason] += _size(document)


def check_splits(questions: list[Question], whole: Mapping[str, str] = MappingProxyType({})) -> None:
    """Insist that tune, relabel and never_tuned share no document and no entity, nor two folds an entity.

    Folds may share documents: nothing is trained on any of their questions. Raises ValueError naming both sides.

    Args:
        whole: by the id of a passage that questions name, the id of its document.
    """
    sides = [
        question for split in ("tune", "relabel", "never_tuned") for question in questions if question.split == split
    ]
    documents: dict[str, Question] = {}
    entities: dict[str, Question] = {}
    folded: dict[str, Question] = {}
    for question in sides:
        for document in dict.fromkeys(whole.get(name, name) for name in question.documents):
            other = documents.setdefault(document, question)
            if other.split != question.split:
                raise QuestionError(
                    f"document {document!r} supports question {question.id!r} of split {question.split} and "
                    f"{other.id!r} of split {other.split}; a document must be on one side",
                    question.id,
                    other.id,
                )
        other = entities.setdefault(question.entity, question) if question.entity else question
        if other.split != question.split:
            raise QuestionError(
                f"entity {question.entity!r} is asked about in question {question.id!r} of split {question.split} and "
                f"{other.id!r} of split {other.split}; an entity must be on one side",
                question.id,
                other.id,
            )
        if question.split != "never_tuned":
            continue
        other = folded.setdefault(question.entity, question) if question.entity else question
        if other.fold != question.fold:
            raise QuestionError(
                f"entity {question.entity!r} is asked about in question {other.id!r} of fold {other.fold or 'none'} "
                f"and {question.id!r} of fold {question.fold or 'none'}; an entity must be in one fold",
                other.id,
                question.id,
            )


def _check(document: Document) -> None:
    if not document.id:
        raise ValueError(f"a document has an empty id; its text begins {document.text[:60]!r}")
    if not all(wordings and all(wording.strip() for wording in wordings) for wordings in document.sentences):
        raise ValueError(f"document {document.id!r} has a blank sentence; remove it")


def _size(document: Document) -> int:
    return len(document.text.encode(errors="surrogatepass"))


def _digest(document: Document) -> bytes:
    return hashlib.blake2b(document.text.encode(errors="surrogatepass"), digest_size=16).digest()


def _write_rows(path: Path, corpus: Corpus) -> int:
    rows = 0
    with open(path, "w", encoding="utf-8") as file:
        for row in corpus.ledger:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            rows += 1
    return rows
