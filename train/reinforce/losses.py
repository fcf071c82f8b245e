"""REINFORCE over attempts: what each is credited with, against which baseline, and how far it may move.

With r_1 and r_2 the rewards of an episode's attempts y_1 and y_2, and g_n what attempt n is credited with,

    first stage     L = -A(g_2) log p(y_2) + beta_2 KL(y_1),                    g_2 = r_2
    second stage    L = -A(g_1) log p(y_1) - A(g_2) log p(y_2) + beta_1 (KL(y_1) + KL(y_2)),
                    g_2 = r_2 + alpha (r_2 - r_1),  g_1 = r_1 + gamma g_2

(Kumar et al. 2024, arXiv 2409.12917, equations 3 and 4, credited attempt by attempt as in their appendix A.4: gamma is
0.) With gamma = 0 the bonus can't pay y_1 for being wrong; with gamma = 1, where g_1 = (1 - alpha) r_1 + (1 + alpha)
r_2, it does. Since -alpha r_1 is settled before y_2 is drawn, the bonus with gamma = 0 makes the expected gradient of
y_2 1 + alpha times as large, and otherwise changes its variance only.

Shape letters: Q questions, G episodes of each, N = Q G, A attempts, T tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from train.reinforce.config import ReinforceConfig


@dataclass(frozen=True)
class Terms:
    """What a phase makes of the attempts.

    Attributes:
        first: whether the first attempt learns from its reward.
        alpha, gamma: see above.
        kl: weight of each attempt's KL.
    """

    first: bool
    alpha: float
    gamma: float
    kl: tuple[float, float]


def first_stage(config: ReinforceConfig) -> Terms:
    return Terms(False, 0.0, 0.0, (config.pin, 0.0))


def second_stage(config: ReinforceConfig, pinned: bool = False) -> Terms:
    """With the first attempt `pinned` as in the first stage, where it got worse than it was."""
    if pinned:
        return Terms(False, config.alpha, 0.0, (config.pin, config.kl))
    return Terms(True, config.alpha, config.gamma, (config.kl, config.kl))


def credits(rewards: Tensor, terms: Terms) -> Tensor:
    """What each attempt is credited with: like `rewards`, float (..., A)."""
    if rewards.shape[-1] == 1:
        return rewards
    first, second = rewards.unbind(-1)
    second = second + terms.alpha * (second - first)
    return torch.stack((first + terms.gamma * second, second), -1)


def advantages(credited: Tensor) -> Tensor:
    """Less the mean of the group's other episodes: float (Q, G, A) like `credited`.

    The baseline is independent of the episode, so that the gradient has no bias (Kool et al. 2019, *Buy 4 REINFORCE
    samples, get a baseline for free*). Not divided by the group's deviation, which would bias it (Dr. GRPO, arXiv
    2503.20783).
    """
    others = (credited.sum(1, keepdim=True) - credited) / (credited.shape[1] - 1)
    return credited - others


def k3(log_probs: Tensor, reference: Tensor) -> Tensor:
    """An unbiased estimate of KL(p || reference) from tokens that p drew, never below 0: exp(d) - d - 1, in nats.

    d = log reference - log p (Schulman 2020, *Approximating KL divergence*).
    """
    d = reference - log_probs
    return d.exp() - d - 1


def policy_loss(
    log_probs: Tensor, reference: Tensor, attempt: Tensor, advantage: Tensor, terms: Terms
) -> tuple[Tensor, Tensor]:
    """The loss (), mean over episodes, and the KL (A,) of each attempt, nats a token.

    Args:
        log_probs, reference: float (N, T), of each target under the model and under that before.
        attempt: (N, T), which attempt the target is of, from 1; 0 for none.
        advantage: float (N, A), constants.
    """
    # Taken out before anything is computed of it: nan times a gradient of 0 is nan.
    log_probs, reference = (torch.where(attempt > 0, one, 0.0) for one in (log_probs, reference))
    loss, kls = log_probs.new_zeros(()), []
    divergence = k3(log_probs, reference)
    for number in range(advantage.shape[1]):
        here = attempt == number + 1
        said = torch.where(here, log_probs, 0.0).sum(1)
        kl = (torch.where(here, divergence, 0.0).sum(1) / here.sum(1).clamp(min=1)).mean()
        if number or terms.first:
            loss = loss - (advantage[:, number] * said).mean()
        loss = loss + terms.kl[number] * kl
        kls.append(kl.detach())
    return loss, torch.stack(kls)


def gap(right: Tensor, log_probs: Tensor, reference: Tensor) -> Tensor:
    """How much oftener first attempts are right than the model's before, (): mean of right (1 - reference / p).

    An unbiased estimate from the model's own samples alone: the weights p_ref / p make them those of the model before.

    Args:
        right: float (N,), 1 where the first attempt is right.
        log_probs, reference: float (N,), of the whole attempt.
    """
    return (right * (1 - (reference - log_probs).exp())).mean()


def attempt_log_probs(log_probs: Tensor, attempt: Tensor, number: int) -> Tensor:
    """Of one whole attempt: float (N,)."""
    return torch.where(attempt == number, log_probs, 0.0).sum(1)
