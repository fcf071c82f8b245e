"""A finished stage is what was written, or it is made anew; what runs use stays, and what no run uses can go."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages import Stage, announced, file_digest
from stages.__main__ import main
from stages.record import DONE, digests, faults, write_record
from stages.stage import stage_lock
from stages.uses import forget_begun, publish_uses

Damage = Callable[[Path], object]


def work(folder: Path) -> dict[str, Any]:
    (folder / "model").mkdir(exist_ok=True)
    (folder / "model" / "weights").write_bytes(bytes(range(100)))
    (folder / "metrics.jsonl").write_text('{"step": 1}\n')
    return {"seconds": 1.0, "lost": float("nan")}


def flip(path: Path) -> None:
    """One bit, with size and time as they were, as a copy of a damaged disk has it."""
    stat = path.stat()
    content = bytearray(path.read_bytes())
    content[50 % len(content)] ^= 1
    other = path.with_name("other")
    other.write_bytes(content)
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.replace(path)


DAMAGES: dict[str, Damage] = {
    "model/weights is 99 bytes long, not 100": lambda f: os.truncate(f / "model" / "weights", 99),
    "model/weights is changed": lambda f: flip(f / "model" / "weights"),
    "metrics.jsonl is missing, and 1 more": lambda f: [shutil.rmtree(f / "model"), (f / "metrics.jsonl").unlink()],
    "metrics.jsonl is changed": lambda f: flip(f / "metrics.jsonl"),
    "done.json is not as it was written": lambda f: (f / DONE).write_text((f / DONE).read_text().replace("1.0", "2.0")),
    "done.json is not JSON": lambda f: os.truncate(f / DONE, 40),
    "done.json is not as": lambda f: (f / DONE).write_text("[]"),
}


@pytest.mark.parametrize("way", ["whole", "continued"])
@pytest.mark.parametrize("said", DAMAGES)
def test_a_damaged_stage_is_named_and_made_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, way: str, said: str
) -> None:
    stage = Stage("pretrain", {}, tmp_path / "stages", tmp_path / "run")
    made: list[Path] = []

    def counted(folder: Path) -> dict[str, Any]:
        made.append(folder)
        return work(folder)

    def go() -> dict[str, Any]:
        return announced(stage, getattr(stage, way), counted)

    with caplog.at_level(logging.INFO, logger="whence"):
        assert go()["seconds"] >= 0
        before = digests(stage.folder)
        go()
        assert len(made) == 1
        assert " is damaged: " not in caplog.text
        DAMAGES[said](stage.folder)
        assert stage.done is None
        go()
    assert f"{stage.folder} is damaged: {said}" in caplog.text
    assert len(made) == 2
    assert stage.done is not None
    assert digests(stage.folder) == before
    assert sorted(os.listdir(stage.root)) == [stage.folder.name]


def test_only_the_export_is_made_again_where_only_it_is_damaged(tmp_path: Path) -> None:
    """The checkpoints of a finished training are there to go on from."""
    stage = Stage("pretrain", {}, tmp_path)

    def training(folder: Path) -> dict[str, Any]:
        (folder / "checkpoints").mkdir(exist_ok=True)
        (folder / "checkpoints" / "steps").open("a").write("x")
        return work(folder)

    stage.continued(training)
    assert not [name for name in (stage.done or {})["files"] if name.startswith("checkpoints")]
    os.truncate(stage.folder / "model" / "weights", 3)
    stage.continued(training)
    assert (stage.folder / "checkpoints" / "steps").read_text() == "xx"
    flip(stage.folder / "metrics.jsonl")
    stage.continued(training)
    assert (stage.folder / "checkpoints" / "steps").read_text() == "x"


def test_what_is_not_read_may_change_and_go(tmp_path: Path) -> None:
    stage = Stage("pretrain", {}, tmp_path)
    for name in ("checkpoints", "tensorboard"):
        (stage.folder / name).mkdir(parents=True)
        (stage.folder / name / "x").write_text("x")
    stage.continued(work)
    (stage.folder / "checkpoints" / "x").write_text("y")
    shutil.rmtree(stage.folder / "tensorboard")
    (stage.folder / "notes.txt").write_text("mine")
    assert stage.done is not None


def test_known_digests_spare_reading_and_each_file_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shard").write_bytes(b"1")
    (tmp_path / "other").write_bytes(b"2")
    read: list[str] = []

    def digest(path: Path) -> str:
        read.append(path.name)
        return file_digest(path)

    monkeypatch.setattr("stages.record.file_digest", digest)
    write_record(tmp_path, {}, digests(tmp_path, {"shard": file_digest(tmp_path / "shard")}))
    assert faults(tmp_path) == {}
    assert read == ["other"]
    os.utime(tmp_path / "shard", ns=(0, 0))
    assert faults(tmp_path) == {}
    assert read == ["other", "shard"]


def runs(folder: Path) -> tuple[Stage, Stage, Stage, Stage]:
    """A finished run, one that was stopped, one elsewhere, and a stage whose run is gone; what failed left, too."""
    root = folder / "runs" / "stages"
    places = [folder / "runs/a", folder / "runs/sweep/b", folder / "far/c", folder / "runs/gone"]
    stages = [Stage("prepare", {"n": n}, root, run) for n, run in enumerate(places)]
    for stage in stages:
        stage.whole(work)
    publish_uses(folder / "runs/a", {"prepare": stages[0].folder})
    shutil.rmtree(folder / "runs/gone")
    (folder / "runs/failed/inner").mkdir(parents=True)
    (root / ".tune-0123456789ab.partial").mkdir()
    (root / "cache").mkdir()
    return (stages[0], stages[1], stages[2], stages[3])


def test_list_says_who_uses_what(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stages = runs(tmp_path)
    assert main(["list", "--runs", str(tmp_path / "runs")]) == 0
    *lines, total = capsys.readouterr().out.splitlines()
    said = {line.split()[0]: line.split("min  ")[1] for line in lines}
    users = [str(tmp_path / "runs/a"), str(tmp_path / "runs/sweep/b"), str(tmp_path / "far/c"), "used by no run"]
    assert said == {stage.folder.name: user for stage, user in zip(stages, users, strict=True)}
    assert total.startswith("4 stages of")


def test_clean_removes_what_no_run_uses_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stages, where = runs(tmp_path), ("--runs", str(tmp_path / "runs"))
    before = sorted(tmp_path.rglob("*"))
    assert main(["clean", "--dry-run", *where]) == 0
    assert capsys.readouterr().out.count(str(tmp_path)) == 4
    assert main(["clean", *where]) == 2  # nobody to ask
    assert "--yes" in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before
    with stage_lock(stages[3].folder):  # it is being made or used just now
        assert main(["clean", "--yes", *where]) == 0
    assert stages[3].done is not None
    assert main(["clean", "--yes", *where]) == 0
    assert [stage.done is not None for stage in stages] == [True, True, True, False]
    assert sorted(os.listdir(tmp_path / "runs")) == ["a", "stages", "sweep"]
    kept = {stage.folder.name for stage in stages[:3]}
    assert set(os.listdir(tmp_path / "runs/stages")) == kept | {"cache", "runs.txt"}
    shutil.rmtree(tmp_path / "far")
    capsys.readouterr()
    assert main(["clean", "--yes", *where]) == 0
    assert stages[2].done is None
    assert main(["clean", *where]) == 0
    assert "nothing to remove" in capsys.readouterr().out


def test_a_run_that_begins_while_the_user_is_asked_keeps_its_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = runs(tmp_path)

    def asked() -> bool:
        stages[3].whole(work)
        return True

    monkeypatch.setattr("stages.__main__._agreed", asked)
    assert main(["clean", "--runs", str(tmp_path / "runs")]) == 0
    assert stages[3].done is not None


def test_folders_that_are_no_stages_are_never_removed(tmp_path: Path) -> None:
    for name in ("my-project", "notes-0123456789xy", ".cache-x.old"):
        (tmp_path / name).mkdir()
    assert main(["clean", "--yes", "--runs", str(tmp_path / "none"), "--stages", str(tmp_path)]) == 0
    assert len(os.listdir(tmp_path)) == 3


def test_verify_names_what_is_damaged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stages, where = runs(tmp_path), ("--runs", str(tmp_path / "runs"))
    assert main(["verify", *where]) == 0
    assert capsys.readouterr().out.count(": whole") == 4
    flip(stages[1].folder / "model" / "weights")
    assert main(["verify", *where]) == 1
    assert f"{stages[1].folder}: DAMAGED, model/weights is changed" in capsys.readouterr().out
    assert main(["verify", str(tmp_path / "runs/a"), *where]) == 0
    assert main(["verify", str(tmp_path / "runs/sweep/b"), *where]) == 1
    capsys.readouterr()
    assert main(["verify", str(tmp_path / "runs/none"), *where]) == 2
    assert main(["list", "--runs", str(tmp_path / "nowhere")]) == 2
    assert "is no folder of stages" in capsys.readouterr().err


def test_stages_of_an_earlier_run_in_the_same_directory_are_let_go(tmp_path: Path) -> None:
    run, root = tmp_path / "runs" / "a", tmp_path / "runs" / "stages"
    first, second = (Stage("prepare", {"n": n}, root, run) for n in (1, 2))
    first.whole(work)
    publish_uses(run, {"prepare": first.folder, "tune": first.folder})
    second.whole(work)  # begun: until it is finished, the results of the first stand, on what they were made from
    assert (run / "prepare").resolve() == first.folder
    assert main(["clean", "--yes", "--runs", str(tmp_path / "runs")]) == 0
    assert first.done is not None and second.done is not None
    publish_uses(run, {"prepare": second.folder})
    forget_begun(run)
    assert os.listdir(run) == ["prepare"]
    assert main(["clean", "--yes", "--runs", str(tmp_path / "runs")]) == 0
    assert first.done is None and second.done is not None


def test_records_are_json_that_anyone_can_check(tmp_path: Path) -> None:
    stage = Stage("prepare", {"n": 1}, tmp_path)
    stage.whole(work)
    record = json.loads((stage.folder / DONE).read_text())
    weights = stage.folder / "model" / "weights"
    assert record["files"]["model/weights"] == {"bytes": 100, "sha256": file_digest(weights)}
    assert record["settings"] == {"n": 1}
