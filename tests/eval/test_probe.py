"""The command that studies a finished run: what it hands to a probe, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from data.pipeline.identifiers import IdsConfig, assign
from data.records import Question, write_jsonl
from eval import probe
from eval.answerers.lm_answerer import LMAnswerer
from eval.probes import Probe, Read
from tests.foreign import ASKED, DOCUMENTS


@pytest.fixture
def run(tmp_path: Path, documents, tokenizer, make_model, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory as far as the command looks into it, with two questions held out and two that are not."""
    where = [
        ("a", "never_tuned", "test"),
        ("b", "never_tuned", ""),
        ("c", "never_tuned", "dev"),
        ("d", "in_domain", ""),
    ]
    asked = [
        Question(name, f"Where was {name} born?", ("Oslo",), (f"doc-{n}",), "single", name, split, fold=fold)
        for n, (name, split, fold) in enumerate(where)
    ]
    tuned = Question("t", "Where was t born?", ("Oslo",), ("doc-9",), "single", "t", "tune")
    for stage, questions in (("answer", asked), ("prepare", [*asked, tuned])):
        (tmp_path / stage).mkdir()
        write_jsonl(tmp_path / stage / "questions.jsonl", questions)
    answerer = LMAnswerer(make_model(), tokenizer, assign(documents, tokenizer, IdsConfig()), forced=True)
    loaded = SimpleNamespace(answerer=answerer, made=SimpleNamespace(seed=5))
    monkeypatch.setattr("eval.load.load_run", lambda folder: loaded)
    monkeypatch.setattr("data.storage.shards.read_documents", lambda folder: iter(documents))
    return tmp_path


def test_a_probe_gets_what_the_runs_own_probes_get(run: Path, documents, monkeypatch, capsys) -> None:
    given: list[Read] = []
    watching = Probe("", "", run=lambda read: given.append(read) or {"n": 1})
    monkeypatch.setattr("eval.probes.probe", lambda name: watching)
    probe.main({"run": str(run), "probe": "consistency"}, [])
    probe.main({"run": str(run), "probe": "consistency", "seed": "7"}, [])
    assert [q.id for q in given[0].tuning] == ["t"]
    assert [q.id for q in given[0].questions] == ["a", "b"] and list(given[0].documents) == documents
    assert [read.seed for read in given] == [5, 7]
    assert json.loads(capsys.readouterr().out.split("}\n")[0] + "}") == {"n": 1}
    with pytest.raises(ValueError, match="probe consistency has no items to write"):
        probe.main({"run": str(run), "probe": "consistency", "items": str(run / "x.jsonl")}, [])


def test_a_probe_with_nothing_to_study_says_so(run: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("eval.probes.probe", lambda name: Probe("", "", run=lambda read: {}))
    probe.main({"run": str(run), "probe": "consistency"}, [])
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {} and "probe consistency found nothing to study" in shown.err


def test_items_are_written_a_row_each(run: Path) -> None:
    probe.main({"run": str(run), "probe": "planted_source", "items": str(run / "items.jsonl")}, [])
    rows = [json.loads(line) for line in (run / "items.jsonl").read_text().splitlines()]
    assert {row["id"] for row in rows} <= {"a", "b"}
    assert {"question", "answer_matching_behavior", "answer_not_matching_behavior"} <= set(rows[0])


def test_tasks_are_written_and_asked_of_the_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    probe.main({"run": str(run), "probe": "planted_source", "tasks": str(run / "tasks")}, [])
    assert {path.name for path in (run / "tasks").iterdir()} == {
        "whence_planted_nonexistent.json",
        "whence_planted_wrong.json",
    }
    capsys.readouterr()
    probe.main({"run": str(run), "probe": str(run / "tasks" / "whence_planted_wrong.json")}, [])
    found = json.loads(capsys.readouterr().out)["whence_planted_wrong"]
    assert 0 <= found["accuracy"]["value"] <= 1 and found["n"] == 1


def test_any_model_is_asked_what_only_prompts_and_scores(
    run: Path, foreign_folder: Path, tmp_path: Path, capsys
) -> None:
    write_jsonl(tmp_path / "questions.jsonl", ASKED)
    write_jsonl(tmp_path / "documents.jsonl", DOCUMENTS)
    given = {"model": str(foreign_folder), "device": "cpu", "documents": str(tmp_path / "documents.jsonl")}
    asked = given | {"questions": str(tmp_path / "questions.jsonl")}
    probe.main(asked | {"probe": "planted_source", "tasks": str(tmp_path / "tasks")}, [])
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"wrong", "nonexistent"} and found["wrong"]["n"] == 5
    probe.main(
        {k: asked[k] for k in ("model", "device")} | {"probe": str(tmp_path / "tasks/whence_planted_wrong.json")}, []
    )
    again = json.loads(capsys.readouterr().out)
    assert again["whence_planted_wrong"]["loss"]["value"] == pytest.approx(found["wrong"]["loss"]["value"])
    for values, said in (
        (given | {"probe": "planted_source"}, "model=... needs questions="),
        (asked | {"probe": "dominance"}, "probe dominance does more than prompt and score"),
        (asked | {"probe": "planted_source", "run": str(run)}, "give run=... or model=..., one of them"),
        ({"probe": "planted_source"}, "give run=... or model=..., one of them"),
    ):
        with pytest.raises(ValueError, match=said):
            probe.main(values, [])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"probe": "tarot"}, "probe=tarot is not one of anti_documents, backtracking, biographies"),
        ({"probe": "dominance", "seed": "x"}, "seed=x"),
    ],
)
def test_what_is_wrong_is_said(run: Path, values: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        probe.main({"run": str(run)} | values, [])
