"""An experiment's command ends with its figures as data, and no other command puts them on record."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from composing import CONFIGS
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import OmegaConf

from configs.schema import register
from data.pipeline.answer_format import FORMATS
from eval import compare
from eval.results import recorded
from eval.results.recorded import CommandLine, record_run
from eval.results.results import build_results, write_results
from eval.results.run_table import WHENCE, run_table
from eval.results.table import Value, markdown, read_table

DEMO = ["experiment=demo"]
METRICS = ("joint", "answer_em", "citation", "hits10", "cited", "cited10", "valid_unconstrained", "set_recall")


def part(joint: float, cited: float = 0.75, **floors: Any) -> dict[str, Any]:
    """The attribution of a system, over 40 questions."""
    measured: dict[str, Any] = dict.fromkeys(METRICS, joint) | {"cited": cited, "answer_em": 0.9}
    intervals = dict.fromkeys(METRICS) | {"joint": [joint - 0.1, joint + 0.1]}
    return measured | {"system": "whence", "n": 40, "intervals": intervals, "floors": floors}


def retriever(cited: float) -> dict[str, Any]:
    return dict.fromkeys(METRICS) | {"cited": cited, "n": 40, "intervals": dict.fromkeys(METRICS)}


def results_of(joint: float = 0.5, seed: int | None = 3, **config: Any) -> dict[str, Any]:
    return build_results(
        name="trial",
        config={"seed": seed, **config},
        seed=seed,
        attribution={"never_tuned": part(joint, cloze=part(joint + 0.1), bm25=retriever(0.4))},
        given={"attribution": {"never_tuned": part(0.875, declarative=part(0.8)) | {"system": "cloze"}}},
        bits_per_byte=1.25,
        stage_seconds={},
        tokens={"pretrain": 1000},
        versions={},
        git="0123456789+",
    )


def hydra_of(task: Sequence[str], hydra: Sequence[str] = (), params: Any = None) -> Any:
    return OmegaConf.create(
        {"overrides": {"task": list(task), "hydra": list(hydra)}, "sweeper": {"params": params}},
    )


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run what ends a run of a command line, with `tmp_path` as the working directory."""
    monkeypatch.chdir(tmp_path)

    def ended(task: Sequence[str], hydra: Sequence[str] = (), params: Any = None) -> None:
        class Typed:
            initialized = staticmethod(lambda: True)
            get = staticmethod(lambda: hydra_of(task, hydra, params))

        monkeypatch.setattr(recorded, "HydraConfig", Typed)
        Path("run").mkdir()
        record_run(results_of(), Path("run"))

    return ended


def test_a_run_as_data() -> None:
    table = run_table(results_of(), "python run.py experiment=trial", "two cores", "2026-11-27")
    assert [(row.system, row.given) for row in table.rows] == [
        ("whence, cited after the answer", False),
        ("whence, recited", False),
        ("BM25 over the documents", False),
        ("whence, recited", True),
        ("whence, answer restated", True),
    ]
    assert table.headline == 0 and {row.seeds for row in table.rows} == {(3,)}
    assert table.rows[0].values["joint"] == Value(0.5, (0.4, 0.6), None, 40)
    assert table.rows[0].values["citation"] == Value(0.5, None, None, 36)  # of the right answers
    assert table.rows[2].values == dict.fromkeys(("joint", "answer_em", "citation", "cited10")) | {
        "cited": Value(0.4, None, None, 40)
    }
    assert "| **whence, cited after the answer** | 50.0 [40.0, 60.0] | 90.0 |" in markdown(table)
    assert "| whence, recited (given the statement form) | 87.5 " in markdown(table)


@pytest.mark.parametrize("answer_format", FORMATS)
def test_a_run_says_where_its_answers_cite(answer_format: str) -> None:
    table = run_table(results_of(answer_format=answer_format), None, "two cores", "2026-11-27")
    assert table.rows[0].system == WHENCE[answer_format]


def test_a_run_without_questions_has_no_rows(tmp_path: Path) -> None:
    results = results_of() | {"attribution": {}, "given": {"attribution": {}}}
    table = run_table(results, None, "two cores", "2026-11-27")
    assert (table.rows, table.headline) == ([], None)


def test_the_experiments_own_command_puts_it_on_record(typed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    typed(DEMO, ["hydra.mode=RUN"])  # which Hydra adds where nobody typed it
    table, record = read_table("run/table.json"), read_table("docs/results/demo.json")
    assert (record.name, table.name) == ("demo", "trial") and record.rows == table.rows
    assert (record.command, record.revision) == ("python run.py experiment=demo", "0123456789+")
    said = capsys.readouterr().out
    assert said.splitlines() == [
        "table    run/table.json",
        "record   docs/results/demo.json (make results puts it on the pages)",
    ]


@pytest.mark.parametrize("more", [["seed=1"], ["run_dir=elsewhere"], ["tags=end", "trainer=ddp"]])
def test_a_command_with_another_override_does_not(typed: Any, more: list[str]) -> None:
    typed([*DEMO, *more])
    assert read_table("run/table.json").command == f"python run.py experiment=demo {' '.join(more)}"
    assert not Path("docs").exists()


def test_one_run_of_a_sweep_does_not(typed: Any) -> None:
    """`python run.py experiment=placement` without -m, which is the first of 18 runs."""
    typed(["experiment=placement"], ["hydra.mode=RUN"], {"seed": "0,1,2"})
    assert read_table("run/table.json").command == "python run.py experiment=placement hydra.mode=RUN"
    assert not Path("docs").exists()


def test_what_python_calls_has_no_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(recorded.HydraConfig, "initialized", staticmethod(lambda: False))
    record_run(results_of(), tmp_path)
    assert read_table(tmp_path / "table.json").command is None
    assert not Path("docs").exists()


@pytest.mark.parametrize(
    ("task", "hydra", "experiment"),
    [
        (DEMO, [], "demo"),
        ([*DEMO, "trainer=ddp", "trainer.devices=2"], [], "demo"),
        (["launcher=ray", *DEMO], ["hydra.launcher.n_jobs=2", "hydra.mode=MULTIRUN"], "demo"),
        ([], [], None),
        (["seed=1"], [], None),
        ([*DEMO, "seed=1"], [], None),
        ([*DEMO, "~eval"], [], None),
        ([*DEMO, "trainers=x"], [], None),
        (["experiment=demo,tiny"], ["hydra.mode=MULTIRUN"], None),
        (["experiment=../x"], [], None),
        (["experiment=abstention"], ["hydra.sweeper.params.seed=0"], None),
    ],
)
def test_which_command_is_an_experiments_own(task: list[str], hydra: list[str], experiment: str | None) -> None:
    assert CommandLine(task, hydra).experiment == experiment


def test_the_command_line_is_what_hydra_was_given() -> None:
    def of(*overrides: str) -> CommandLine:
        config = GlobalHydra.instance().config_loader().load_configuration("config", list(overrides), RunMode.MULTIRUN)
        return CommandLine.of(config.hydra)

    register()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        placement = of("experiment=placement", "hydra.mode=MULTIRUN")
        assert placement.text == "python run.py -m experiment=placement"
        assert (placement.experiment, placement.of_sweep) == ("placement", True)
        assert of("experiment=placement", "seed=0,1", "hydra.mode=MULTIRUN").experiment is None
        assert of("experiment=abstention").text == "python run.py experiment=abstention"
        assert of("experiment=abstention", "hydra.sweeper.params.abstention_sft=none").experiment is None
        assert (of("experiment=demo").experiment, of("experiment=demo").of_sweep) == ("demo", False)


@pytest.mark.parametrize("own", [True, False])
def test_a_sweep_ends_with_seeds_put_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: bool) -> None:
    monkeypatch.chdir(tmp_path)
    for tags, joints in {"end": (0.25, 0.75), "footnote": (0.75, 0.875)}.items():
        for seed, joint in enumerate(joints):
            folder = Path("runs/trial") / f"{tags}-{seed}"
            folder.mkdir(parents=True)
            write_results(folder / "results.json", results_of(joint, seed, tags={"name": tags}, size=1))
    task = ["experiment=trial", *([] if own else ["seed=0,1"])]
    hydra = hydra_of(task, ["hydra.mode=MULTIRUN"], {"seed": "0,1"})
    config = OmegaConf.create({"name": "trial", "run_dir": "runs/trial", "hydra": hydra})
    compare.Table().on_multirun_end(config)
    table = read_table("runs/trial/table.json")
    assert [(row.system, row.seeds) for row in table.rows] == [
        ("tags.name=end", (0, 1)),
        ("tags.name=footnote", (0, 1)),
    ]
    assert table.rows[0].values["joint"] == Value(0.5, None, pytest.approx(0.35355, abs=1e-5), 40)
    assert table.rows[0].values["valid_unconstrained"] is not None
    assert table.rows[0].values["valid_unconstrained"].n is None  # of what was tried
    assert table.headline == 1 and table.revision == "0123456789+"
    assert Path("docs/results/trial.json").exists() == own
