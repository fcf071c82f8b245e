"""The shaping table by hand, REINFORCE's losses beside plain float64, and bandits beside their closed form."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from train.reinforce.config import ReinforceConfig
from train.reinforce.losses import (
    Terms,
    advantages,
    attempt_log_probs,
    credits,
    first_stage,
    gap,
    k3,
    policy_loss,
    second_stage,
)

COST = 3.0  # of a wrong answer at a target of .75
SCORE = ReinforceConfig()
PLAIN = Terms(True, 0.0, 0.0, (0.0, 0.0))
TABLE = {  # (r1, r2): what the second attempt is credited with, alpha = 10
    (0.0, 1.0): 11.0,  # r in {0, 1}: wrong to right
    (1.0, 1.0): 1.0,
    (0.0, 0.0): 0.0,
    (1.0, 0.0): -10.0,  # right to wrong; of 1, 0, -COST also: right to withheld
    (-COST, 0.0): 10 * COST,  # wrong to withheld
    (-COST, 1.0): 1 + 10 * (1 + COST),
    (1.0, -COST): -COST - 10 * (1 + COST),
    (-COST, -COST): -COST,
    (0.0, -COST): -COST - 10 * COST,  # withheld to wrong
}


@pytest.mark.parametrize(("pair", "expected"), TABLE.items())
def test_the_shaping_table(pair: tuple[float, float], expected: float) -> None:
    found = credits(torch.tensor([[pair]]), second_stage(SCORE))
    assert found[0, 0].tolist() == [pair[0], expected]
    assert credits(torch.tensor([[pair]]), first_stage(SCORE))[0, 0, 1] == pair[1]


def test_with_the_reward_of_both_it_pays_to_be_wrong_first() -> None:
    """The mutation that gamma = 0 is there against: right after wrong earns more than right twice."""
    mended, twice = torch.tensor([[[0.0, 1.0]]]), torch.tensor([[[1.0, 1.0]]])
    honest, summed = second_stage(SCORE), second_stage(ReinforceConfig(gamma=1.0))
    assert credits(mended, honest)[0, 0, 0] < credits(twice, honest)[0, 0, 0]
    assert credits(mended, summed)[0, 0, 0] == 11.0 > credits(twice, summed)[0, 0, 0] == 2.0


def test_a_single_attempt_has_its_own_reward() -> None:
    assert torch.equal(credits(torch.tensor([[[0.5], [2.0]]]), second_stage(SCORE)), torch.tensor([[[0.5], [2.0]]]))


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=8))
def test_the_baseline_is_the_mean_of_the_others(rewards: list[float]) -> None:
    found = advantages(torch.tensor(rewards, dtype=torch.float64)[None, :, None])[0, :, 0].tolist()
    for place, one in enumerate(found):
        others = rewards[:place] + rewards[place + 1 :]
        assert one == pytest.approx(rewards[place] - sum(others) / len(others), abs=1e-9)
    assert sum(found) == pytest.approx(0, abs=1e-9)


def test_k3_is_its_formula_and_its_mean_is_the_divergence() -> None:
    p, q = torch.tensor([0.7, 0.2, 0.1], dtype=torch.float64), torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64)
    each = k3(p.log(), q.log())
    assert each[0].item() == pytest.approx(5 / 7 - math.log(5 / 7) - 1)
    assert (each >= 0).all() and k3(p.log(), p.log()).abs().max() == 0
    assert (p * each).sum().item() == pytest.approx((p * (p / q).log()).sum().item())


def drawn() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Log-probabilities (with a gradient), those before, attempts and advantages of 3 episodes of 7 places."""
    torch.manual_seed(1)
    attempt = torch.tensor([[0, 1, 1, 0, 2, 2, 2], [0, 0, 1, 1, 1, 2, 0], [1, 1, 1, 1, 2, 0, 0]])
    log_probs, reference = (-torch.rand(3, 7, dtype=torch.float64) for _ in range(2))
    return log_probs.requires_grad_(), reference, attempt, torch.randn(3, 2, dtype=torch.float64)


@pytest.mark.parametrize(
    "terms",
    [first_stage(SCORE), second_stage(SCORE), second_stage(SCORE, pinned=True), second_stage(ReinforceConfig(kl=0.3))],
)
def test_loss_and_gradient_are_those_of_the_formula(terms: Terms) -> None:
    log_probs, reference, attempt, advantage = drawn()
    loss, kl = policy_loss(log_probs, reference, attempt, advantage, terms)
    (gradient,) = torch.autograd.grad(loss, log_probs)
    total, kls, slopes = 0.0, [0.0, 0.0], torch.zeros(3, 7, dtype=torch.float64)
    for row in range(3):
        for number in (1, 2):
            places = [t for t in range(7) if attempt[row, t] == number]
            for t in places:
                d = float(reference[row, t] - log_probs[row, t].detach())
                if number == 2 or terms.first:
                    total -= float(advantage[row, number - 1] * log_probs[row, t].detach()) / 3
                    slopes[row, t] -= float(advantage[row, number - 1]) / 3
                share = 1 / (len(places) * 3)
                kls[number - 1] += (math.exp(d) - d - 1) * share
                slopes[row, t] += terms.kl[number - 1] * (1 - math.exp(d)) * share
    total += sum(weight * one for weight, one in zip(terms.kl, kls, strict=True))
    assert float(loss.detach()) == pytest.approx(total)
    assert kl.tolist() == pytest.approx(kls)
    torch.testing.assert_close(gradient, slopes)


def test_nothing_of_padding_comes_through() -> None:
    """Nor nan, which the log-probability of what can't be is."""
    log_probs, reference, attempt, advantage = drawn()
    with torch.no_grad():
        log_probs[attempt == 0] = math.nan
    loss, kl = policy_loss(log_probs, reference, attempt, advantage, second_stage(SCORE))
    (gradient,) = torch.autograd.grad(loss, log_probs)
    assert loss.isfinite() and kl.isfinite().all()
    assert gradient.isfinite().all() and not gradient[attempt == 0].any()


def expected(logits: Tensor, group: int, attempts: int, terms: Terms, reward: Callable[[tuple[int, ...]], list[float]]):
    """The loop's mean gradient, over every outcome of a group of two-armed episodes by its probability.

    logits (3,): log-odds of arm 1 at the first attempt, and at the second after arm 0 and arm 1.
    """
    total = torch.zeros_like(logits)
    episodes = list(itertools.product((0, 1), repeat=attempts))
    for outcome in itertools.product(episodes, repeat=group):
        states = [[0, *(1 + arm for arm in one[:-1])][:attempts] for one in outcome]
        signs = torch.tensor([[2.0 * arm - 1 for arm in one] for one in outcome], dtype=torch.float64)
        log_probs = torch.nn.functional.logsigmoid(signs * logits[torch.tensor(states)])
        rewards = torch.tensor([reward(one) for one in outcome], dtype=torch.float64)[None]
        advantage = advantages(credits(rewards, terms))[0]
        attempt = torch.arange(1, attempts + 1).expand(group, -1)
        loss, _ = policy_loss(log_probs, log_probs.detach(), attempt, advantage, terms)
        total += log_probs.sum().exp().detach() * torch.autograd.grad(loss, logits)[0]
    return -total  # of the reward: what the step goes along


def test_a_two_armed_bandit_has_the_gradient_of_its_closed_form() -> None:
    """d/dθ [σ(θ) a + (1 - σ(θ)) b] = σ(θ) (1 - σ(θ)) (a - b), for a group of any size: the baseline has no bias."""
    logits = torch.tensor([0.4, 0.0, 0.0], dtype=torch.float64, requires_grad=True)
    p = torch.sigmoid(logits[0]).item()
    for group in (2, 3, 4):
        found = expected(logits, group, 1, PLAIN, lambda one: [(-0.5, 2.0)[one[0]]])
        assert found.tolist() == pytest.approx([p * (1 - p) * 2.5, 0.0, 0.0])


def closed(logits: Tensor, alpha: float, gamma: float, first: bool = True) -> list[float]:
    """Of two attempts at a bandit whose arm 1 is right: by hand, from the values of each way."""
    p, after = torch.sigmoid(logits[0]).item(), torch.sigmoid(logits[1:]).tolist()
    # g_1 after each first arm, the mean over the second: r_1 + gamma (r_2 + alpha (r_2 - r_1)).
    values = [arm + gamma * (after[arm] + alpha * (after[arm] - arm)) for arm in (0, 1)]
    slopes = [one * (1 - one) * (1 + alpha) for one in after]
    return [first * p * (1 - p) * (values[1] - values[0]), (1 - p) * slopes[0], p * slopes[1]]


@pytest.mark.parametrize("gamma", [0.0, 1.0])
@pytest.mark.parametrize("alpha", [0.0, 10.0])
def test_two_attempts_have_the_gradient_of_their_closed_form(alpha: float, gamma: float) -> None:
    logits = torch.tensor([0.4, -0.3, 0.8], dtype=torch.float64, requires_grad=True)
    terms = Terms(True, alpha, gamma, (0.0, 0.0))
    found = expected(logits, 2, 2, terms, lambda one: [float(one[0]), float(one[1])])
    assert found.tolist() == pytest.approx(closed(logits, alpha, gamma))
    if alpha and gamma:  # where mending is likely enough, being right at first is unlearnt
        assert found[0] < 0
    if alpha and not gamma:  # the bonus is a factor of the second attempt's gradient, and nothing else
        plain = expected(logits, 2, 2, PLAIN, lambda one: [float(one[0]), float(one[1])])
        assert found.tolist() == pytest.approx((plain * torch.tensor([1.0, 11.0, 11.0])).tolist())


def test_in_the_first_stage_the_first_attempt_has_no_gradient_of_reward() -> None:
    logits = torch.tensor([0.4, -0.3, 0.8], dtype=torch.float64, requires_grad=True)
    found = expected(logits, 2, 2, first_stage(SCORE), lambda one: [float(one[0]), float(one[1])])
    assert found.tolist() == pytest.approx(closed(logits, 0.0, 0.0, first=False))


def test_the_gap_is_the_difference_in_right_answers_in_the_mean() -> None:
    """Over all answers by their probability: sum p right (1 - q / p) = P(right under p) - P(right under q)."""
    p, q = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64), torch.tensor([0.6, 0.1, 0.3], dtype=torch.float64)
    right = torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64)
    each = [p[i] * gap(right[i : i + 1], p[i : i + 1].log(), q[i : i + 1].log()) for i in range(3)]
    assert float(sum(each)) == pytest.approx(0.7 - 0.9)


def test_an_attempt_s_log_probability_is_the_sum_over_its_tokens() -> None:
    log_probs, _, attempt, _ = drawn()
    found = attempt_log_probs(log_probs, attempt, 2)
    assert found[1].item() == pytest.approx(log_probs[1, 5].item())
    assert found[0].item() == pytest.approx(log_probs[0, 4:].sum().item())
