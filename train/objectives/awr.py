"""Advantage-weighted regression: a token weighs the more, the better its sentence is than was to be expected.

    A = R - V(x before it)                         R is the score; no gradient through V here
    alpha min(exp(A / beta), 1000) (-log p(x)) + (1 - alpha) (R - V)^2

Peng et al. 2019 (arXiv 1910.00177), as Korbak et al. 2023 (arXiv 2302.08582, equation 6) and their code have it for
language models: V is the sigmoid of a linear reading of the hidden state that predicts the token, begins at .5
everywhere, and its error moves the trunk, too. Weights are not normalised, so beta also scales the step; optimisers
that divide by the size of gradients, as ours do, mostly undo that. What is not judged weighs alpha.
"""

from __future__ import annotations

import torch
from torch import Tensor

from train.config import ObjectiveConfig
from train.objectives import Objective, Seen

MOST = 1000.0  # of a weight


def losses(seen: Seen, config: ObjectiveConfig) -> Tensor:
    assert seen.value is not None
    surprise = seen.batch.score - seen.value
    weight = torch.where(seen.judged, (surprise.detach() / config.beta).exp().clamp(max=MOST), 1.0)
    error = torch.where(seen.judged, surprise.square(), 0.0)
    return (config.alpha * weight * seen.nll + (1 - config.alpha) * error) * seen.batch.weight


OBJECTIVE = Objective(losses, value=True)
