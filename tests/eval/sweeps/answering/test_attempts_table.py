"""The tables of second attempts and of stated confidences, by hand on four questions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from data.records import Citation, Prediction, Question, write_jsonl
from eval.results.results import build_results, write_results
from eval.sweeps.answering import attempts, confidence
from eval.sweeps.answering.attempts import runs_of, systems

ASKED = [
    *(
        Question(f"t{n}", "Where?", ("Oslo",), ("doc-1",), "single", f"t{n}", "never_tuned", fold="test")
        for n in range(2)
    ),
    *(Question(f"a{n}", "Where?", (), (), "absent_entity", f"a{n}", "never_tuned", fold="test") for n in range(2)),
    Question("dev", "Where?", ("Oslo",), ("doc-1",), "single", "dev", "never_tuned", fold="dev"),  # of trials only
]
PLAIN = {"stage_one": 0.0, "alpha": 0.0, "gamma": 0.0}
SCORE = {"stage_one": 0.5, "alpha": 10.0, "gamma": 0.0}


def wrote(
    folder: Path,
    method: str,
    said: Sequence[Sequence[str]],
    seed: int = 0,
    learnt: dict[str, float] = PLAIN,
    **more: Any,
) -> Path:
    """A run whose attempts at the five questions are words; "" withholds. A number behind a word is its confidence."""
    part = {"method": method, "attempts": len(said), "target": 0.5, "reward": "cited", "reinforce": learnt} | more
    where = folder / f"{method}-{more.get('reward')}-{seed}-{learnt['stage_one']}"
    (where / attempts.STAGE).mkdir(parents=True)
    write_jsonl(where / attempts.STAGE / "questions.jsonl", ASKED)
    for number, words in enumerate(said, start=1):
        predictions = []
        for question, text in zip(ASKED, words, strict=True):
            word, _, stated = text.partition(" ")
            sure = float(stated) if stated else None
            cited = (Citation("doc-1"),) if word else ()
            outcome = "answered" if word else "abstained"
            signals = {"answer": -0.6931471805599453}
            predictions.append(Prediction(question.id, outcome, word or None, cited, sure, signals=signals))
        write_jsonl(where / attempts.STAGE / f"attempt_{number}.jsonl", predictions)
    config = {"self_correction": part, "sft": {"seed": seed}, "seed": 0}
    results = build_results(
        name="score", config=config, seed=0, attribution={}, stage_seconds={}, tokens={}, versions={}, git=None
    )
    write_results(where / "results.json", results)
    return where / "results.json"


def test_rows_are_compared_with_score_and_with_the_form(tmp_path: Path) -> None:
    form = ["Oslo", "Lima", "Lima", "Lima", "Oslo"]
    mended = ["Oslo", "Oslo", "", "Lima", "Oslo"]
    other = ["Oslo", "Lima", "", "Lima", ""]
    paths = [
        wrote(tmp_path, "form", [form, form]),
        wrote(tmp_path, "form", [form, form], seed=1),  # the same model
        wrote(tmp_path, "reinforce", [form, mended], learnt=SCORE),
        wrote(tmp_path, "reinforce", [form, other], seed=1, learnt=SCORE),
        wrote(tmp_path, "reinforce", [["Lima", "Lima", "", "", "Oslo"]] * 2),
    ]
    found = {row.system: row for row in attempts.rows(systems(runs_of(paths)))}
    assert {name: row.seeds for name, row in found.items()} == {
        "form alone": (0,), "SCoRe": (0, 1), "REINFORCE in one stage": (0,),
    }  # fmt: skip
    score = found["SCoRe"].values
    # From -.5 to .25 with one seed, to -.25 with the other.
    assert score["gain"] is not None and score["gain"].value == pytest.approx((0.75 + 0.25) / 2)
    assert score["gain"].sd == pytest.approx((0.75 - 0.25) / 2**0.5)
    assert score["i_c"] is not None and score["i_c"].value == pytest.approx(1 / 8)
    assert score["i_a"] is not None and score["i_a"].value == pytest.approx(2 / 8)
    assert score["gain_behind"] is None and score["first_change"] is not None and score["first_change"].value == 0.0
    one = found["REINFORCE in one stage"].values
    assert one["gain_behind"] is not None and one["gain_behind"].value == pytest.approx(-0.5)
    assert one["score_behind"] is not None and one["score_behind"].value == pytest.approx(-0.5 - 0.0)
    assert one["first_change"] is not None and one["first_change"].value == pytest.approx(-0.5)
    assert one["gain_p"] is not None and 0 < one["gain_p"].value <= 1
    (paths[0].parent / attempts.STAGE).rename(tmp_path / "gone")
    with pytest.raises(ValueError, match="is of no run with attempts"):
        runs_of(paths[:1])


def test_confidences_are_judged_by_right_answers(tmp_path: Path) -> None:
    sure, unsure = ["Oslo 1.0", "Lima 0.0", "Lima 0.5", "", "Oslo 1.0"], ["Oslo 0.5"] * 5
    stated = {"confidence": True}
    paths = [
        wrote(tmp_path, "reinforce", [unsure], reward="correct", **stated),
        wrote(tmp_path, "reinforce", [sure], reward="rlcr", **stated),
    ]
    found = {row.system: row.values for row in confidence.rows(systems(runs_of(paths)))}
    assert list(found) == [
        "RLVR, stated", "RLVR, probability of its words", "RLCR, stated", "RLCR, probability of its words",
    ]  # fmt: skip
    rlcr, rlvr = found["RLCR, stated"], found["RLVR, stated"]
    assert rlcr["brier"] is not None and rlcr["brier"].value == pytest.approx((0 + 0 + 0.25 + 1) / 4)
    assert rlvr["brier"] is not None and rlvr["brier"].value == pytest.approx(0.25)
    assert rlcr["right"] is not None and rlcr["right"].value == 0.25
    assert rlcr["auroc"] is not None and rlcr["auroc"].value == pytest.approx((1 + 1 + 0.5) / 3)  # what is missing is 1
    assert rlvr["behind"] is not None and rlvr["behind"].value == pytest.approx(0.25 - 1.25 / 4)
    words = found["RLVR, probability of its words"]
    assert words["brier"] is not None and words["brier"].value == pytest.approx(0.25)
    assert rlcr["behind"] is None and rlcr["p"] is None
