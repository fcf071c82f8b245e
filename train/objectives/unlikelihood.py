"""Unlikelihood: what is good is made likely, what is not is made unlikely.

    -log p(x)                  where score >= threshold
    -alpha log(1 - p(x))       where score < threshold

Welleck et al. 2020 (arXiv 1908.04319, equation 3) by sentence, as Korbak et al. 2023 (arXiv 2302.08582, equation 4).
"""

from __future__ import annotations

import torch
from torch import Tensor

from train.config import ObjectiveConfig
from train.objectives import Objective, Seen

LEAST = 1e-6  # of 1 - p: the gradient is p / (1 - p), and one token of p = 1 would be the whole step


def losses(seen: Seen, config: ObjectiveConfig) -> Tensor:
    unlikely = seen.judged & (seen.batch.score < config.threshold)
    against = -(-torch.expm1(-seen.nll)).clamp(min=LEAST).log()
    return torch.where(unlikely, config.alpha * against, seen.nll) * seen.batch.weight


OBJECTIVE = Objective(losses)
