"""The rows of any file that is read, by its kind."""

from __future__ import annotations

from data.fetch import open_text
from data.readers.folders import SAVED, TEXTS, File
from data.readers.json_files import read_json, read_json_lines
from data.readers.tables import Records, read_csv, read_parquet, read_saved


def read_file(file: File, split: str, name: str = "id", text: str = "text") -> Records:
    """The rows of a file with where each stands. Raises ValueError naming what can't be read.

    Args:
        split: of a folder of save_to_disk that has several.
        name, text: the columns that a text file's name and content are put in.
    """
    match file.kind:
        case ".jsonl" | ".ndjson":
            return read_json_lines(file.path)
        case ".json":
            return read_json(file.path)
        case ".csv":
            return read_csv(file.path)
        case ".tsv":
            return read_csv(file.path, "\t")
        case ".parquet":
            return read_parquet(file.path)
        case kind if kind == SAVED:
            return read_saved(file.path, split)
        case kind if kind in TEXTS:
            with open_text(file.path) as content:
                return iter([(str(file.path), {name: file.name, text: content.read()})])
    raise AssertionError(f"{file} is of no kind that is read")
