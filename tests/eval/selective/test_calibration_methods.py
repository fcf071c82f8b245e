"""Every method gets the same, learns nothing of the test fold, and does to made-up agents what it is for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from agents import agent, relabelled

from eval.metrics.calibration import smooth_ece
from eval.metrics.group_calibration import worst_ece
from eval.metrics.selective_prediction import auroc
from eval.selective.calibration_methods import BASELINE, STATED, TOLD, Agent, confidences, cross_fitted


@pytest.fixture(scope="module")
def agents() -> list[Agent]:
    return [agent(0), agent(1)]


def test_groups_are_mended_by_what_knows_groups(agents: Sequence[Agent]) -> None:
    """One attribute is always answered right and another never, at the same stated confidences."""
    found, here = confidences(agents), agents[0].part("test")
    right, members = agents[0].correct[here], agents[0].seen.members[here]
    worst = {name: float(worst_ece(each[0], right, members)) for name, each in found.items()}
    assert smooth_ece(found[STATED][0], right) > 0.2 > 0.1 > smooth_ece(found[BASELINE][0], right)
    assert worst[BASELINE] > 0.25
    mending = [
        name for name in found if name.startswith(("GCULR", "IGHB", "IGLB", "learned", "APRICOT")) and name != TOLD
    ]
    assert len(mending) == 7
    for name in mending:
        assert worst[name] < 0.7 * worst[BASELINE], name
    assert auroc(found["temperature"][0], right) == auroc(found[STATED][0], right)


def test_every_method_speaks_of_every_question_of_the_test_fold(agents: Sequence[Agent]) -> None:
    found = confidences(agents)
    assert {"LitCab", "agreement of samples", "uncertainty x fidelity", "votes of the agents"} <= found.keys()
    for name, each in found.items():
        for one, confidence in zip(agents, each, strict=True):
            assert confidence.shape == (one.part("test").sum(),) and ((confidence >= 0) & (confidence <= 1)).all(), name


def test_labels_of_the_test_fold_change_nothing(agents: Sequence[Agent]) -> None:
    """What is fitted on has other labels in the test fold; only a missing confidence is read by its label."""
    one = agents[0]
    turned = relabelled(one, one.part("test"))
    before, after = confidences([one]), confidences([turned])
    assert before.keys() == after.keys()
    for name in before.keys() - {TOLD}:
        assert np.array_equal(before[name][0], after[name][0]), name
    fitted = relabelled(one, one.part("calibration", "dev"))
    assert not np.array_equal(confidences([fitted])[BASELINE][0], before[BASELINE][0])


def test_each_fold_is_the_test_fold_once(agents: Sequence[Agent]) -> None:
    whole, once = cross_fitted(agents), confidences(agents)
    one, here = agents[1], agents[1].part("calibration", "dev", "test")
    assert whole.keys() == once.keys()
    for name, each in whole.items():
        assert np.array_equal(each[1][one.part("test")[here]], once[name][1]), name  # unmoved, test is test
        assert not np.isnan(each[1]).any()
    assert np.array_equal(whole[STATED][1], one.stated[here])
    turned = relabelled(one, one.part("dev"))
    again = cross_fitted([turned])[BASELINE][0]
    before = cross_fitted([one])[BASELINE][0]
    same = again == before
    assert same[one.part("dev")[here]].all() and not same[one.part("test")[here]].all()


def test_one_agent_does_not_deliberate(agents: Sequence[Agent]) -> None:
    assert not [name for name in confidences(agents[:1]) if "agents" in name]


def test_without_folds_nothing_can_be_fitted(agents: Sequence[Agent]) -> None:
    one = agents[0]
    few = [n for n, q in enumerate(one.questions) if q.fold == "test"]
    alone = Agent([one.questions[n] for n in few], [one.predictions[n] for n in few], one.seen)
    with pytest.raises(ValueError, match="no question of fold calibration"):
        confidences([alone])
