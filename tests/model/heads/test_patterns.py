"""Patterns are what attention uses, and a silenced head writes nothing."""

from __future__ import annotations

import pytest
import torch

from model.attention import attend, dense_mask
from model.heads.patterns import attention_patterns, head_outputs, silenced
from model.transformer import Attention, Transformer


def inputs(rows: int = 2, length: int = 9) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    tokens = torch.randint(0, 640, (rows, length), generator=torch.Generator().manual_seed(1))
    span = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 1]).expand(rows, -1)
    note = torch.zeros_like(tokens, dtype=torch.bool)
    note[:, 6:8] = True
    return tokens, torch.arange(length).expand_as(tokens), dense_mask(torch.zeros_like(tokens), span, note)


@torch.no_grad()
def test_a_pattern_times_the_values_is_what_attention_gives(make_model, monkeypatch) -> None:
    model: Transformer = make_model()
    tokens, positions, mask = inputs()
    given = []

    def spy(query, key, value, mask):
        given.append((value, attend(query, key, value, mask)))
        return given[-1][1]

    patterns = attention_patterns(model, tokens, positions, mask)
    monkeypatch.setattr("model.transformer.attend", spy)
    model.hidden(tokens, positions, mask)
    assert len(patterns) == len(given) == 2
    for pattern, (value, output) in zip(patterns, given, strict=True):
        assert pattern.shape == (2, 4, 9, 9) and (pattern[:, :, ~mask[0, 0]] == 0).all()
        torch.testing.assert_close(pattern.sum(-1), torch.ones(2, 4, 9))
        torch.testing.assert_close(pattern @ value.repeat_interleave(2, dim=1), output, rtol=1e-4, atol=1e-5)
    assert not any(block.self_attn._forward_pre_hooks for block in model.layers)


@torch.no_grad()
def test_a_silenced_head_is_one_whose_output_weights_are_zero(make_model) -> None:
    tokens, positions, mask = inputs()
    model, zeroed = make_model(), make_model()
    zeroed.layers[0].self_attn.o_proj.weight[:, 8:16] = 0
    zeroed.layers[1].self_attn.o_proj.weight[:, :8] = 0
    zeroed.layers[1].self_attn.o_proj.weight[:, 24:] = 0
    before = model(tokens, positions, mask)
    with silenced(model, [(0, 1), (1, 0), (1, 3)]):
        inside = model(tokens, positions, mask)
    torch.testing.assert_close(inside, zeroed(tokens, positions, mask))
    assert not torch.allclose(inside, before) and torch.equal(model(tokens, positions, mask), before)


def test_it_speaks_again_after_an_error(make_model) -> None:
    model = make_model()
    with pytest.raises(RuntimeError, match="stop"), silenced(model, [(0, 0)]):
        raise RuntimeError("stop")
    assert not model.layers[0].self_attn.o_proj._forward_pre_hooks


@torch.no_grad()
def test_what_heads_write_adds_up_to_what_attention_does_on_one_token(make_model) -> None:
    """Of one token alone, which looks at itself: the heads' parts sum to the layer's output through the last norm."""
    model: Transformer = make_model()
    tokens = torch.tensor([3, 500])
    found = head_outputs(model, 0, tokens)
    assert found.shape == (4, 2, 640)
    block, attention = model.layers[0], model.layers[0].self_attn
    assert isinstance(attention, Attention)
    for place, token in enumerate(tokens):
        x = block.input_layernorm(model.embed_tokens(token[None, None]))
        tables = torch.ones(1, 1, 1, 8), torch.zeros(1, 1, 1, 8)
        expected = model.lm_head(attention(x, tables, None, None) * model.norm.weight)[0, 0]
        torch.testing.assert_close(found[:, place].sum(0), expected, rtol=1e-4, atol=1e-4)
