"""Checkpoints that are whole or absent, and that can't execute anything.

A checkpoint is a directory: `tensors.safetensors`, `state.json` (everything that is not a tensor) and `manifest.json`
with the SHA-256 of both, written last. It is made under a temporary name beside its place, flushed to disk and renamed,
so that a kill or a full disk leaves the previous checkpoints as they were.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, contiguous_format

from data.atomic import atomic_folder, settle

TENSORS, STATE, MANIFEST = "tensors.safetensors", "state.json", "manifest.json"


class CheckpointError(ValueError):
    """A checkpoint that is damaged, or not one, or that can't be written."""


class WholeCheckpointIO(CheckpointIO):
    """Lightning's checkpoint dictionary to and from a checkpoint directory."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        write_checkpoint(checkpoint, Path(path))

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        return read_checkpoint(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        shutil.rmtree(path, ignore_errors=True)


def write_checkpoint(checkpoint: dict[str, Any], path: Path) -> None:
    """Write `checkpoint` to the directory `path`, replacing what is there only when all of it is on disk.

    Raises TypeError, naming the place, for a value that is neither a tensor nor plain data; CheckpointError when it
    can't be written, on a full disk for one. What was at `path` is then still there.
    """
    try:
        with atomic_folder(path, flush=True) as partial:
            tensors: dict[str, Tensor] = {}
            state = _flatten(checkpoint, "", tensors)
            # Copied, because safetensors refuses aliases (tied weights are) and anything that is not contiguous.
            copies = {k: v.detach().cpu().clone(memory_format=contiguous_format) for k, v in tensors.items()}
            save_file(copies, partial / TENSORS)
            (partial / STATE).write_text(json.dumps(state), encoding="utf-8")
            (partial / TENSORS).chmod((partial / STATE).stat().st_mode)  # safetensors lets nobody else read it
            sums = {name: hashlib.sha256((partial / name).read_bytes()).hexdigest() for name in (TENSORS, STATE)}
            (partial / MANIFEST).write_text(json.dumps({"sha256": sums}), encoding="utf-8")
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"checkpoint {path} can't be written ({error}); those before it are kept") from None


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The dictionary that `write_checkpoint` wrote. Raises CheckpointError, naming the file, when it is damaged."""
    try:
        sums = json.loads((path / MANIFEST).read_text(encoding="utf-8"))["sha256"]
        for name in (TENSORS, STATE):
            if hashlib.sha256((path / name).read_bytes()).hexdigest() != sums[name]:
                raise CheckpointError(f"{path / name} is damaged: its checksum is not that of its manifest")
        tensors = load_file(path / TENSORS)
        return _restore(json.loads((path / STATE).read_text(encoding="utf-8")), tensors)
    except CheckpointError:
        raise
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} is not a whole checkpoint: {error}") from error


def latest_checkpoint(folder: Path, say: Callable[[str], None]) -> Path | None:
    """The newest checkpoint (by step) in `folder` that is undamaged; each damaged one is reported to `say`."""
    _clean(folder)
    for path in _newest_first(folder):
        try:
            read_checkpoint(path)
            return path
        except CheckpointError as error:
            say(f"{error}; trying the one before")
    return None


def step_of(path: Path) -> int:
    """Of a checkpoint of `latest_checkpoint`, how many steps it has."""
    return int(path.name.removeprefix("step="))


def remove_all_but(keep: int, folder: Path) -> None:
    """Remove the checkpoints in `folder` but for the `keep` newest (by step)."""
    for path in _newest_first(folder)[keep:]:
        shutil.rmtree(path, ignore_errors=True)


def _newest_first(folder: Path) -> list[Path]:
    numbered = (path for path in folder.glob("step=*") if path.name[5:].isdecimal())
    return sorted(numbered, key=step_of, reverse=True)


def _clean(folder: Path) -> None:
    """Finish or undo what a run killed while it wrote or replaced a checkpoint; several ranks may do so at once."""
    for left in [*folder.glob(".step=*"), *folder.glob("best/.step=*")]:
        settle(left.with_name(left.stem[1:]))


def _flatten(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """Plain JSON, with tensors moved to `tensors` and what JSON can't say marked by one-key objects."""
    if isinstance(value, Tensor):
        unique = f"{len(tensors)}{name}"  # "a/b" may be one key or two
        tensors[unique] = value
        return {"$tensor": unique}
    if value is None or isinstance(value, bool | str) or type(value) in (int, float):
        return value
    if isinstance(value, dict):
        if odd := [k for k in value if type(k) not in (str, int)]:
            raise TypeError(f"{name} of the checkpoint has the key {odd[0]!r}, which is neither text nor an integer")
        return {"$dict": [[k, _flatten(v, f"{name}/{k}", tensors)] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        items = [_flatten(v, f"{name}/{i}", tensors) for i, v in enumerate(value)]
        return {"$tuple": items} if isinstance(value, tuple) else items
    raise TypeError(f"{name} of the checkpoint is a {type(value).__name__}, which is not plain data")


def _restore(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_restore(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "$tensor":
        return tensors[content]
    if kind == "$tuple":
        return tuple(_restore(item, tensors) for item in content)
    return {key: _restore(item, tensors) for key, item in content}
