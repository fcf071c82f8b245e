"""Each document format in a small run: `python -m bench.corpus.formats_read` writes docs/results/formats_read.json.

The same generated documents are written down in every format that `corpus=files` reads; of each a small run is
made, from files to results. Since the documents are the same, so must be what comes out, to the last digit.
"""

from __future__ import annotations

import csv
import gzip
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow
from datasets import Dataset
from pyarrow import parquet

from data.records import Document, Question, write_jsonl
from data.world.config import WorldCorpus
from data.world.world import build_world
from eval.results.results import read_results
from eval.results.run_table import measure
from eval.results.table import Column, Row, Table, Value, write_table
from stages.environment import machine, revision

DOCUMENTS = 40
SETTINGS = (
    "corpus=files", "model=pico", "tags.permute=true", "tokenizer.vocab_size=1024", "batch.sequences=8",
    "pretrain.tokens=120000", "sft.tokens=20000", "trainer.compiled=false", "eval.probes=[]", "eval.signals=[]",
)  # fmt: skip
Rows = list[dict[str, str]]


def _lines(rows: Rows) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def _text(suffix: str, bom: str = "") -> Callable[[Path, Rows], Path]:
    """A folder of text files; `bom` as some editors begin them. No line end: it would be a character of the text."""

    def write(folder: Path, rows: Rows) -> Path:
        (folder / "texts").mkdir()
        for row in rows:
            (folder / "texts" / f"{row['id']}{suffix}").write_bytes((bom + row["text"]).encode())
        return folder / "texts"

    return write


def _table(delimiter: str, suffix: str) -> Callable[[Path, Rows], Path]:
    def write(folder: Path, rows: Rows) -> Path:
        path = folder / f"documents{suffix}"
        with path.open("w", newline="") as file:
            out = csv.DictWriter(file, ["id", "text"], delimiter=delimiter)
            out.writeheader()
            out.writerows(rows)
        return path

    return write


def _file(name: str, content: Callable[[Rows], bytes]) -> Callable[[Path, Rows], Path]:
    def write(folder: Path, rows: Rows) -> Path:
        (folder / name).write_bytes(content(rows))
        return folder / name

    return write


def _parquet(folder: Path, rows: Rows) -> Path:
    parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "documents.parquet")
    return folder / "documents.parquet"


def _saved(folder: Path, rows: Rows) -> Path:
    Dataset.from_list(rows).save_to_disk(folder / "saved")
    return folder / "saved"


def _zstd(rows: Rows) -> bytes:
    return bytes(pyarrow.compress(_lines(rows).encode(), codec="zstd", asbytes=True))


FORMATS: Mapping[str, Callable[[Path, Rows], Path]] = {
    "JSON lines": _file("documents.jsonl", lambda rows: _lines(rows).encode()),
    "JSON lines, gzip": _file("documents.jsonl.gz", lambda rows: gzip.compress(_lines(rows).encode())),
    "JSON lines, zstd": _file("documents.jsonl.zst", _zstd),
    "JSON array": _file("documents.json", lambda rows: json.dumps(rows).encode()),
    "CSV": _table(",", ".csv"),
    "TSV": _table("\t", ".tsv"),
    "text files": _text(".txt"),
    "text files, BOM": _text(".txt", "\ufeff"),
    "Markdown files": _text(".md"),
    "Parquet": _parquet,
    "save_to_disk": _saved,
}
SUFFIXES = {name: ".md" if "Markdown" in name else ".txt" for name in FORMATS if " files" in name}  # parts of ids there


def main() -> None:
    world = build_world(WorldCorpus(documents=DOCUMENTS))
    rows, found = _rows(world.documents), []
    with tempfile.TemporaryDirectory() as where:
        for name, write in FORMATS.items():
            folder = Path(where) / name.replace(" ", "_").replace(",", "")
            folder.mkdir()
            suffix = SUFFIXES.get(name, "")
            write_jsonl(folder / "questions.jsonl", (_named(question, suffix) for question in world.questions))
            found.append(_measured(name, write(folder, rows), folder))
            print(name, {key: value and value.value for key, value in found[-1].values.items()}, flush=True)
    columns = [
        Column("joint", "joint", "%", 2, "higher"),
        Column("cited", "cited", "%", 2, "higher"),
        Column("bits", "bits a byte of the training documents", "", 6, "lower"),
    ]
    table = Table(
        name="formats_read",
        title="The same documents in each format, and what a small run makes of them",
        command="python -m bench.corpus.formats_read",
        revision=revision(),
        machine=machine(),
        date=date.today().isoformat(),
        columns=columns,
        rows=found,
        note=f"{DOCUMENTS} generated documents, 140,000 tokens; a single run of each.",
    )
    write_table(Path("docs") / "results" / "formats_read.json", table)


def _rows(documents: Iterable[Document]) -> Rows:
    """In the order of their ids, as files have it."""
    return [{"id": d.id, "text": d.text} for d in sorted(documents, key=lambda d: d.id)]


def _named(question: Question, suffix: str) -> Question:
    return replace(question, support=tuple(name + suffix for name in question.support))


def _measured(name: str, path: Path, folder: Path) -> Row:
    command = [sys.executable, "run.py", *SETTINGS, f"corpus.path={path}", f"run_dir={folder}/run"]
    command += [f"corpus.questions={folder}/questions.jsonl", f"stages_dir={folder}/stages"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    results = read_results(folder / "run" / "results.json")
    part = results["attribution"]["never_tuned"]
    bits = Value(results["bits_per_byte_train"])
    return Row(name, {"joint": measure(part, "joint"), "cited": measure(part, "cited"), "bits": bits}, seeds=(0,))


if __name__ == "__main__":
    main()
