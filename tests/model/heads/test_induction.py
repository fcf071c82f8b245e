"""Scores of heads that do nothing but what they are called after, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from model.heads.induction import (
    REPEATS,
    ROWS,
    RUN,
    copying,
    induction_scores,
    prefix_matching,
    previous_token,
    repeated_runs,
)

LENGTH = 1 + RUN * REPEATS


def looking(at: dict[int, float]) -> torch.Tensor:
    """The pattern (1, 1, T, T) of a head that looks so many places back, at the shares given; what it can't is lost."""
    pattern = torch.zeros(1, 1, LENGTH, LENGTH)
    for back, share in at.items():
        for query in range(back, LENGTH):
            pattern[0, 0, query, query - back] = share
    return pattern


def test_a_run_comes_four_times_behind_a_mark() -> None:
    found = repeated_runs(range(100, 200), mark=7)
    assert found.shape == (ROWS, LENGTH) and found.dtype == torch.int64
    runs = found[:, 1:].view(ROWS, REPEATS, RUN)
    assert (found[:, 0] == 7).all() and (runs == runs[:, :1]).all()
    assert all(len(set(run.tolist())) == RUN for run in runs[:, 0])
    assert runs.min() >= 104 and runs.max() < 196  # the most and the least frequent 4% are left out
    assert torch.equal(found, repeated_runs(range(100, 200), mark=7))
    assert not torch.equal(found, repeated_runs(range(100, 200), mark=7, seed=1))
    with pytest.raises(ValueError, match="24 words are too few"):
        repeated_runs(range(24), mark=7)


def test_prefix_matching_by_hand() -> None:
    # 24 places back is the token behind the last copy: all of it for the 75 tokens of repeats 2 to 4.
    assert prefix_matching(looking({24: 1.0})).tolist() == [pytest.approx(1.0)]
    assert prefix_matching(looking({25: 1.0})).tolist() == [0.0]
    # 49 back is behind the copy before: 50 of 75 tokens have one.
    assert prefix_matching(looking({49: 1.0})).tolist() == [pytest.approx(50 / 75)]
    # Together, at 30% and 20%, with 74 back for the last repeat.
    assert prefix_matching(looking({24: 0.3, 49: 0.2, 74: 0.1})).item() == pytest.approx(0.3 + 0.2 * 2 / 3 + 0.1 / 3)


def test_previous_token_by_hand() -> None:
    assert previous_token(looking({1: 1.0})).tolist() == [1.0]
    assert previous_token(looking({1: 0.25, 0: 0.75})).tolist() == [0.25]
    both = torch.cat((looking({1: 1.0}), looking({0: 1.0})), dim=1)
    assert previous_token(both).tolist() == [1.0, 0.0]


@torch.no_grad()
def test_copying_by_hand(make_model) -> None:
    """One head of the width of the model that hands on what it reads, one that writes its opposite."""
    model = make_model(dim=64, layers=1, heads=2, kv_heads=2, head_dim=64, tied=False, vocab_size=64)
    attention = model.layers[0].self_attn
    model.embed_tokens.weight.copy_(torch.eye(64))
    model.lm_head.weight.copy_(torch.eye(64))
    for parameter in (model.norm.weight, model.layers[0].input_layernorm.weight):
        parameter.fill_(1.0)
    attention.v_proj.weight.copy_(torch.eye(64).repeat(2, 1))
    attention.o_proj.weight.copy_(torch.cat((torch.eye(64), -torch.eye(64)), dim=1))
    run = torch.arange(10, 35)[None]
    copies, opposes = copying(model, 0, run).tolist()
    assert copies == pytest.approx(1.0)
    assert opposes == pytest.approx(-1.0)  # it raises the 24 others, and never its own
    attention.o_proj.weight.add_(0.5)  # what raises all logits alike says nothing
    assert copying(model, 0, run).tolist()[0] == pytest.approx(1.0)
    attention.o_proj.weight.fill_(0.0)
    assert copying(model, 0, run).tolist() == [-1.0, -1.0]


def test_scores_of_a_model(make_model) -> None:
    model, tokens = make_model(), repeated_runs(range(300, 600), mark=1)
    scores = induction_scores(model, tokens)
    for name in ("prefix_matching", "previous_token", "copying"):
        assert getattr(scores, name).shape == (2, 4)
    assert (scores.prefix_matching > 0).all() and (scores.prefix_matching < 1).all()
    assert math.isfinite(scores.in_context)
    with torch.no_grad():
        positions = torch.arange(LENGTH).expand_as(tokens)
        mask = torch.ones(LENGTH, LENGTH, dtype=torch.bool).tril()[None, None]
        nll = -model(tokens, positions, mask).log_softmax(-1)[:, :-1].gather(-1, tokens[:, 1:, None])[..., 0]
    assert scores.in_context == pytest.approx(float(nll[:, -RUN:].mean() - nll[:, :RUN].mean()), abs=1e-4)
