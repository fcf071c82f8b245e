"""Second attempts on tiny input: every option from its config to its table, killed and resumed, and what is refused."""

from __future__ import annotations

import json
import signal
from dataclasses import asdict
from pathlib import Path

import pytest
from composing import CONFIGS, composed, said_of
from jobs import SMALL, Strike, assert_same_end, copied, start, trained

from data.atomic import atomic_link
from data.pipeline.questions.attempts import Episode
from data.records import Prediction, Question, read_jsonl
from eval.results.results import build_results, write_results
from eval.sweeps.answering import attempts, confidence
from eval.sweeps.answering.attempts import rows, runs_of, systems
from steps.evaluation.evaluated import Evaluated
from steps.prepare import prepare
from steps.self_correction import self_correction
from steps.self_correction.answers import attempt_answers
from steps.train import pretrain

WORLD = (
    "corpus=world_attempts",
    "corpus.documents=80",
    "corpus.exposures=2",
    "corpus.tuned=0.3",  # so few documents have to do for every part
    "corpus.relabel=0.25",
    "corpus.absent_attribute=0.4",  # at which a refusal goes well
    "corpus.absent_entity=0.3",
    "corpus.heldout=4",
    "rewriting.fraction=0",
    "eval.signals=[]",
    "eval.probes=[]",
)
SHORT = (
    "pretrain.tokens=2048",
    "batch.seq_len=128",
    "self_correction.form_tokens=16384",
    "self_correction.optimizer.lr=0.01",  # so that it refuses at times, which goes well where nothing was told
    "self_correction.tokens=4096",
    "self_correction.steps=8",
    "self_correction.questions=6",
    "self_correction.group=6",
)
OPTIONS = sorted(path.stem for path in (CONFIGS / "self_correction").glob("*.yaml"))
MADE = ("form", "pair_sft", "star", "score", "form_stated", "rlcr")  # the others differ from these in numbers only
RUN = (*SMALL, *WORLD, *SHORT)
KILLED = {  # eight steps, the second phase from the fifth on, checkpoints at 2, 4, 6, 8
    "while attempts are sampled in the first phase": Strike("train.reinforce.module:OnPolicyLM.sampled", 4),
    "while the first checkpoint of the second is written": Strike("train.checkpoint:save_file", 2, after=True),
    "while attempts are sampled in the second": Strike("train.reinforce.module:OnPolicyLM.sampled", 3),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For each of `MADE` the folder of a run that made its attempts and nothing else, as far as tables go."""
    folder = tmp_path_factory.mktemp("attempts")
    for option in MADE:
        folders = (f"run_dir={folder}/{option}", f"stages_dir={folder}/runs/stages")
        config = composed(*RUN, f"self_correction={option}", "trainer.save_every=1000", *folders)
        config.check()
        prepared = prepare(config)
        stages = [prepared, pretrain(config, prepared), *self_correction(config, prepared, pretrain(config, prepared))]
        measured = attempt_answers(Evaluated(config, prepared, stages[-1]))
        for stage in (*stages, measured):
            atomic_link(folder / option / stage.name, stage.folder)
        found = json.loads((measured.folder / "found.json").read_text())
        results = build_results(
            name=option, config=asdict(config), seed=0, attribution={}, probes={"self_correction": found},
            stage_seconds={}, tokens={}, versions={}, git=None,
        )  # fmt: skip
        write_results(folder / option / "results.json", results)
    return folder


@pytest.fixture(scope="module")
def whole(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reinforced")
    copied(made, folder, "prepare", "pretrain", "form")
    trained(folder, *RUN, "self_correction=score", stage="reinforce", small=())
    return folder


def test_a_run_that_is_killed_goes_on_to_the_same_end(whole: Path, tmp_path: Path) -> None:
    """SIGKILL again and again, also between the phases: the same weights, moments, metrics and gate, bit for bit."""
    copied(whole, tmp_path, "prepare", "pretrain", "form")
    for strike in KILLED.values():
        job = start(tmp_path, *RUN, "self_correction=score", strike=strike, small=())
        assert job.end() == -signal.SIGKILL, job.said
    said = trained(tmp_path, *RUN, "self_correction=score", stage="reinforce", small=())
    assert "reinforce continues from step=" in said
    assert_same_end(whole, tmp_path, "reinforce")


def test_every_option_ends_in_attempts_that_are_measured(made: Path) -> None:
    for option in MADE:
        results = json.loads((made / option / "results.json").read_text())
        found = results["probes"]["self_correction"]
        assert found["acc_1"]["n"] > 0 and found["gain"]["value"] is not None, option
        asked = list(read_jsonl(made / option / "probe_self_correction" / "questions.jsonl", Question))
        for number in range(1, results["config"]["self_correction"]["attempts"] + 1):
            said = list(read_jsonl(made / option / "probe_self_correction" / f"attempt_{number}.jsonl", Prediction))
            assert [one.question for one in said] == [one.id for one in asked]
    assert len(list(made.glob("runs/stages/pretrain-*"))) == 1 and len(list(made.glob("runs/stages/form-*"))) == 2


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_composes(option: str) -> None:
    config = composed("experiment=score", f"self_correction={option}")
    config.check()
    assert config.self_correction.episodes == 120 * 16 * 8


def test_all_that_learn_from_own_attempts_sample_as_many(made: Path) -> None:
    asked = {q.id: q.split for q in read_jsonl(made / "star" / "prepare" / "questions.jsonl", Question)}
    counts = {}
    for option in ("pair_sft", "star"):
        paths = sorted(made.glob(f"{option}/rollout*/episodes.jsonl"))
        episodes = [one for path in paths for one in read_jsonl(path, Episode)]
        counts[option] = len(episodes)
        assert {asked[one.question] for one in episodes} == {"relabel"}
    assert counts == {"pair_sft": 8 * 6 * 6, "star": 8 * 6 * 6}
    for option in ("score", "rlcr"):
        assert json.loads((made / option / "reinforce" / "done.json").read_text())["episodes"] == 8 * 6 * 6


def test_the_tables_have_a_row_for_each_system(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    twice = [made / one / "results.json" for one in MADE[:4]]
    found = {row.system: row.values for row in rows(systems(runs_of(twice)))}
    assert set(found) == {"form alone", "Pair-SFT", "STaR", "SCoRe"}
    assert found["SCoRe"]["gain_behind"] is None and found["form alone"]["first_change"] is None
    assert found["STaR"]["gain_p"] is not None and found["SCoRe"]["first_change"] is not None
    attempts.main({}, [str(made / "score")])
    assert "wrong to withheld" in capsys.readouterr().out
    confidence.main({}, [str(made / one) for one in MADE[4:]])
    said = capsys.readouterr().out
    assert all(f"{one}, stated" in said for one in ("form alone", "RLCR"))
    assert "probability of its words" in said


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("self_correction=score",), "self_correction.method=reinforce asks questions of split relabel"),
        (
            ("self_correction=score", "corpus=world_attempts", "answer_format=cite_first"),
            "has its attempts as direct answers",
        ),
        (("self_correction=score", "corpus=world_attempts", "tags.content=source"), "tags.content=source names none"),
        (("self_correction=score", "corpus=world_attempts", "trainer=fsdp"), "trainer.strategy=fsdp spreads"),
        (("self_correction=star", "self_correction.attempts=1"), "self_correction.method=star learns second attempts"),
        (("self_correction=score", "self_correction.attempts=1"), "leaves no second attempt to reward"),
        (("self_correction=score", "self_correction.reward=rlcr"), "set self_correction.confidence=true"),
        (("self_correction.group=1",), "self_correction.group=1: must be at least 2"),
        (("self_correction.target=1",), "self_correction.target=1.0: must be between 0 and 0.99"),
        (("self_correction.reward=hope",), "self_correction.reward=hope: must be one of cited, correct, rlcr"),
        (("self_correction.reinforce.gamma=2",), "self_correction.reinforce.gamma=2.0: must be a share"),
    ],
)
def test_settings_that_make_no_attempts_are_refused(overrides: tuple[str, ...], said: str) -> None:
    assert said in said_of(*overrides)
