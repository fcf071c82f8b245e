"""The IDK token: what the model gets wrong, it learns to be unsure of, with no label but the text.

    lambda = idk (1 - p(x) / max p)                        0 where x is the likeliest; no gradient through it
    -(1 - lambda) log p(x) - lambda log p(idk)             where another token is likelier
    -log p(x) - log(1 - p(idk))                            where x is the likeliest

Cohen et al. 2024 (I Don't Know: Explicit Modeling of Uncertainty with an [IDK] Token, arXiv 2412.06676, equations 2 to
4). The token is `<|idk|>`, the one that an answer is refused with.
"""

from __future__ import annotations

import torch
from torch import Tensor

from train.config import ObjectiveConfig
from train.objectives import Objective, Seen

LEAST = 1e-6  # of 1 - p(idk)


def losses(seen: Seen, config: ObjectiveConfig) -> Tensor:
    assert seen.idk is not None and seen.best is not None
    behind = seen.nll.detach() - seen.best  # -log(p(x) / max p): 0 where x is the likeliest
    share = -config.idk * torch.expm1(-behind)
    kept = -(-torch.expm1(-seen.idk)).clamp(min=LEAST).log()
    unsure = torch.where(behind > 0, (1 - share) * seen.nll + share * seen.idk, seen.nll + kept)
    return torch.where(seen.judged, unsure, seen.nll) * seen.batch.weight


OBJECTIVE = Objective(losses, idk=True)
