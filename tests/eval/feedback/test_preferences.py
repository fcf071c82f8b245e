"""Preferences by hand, a reward at the minimum of Bradley and Terry's loss, and one that finds what was preferred."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from data.pipeline.identifiers import IdsConfig, assign
from data.pipeline.questions.attempts import AttemptForm
from data.pipeline.tokenizer import Tokenizer
from data.records import Document
from eval.feedback.constitution import certain, worths
from eval.feedback.preferences import RIDGE, RewardModel, agreement, preferred, states
from model.transformer import Transformer


def test_what_is_worth_more_is_preferred() -> None:
    value = worths(0.5)
    left = certain(["supported", "wrong", "withheld", "unsourced"])
    right = certain(["unsourced", "untold", "supported", "wrong"])
    assert preferred(left, right, value).tolist() == [1.0, 0.5, 0.0, 1.0]


def test_a_judge_that_is_unsure_prefers_by_halves() -> None:
    """By enumeration: of two independent verdicts the better wins, a tie is half."""
    rng, value = np.random.default_rng(0), worths(0.5)
    left, right = (rng.dirichlet(np.ones(len(value)), 3) for _ in range(2))
    plain = [
        sum(
            a * b * (1.0 if value[u] > value[v] else 0.5 if value[u] == value[v] else 0.0)
            for u, a in enumerate(one)
            for v, b in enumerate(other)
        )
        for one, other in zip(left, right, strict=True)
    ]
    assert preferred(left, right, value) == pytest.approx(plain)
    assert preferred(left, right, value) + preferred(right, left, value) == pytest.approx(np.ones(3))


def test_the_head_is_at_the_minimum_of_its_loss() -> None:
    """Beside scipy's BFGS on Bradley and Terry's loss, up to the scale that rewards are given in."""
    rng = np.random.default_rng(1)
    left, right = rng.normal(size=(2, 60, 4)) * [1.0, 2.0, 0.5, 1.0] + 3.0
    preference = rng.uniform(size=60)
    found = RewardModel.fitted(left, right, preference)
    scale = np.concatenate((left, right)).std(0) + 1e-6
    design = (left - right) / scale

    def loss(weights: np.ndarray) -> float:
        wins = 1 / (1 + np.exp(-design @ weights))
        likely = preference * np.log(wins) + (1 - preference) * np.log(1 - wins)
        return float(-likely.mean() + RIDGE / (2 * len(design)) * weights @ weights)

    wanted = minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-9}).x / scale
    rewards = found(np.concatenate((left, right)))
    assert rewards.mean() == pytest.approx(0.0, abs=1e-9) and rewards.std() == pytest.approx(1.0)
    assert found.weights / np.linalg.norm(found.weights) == pytest.approx(wanted / np.linalg.norm(wanted), abs=1e-4)


def test_a_reward_finds_what_was_preferred() -> None:
    rng = np.random.default_rng(2)
    true = np.array([1.0, -2.0, 0.0])
    left, right = rng.normal(size=(2, 400, 3))
    wins = (left - right) @ true > 0
    found = RewardModel.fitted(left[:300], right[:300], wins[:300].astype(float))
    gaps = found(left[300:]) - found(right[300:])
    assert (agreement(gaps, wins[300:].astype(float)) or 0) > 0.95
    again = RewardModel.from_json(json.loads(json.dumps(found.to_json())))
    assert np.array_equal(again(left), found(left))
    with pytest.raises(ValueError, match="no two different answers"):
        RewardModel.fitted(left, left, wins.astype(float))


def test_agreement_leaves_out_what_nobody_prefers() -> None:
    gaps = np.array([1.0, -1.0, 2.0, 0.0])
    assert agreement(gaps, np.array([0.9, 0.8, 0.5, 0.1])) == pytest.approx((1 + 0 + 0.5) / 3)
    assert agreement(gaps, np.full(4, 0.5)) is None


def test_states_are_those_of_plain_passes(
    documents: list[Document], tokenizer: Tokenizer, make_model: Callable[..., Transformer]
) -> None:
    model, form = make_model(), AttemptForm(tokenizer, assign(documents, tokenizer, IdsConfig()))
    said = [(80, tokenizer.end), (80, 81, 82, tokenizer.end), (80, 81)]
    found = states(model, form, [[70], [71, 72], [70]], said, batch=2)
    for row, text, attempt in zip(found, ([70], [71, 72], [70]), said, strict=True):
        ended = attempt if attempt[-1] == tokenizer.end else (*attempt, tokenizer.end)
        tokens = torch.tensor([[tokenizer.ask, *text, tokenizer.answer, *ended, tokenizer.ask]])
        with torch.no_grad():
            plain = model.hidden(tokens, torch.arange(tokens.shape[1])[None], None)[0, -1]
        assert row == pytest.approx(plain.double().numpy(), abs=1e-5)
