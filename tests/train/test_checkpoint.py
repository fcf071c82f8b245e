"""Checkpoints come back exactly, or are refused by name; a failure while writing harms no earlier one."""

import os
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from train.checkpoint import (
    MANIFEST,
    STATE,
    TENSORS,
    CheckpointError,
    WholeCheckpointIO,
    latest_checkpoint,
    read_checkpoint,
    remove_all_but,
    write_checkpoint,
)

ROOT = Path(__file__).parents[2]

SHARED = torch.arange(12.0)
VALUE: dict[str, Any] = {
    "state": {0: {"step": torch.tensor(3.0)}, 1: {"step": torch.tensor(4.0)}, "1": {"step": torch.tensor(5.0)}},
    "a/b": torch.tensor([1]),
    "a": {"b": torch.tensor([2]), "$tensor": "not one", "$dict": []},
    "tuple": (1, (2.5, None), [True, "x"]),
    "list": [(), [], {}],
    "odd floats": [float("inf"), 1e-300, 0.1, -0.0],
    "big": 2**70,
    "text": 'quote " and ünd\u2028',
    "tied": [SHARED, SHARED, SHARED[3:9], SHARED.view(3, 4).T],
    "kinds": [torch.ones(2, dtype=t) for t in (torch.float64, torch.bfloat16, torch.int64, torch.uint8, torch.bool)],
    "empty": torch.zeros(0, 3),
    "parameter": torch.nn.Parameter(torch.ones(2)),
}


def same(left: Any, right: Any) -> bool:
    if isinstance(left, torch.Tensor):
        return isinstance(right, torch.Tensor) and left.dtype == right.dtype and torch.equal(left.detach(), right)
    if isinstance(left, dict):
        return type(right) is dict and list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple):
        return type(left) is type(right) and len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and left == right


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_checkpoint(VALUE, tmp_path / "step=1")
    assert same(VALUE, read_checkpoint(tmp_path / "step=1"))
    assert sorted(os.listdir(tmp_path)) == ["step=1"]
    assert sorted(os.listdir(tmp_path / "step=1")) == [MANIFEST, STATE, TENSORS]


LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
LEAVES |= st.lists(st.integers(0, 9), max_size=3).map(lambda numbers: torch.tensor(numbers, dtype=torch.int64))
PLAIN = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text("a/1$", max_size=3) | st.integers(-1, 3), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=40)
@given(value=PLAIN)
def test_any_plain_data_is_read_as_written(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    path = tmp_path_factory.mktemp("any") / "step=0"
    write_checkpoint({"value": value}, path)
    assert same({"value": value}, read_checkpoint(path))


def test_a_checkpoint_replaces_its_namesake(tmp_path: Path) -> None:
    io = WholeCheckpointIO()
    for number in (1, 2):
        io.save_checkpoint({"number": number}, str(tmp_path / "step=1"))
    assert io.load_checkpoint(str(tmp_path / "step=1")) == {"number": 2}
    assert os.listdir(tmp_path) == ["step=1"]
    io.remove_checkpoint(str(tmp_path / "step=1"))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", [TENSORS, STATE, MANIFEST])
@pytest.mark.parametrize("how", ["flip", "high bit", "cut", "empty", "gone"])
def test_damage_is_named_and_the_one_before_is_taken(tmp_path: Path, name: str, how: str) -> None:
    for step in (9, 10, 100):
        write_checkpoint({"step": step, "weights": torch.arange(step)}, tmp_path / f"step={step}")
    file = tmp_path / "step=100" / name
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    if how in ("flip", "high bit"):
        content[middle] ^= 1 if how == "flip" else 128
    file.write_bytes({"cut": content[:middle], "empty": b""}.get(how, bytes(content)))
    if how == "gone":
        file.unlink()
    with pytest.raises(CheckpointError, match="step=100"):
        read_checkpoint(tmp_path / "step=100")
    said: list[str] = []
    assert latest_checkpoint(tmp_path, said.append) == tmp_path / "step=10"
    assert len(said) == 1
    assert "step=100" in said[0]
    assert "trying the one before" in said[0]


def test_every_flipped_byte_is_noticed(tmp_path: Path) -> None:
    write_checkpoint({"x": torch.arange(3), "n": [1, "two"]}, tmp_path / "step=1")
    for name in (TENSORS, STATE, MANIFEST):
        file = tmp_path / "step=1" / name
        whole = file.read_bytes()
        for place in range(len(whole)):
            file.write_bytes(whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :])
            with pytest.raises(CheckpointError, match="step=1"):
                read_checkpoint(tmp_path / "step=1")
        file.write_bytes(whole)
    read_checkpoint(tmp_path / "step=1")


def test_the_latest_is_by_number_and_partial_ones_are_none(tmp_path: Path) -> None:
    said: list[str] = []
    assert latest_checkpoint(tmp_path, said.append) is None
    write_checkpoint({}, tmp_path / "step=9")
    write_checkpoint({}, tmp_path / "step=10")
    (tmp_path / ".step=11.partial").mkdir()
    (tmp_path / "step=12.mine").mkdir()
    assert latest_checkpoint(tmp_path, said.append) == tmp_path / "step=10"
    assert said == []
    assert sorted(os.listdir(tmp_path)) == ["step=10", "step=12.mine", "step=9"]


def test_all_but_the_newest_are_removed(tmp_path: Path) -> None:
    for step in (9, 10, 100):
        write_checkpoint({}, tmp_path / f"step={step}")
    (tmp_path / "best").mkdir()
    remove_all_but(2, tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["best", "step=10", "step=100"]
    remove_all_but(1, tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["best", "step=100"]


DYING = """
import os, signal, sys
from pathlib import Path
from train.checkpoint import write_checkpoint
rename = Path.rename
def dying(self, target):
    if self.name.endswith(".partial"):
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(self, target)
Path.rename = dying
write_checkpoint({"n": 2}, Path(sys.argv[1]))
"""


@pytest.mark.parametrize("folder", [".", "best"])
def test_a_kill_between_the_renames_is_made_good(tmp_path: Path, folder: str) -> None:
    """In a process that really dies there: the checkpoint that was moved away comes back, wherever it stands."""
    path = tmp_path / folder / "step=1"
    write_checkpoint({"n": 1}, path)
    assert subprocess.run([sys.executable, "-c", DYING, str(path)], cwd=ROOT).returncode == -9
    assert sorted(os.listdir(path.parent)) == [".step=1.old", ".step=1.partial"]
    latest_checkpoint(tmp_path, pytest.fail)
    assert os.listdir(path.parent) == ["step=1"]
    assert read_checkpoint(path) == {"n": 1}


class Full(OSError):
    pass


@pytest.mark.parametrize("fails_at", [0, 1, 2, 3])
@pytest.mark.parametrize("name", ["step=1", "step=2"])
def test_a_failure_while_writing_leaves_the_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int, name: str
) -> None:
    write_checkpoint({"x": torch.ones(3)}, tmp_path / "step=1")
    synced: list[int] = []

    def fail(handle: int) -> None:
        synced.append(handle)
        if len(synced) > fails_at:
            raise Full("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(CheckpointError, match=f"{tmp_path / name} can't be written .no space left.; those before"):
            write_checkpoint({"x": torch.zeros(3)}, tmp_path / name)
    assert os.listdir(tmp_path) == ["step=1"]
    assert read_checkpoint(tmp_path / "step=1")["x"].tolist() == [1, 1, 1]


def test_an_interruption_between_the_renames_puts_the_earlier_one_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_checkpoint({"n": 1}, tmp_path / "step=1")
    rename = Path.rename

    def interrupted(self: Path, target: Path) -> Path:
        if self.name.endswith(".partial"):
            raise KeyboardInterrupt
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_checkpoint({"n": 2}, tmp_path / "step=1")
    assert os.listdir(tmp_path) == ["step=1"]
    assert read_checkpoint(tmp_path / "step=1") == {"n": 1}


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"a": {"b": [1, object()]}}, "/a/b/1 of the checkpoint is a object"),
        ({"a": np.float64(1.0)}, "/a of the checkpoint is a float64"),
        ({"a": (lambda: 1,)}, "/a/0 of the checkpoint is a function"),
        ({"a": {1, 2}}, "/a of the checkpoint is a set"),
        ({"a": {(1, 2): 3}}, r"/a of the checkpoint has the key \(1, 2\)"),
    ],
)
def test_what_is_not_plain_data_is_refused_by_place(tmp_path: Path, value: dict[str, Any], place: str) -> None:
    write_checkpoint({"n": 1}, tmp_path / "step=1")
    with pytest.raises(TypeError, match=place):
        write_checkpoint(value, tmp_path / "step=1")
    assert os.listdir(tmp_path) == ["step=1"]
    assert read_checkpoint(tmp_path / "step=1") == {"n": 1}


def test_dictionaries_of_any_kind_are_plain_when_read(tmp_path: Path) -> None:
    write_checkpoint({"state_dict": OrderedDict(a=torch.ones(1))}, tmp_path / "step=1")
    assert type(read_checkpoint(tmp_path / "step=1")["state_dict"]) is dict
