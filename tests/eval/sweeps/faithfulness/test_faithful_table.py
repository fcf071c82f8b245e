"""A family of runs, made up on disk, becomes a table; a reader of names alone fails what it must fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from data.pipeline.counterfactual import Counterfactual, CounterfactualConfig
from data.readers.corpus import Corpus
from data.records import Citation, Document, Prediction, Question, write_jsonl
from data.storage.prepare import prepare
from data.world.config import WorldCorpus
from data.world.world import build_world
from eval.results.results import build_results, write_results
from eval.results.table import read_table
from eval.sweeps.faithfulness import faithful
from eval.sweeps.faithfulness.faithful import ITEMS, NAMES, RECITED, Table

Cites = Callable[[Question, Counterfactual, Sequence[Document]], str]


def by_document(question: Question, family: Counterfactual, documents: Sequence[Document]) -> str:
    """The first source that was read, by whatever it is called now; else a document that says nothing of it."""
    read = [name for name in question.support if name not in family.names]
    return read[0] if read else next(d.id for d in documents if d.id not in question.support)


def write_member(folder: Path, number: int, scheme: str, cites: Cites) -> None:
    world = build_world(WorldCorpus(documents=60, tuned=0.3, heldout=2, name_ids=True, multi=0.3))
    family_config = CounterfactualConfig(leave_out=0.2, swap_ids=0.3, member=number)
    family = Counterfactual.draw(family_config, world.documents, world.questions)
    prepare(Corpus(world.documents, world.questions), folder / "prepare")
    asked = [q for q in world.questions if q.split == "never_tuned" and q.answers]
    said = [
        Prediction(q.id, "answered", q.answers[0], (Citation(cites(q, family, world.documents), 0.5),)) for q in asked
    ]
    (folder / "statements").mkdir()
    write_jsonl(folder / "statements" / "cloze.jsonl", said)
    config = {
        "seed": 0,
        "run_dir": str(folder),
        "ids": {"scheme": scheme},
        "eval": {"citations": 10},
        "counterfactual": asdict(family_config),
    }
    results = build_results(
        name="trial", config=config, seed=0, attribution={}, stage_seconds={}, tokens={}, versions={}, git="1"
    )
    write_results(folder / "results.json", results)


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("family")
    for number in range(4):
        write_member(folder / f"opaque-{number}", number, "opaque", by_document)
        write_member(folder / f"given-{number}", number, "given", lambda q, *_: q.support[0])
    return folder


def test_a_faithful_family_and_one_that_cites_what_it_never_read(
    family: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    hydra = {"overrides": {"task": ["experiment=faithful"], "hydra": []}, "sweeper": {"params": {"ids": "opaque"}}}
    config = OmegaConf.create({"run_dir": str(family), "name": "faithful", "hydra": hydra})
    Table().on_multirun_end(config)
    table = read_table("docs/results/faithful.json")
    assert table.headline == 0
    rows = {row.system: {key: value and value.value for key, value in row.values.items()} for row in table.rows}
    assert list(rows) == [  # the control last, whatever its folders are called
        f"ids.scheme=opaque, {RECITED}",
        f"ids.scheme=given, {RECITED}",
        f"ids.scheme=given, {NAMES}",
    ]
    faithful, blind = rows[f"ids.scheme=opaque, {RECITED}"], rows[f"ids.scheme=given, {RECITED}"]
    assert {key: faithful[key] for key in ("lcd", "phantom", "reroute", "retention", "tracking", "leak")} == {
        "lcd": 1.0, "phantom": 0.0, "reroute": 1.0, "retention": 1.0, "tracking": 1.0, "leak": 0.0,
    }  # fmt: skip
    assert faithful["surname_tracking"] == 1.0 and faithful["joint"] == faithful["cited10"] == 1.0
    assert blind["lcd"] == 0.0 and blind["phantom"] > 0.5 and blind["reroute"] < 0.8
    assert blind["surname_tracking"] is None and blind["abstained"] == 0.0
    phantom, leak = (table.rows[0].values[key] for key in ("phantom", "leak"))  # what never was may still be
    assert phantom and leak and phantom.interval and leak.interval and phantom.interval[1] > 0 < leak.interval[1]
    assert '"facts"' in (family / ITEMS).read_text()
    assert "lcd 1.000 [1.000, 1.000]" in capsys.readouterr().out


def test_the_names_alone_find_documents_and_fail_everything_causal(family: Path) -> None:
    groups = faithful.table(list(faithful.family_runs([str(family)])))
    (names,) = [row for group in groups for row in group.rows if row.system.endswith(NAMES)]
    found = {key: value.value for key, value in names.values.items() if value}
    assert found["cited10"] > 0.8  # Hits@10, without having read anything
    assert abs(found["lcd"]) < 0.1 < found["phantom"]
    assert found["leak"] > 0.1 > 0.05 > found["tracking"]
    assert "joint" not in found and "retention" not in found


def test_what_is_no_family_is_refused(tmp_path: Path) -> None:
    write_results(
        tmp_path / "results.json",
        build_results(
            name="x", config={"seed": 0}, seed=0, attribution={}, stage_seconds={}, tokens={}, versions={}, git=None
        ),
    )
    with pytest.raises(ValueError, match="no run here left documents out"):
        faithful.main({}, [str(tmp_path)])
    with pytest.raises(ValueError, match="name at least one folder"):
        faithful.main({}, [])
