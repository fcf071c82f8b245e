"""Which setting remakes which stage of evaluation: told by their keys, nothing is trained or made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

import steps.evaluation.evaluated
from stages import Stage
from steps.evaluation.answer import answer_stage
from steps.evaluation.evaluated import Evaluated
from steps.evaluation.probes import probe_stages
from steps.evaluation.signals import signals_stages
from tests.composing import composed

ROOT = Path("nowhere")
SPOKEN = {"answer", "signals", "statements", "statements_given"}
EXPERT = SPOKEN | {"self_evidence", "membership", "dominance"}


def keys(*overrides: str) -> dict[str, str]:
    config = composed("experiment=tiny", *overrides)
    evaluated = Evaluated(config, Stage("prepare", {}, ROOT), Stage("pretrain", {}, ROOT))
    answered = answer_stage(evaluated)
    shown = {stage.name: stage for stage in signals_stages(evaluated, answered)}
    stages = {"answer": answered, **shown, **probe_stages(evaluated)}
    return {name: stage.key for name, stage in stages.items()}


@pytest.mark.parametrize(
    ("override", "remade"),
    [
        ("eval.max_abstained_correct=0.3", set()),
        ("eval.samples=3", SPOKEN - {"answer"}),
        ("eval.citations=3", SPOKEN),
        ("eval.signals=[bidirectional,self_consistency]", SPOKEN - {"answer"}),
        ("eval.signals=[bidirectional,self_consistency,p_ik,cloze_candidates]", {"statements", "statements_given"}),
        ("eval.batch=3", EXPERT),
        ("name=other", set()),
    ],
)
def test_a_setting_remakes_what_reads_it(override: str, remade: set[str]) -> None:
    before, after = keys(), keys(override)
    assert set(before) == EXPERT
    assert {name for name in before if before[name] != after[name]} == remade


def test_a_changed_probe_remakes_itself_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    digest = steps.evaluation.evaluated.code_digest

    def changed(modules: Sequence[str]) -> str:
        return digest(modules) + str("eval.probes.memorization.membership" in modules)

    monkeypatch.setattr(steps.evaluation.evaluated, "code_digest", lambda modules: digest(modules) + "False")
    before = keys()
    monkeypatch.setattr(steps.evaluation.evaluated, "code_digest", changed)
    after = keys()
    assert {name for name in before if before[name] != after[name]} == {"membership"}


def test_probes_are_run_after_the_methods_that_they_tell_of() -> None:
    assert set(keys("abstention_sft.method=graded")) == SPOKEN | {"self_evidence"}
    assert set(keys("abstention_sft.method=labels")) == SPOKEN
