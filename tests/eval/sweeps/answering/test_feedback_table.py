"""The table of feedback in words, by hand on four questions and three refinements."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from data.records import write_jsonl
from eval.feedback.refinements import Judged
from eval.sweeps.answering.feedback import FORM, ORACLE, WORDLESS, compared, rows
from tests.eval.sweeps.answering.test_attempts_table import wrote

BY_ORACLE = {"critic": "oracle", "judge": "oracle", "choice": "refinement"}
WRONG = ["Oslo", "Lima", "Lima", "Lima", "Oslo"]  # two told questions, two never told ones, one that is for trials
FULL = ["Oslo", "Oslo", "", "", ""]
HALF = ["Oslo", "Lima", "", "", "Oslo"]
REFINED = [("wrong", "wrong", "supported"), ("untold", "wrong", "untold"), ("supported", "supported", "known")]


def ilf(folder: Path, said: list[str], refined: bool = True, **critique: str) -> Path:
    part: dict[str, Any] = {"critique": BY_ORACLE | critique}
    path = wrote(folder, "ilf", [said], reward="-".join(critique.values()), **part)
    if refined:
        (path.parent / "refined").mkdir()
        judged = [Judged(f"r{n}", "", *verdicts) for n, verdicts in enumerate(REFINED)]
        write_jsonl(path.parent / "refined" / "judged.jsonl", judged)
    return path


def test_rows_are_compared_with_the_form_with_the_oracle_and_without_words(tmp_path: Path) -> None:
    paths = [
        wrote(tmp_path, "form", [WRONG, WRONG]),
        ilf(tmp_path, FULL),
        ilf(tmp_path, HALF, critic="own", judge="own"),
        ilf(tmp_path, WRONG, critic="none"),
        ilf(tmp_path, HALF, refined=False, critic="none", choice="outcome"),
        wrote(tmp_path, "rlaif", [HALF], critique=BY_ORACLE | {"judge": "own"}),
        wrote(tmp_path, "reinforce", [HALF], critique=BY_ORACLE),
    ]
    found = {row.system: row.values for row in rows(compared(paths))}
    own = "constitution, own critic and judge"
    assert set(found) == {
        FORM, ORACLE, own, WORDLESS, "relabelled by outcome", "RLAIF, judge: own", "REINFORCE by the ledger",
    }  # fmt: skip

    def value(system: str, key: str) -> float | None:
        one = found[system][key]
        return None if one is None else one.value

    assert [value(FORM, key) for key in ("right", "joint", "withheld", "score")] == [0.5, 0.5, 0.0, -0.5]
    assert [value(ORACLE, key) for key in ("right", "joint", "withheld", "score")] == [1.0, 1.0, 1.0, 0.5]
    assert value(own, "gain") == pytest.approx(0.5) and value(own, "of_oracle") == pytest.approx(0.5)
    assert value(ORACLE, "gain") == pytest.approx(1.0) and value(ORACLE, "beside_wordless") == pytest.approx(1.0)
    assert value(WORDLESS, "gain") == 0.0 and value(WORDLESS, "beside_wordless") is None
    for system in (FORM, ORACLE):
        assert value(system, "of_oracle") is None
    assert value(FORM, "gain") is None and value(FORM, "gain_p") is None and 0 < (value(own, "gain_p") or 0) <= 1


def test_refinements_are_counted_over_what_they_could_mend_or_spoil(tmp_path: Path) -> None:
    paths = [ilf(tmp_path, FULL), ilf(tmp_path, FULL, critic="own"), ilf(tmp_path, FULL, refined=False, critic="none")]
    oracle, own, without = rows(compared(paths))
    for row in (oracle, own):
        counted = {key: row.values[key] for key in ("first_kept", "mended", "spoiled")}
        assert {key: one and (one.value, one.n) for key, one in counted.items()} == {
            "first_kept": (pytest.approx(1 / 3), 3), "mended": (0.5, 2), "spoiled": (1.0, 1),
        }  # fmt: skip
    assert oracle.values["critic_right"] is None  # it says what the ledger says
    assert own.values["critic_right"] is not None and own.values["critic_right"].value == pytest.approx(1 / 2)
    assert without.values["mended"] is None


def test_a_share_of_nothing_is_not_shown(tmp_path: Path) -> None:
    paths = [wrote(tmp_path, "form", [WRONG, WRONG]), ilf(tmp_path, WRONG), ilf(tmp_path, HALF, critic="own")]
    found = {row.system: row.values for row in rows(compared(paths))}
    assert found["ILF, own critic"]["of_oracle"] is None and found["ILF, own critic"]["gain"] is not None
