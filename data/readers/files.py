"""Any corpus of documents with an id and a text: JSONL, Parquet, or a dataset of the Hugging Face hub.

JSONL is read line by line, so that a malformed line is named; Parquet and the hub are streamed by `datasets`. Rows are
never all in memory. The questions, if any, are a JSONL file of `data.records.Question`.
"""

from __future__ import annotations

import datetime
import glob
import hashlib
import heapq
import multiprocessing
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any, Self

from data.readers.corpus import Corpus
from data.readers.sentences import split_sentences
from data.records import Document, Question, RecordError, read_jsonl

BLOCK_OF_A_PROCESS = 1024  # rows; enough to hide the cost of handing them over


@dataclass
class FilesCorpus:
    """Config of a corpus in files.

    Attributes:
        path: a `.jsonl` or `.parquet` file, a folder of them, or a glob pattern; read in the order of their names.
        dataset: instead of `path`, a dataset of the hub, with its configuration, split and revision.
        text_column: running text, or a list of sentences.
        source_column: who published it; "" for none.
        metadata_columns: kept with each document; dates become ISO strings, null is left out.
        language: ISO 639 code, for splitting sentences.
        questions: a JSONL file of questions; "" for none.
        heldout: documents set aside for perplexity: those whose ids have the smallest hash, no question's support.
        num_proc: processes that split sentences; the result does not depend on it.
    """

    kind: str = "files"
    path: str = ""
    dataset: str = ""
    dataset_config: str = ""
    dataset_split: str = "train"
    revision: str = "main"
    id_column: str = "id"
    text_column: str = "text"
    source_column: str = ""
    metadata_columns: list[str] = field(default_factory=list)
    language: str = "en"
    questions: str = ""
    heldout: int = 0
    seed: int = 0
    num_proc: int = 1


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
        if isinstance(text, list) and all(isinstance(sentence, str) for sentence in text):
            sentences = tuple(stripped for sentence in text if (stripped := sentence.strip()))
        elif isinstance(text, str) or text is None:
            sentences = split_sentences(text or "", self.language)
        else:
            raise ValueError(f"{where}: column {self.text!r} must be a string or a list of them, not {text!r:.60}")
        source = _column(row, self.source) if self.source else ""
        if not (isinstance(source, str) or source is None):
            raise ValueError(f"{where}: column {self.source!r} must be a string, not {source!r:.60}")
        metadata = {name: _plain(value) for name in self.metadata if (value := _column(row, name)) is not None}
        return Document(id, tuple((sentence,) for sentence in sentences), source or "", metadata)


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
                held.remove(row[1])  # should the id come again, that is for `data.prepare` to find
            else:
                yield row


def open_files(config: FilesCorpus) -> Corpus:
    """Open the corpus; its documents are read when iterated.

    Raises:
        ValueError: a key of the config, a column, or a line of a file that is not as it should be.
    """
    if bool(config.path) == bool(config.dataset):
        raise ValueError("files: give either path or dataset")
    if config.num_proc < 1 or config.heldout < 0:
        raise ValueError(f"files: num_proc is {config.num_proc} and heldout {config.heldout}; at least 1 and 0, please")
    questions = tuple(read_jsonl(config.questions, Question)) if config.questions else ()
    supporting = {document for question in questions for document in question.support}
    eligible = (row for row in read_rows(config) if row[1] not in supporting) if config.heldout else iter(())
    chosen = heapq.nsmallest(config.heldout, eligible, key=lambda row: _hash(config.seed, row[1]))
    if len(chosen) < config.heldout:
        raise ValueError(
            f"files: heldout is {config.heldout} and only {len(chosen)} documents support no question; lower it"
        )
    columns = _columns(config)
    heldout = tuple(columns.document(row) for row in chosen)
    return Corpus(Documents(config, frozenset(document.id for document in heldout)), questions, heldout)


def read_rows(config: FilesCorpus) -> Iterator[Row]:
    """All rows in order. Raises ValueError naming the file and line that is no JSON object, or a column not there."""
    from datasets import load_dataset  # over a second to import: only when it is needed

    if config.dataset:
        name = config.dataset_config or None
        found = load_dataset(config.dataset, name, split=config.dataset_split, revision=config.revision, streaming=True)
        yield from _with_ids(found, config.dataset, config.id_column)
        return
    for path in find_files(config.path):
        if path.suffix == ".parquet":
            rows: Iterable[dict[str, Any]] = load_dataset(
                "parquet", data_files=str(path), split="train", streaming=True
            )
        else:
            rows = (item.values for item in read_jsonl(path, JsonObject))
        yield from _with_ids(rows, str(path), config.id_column)


def find_files(path: str) -> list[Path]:
    """The `.jsonl` and `.parquet` files that `path` means, sorted by name. Raises ValueError if there are none."""
    whole = Path(path)
    if whole.is_dir():
        found = [file for file in whole.iterdir() if file.suffix in (".jsonl", ".parquet")]
    elif whole.is_file():
        found = [whole]
    else:
        found = [Path(name) for name in glob.glob(path, recursive=True)]
    if not found:
        raise ValueError(f"files: no .jsonl or .parquet file at path {path!r}")
    for file in found:
        if file.suffix not in (".jsonl", ".parquet"):
            raise ValueError(f"files: {file} is neither .jsonl nor .parquet; convert it or narrow path")
    return sorted(found)


@dataclass(frozen=True)
class JsonObject:
    """A line of a JSONL file whose columns are not known in advance."""

    values: dict[str, Any]

    @classmethod
    def from_json(cls, value: Any) -> Self:
        if not isinstance(value, dict):
            raise RecordError("expected a JSON object")
        return cls(value)

    def to_json(self) -> dict[str, Any]:
        return self.values


def _with_ids(rows: Iterable[dict[str, Any]], origin: str, column: str) -> Iterator[Row]:
    for number, values in enumerate(rows, start=1):
        where = f"{origin}, record {number}"
        id = _column((where, "", values), column)
        if isinstance(id, bool) or not isinstance(id, str | int) or id == "":
            raise ValueError(f"{where}: column {column!r} must be a non-empty string or a whole number, not {id!r:.60}")
        yield where, str(id), values


def _column(row: Row, name: str) -> Any:
    where, _, values = row
    if name not in values:
        raise ValueError(f"{where}: there is no column {name!r}; the columns are {', '.join(map(repr, values))}")
    return values[name]


def _columns(config: FilesCorpus) -> Columns:
    return Columns(config.text_column, config.source_column, tuple(config.metadata_columns), config.language)


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


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime.date | datetime.time) else value


def _hash(seed: int, id: str) -> bytes:
    return hashlib.sha256(f"{seed}/{id}".encode(errors="surrogatepass")).digest()
