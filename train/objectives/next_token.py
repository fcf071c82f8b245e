"""Next-token prediction: the weighted mean of negative log-likelihoods."""

from __future__ import annotations

from torch import Tensor

from train.config import ObjectiveConfig
from train.objectives import Objective, Seen


def losses(seen: Seen, config: ObjectiveConfig) -> Tensor:
    """Each target's nats times its weight. A weight of 1 leaves loss and gradient as they are, to the last bit."""
    return seen.nll * seen.batch.weight


OBJECTIVE = Objective(losses)
