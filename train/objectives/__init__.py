"""What the loss is: how the likelihood of each target becomes what is learnt from it. One file an objective.

A module of this folder is an objective, chosen by its name with the key `objective`, and holds a function `losses`:

    losses(nll, batch) -> Tensor     float32 (R, T), which is summed and divided by the weight of the whole step

`nll` are the nats of each target (R, T), 0 where there is none, and `batch` brings the weight and the label of each
(data/pipeline/packing.py), as `Part` gave them to its tokens (data/pipeline/sample.py).

Shape letters: R rows of T tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from torch import Tensor

from data.pipeline.packing import Batch

Objective = Callable[[Tensor, Batch], Tensor]


def named(name: str) -> Objective:
    """The objective of this name; configs/schema.py says which there are."""
    losses: Objective = import_module(f"{__name__}.{name}").losses
    return losses
