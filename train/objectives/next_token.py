"""Next-token prediction: the weighted mean of negative log-likelihoods."""

from __future__ import annotations

from torch import Tensor

from data.pipeline.packing import Batch


def losses(nll: Tensor, batch: Batch) -> Tensor:
    """Each target's nats times its weight. A weight of 1 leaves loss and gradient as they are, to the last bit."""
    return nll * batch.weight
