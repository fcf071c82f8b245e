"""Reward-weighted regression: each token weighs exp(score / beta).

Peters & Schaal 2007, as Korbak et al. 2023 (arXiv 2302.08582, equation 5) have it for language models: exp(R / beta)
log p(x). Divided here by exp(1 / beta), the weight of the best score, so that it weighs as much as what is not judged.
Their released code has beta = 10 and rewards between -1 and 0, where all weights are between .905 and 1: next-token
prediction in all but name. Of scores between .55 and .95 a beta of .1 makes a factor of 55, of .3 one of 4.
"""

from __future__ import annotations

import torch
from torch import Tensor

from train.config import ObjectiveConfig
from train.objectives import Objective, Seen


def losses(seen: Seen, config: ObjectiveConfig) -> Tensor:
    weight = torch.where(seen.judged, ((seen.batch.score - 1) / config.beta).exp(), 1.0)
    return weight * seen.nll * seen.batch.weight


OBJECTIVE = Objective(losses)
