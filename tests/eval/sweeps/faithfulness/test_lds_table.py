"""What hangs on its source is foretold by the source; runs that are no family are refused."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from data.pipeline.counterfactual import CounterfactualConfig
from data.records import Document, Question
from eval.results.results import build_results, write_results
from eval.sweeps.faithfulness.lds import CEILING, TITLES, Family, read_family, rows

NAMES = ["a", "b", "c", "d"]
DOCUMENTS = [Document(name, (("x",),)) for name in NAMES]
QUERIES = [Question(n, "?", ("x",), (n,), "single", n, "never_tuned") for n in NAMES]
SUBSETS = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0], [0, 1, 0, 1]], dtype=bool)


def test_a_score_of_the_source_a_blind_one_and_the_ceiling() -> None:
    outputs = np.where(SUBSETS, -0.1, -5.0)  # the answer to each query hangs on its own document alone
    family = Family(QUERIES, [0, 1, 2, 3], SUBSETS, np.stack([outputs, outputs]))
    scores = {"cited": np.eye(4), "two_way": np.eye(4)[[1, 0, 3, 2]], "bm25": np.ones((4, 4))}
    found = {row.system: row for row in rows(family, scores, DOCUMENTS)}
    assert set(found) == {TITLES["cited"], TITLES["two_way"], TITLES["bm25"], CEILING}
    value = found[TITLES["cited"]].values
    assert value["lds"].value == pytest.approx(1.0) and value["hits"].value == 1.0 and value["lds"].n == 4
    wrong = found[TITLES["two_way"]]
    assert wrong.given and wrong.values["lds"].value <= 0.0 and wrong.values["hits"].value == 0.0
    assert found[TITLES["bm25"]].values["lds"] is None  # every half has as many documents: it foretells nothing
    assert found[CEILING].values["lds"].value == pytest.approx(1.0) and found[CEILING].values["hits"] is None


def test_noise_is_what_the_ceiling_shows() -> None:
    generator = np.random.default_rng(0)
    family = Family(QUERIES, [0, 1, 2, 3], SUBSETS, generator.random((2, 4, 4)))
    (ceiling,) = (row for row in rows(family, {}, DOCUMENTS) if row.system == CEILING)
    assert abs(ceiling.values["lds"].value) < 0.7


def write_run(folder: Path, member: int, seed: int, leave_out: float) -> Path:
    folder.mkdir(parents=True)
    config = {"counterfactual": asdict(CounterfactualConfig(leave_out=leave_out, member=member))}
    results = build_results(
        name="x", config=config, seed=seed, attribution={}, stage_seconds={}, tokens={}, versions={}, git=None
    )
    write_results(folder / "results.json", results)
    return folder / "results.json"


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    members = [write_run(tmp_path / f"{m}{s}", m, s, 0.5) for m, s in ((0, 0), (0, 1), (1, 0))]
    with pytest.raises(ValueError, match="needs a run that read all documents"):
        read_family(members)
    with pytest.raises(ValueError, match="member 1 was not run with seed 1"):
        read_family([*members, write_run(tmp_path / "whole", 0, 0, 0.0)])
