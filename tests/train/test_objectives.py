"""The loss of a step is that of its objective; plain next-token loss is what it was, to the last bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from configs.keys import modules
from data.pipeline.packing import Batch, collate
from data.pipeline.sample import ANSWER, TAG, Part, Sample
from model.attention import training_mask
from model.config import ModelConfig
from model.loss import token_nll
from model.transformer import Transformer
from train.config import ObjectiveConfig
from train.objectives import Objective, Seen, named

END = 7
PLAIN = (Part((1,), learn=False), Part((11, 12, 13), span=0), Part((2, 21, 22), TAG, note=True, span=0), Part((14, 3)))


def batch_of(*samples: Sequence[Part]) -> Batch:
    return collate([[Sample(parts, END) for parts in samples]], 32, pad=0)


def nll_of(model: Transformer, batch: Batch) -> Tensor:
    mask = training_mask(batch.doc, batch.span, batch.note)
    return token_nll(model, batch.tokens, batch.positions, batch.targets, mask)


@pytest.fixture(scope="module")
def model() -> Transformer:
    torch.manual_seed(0)
    return Transformer(ModelConfig(layers=1, dim=16, heads=2, kv_heads=1, ffn_dim=32, vocab_size=32))


def next_token(nll: Tensor, batch: Batch) -> Tensor:
    return named("next_token").losses(Seen(nll, batch), ObjectiveConfig())


def gradient(model: Transformer, loss: Tensor) -> list[Tensor]:
    model.zero_grad()
    loss.backward()
    return [p.grad.clone() for p in model.parameters() if p.grad is not None]


def test_next_token_with_weights_of_one_is_the_plain_sum_to_the_last_bit(model: Transformer) -> None:
    batch = batch_of(PLAIN, PLAIN)
    plain, weighted = nll_of(model, batch), next_token(nll_of(model, batch), batch)
    assert torch.equal(plain, weighted)
    for left, right in zip(gradient(model, plain.sum()), gradient(model, weighted.sum()), strict=True):
        assert torch.equal(left, right)


def test_a_weight_counts_its_tokens_as_often_and_none_at_all(model: Transformer) -> None:
    """Tags of weight 3 beside text of weight 0: three times their nats, and no gradient from the text."""
    heavy = [part._replace(weight=3.0 if part.kind == TAG else 0.0) for part in PLAIN]
    batch = batch_of(heavy)
    nll = nll_of(model, batch)
    found = next_token(nll, batch)
    tags = (batch.kind == TAG) & (batch.targets >= 0)
    assert torch.equal(found, torch.where(tags, 3 * nll, 0.0)) and int(tags.sum()) == 3
    assert Sample(heavy, END).total_weight == 9
    unlearnt = batch_of([part._replace(learn=part.kind == TAG) for part in PLAIN])
    left, right = gradient(model, found.sum()), gradient(model, 3 * nll_of(model, unlearnt).sum())
    for one, other in zip(left, right, strict=True):
        torch.testing.assert_close(one, other)


def test_a_step_divides_by_the_weight_of_all_its_targets(model: Transformer) -> None:
    """So that twice the weight of everything is the same loss."""
    batch = batch_of(PLAIN)
    double = [part._replace(weight=2.0) for part in PLAIN]
    once = next_token(nll_of(model, batch), batch).sum() / Sample(PLAIN, END).total_weight
    twice = next_token(nll_of(model, batch_of(double)), batch_of(double)).sum() / Sample(double, END).total_weight
    torch.testing.assert_close(once, twice)


def test_every_objective_of_the_folder_gives_a_loss_to_each_target(model: Transformer) -> None:
    batch = batch_of([*PLAIN, Part((15, 16), ANSWER, objective=1, weight=0.5)])
    for name in modules("train/objectives"):
        objective: Objective = named(name)
        nll = nll_of(model, batch)
        beside = {"value": torch.full_like(nll, 0.5), "idk": nll.detach() + 1, "best": nll.detach().clamp(max=2)}
        found = objective.losses(Seen(nll, batch, **beside), ObjectiveConfig())
        assert found.shape == nll.shape and found.isfinite().all()
        assert not found[batch.targets < 0].any()
        gradient(model, found.sum())


def test_weights_travel_with_their_tokens_to_any_device() -> None:
    batch = batch_of([part._replace(weight=0.5, objective=2) for part in PLAIN])
    moved = batch.to(torch.device("meta"))
    assert moved.weight.is_meta and moved.objective.is_meta
    assert replace(batch).weight.sum() == 0.5 * 8
