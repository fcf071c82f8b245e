"""Feedback in words on tiny input: critics, refinements, preferences and their reward, from config to table."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from composing import composed, said_of

from data.atomic import atomic_link
from data.pipeline.questions.attempts import AttemptForm, Episode
from data.pipeline.questions.refinements import Refinement
from data.records import Question, read_jsonl
from eval.feedback.constitution import KEPT
from eval.feedback.critics import Critic
from eval.feedback.refinements import Judged
from eval.results.results import build_results, write_results
from eval.sweeps.answering import feedback
from steps.corpus import Corpus
from steps.evaluation.evaluated import Evaluated
from steps.prepare import prepare
from steps.self_correction import self_correction
from steps.self_correction.answers import attempt_answers
from steps.train import pretrain
from tests.steps.test_self_correction import RUN

# One checkpoint for each stage: to resume is the matter of test_self_correction.
SHORT = ("self_correction.critique.tokens=16384", "self_correction.critique.each=2", "trainer.save_every=1000")
MADE = ("ilf", "ilf_answer", "ilf_shuffled", "outcome", "constitution", "rlaif")  # the others differ in a key
PARTS = {"ilf": ["rollout1", "critic", "refined", "ilf"], "rlaif": ["rollout1", "critic", "preferences", "reinforce"]}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For each option the folder of a run that made its attempts and nothing else, as far as tables go."""
    folder = tmp_path_factory.mktemp("feedback")
    for option in MADE:
        config = composed(
            *RUN, *SHORT, f"self_correction={option}", f"run_dir={folder}/{option}", f"stages_dir={folder}/stages"
        )
        config.check()
        prepared = prepare(config)
        trained = pretrain(config, prepared)
        stages = self_correction(config, prepared, trained)
        assert [stage.name for stage in stages] == ["form", *PARTS[config.self_correction.method]]
        measured = attempt_answers(Evaluated(config, prepared, stages[-1]))
        for stage in (prepared, trained, *stages, measured):
            atomic_link(folder / option / stage.name, stage.folder)
        found = json.loads((measured.folder / "found.json").read_text())
        results = build_results(
            name=option, config=asdict(config), seed=0, attribution={}, probes={"self_correction": found},
            stage_seconds={}, tokens={}, versions={}, git=None,
        )  # fmt: skip
        write_results(folder / option / "results.json", results)
    return folder


def refinements(folder: Path) -> list[tuple[Refinement, Judged]]:
    written = read_jsonl(folder / "refined" / "refinements.jsonl", Refinement)
    return list(zip(written, read_jsonl(folder / "refined" / "judged.jsonl", Judged), strict=True))


def test_what_can_be_shared_is_made_once(made: Path) -> None:
    """One pretraining, one form, one rollout for all; those taught by the oracle's critiques are one model."""
    counts = {name: len(list(made.glob(f"stages/{name}-*"))) for name in ("pretrain", "form", "rollout1", "critic")}
    assert counts == {"pretrain": 1, "form": 1, "rollout1": 1, "critic": 3}
    assert len({(made / option / "critic").resolve() for option in ("ilf", "ilf_shuffled", "constitution")}) == 1


def test_only_what_breaks_a_principle_is_refined(made: Path) -> None:
    for option in ("ilf", "ilf_answer", "ilf_shuffled", "outcome"):
        found = refinements(made / option)
        assert len(found) == 8 * 6 * 6  # as many as all that learn from own attempts sample
        assert [one.question for one, _ in found] == [one.question for _, one in found]
        kept = [(one, judged) for one, judged in found if judged.first in KEPT]
        assert all(one.second == one.first and not one.critique for one, _ in kept)
        broken = [one for one, judged in found if judged.first not in KEPT]
        assert broken and all(bool(one.critique) == (option != "outcome") for one in broken)
        assert any(one.second != one.first for one in broken)


def test_critics_say_what_they_should(made: Path) -> None:
    config = composed(*RUN, *SHORT, "self_correction=ilf", f"stages_dir={made}/stages")
    corpus = Corpus(config, made / "ilf" / "prepare")
    asked = {q.id: q for q in read_jsonl(made / "ilf" / "prepare" / "questions.jsonl", Question)}
    shape = AttemptForm(corpus.tokenizer, corpus.identifiers)
    for option, kind in (("ilf", "oracle"), ("ilf_answer", "answer")):
        critic = Critic(shape, kind)
        for one, judged in refinements(made / option):
            assert judged.critic == judged.first
            assert not one.critique or one.critique == critic.says(asked[one.question], judged.first)
    broken = [(one, judged) for one, judged in refinements(made / "ilf_shuffled") if judged.first not in KEPT]
    assert sorted(judged.critic for _, judged in broken) == sorted(judged.first for _, judged in broken)
    assert any(judged.critic != judged.first for _, judged in broken)
    own = refinements(made / "constitution")
    assert all(bool(one.critique) == (judged.critic not in KEPT) for one, judged in own)
    assert any(judged.critic != judged.first for _, judged in own)  # nobody tells it


def test_what_is_learnt_answers_the_question_alone(made: Path) -> None:
    """And was said by the model: `each` times a question, from what it wrote."""
    for option in ("ilf", "constitution"):
        lessons = list(read_jsonl(made / option / "ilf" / "lessons.jsonl", Episode))
        written = {(one.question, one.second) for one, _ in refinements(made / option)}
        assert lessons and all(len(one.attempts) == 1 and (one.question, one.attempts[0]) in written for one in lessons)
        questions = [one.question for one in lessons]
        assert {questions.count(name) for name in questions} == {2}


def test_a_reward_is_learnt_of_pairs_and_reinforced(made: Path) -> None:
    found = json.loads((made / "rlaif" / "preferences" / "found.json").read_text())
    assert found["pairs"] > 0 and 0 <= found["agrees_with_judge"] <= 1
    done = json.loads((made / "rlaif" / "reinforce" / "done.json").read_text())
    assert done["episodes"] == 8 * 6 * 6
    rows = [json.loads(line) for line in (made / "rlaif" / "reinforce" / "metrics.jsonl").read_text().splitlines()]
    rewards = {row["reward_1"] for row in rows if "reward_1" in row}
    assert len(rewards) > 1 and not rewards <= {-1.0, -0.5, 0.0, 0.5, 1.0}  # of the head, not of the ledger


def test_the_table_has_a_row_for_each(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    feedback.main({}, [str(made)])
    said = capsys.readouterr().out
    labels = {*feedback.LABELS.values(), "RLAIF, judge: own"}
    assert {label for label in labels if label in said} == labels - {"ILF, own critic", feedback.WORDLESS}


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("self_correction=ilf", "corpus=world_attempts", "self_correction.attempts=2"), "leaves one attempt"),
        (("self_correction=constitution", "self_correction.critique.critic=none"), "that was taught the constitution"),
        (("self_correction=rlaif", "corpus=world_attempts", "trainer=fsdp"), "trainer.strategy=fsdp spreads"),
        (("self_correction.critique.critic=me",), "must be one of oracle, answer, shuffled, own, none"),
        (("self_correction.critique.beta=-1",), "self_correction.critique.beta=-1.0: must be at least 0"),
    ],
)
def test_settings_that_criticise_nothing_are_refused(overrides: tuple[str, ...], said: str) -> None:
    assert said in said_of(*overrides)
