"""BIG-bench's task form: read as it reads it, written so that it reads the same, and refused where it is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from data.records import RecordError
from eval.grading.big_bench import Example, Task, read_task, write_task

EXAMPLE = {"input": "Where?", "target_scores": {"Oslo": 1, "Lima": 0}}


def written(folder: Path, **keys: Any) -> Path:
    path = folder / "task.json"
    path.write_text(json.dumps({"name": "t", "description": "d", "examples": [EXAMPLE]} | keys))
    return path


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    task = Task("t", "what", (Example("Ada Moss works in", {"Oslo.": True, "Lima.": False}, "Ada Moss"),), ("k",))
    write_task(tmp_path / "t.json", task)
    assert read_task(tmp_path / "t.json") == task
    raw = json.loads((tmp_path / "t.json").read_text())
    assert raw["examples"][0]["target_scores"] == {"Oslo.": 1, "Lima.": 0}
    assert raw["metrics"] == ["multiple_choice_grade"] and raw["append_choices_to_input"] is False


def test_a_file_without_more_is_read_with_big_benchs_own_prefixes(tmp_path: Path) -> None:
    (example,) = read_task(written(tmp_path)).examples
    assert example.input == "\nQ: Where?\n  choice: Oslo\n  choice: Lima\nA: "
    assert example.continuations == ["Oslo", "Lima"]  # the space stands before them
    (bare,) = read_task(
        written(tmp_path, example_input_prefix="", example_output_prefix="", append_choices_to_input=False)
    ).examples
    assert bare.input == "Where?" and bare.continuations == [" Oslo", " Lima"]
    (prefixed,) = read_task(written(tmp_path, task_prefix="Hear.", append_choices_to_input=False)).examples
    assert prefixed.input == "Hear.\nQ: Where?\nA: "


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"examples": []}, '"examples" has none'),
        ({"examples": [EXAMPLE, {"input": "x"}]}, r'examples\[1\]: "target_scores" must give each choice 0 or 1'),
        ({"examples": [{"input": "x", "target_scores": {"a": 0.5, "b": 0}}]}, "0 or 1"),
        ({"examples": [{"input": "x", "target_scores": {"a": 0, "b": 0}}]}, "one of them right"),
        ({"name": ""}, '"name"'),
    ],
)
def test_what_is_wrong_is_said_with_its_file(tmp_path: Path, keys: dict[str, Any], said: str) -> None:
    with pytest.raises(RecordError, match=said) as raised:
        read_task(written(tmp_path, **keys))
    assert "task.json" in str(raised.value)
    (tmp_path / "no.json").write_text("{")
    with pytest.raises(RecordError, match=r"no\.json: not JSON"):
        read_task(tmp_path / "no.json")
