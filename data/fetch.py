"""Files by path or by any url that fsspec knows: `s3://`, `gs://`, `https://`, `file://`, `memory://` ..."""

from __future__ import annotations

from pathlib import Path

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
