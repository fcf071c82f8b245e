"""Files by path or by any url that fsspec knows: `s3://`, `gs://`, `https://`, `file://`, `memory://` ..."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO, cast

import fsspec  # type: ignore[import-untyped]


def fetch(where: str) -> bytes:
    """The whole content of a file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a kind of url that is unknown, or whose library is not installed; the message names it.
        OSError: the file can't be read.
    """
    if "://" not in where:
        return Path(where).read_bytes()
    try:
        with fsspec.open(where, "rb") as file:
            content: bytes = file.read()
            return content
    except (ImportError, ValueError) as error:
        raise ValueError(f"{where} can't be opened: {error}") from None


COMPRESSED = (".gz", ".zst")


@contextmanager
def open_text(path: str | os.PathLike[str], newline: str | None = None) -> Iterator[TextIO]:
    """UTF-8 text of a local file, decompressed where its name ends in one of `COMPRESSED`, without a byte order mark.

    Args:
        newline: as `open` takes it; line ends of all systems are read as one character unless it is given.

    Raises:
        OSError: it can't be read, or ends too early or is none where it should be compressed; the message names it.
        ValueError: it is not UTF-8; the message names it, and the line.
    """
    with open(path, "rb") as raw:
        try:
            with io.TextIOWrapper(_decompressed(raw, Path(path)), "utf-8-sig", newline=newline) as text:
                yield text
        except (OSError, EOFError, zlib.error) as error:
            raise OSError(f"{path} can't be read: {error}") from None
        except UnicodeDecodeError:
            line, byte = _first_undecoded(Path(path))
            raise ValueError(
                f"{path}, line {line}: not UTF-8 text (byte 0x{byte:02x}); convert the file to UTF-8 (iconv does)"
            ) from None


def _first_undecoded(path: Path) -> tuple[int, int]:
    """The line, from 1, and the byte that is not UTF-8; a decoder of a stream counts from where its buffer began."""
    with open(path, "rb") as raw:
        for number, line in enumerate(_decompressed(raw, path), start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return number, line[error.start]
    raise AssertionError(f"{path} is UTF-8 text, line by line")


def _decompressed(file: BinaryIO, path: Path) -> BinaryIO:
    match path.suffix.lower():
        case ".gz":
            return cast(BinaryIO, gzip.GzipFile(fileobj=file))
        case ".zst":
            import pyarrow  # reads Zstandard without one more library; a quarter of a second to import

            return cast(BinaryIO, io.BufferedReader(pyarrow.CompressedInputStream(file, "zstd")))
    return file
