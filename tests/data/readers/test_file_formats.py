"""Documents in the files that people have: each format, what stands beside what, and what is wrong with one."""

import datetime
import gzip
import json
import logging
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.readers.corpora import FilesCorpus, open_corpus
from data.records import Document

ROWS = [
    {"id": "a", "text": 'One "two",\nthree.\n\n  Four. Five.\n', "meta": {"url": "u/1", "year": 1999}},
    {"id": "b", "text": "Ärger\ttut. Und?", "meta": {"url": "u/2", "year": None}},
]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)
CSV = 'id,text,url,year\r\na,"One ""two"",\nthree.\n\n  Four. Five.\n",u/1,1999\r\nb,Ärger\ttut. Und?,u/2,\r\n'
TSV = 'id\ttext\turl\ta\n"a"\t"One ""two"",\nthree.\n\n  Four. Five.\n"\tu/1\t\nb\t"Ärger\ttut. Und?"\tu/2\t\n'


def zstd(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


FORMS = {
    "c.jsonl": LINES.encode(),
    "c.JSONL": LINES.encode(),
    "c.ndjson": LINES.replace("\n", "\r\n").encode(),
    "bom.jsonl": b"\xef\xbb\xbf" + LINES.encode(),
    "c.jsonl.gz": gzip.compress(LINES.encode()),
    "twice.jsonl.gz": gzip.compress(LINES[:9].encode()) + gzip.compress(LINES[9:].encode()),
    "c.jsonl.zst": zstd(LINES.encode()),
    "c.json": json.dumps(ROWS, indent=1).encode(),
    "lines.json": LINES.encode(),
    "bom.json.gz": gzip.compress(b"\xef\xbb\xbf" + json.dumps(ROWS).encode()),
    "c.csv": CSV.encode(),
    "bom.CSV": b"\xef\xbb\xbf" + CSV.encode(),
    "c.csv.zst": zstd(CSV.encode()),
    "c.tsv": TSV.encode(),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_table_of_documents(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(FORMS[name])
    flat = "csv" in name.lower() or "tsv" in name
    config = FilesCorpus(path=str(tmp_path / name), metadata_columns=["url" if flat else "meta.url"])
    documents = list(open_corpus(config).documents)
    assert [(d.id, d.text, d.metadata) for d in documents] == [
        (row["id"], row["text"], {"url": f"u/{n}"}) for n, row in enumerate(ROWS, start=1)
    ]
    assert [len(d.sentences) for d in documents] == [4, 2]


def test_a_field_of_csv_keeps_its_own_ends_of_lines(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_bytes(b'id,text\r\na,"One.\r\nTwo.\n"\r\n')
    (document,) = open_corpus(FilesCorpus(path=str(tmp_path / "c.csv"))).documents
    assert document.text == "One.\r\nTwo.\n"


def test_parquet_of_any_case_with_parts_without_rows(tmp_path: Path) -> None:
    table = pa.table({"id": [1, 2], "text": ["One. Two.", "Three."], "day": [datetime.date(2020, 2, 3), None]})
    pq.write_table(table.slice(0, 0), tmp_path / "1.parquet")
    pq.write_table(table, tmp_path / "2.PARQUET")
    corpus = open_corpus(FilesCorpus(path=str(tmp_path), metadata_columns=["day"]))
    assert [(d.id, d.text, d.metadata) for d in corpus.documents] == [
        ("1", "One. Two.", {"day": "2020-02-03"}),
        ("2", "Three.", {}),
    ]


def test_a_folder_of_save_to_disk(tmp_path: Path) -> None:
    from datasets import Dataset, DatasetDict

    data = Dataset.from_list(ROWS)
    data.save_to_disk(str(tmp_path / "one"))
    DatasetDict({"train": data, "test": data.select([0])}).save_to_disk(str(tmp_path / "split"))
    for name, split, count in (("one", "train", 2), ("split", "train", 2), ("split", "test", 1)):
        corpus = open_corpus(FilesCorpus(path=str(tmp_path / name), dataset_split=split))
        assert [d.text for d in corpus.documents] == [row["text"] for row in ROWS[:count]]
    with pytest.raises(ValueError, match=r"has the splits train, test, not 'dev': set corpus\.dataset_split"):
        list(open_corpus(FilesCorpus(path=str(tmp_path / "split"), dataset_split="dev")).documents)
    with pytest.raises(ValueError, match=r"one is a folder of save_to_disk: give it as corpus\.path"):
        list(open_corpus(FilesCorpus(dataset=str(tmp_path / "one"))).documents)
    with pytest.raises(ValueError, match=r"(one|split) is a folder of save_to_disk: give it alone as corpus\.path"):
        open_corpus(FilesCorpus(path=str(tmp_path)))
    (tmp_path / "one" / "data-00000-of-00001.arrow").write_bytes(b"cut")
    with pytest.raises(ValueError, match=r"one can't be read: "):
        list(open_corpus(FilesCorpus(path=str(tmp_path / "one"))).documents)


def test_texts_are_documents_named_by_their_paths(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("b.txt", "a/deep/c.md", ".git/x.txt", "a/picture.png", "a/.DS_Store"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(f"\N{BYTE ORDER MARK}# {name}\r\n\r\n  Text. More.\r\n".encode())
    (tmp_path / "a" / "z.txt.gz").write_bytes(gzip.compress(b"Z.\n"))
    with caplog.at_level(logging.WARNING, "whence"):
        corpus = open_corpus(FilesCorpus(path=str(tmp_path)))
    assert [record.message for record in caplog.records] == [f"files: not read in {tmp_path}: a/picture.png"]
    assert [(d.id, d.text) for d in corpus.documents] == [
        ("a/deep/c.md", "# a/deep/c.md\n\n  Text. More.\n"),
        ("a/z.txt.gz", "Z.\n"),
        ("b.txt", "# b.txt\n\n  Text. More.\n"),
    ]
    one = open_corpus(FilesCorpus(path=str(tmp_path / "b.txt"), id_column="key", text_column="body"))
    assert [d.id for d in one.documents] == ["b.txt"]
    some = open_corpus(FilesCorpus(path=str(tmp_path / "*" / "**" / "*.md")))
    assert [d.id for d in some.documents] == ["a/deep/c.md"]


def test_formats_of_one_folder_are_all_read_or_refused(tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "1.jsonl").write_text('{"id": 1, "text": "One."}\n')
    (tmp_path / "2.csv").write_text("id,text\n2,Two.\n")
    (tmp_path / "3.json").write_text('{"id": 3, "text": "Three."}')
    assert [d.id for d in open_corpus(FilesCorpus(path=str(tmp_path))).documents] == ["2", "3", "1"]
    (tmp_path / "README.md").write_text("What this is.")
    with pytest.raises(ValueError, match=r"2\.csv is a table of documents and .*README\.md a document; narrow corpus"):
        open_corpus(FilesCorpus(path=str(tmp_path)))
    (tmp_path / "data.zip").write_bytes(b"")
    with pytest.raises(ValueError, match=r"data\.zip is none of \.jsonl, .*; convert it or narrow corpus\.path"):
        open_corpus(FilesCorpus(path=str(tmp_path / "*")))


SQUAD = {"version": "2.0", "data": [{"title": "T", "paragraphs": [{"context": "C.", "qas": []}]}]}
NESTED = "[" * 100_000
LONG = "1" * 5000


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("c.json", json.dumps(SQUAD), r"c\.json, record 1: a question set in SQuAD's form"),
        ("c.json", '[{"id": "a", "text": "T."},\n{"id": "b",]', r"c\.json, line 2: not JSON"),
        ("c.json", '[{"id": "a", "text": "T."}, 3]', r"c\.json, record 2: expected a JSON object, not 3"),
        ("c.json", NESTED, r"c\.json: JSON that can't be read"),
        ("c.json", f'{{"id": {LONG}}}', r"c\.json: JSON that can't be read"),
        ("c.jsonl", NESTED, r"c\.jsonl, line 1: lists or objects are nested too deep"),
        ("c.jsonl", f'{{"id": {LONG}}}', r"c\.jsonl, line 1: Exceeds the limit"),
        ("c.csv", "id,text\n1,One.\n2\n", r"c\.csv, line 3: 1 fields, where line 1 names 2"),
        ("c.csv", 'id,text\n1,"One.\n\n2,Two.\n', r"c\.csv, line 2: not a row of a table \(unexpected end of data\)"),
        ("c.csv", "id,id\n1,One.\n", r"c\.csv, line 1: two columns have one name"),
        ("c.csv", "id,body\n1,One.\n", r"c\.csv, line 2: there is no column 'text'; .* \(id_column"),
        ("c.txt", b"\xff\xfe\x00", r"c\.txt, line 1: not UTF-8 text \(byte 0xff\); convert the file"),
        ("c.csv", b"id,text\n" + b"1,One.\n" * 9999 + b"2,\xfc\n", r"c\.csv, line 10001: not UTF-8 text \(byte 0xfc\)"),
        ("c.jsonl.gz", gzip.compress(b'\n{"id": "\xff"}', mtime=0), r"c\.jsonl\.gz, line 2: not UTF-8 text"),
        ("c.jsonl.gz", LINES, r"c\.jsonl\.gz can't be read: Not a gzipped file"),
        ("c.jsonl.gz", FORMS["c.jsonl.gz"][:-9], r"c\.jsonl\.gz can't be read: Compressed file ended"),
        ("c.jsonl.zst", FORMS["c.jsonl.zst"][:-9], r"c\.jsonl\.zst can't be read: Truncated"),
        ("c.parquet", "PAR1 no", r"c\.parquet: not a whole Parquet file"),
        ("c.parquet", "", r"c\.parquet: not a whole Parquet file"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises((ValueError, OSError), match=message) as error:
        list(open_corpus(FilesCorpus(path=str(tmp_path / name))).documents)
    assert "\n" not in str(error.value)


def test_a_parquet_file_that_is_cut_short_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["a"], "text": ["T."]}), tmp_path / "c.parquet")
    (tmp_path / "c.parquet").write_bytes((tmp_path / "c.parquet").read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"c\.parquet: not a whole Parquet file"):
        list(open_corpus(FilesCorpus(path=str(tmp_path / "c.parquet"))).documents)


def read_one(tmp_path: Path, row: dict[str, Any], **config: Any) -> Document:
    (tmp_path / "c.jsonl").write_text(json.dumps({"id": "a", "text": "T."} | row))
    (document,) = open_corpus(FilesCorpus(path=str(tmp_path / "c.jsonl"), **config)).documents
    return document


def test_nested_columns(tmp_path: Path) -> None:
    row = {"meta": {"id": "m", "a": {"b": "Deep. Text."}}, "flat.name": "S"}
    document = read_one(tmp_path, row, id_column="meta.id", text_column="meta.a.b", source_column="flat.name")
    assert document == Document("m", (("Deep.",), ("Text.",)), "S")
    with pytest.raises(ValueError, match=r"line 1: there is no column 'meta\.no'; .* 'meta\.id', 'meta\.a', 'flat"):
        read_one(tmp_path, row, id_column="meta.no")
    with pytest.raises(ValueError, match=r"two of corpus\.metadata_columns would be kept as 'id'"):
        read_one(tmp_path, row, metadata_columns=["id", "meta.id"])


@pytest.mark.parametrize(
    ("row", "kept"),
    [
        ({"reliability": 0.5, "untagged": True}, {"reliability": 0.5, "untagged": True}),
        ({"reliability": "0.5", "untagged": "false"}, {"reliability": 0.5, "untagged": False}),  # as CSV has them
        ({"reliability": "", "untagged": "True"}, {"reliability": None, "untagged": True}),
        ({"reliability": True}, '"reliability" must be a number or null, not true'),
        ({"reliability": "high"}, '"reliability" must be a number or null, not "high"'),
        ({"reliability": 7}, r'"reliability" is 7, outside \[0, 1\]'),
        ({"untagged": "no"}, '"untagged" must be true or false, not "no"'),
        ({"url": {"host": "h"}}, '"url" must be a string'),
    ],
)
def test_what_tags_depend_on_is_of_its_type(tmp_path: Path, row: dict[str, Any], kept: dict[str, Any] | str) -> None:
    if isinstance(kept, dict):
        assert read_one(tmp_path, row, metadata_columns=list(row)).metadata == kept
        return
    with pytest.raises(ValueError, match=rf"c\.jsonl, line 1: document 'a': {kept}"):
        read_one(tmp_path, row, metadata_columns=list(row))


def test_lists_of_sentences_keep_their_lines(tmp_path: Path) -> None:
    document = read_one(tmp_path, {"text": ["def f():\n", "    return 1\n", " ", "One. Two. ", "Three."]})
    assert document.text == "def f():\n    return 1\nOne. Two. Three."
    assert len(document.sentences) == 4
