import json
import sys

import pytest

from eval import compare
from eval.results.results import build_results, write_results


def write_run(folder, seed=0, joint=0.5, tokens=1000, name="run", bits=1.25, citation=0.75, **config):
    folder.mkdir(parents=True)
    part = {
        "joint": joint, "citation": citation, "answer_em": 0.6, "valid_unconstrained": None, "cited": 0.7,
        "intervals": {"joint": [0.4, 0.6], "citation": None, "answer_em": None, "valid_unconstrained": None},
    }  # fmt: skip
    results = build_results(
        name=name,
        config={"seed": seed, "run_dir": str(folder), **config},
        seed=seed,
        attribution={"never_tuned": part},
        bits_per_byte=bits,
        stage_seconds={"pretrain": 90.0, "tune": 10.0},
        tokens={"pretrain": tokens, "tune": 100},
        accounting={},
        versions={},
        git=None,
    )
    write_results(folder / "results.json", results)


def printed(capsys, *folders):
    compare.main({}, [str(folder) for folder in folders])
    lines = capsys.readouterr().out.splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return rows, [line for line in lines if line.startswith("Warning")]


def test_seeds_share_a_row_and_single_runs_say_so(tmp_path, capsys):
    for seed, joint in enumerate((0.4, 0.5, 0.6)):
        write_run(tmp_path / f"end-{seed}", seed, joint, tags={"name": "end"}, size=1)
    write_run(tmp_path / "footnote", 0, 0.9, tags={"name": "footnote"}, size=1)
    rows, warnings = printed(capsys, tmp_path)
    assert rows[0] == [
        "name",
        "tokens",
        "joint",
        "citation",
        "answer_em",
        "valid",
        "headline",
        "cited",
        "reworded",
        "bits/byte",
        "seconds",
        "seeds",
    ]
    assert rows[2:] == [
        [
            "tags.name=end",
            "1,100",
            "50.0 ± 10.0",
            "75.0 ± 0.0",
            "60.0 ± 0.0",
            "-",
            "50.0 ± 10.0",
            "70.0 ± 0.0",
            "-",
            "1.250 ± 0.000",
            "100 ± 0",
            "3",
        ],
        [
            "tags.name=footnote",
            "1,100",
            "90.0 [40.0, 60.0]",
            "75.0",
            "60.0",
            "-",
            "90.0 [40.0, 60.0]",
            "70.0",
            "-",
            "1.250",
            "100",
            "1 (single run)",
        ],
    ]
    assert warnings == []


def test_different_token_budgets_are_warned_about(tmp_path, capsys):
    write_run(tmp_path / "a", tokens=1000, size=1)
    write_run(tmp_path / "b", tokens=2000, size=2)
    rows, warnings = printed(capsys, tmp_path)
    assert [row[:2] for row in rows[2:]] == [["size=1", "1,100"], ["size=2", "2,100"]]
    assert len(warnings) == 1 and "1,100, 2,100" in warnings[0]


def test_a_run_reached_twice_counts_once(tmp_path, capsys):
    write_run(tmp_path / "sweep" / "a", size=1)
    (tmp_path / "link").symlink_to(tmp_path / "sweep" / "a", target_is_directory=True)
    rows, warnings = printed(capsys, tmp_path, tmp_path / "sweep", tmp_path / "link")
    assert [row[-1] for row in rows[2:]] == ["1 (single run)"]
    assert warnings == []


def test_links_to_folders_are_not_followed(tmp_path, capsys):
    write_run(tmp_path / "sweep" / "a", size=1)
    write_run(tmp_path / "elsewhere", size=2)
    (tmp_path / "sweep" / "link").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    rows, _ = printed(capsys, tmp_path / "sweep")
    assert len(rows[2:]) == 1


def test_the_same_seed_run_twice_is_no_second_seed(tmp_path, capsys):
    write_run(tmp_path / "a", seed=3, joint=0.5)
    write_run(tmp_path / "b", seed=3, joint=0.7)
    rows, warnings = printed(capsys, tmp_path)
    assert [row[2] for row in rows[2:]] == ["50.0 [40.0, 60.0]"]
    assert len(warnings) == 1 and "is the same run as" in warnings[0]


def test_undefined_values_are_counted_not_averaged_over(tmp_path, capsys):
    for seed, citation in enumerate((0.5, 0.7, None)):
        write_run(tmp_path / str(seed), seed, citation=citation, size=1)
    rows, _ = printed(capsys, tmp_path)
    assert rows[2][3] == "60.0 ± 14.1 (2 of 3 runs)"


def test_rows_come_as_the_folders_are_given(tmp_path, capsys):
    for name in ("b", "a", "c"):
        write_run(tmp_path / name / "run", model=name)
    rows, _ = printed(capsys, tmp_path / "c", tmp_path / "a", tmp_path / "b")
    assert [row[0] for row in rows[2:]] == ["model=c", "model=a", "model=b"]


def test_a_key_that_only_one_run_has_tells_it_apart(tmp_path, capsys):
    write_run(tmp_path / "a", name="plain")
    write_run(tmp_path / "b", name="other", dropout=0.1)
    rows, _ = printed(capsys, tmp_path)
    assert [row[0] for row in rows[2:]] == ["plain", "dropout=0.1"]


def test_scored_predictions_without_configuration_are_rows_of_their_own(tmp_path, capsys):
    for name in ("gpt", "bm25|k1"):
        (tmp_path / name[:3]).mkdir()
        results = build_results(
            name=name,
            config={},
            seed=None,
            attribution={},
            stage_seconds={},
            tokens={},
            accounting={},
            versions={},
            git=None,
        )
        write_results(tmp_path / name[:3] / "results.json", results)
    rows, _ = printed(capsys, tmp_path)
    assert rows[3][:4] == ["gpt", "unknown", "-", "-"]
    assert rows[2][0] == "bm25\\"  # the bar in the name is escaped; splitting at bars is the test's own


@pytest.mark.parametrize(
    ("arguments", "message"),
    [([], "name at least one folder"), (["none"], "none is not a folder"), (["."], "no results.json in or below")],
)
def test_mistakes_are_named(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["compare", *arguments])
    with pytest.raises(SystemExit, match="2"):
        compare.COMMAND.run(compare.main)
    assert message in capsys.readouterr().err


def test_the_headline_is_of_the_system_that_the_run_is_judged_by(tmp_path, capsys):
    write_run(tmp_path / "a", size=1)
    path = tmp_path / "a" / "results.json"
    found = json.loads(path.read_text())
    part = found["attribution"]["never_tuned"]
    judged = {**part, "joint": 0.8, "cited": 0.9, "system": "cloze", "floors": {"whence": part}}
    found["attribution"] = {"never_tuned": judged, "reworded": {**judged, "joint": 0.3}}
    path.write_text(json.dumps(found))
    rows, _ = printed(capsys, tmp_path)
    headline, joint, cited, reworded = (rows[0].index(name) for name in ("headline", "joint", "cited", "reworded"))
    assert rows[2][reworded].startswith("30.0")
    assert rows[2][cited].startswith("90.0")
    assert rows[2][headline].startswith("80.0") and rows[2][joint].startswith("50.0")
