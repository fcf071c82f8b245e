"""A stage is made once, whoever asks for it at the same time, and nobody waits for a process that is gone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stages import Stage, write_json

ROOT = Path(__file__).parents[2]
MAKE = """
import os, sys, time
from pathlib import Path
from stages import Stage
root = Path(sys.argv[1])
def work(folder):
    with open(root / "made.txt", "a") as file:
        file.write(f"{os.getpid()}\\n")
    time.sleep(1.0)
    if not (root / "failed").exists():
        (root / "failed").touch()
        raise ValueError("the first one fails")
    return {}
Stage("prepare", {}, root).whole(work)
"""
WAIT = """
import os, sys, time
from pathlib import Path
from stages import Stage
root = Path(sys.argv[1])
if os.fork():
    time.sleep(60)
os.environ["LOCAL_RANK"] = "1"
(root / "waits").touch()
try:
    Stage("pretrain", {}, root).whole(lambda folder: {})
except OSError as error:
    (root / "said.txt").write_text(str(error))
"""


def python(code: str, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code, *arguments], cwd=ROOT, stderr=subprocess.DEVNULL)


def reached(path: Path) -> bool:
    deadline = time.monotonic() + 20
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return path.exists()


def test_who_waited_and_who_came_later_do_not_both_make_it(tmp_path: Path) -> None:
    """The first fails while a second waits; the second makes the stage, and a third that comes then waits in turn."""
    made = tmp_path / "made.txt"

    def makers() -> int:
        return len(made.read_text().split()) if made.exists() else 0

    first = python(MAKE, str(tmp_path))
    assert reached(made)
    second = python(MAKE, str(tmp_path))
    assert first.wait(60) == 1
    while makers() < 2:
        time.sleep(0.01)
    third = python(MAKE, str(tmp_path))
    assert [second.wait(60), third.wait(60)] == [0, 0]
    assert makers() == 2
    assert Stage("prepare", {}, tmp_path).done is not None
    assert not list(tmp_path.glob(".*"))


def test_a_rank_does_not_wait_for_a_first_process_that_is_gone(tmp_path: Path) -> None:
    first = python(WAIT, str(tmp_path))
    assert reached(tmp_path / "waits")
    time.sleep(0.5)
    first.kill()
    first.wait()
    assert reached(tmp_path / "said.txt")
    time.sleep(0.1)
    assert "the job ended before" in (tmp_path / "said.txt").read_text()


def test_a_failure_to_write_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "done.json.partial").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        write_json(tmp_path / "done.json", {"x": 1})
    assert os.listdir(tmp_path) == []
    write_json(tmp_path / "done.json", {"x": 1})
    assert json.loads((tmp_path / "done.json").read_text()) == {"x": 1}
