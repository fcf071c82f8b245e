"""Any corpus of documents with an id and a text: files of JSON, CSV, Parquet or text, or a data set of the hub.

Rows are never all in memory, but for `.json`. The questions, if any, are a JSONL file of `data.records.Question`.
"""

from __future__ import annotations

import datetime
import hashlib
import heapq
import json
import logging
import multiprocessing
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, ClassVar

from configs.keys import FILE, GIVEN, SEED, Range, Section, at_least, key, one_of, shown
from data.readers.corpus import PASSAGE_WORDS, Corpus, Reader
from data.readers.folders import find_files
from data.readers.json_files import is_squad
from data.readers.rows import read_file
from data.readers.sentences import Split, split_sentences
from data.readers.tables import Records, read_hub
from data.records import DOCUMENT, Document, Question, read_numbered

log = logging.getLogger("whence")

LANGUAGE = Range("an ISO 639 code, as en or pt-br", lambda code: bool(re.fullmatch("[a-z]{2,3}(-[a-z]+)?", code)))
BLOCK_OF_A_PROCESS = 1024  # rows; enough to hide the cost of handing them over


@dataclass
class FilesCorpus(Section):
    """Your own documents."""

    section: ClassVar[str] = "corpus"

    kind: str = key("files", "of corpus", one_of("files"))
    path: str = key(
        "",
        "a file, a folder with all below it, or a glob pattern, in the order of their names: documents in .jsonl, "
        ".ndjson, .json, .csv, .tsv, .parquet or a folder of save_to_disk, each a .txt, .md; .gz and .zst too",
    )
    dataset: str = key("", "instead of the path, a dataset of the Hugging Face hub")
    dataset_config: str = key("", "its configuration")
    dataset_split: str = key("train", "its split", GIVEN)
    revision: str = key("main", "its revision", GIVEN)
    id_column: str = key("id", "what names a document; meta.id is the column id of an object meta", GIVEN)
    text_column: str = key("text", "running text, or a list of sentences", GIVEN)
    source_column: str = key("", "who published it; empty for none")
    metadata_columns: list[str] = key([], "kept with each document; dates become ISO strings, null is left out")  # noqa: RUF009
    language: str = key("en", "ISO 639 code, for splitting sentences", LANGUAGE)
    passage_words: int = key(0, PASSAGE_WORDS, at_least(0))
    questions: str = key("", "a JSONL file of questions; empty for none", FILE)
    heldout: int = key(
        0,
        "documents set aside for bits per byte: those whose ids have the smallest hash, no question's support",
        at_least(0),
    )
    seed: int = key(0, "of that hash", SEED)
    num_proc: int = key(1, "processes that split sentences; the result does not depend on it", at_least(1))

    def contradictions(self, path: str) -> Iterator[str]:
        if bool(self.path) == bool(self.dataset):
            yield f"{path}.path={shown(self.path)} and {path}.dataset={shown(self.dataset)}: give one of the two"
        if self.passage_words and DOCUMENT in map(_kept_as, self.metadata_columns):
            yield (
                f"{path}.passage_words={self.passage_words} notes of each passage its document under the name "
                f"{DOCUMENT}, and one of {path}.metadata_columns would be kept as that: leave it away"
            )

    def inputs(self) -> list[Path]:
        """The files that it is read from; a folder or a pattern stands for what it holds."""
        return [Path(name) for name in (self.path, self.questions) if name]


Row = tuple[str, str, dict[str, Any]]  # where it stands, for messages; its id; all its columns


@dataclass(frozen=True)
class Columns:
    """Which columns make a document; small, so that it travels to other processes."""

    text: str
    source: str
    metadata: tuple[str, ...]
    language: str

    def document(self, row: Row) -> Document:
        """Raises ValueError naming the row and the column at fault."""
        where, id, _ = row
        text = _column(row, self.text)
        if not (isinstance(text, str | None) or _is_list_of_strings(text)):
            raise ValueError(f"{where}: column {self.text!r} must be a string or a list of them, not {text!r:.60}")
        source = _column(row, self.source) if self.source else ""
        if not isinstance(source, str | None):
            raise ValueError(f"{where}: column {self.source!r} must be a string, not {source!r:.60}")
        found = ((_kept_as(name), _column(row, name)) for name in self.metadata)
        metadata = {name: _plain(name, value) for name, value in found if value is not None}
        try:
            sentences, joiner = self._sentences(text)
            return Document(id, tuple((sentence,) for sentence in sentences), source or "", metadata, joiner)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None

    def _sentences(self, text: str | list[str] | None) -> Split:
        if isinstance(text, list):
            return Split(tuple(sentence.rstrip(" ") for sentence in text if sentence.strip()), " ")
        return split_sentences(text or "", self.language)


class Documents:
    """The documents of a corpus, read again at every iteration."""

    def __init__(self, config: FilesCorpus, without: frozenset[str]) -> None:
        self.config = config
        self.without = without

    def __iter__(self) -> Iterator[Document]:
        return _map(_columns(self.config), self._rows(), self.config.num_proc)

    def _rows(self) -> Iterator[Row]:
        held = set(self.without)
        for row in read_rows(self.config):
            if row[1] in held:
                held.remove(row[1])  # should the id come again, that is for `data.storage.prepare` to find
            else:
                yield row


def open_files(config: FilesCorpus) -> Corpus:
    """Open the corpus; its documents are read when iterated.

    Raises:
        ValueError: a key of the config, a column, or a line of a file that is not as it should be.
    """
    config.check()
    columns = _columns(config)
    if config.path and (unread := find_files(config.path)[1]):
        log.warning("files: not read in %s: %s", config.path, _listed(unread))
    questions = _read_questions(config.questions) if config.questions else ()
    supporting = {document for question in questions for document in question.support}
    eligible = (row for row in read_rows(config) if row[1] not in supporting) if config.heldout else iter(())
    chosen = heapq.nsmallest(config.heldout, eligible, key=lambda row: _hash(config.seed, row[1]))
    if len(chosen) < config.heldout:
        raise ValueError(f"corpus.heldout={config.heldout}: only {len(chosen)} documents support no question; lower it")
    heldout = tuple(columns.document(row) for row in chosen)
    documents = Documents(config, frozenset(document.id for document in heldout))
    return Corpus(documents, questions, heldout, questions_file=config.questions, passage_words=config.passage_words)


def read_rows(config: FilesCorpus) -> Iterator[Row]:
    """All rows in order. Raises ValueError naming what can't be read, or the record without an id."""
    if config.dataset:
        found = read_hub(config.dataset, config.dataset_config, config.dataset_split, config.revision)
        yield from _with_ids(found, config.id_column)
        return
    for file in find_files(config.path)[0]:
        rows = read_file(file, config.dataset_split, config.id_column, config.text_column)
        yield from _with_ids(rows, config.id_column)


def _read_questions(path: str) -> tuple[Question, ...]:
    """Raises ValueError, naming file and line, for a malformed question, an id that comes twice, or none at all."""
    lines: dict[str, int] = {}
    questions = []
    for number, question in read_numbered(path, Question):
        if (first := lines.setdefault(question.id, number)) != number:
            raise ValueError(
                f"{path}, line {number}: question id {question.id!r} comes twice, first on line {first}; "
                "give them different ids"
            )
        questions.append(question)
    if not questions:
        raise ValueError(f"{path} holds no questions; leave corpus.questions away for a corpus without any")
    return tuple(questions)


def _with_ids(records: Records, column: str) -> Iterator[Row]:
    for where, values in records:
        if is_squad(values):
            raise ValueError(f"{where}: a question set in SQuAD's form (data, paragraphs, qas): read it with corpus=qa")
        id = _column((where, "", values), column)
        if isinstance(id, bool) or not isinstance(id, str | int) or id == "":
            raise ValueError(f"{where}: column {column!r} must be a non-empty string or a whole number, not {id!r:.60}")
        yield where, str(id), values


def _column(row: Row, name: str) -> Any:
    """The value of a column; `meta.id` is that of `id` in the object `meta`, unless there is a column of that name."""
    where, _, values = row
    if name in values:
        return values[name]
    found: Any = values
    for part in name.split("."):
        if not isinstance(found, dict) or part not in found:
            raise ValueError(
                f"{where}: there is no column {name!r}; the columns are {', '.join(_names(values))} (id_column, "
                "text_column and the like say which to take)"
            )
        found = found[part]
    return found


def _kept_as(column: str) -> str:
    """The name in a document's metadata of what stands in this column."""
    return column.rpartition(".")[2]


def _names(values: dict[str, Any]) -> list[str]:
    nested = (
        [f"{name}.{inner}" for inner in value] if isinstance(value, dict) and value else [name]
        for name, value in values.items()
    )
    return [repr(name) for names in nested for name in names]


def _columns(config: FilesCorpus) -> Columns:
    kept = Counter(map(_kept_as, config.metadata_columns))
    if twice := [name for name, count in kept.items() if count > 1]:
        raise ValueError(f"files: two of corpus.metadata_columns would be kept as {twice[0]!r}; leave one away")
    return Columns(config.text_column, config.source_column, tuple(config.metadata_columns), config.language)


def _listed(names: list[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _is_list_of_strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _map(columns: Columns, rows: Iterator[Row], processes: int) -> Iterator[Document]:
    """Documents of rows in order, made by several processes with a bounded number of rows under way."""
    if processes == 1:
        yield from map(columns.document, rows)
        return
    # Spawned, not forked: readers of Parquet and the hub run threads, which a fork would leave locked.
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        for first in rows:
            block = chain([first], islice(rows, processes * BLOCK_OF_A_PROCESS - 1))
            yield from pool.map(columns.document, block, chunksize=BLOCK_OF_A_PROCESS)


def _plain(name: str, value: Any) -> Any:
    """A value of the metadata as JSON has it; in CSV all is text, so what must not be is read from it."""
    if isinstance(value, str) and name in ("reliability", "untagged"):
        try:
            return json.loads(value.lower() or "null")
        except ValueError:
            return value
    return value.isoformat() if isinstance(value, datetime.date | datetime.time) else value


def _hash(seed: int, id: str) -> bytes:
    return hashlib.sha256(f"{seed}/{id}".encode(errors="surrogatepass")).digest()


READER = Reader(FilesCorpus, open_files)
