"""What the loss is: how the likelihood of each target becomes what is learnt from it. One file an objective.

A module of this folder is an objective, chosen by its name with the key `objective.loss`, and holds `OBJECTIVE`: the
function that computes it and what that has to see beside the likelihood of each target. The losses (R, T) in float32
are summed and divided by the weight of the whole step.

A target is judged by the objective where its label is `JUDGED`: the words of documents, once the feedback has begun
(data/pipeline/feedback.py). Everything else, answers and identifiers as well, is learnt as the plain next token:
an identifier says where a sentence stands, which is so whether the sentence is true or not.

Shape letters: R rows of T tokens, C width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from torch import Tensor

from data.pipeline.packing import Batch
from data.pipeline.sample import JUDGED
from model.attention import training_mask
from model.inputs.surprisal import Told, kept
from model.loss import hidden_nll, hidden_nll_beside
from model.transformer import Transformer
from model.value_head import ValueHead
from train.config import ObjectiveConfig


@dataclass(frozen=True, slots=True)
class Seen:
    """What a model makes of a batch; all float32 (R, T).

    Attributes:
        nll: nats of each target, 0 where there is none.
        batch: with the weight, the label and the score of each target.
        value: where the objective has a value head, its reading before each target, in (0, 1).
        idk: where it needs them, the nats of `<|idk|>` in each target's place.
        best: and those of the likeliest token there.
    """

    nll: Tensor
    batch: Batch
    value: Tensor | None = None
    idk: Tensor | None = None
    best: Tensor | None = None

    @property
    def judged(self) -> Tensor:
        """Which targets the objective is to judge: bool (R, T)."""
        return self.batch.objective == JUDGED


@dataclass(frozen=True, slots=True)
class Objective:
    """A loss.

    Attributes:
        losses: of each target: a pure function, 0 where there is none.
        value: whether it has a value head, which reads the hidden state before each target.
        idk: whether it needs the nats of `<|idk|>` and of the likeliest token.
    """

    losses: Callable[[Seen, ObjectiveConfig], Tensor]
    value: bool = False
    idk: bool = False


def look(objective: Objective, model: Transformer, batch: Batch, value_head: ValueHead | None, idk: int) -> Seen:
    """Read a batch for an objective; `value_head` where it has one, `idk` the token `<|idk|>`."""
    mask = training_mask(batch.doc, batch.span, batch.note)
    hidden = model.hidden(batch.tokens, batch.positions, mask, told=told(model, batch), own=batch.own)
    if objective.idk:
        nll, unsure, best = hidden_nll_beside(model, hidden, batch.targets, idk)
        return Seen(nll, batch, idk=unsure, best=best)
    value = None if value_head is None else value_head(hidden)
    return Seen(hidden_nll(model, hidden, batch.targets), batch, value)


def told(model: Transformer, batch: Batch) -> Told | None:
    """What training tells a feedback of surprisal: which rows are fed, and to an oracle what the corpus answers.

    That is every sample of which some target has a score above 0 (data/pipeline/questions/sft_examples.py).
    """
    if model.surprisal is None:
        return None
    known = None
    if model.surprisal.source == "oracle":
        together = batch.doc[:, :, None] == batch.doc[:, None, :]
        known = (together & (batch.score > 0)[:, None, :]).any(-1)
    return Told(kept(batch.tokens, model.surprisal.dropout), known)


def named(name: str) -> Objective:
    """The objective of this name; train/config.py says which there are."""
    found: Objective = import_module(f"{__name__}.{name}").OBJECTIVE
    return found
