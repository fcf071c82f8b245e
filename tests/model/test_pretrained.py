"""Room for new tokens in a model that knows others, and where a checkpoint is looked for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from model.pretrained import grow, locate
from model.transformer import Transformer

Make = Callable[..., Transformer]
TOKENS = torch.arange(40)[None]


@pytest.mark.parametrize("tied", [True, False])
def test_new_rows_are_the_mean_of_the_known_ones(make_model: Make, tied: bool) -> None:
    model = make_model(vocab_size=64, tied=tied)
    before = model(TOKENS, TOKENS)
    old = {name: weight.clone() for name, weight in model.state_dict().items()}
    grow(model, 128, known=50, like={60: 3, 100: 3})
    assert (model.lm_head.weight is model.embed_tokens.weight) == tied
    assert model.config.vocab_size == model.embed_tokens.num_embeddings == model.lm_head.out_features == 128
    for name in ("embed_tokens.weight", "lm_head.weight"):
        rows, was = model.state_dict()[name], old[name]
        assert torch.equal(rows[:50], was[:50])
        assert torch.equal(rows[60], was[3]) and torch.equal(rows[100], was[3])
        others = [row for row in range(50, 128) if row not in (60, 100)]
        torch.testing.assert_close(rows[others], was[:50].mean(0).expand(len(others), -1))
    after = model(TOKENS, TOKENS)
    assert after.shape[-1] == 128
    torch.testing.assert_close(after[..., :50], before[..., :50])
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_rows_of_codes_are_drawn_around_the_mean_and_differ(make_model: Make) -> None:
    model = make_model(vocab_size=64)
    torch.manual_seed(0)
    grow(model, 1088, known=50, apart=range(60, 1060))
    rows = model.embed_tokens.weight
    drawn, known = rows[60:1060], rows[:50]
    assert torch.cdist(drawn[:50], drawn[:50]).fill_diagonal_(1.0).min() > 0.01
    torch.testing.assert_close(drawn.std(0), known.std(0), rtol=0.15, atol=1e-4)
    deviation = known.std(0) / 1000**0.5
    assert ((drawn.mean(0) - known.mean(0)).abs() < 5 * deviation).all()
    assert torch.equal(rows[55], rows[1070])  # the others stay the mean


def test_where_nothing_is_new_nothing_changes(make_model: Make) -> None:
    model = make_model(vocab_size=64)
    before = model.embed_tokens.weight.clone()
    grow(model, 64, known=64)
    assert torch.equal(model.embed_tokens.weight, before)
    with pytest.raises(ValueError, match="32 rows are fewer than the 64"):
        grow(model, 32, known=32)


def test_a_checkpoint_that_is_nowhere_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for init in ("no/such-model", "/no/such/folder"):
        with pytest.raises(ValueError, match=f"init={init}: no such folder, and"):
            locate(init)
