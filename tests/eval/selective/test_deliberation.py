"""Votes and confidence of several agents, by hand."""

from __future__ import annotations

import pytest

from eval.selective.deliberation import deliberate


def test_by_hand() -> None:
    answers = [["Oslo", ""], ["oslo.", "Lima"], ["Lima", ""]]
    votes, confidence = deliberate(answers, [[0.9, 0.5], [0.6, 0.5], [0.3, 0.5]], 0)
    assert votes == pytest.approx([2 / 3, 0.0])  # no answer agrees with none
    assert confidence == pytest.approx([(0.9 + 0.6) / 3, 0.0])
    votes, confidence = deliberate(answers, [[0.9, 0.5], [0.6, 0.5], [0.3, 0.5]], 2)
    assert votes[0] == pytest.approx(1 / 3) and confidence[0] == pytest.approx(0.1)


def test_one_agent_is_its_own_confidence() -> None:
    votes, confidence = deliberate([["Oslo"]], [[0.7]], 0)
    assert (votes[0], confidence[0]) == (1.0, 0.7)
