"""Records in tables: CSV and TSV, Parquet, folders that `save_to_disk` wrote, and data sets of the Hugging Face hub."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data.fetch import open_text

Records = Iterator[tuple[str, dict[str, Any]]]  # where each stands, for messages, and its columns
AT_ONCE = 1024  # rows of a Parquet file; a whole row group may hold gigabytes of text


def read_csv(path: Path, delimiter: str = ",") -> Records:
    """The rows of a CSV file, whose first line names the columns; all values are strings, as they are written.

    Raises ValueError naming the file and the line where a row begins that has more or fewer fields, or quotes amiss.
    """
    csv.field_size_limit(sys.maxsize)  # a text may be long
    with open_text(path, newline="") as file:
        rows = csv.reader(file, delimiter=delimiter, strict=True)
        number = 1
        try:
            header = next(rows, [])
            if len(set(header)) < len(header):
                raise ValueError(f"{path}, line 1: two columns have one name: {', '.join(map(repr, header))}")
            number = rows.line_num + 1
            for row in rows:
                if row and len(row) != len(header):
                    raise ValueError(f"{path}, line {number}: {len(row)} fields, where line 1 names {len(header)}")
                if row:
                    yield f"{path}, line {number}", dict(zip(header, row, strict=True))
                number = rows.line_num + 1
        except csv.Error as error:
            raise ValueError(f"{path}, line {number}: not a row of a table ({error})") from None


def read_parquet(path: Path) -> Records:
    """The rows of a Parquet file. Raises ValueError naming the file when it is damaged or none."""
    import pyarrow  # a quarter of a second to import
    from pyarrow import parquet

    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=AT_ONCE):
                for values in batch.to_pylist():
                    number += 1
                    yield f"{path}, record {number}", values
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(f"{path}: not a whole Parquet file ({_line(error)})") from None


def is_saved(folder: Path) -> bool:
    """Whether `save_to_disk` of the library `datasets` wrote this folder."""
    return (folder / "dataset_dict.json").is_file() or all(
        (folder / name).is_file() for name in ("state.json", "dataset_info.json")
    )


def read_saved(folder: Path, split: str) -> Records:
    """The rows of a folder of `save_to_disk`, of one split where it has several. Raises ValueError naming it."""
    from datasets import Dataset, load_from_disk  # over a second to import

    try:
        found = load_from_disk(str(folder))
        if not isinstance(found, Dataset):
            if split not in found:
                raise ValueError(f"it has the splits {', '.join(found)}, not {split!r}: set corpus.dataset_split")
            found = found[split]
        for number, values in enumerate(found, start=1):
            yield f"{folder}, record {number}", values
    except (OSError, ValueError) as error:
        raise ValueError(f"{folder} can't be read: {_line(error)}") from None


def read_hub(name: str, configuration: str, split: str, revision: str) -> Records:
    """The rows of a data set of the hub, streamed."""
    from datasets import load_dataset  # over a second to import

    if is_saved(Path(name)):
        raise ValueError(f"corpus.dataset={name} is a folder of save_to_disk: give it as corpus.path")
    found = load_dataset(name, configuration or None, split=split, revision=revision, streaming=True)
    for number, values in enumerate(found, start=1):
        yield f"{name}, record {number}", values


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
