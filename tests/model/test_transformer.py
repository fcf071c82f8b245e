"""The model reads one way or another and says the same; it starts as documented; it compiles without a break."""

import math
from collections.abc import Callable

import pytest
import torch

from model.attention import dense_mask
from model.config import ModelConfig
from model.generate import Context, read
from model.loss import compile_model, token_nll
from model.rotary import frequencies, rotary_tables, rotate
from model.transformer import KVCache, Transformer

Make = Callable[..., Transformer]


@pytest.mark.parametrize("sizes", [(1,) * 12, (5, 1, 4, 2), (12,)])
def test_reading_with_a_cache_equals_one_pass(make_model: Make, sizes: tuple[int, ...]) -> None:
    model = make_model()
    tokens = torch.randint(0, 640, (3, 12), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        whole = model(tokens, torch.arange(12).expand(3, -1))
    context = Context.empty(model, 3)
    parts = [read(model, context, part, torch.ones_like(part, dtype=torch.bool)) for part in tokens.split(sizes, 1)]
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-5, rtol=0)
    assert context.position.tolist() == [12] * 3
    assert context.cache.keys[1].shape == (3, 2, 12, 8)


def test_a_cache_keeps_the_rows_that_are_selected() -> None:
    cache = KVCache.empty(1)
    cache.extend(0, torch.arange(3.0).view(3, 1, 1, 1), torch.arange(3.0).view(3, 1, 1, 1) + 10)
    kept = cache.select(torch.tensor([2, 0, 2]))
    assert kept.keys[0].flatten().tolist() == [2, 0, 2]
    assert kept.values[0].flatten().tolist() == [12, 10, 12]


def test_rotary_positions_by_hand() -> None:
    # Head width 4, theta 100: pairs (0, 2) and (1, 3) turn by position * 1 and position / 10.
    x = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 1, 1, 4)
    turned = rotate(x, rotary_tables(torch.tensor([[3]]), frequencies(ModelConfig(head_dim=4, theta=100.0)))).flatten()
    c, s, c2, s2 = math.cos(3), math.sin(3), math.cos(0.3), math.sin(0.3)
    expected = [1 * c - 3 * s, 2 * c2 - 4 * s2, 3 * c + 1 * s, 4 * c2 + 2 * s2]
    torch.testing.assert_close(turned, torch.tensor(expected))


def test_only_differences_of_positions_count(make_model: Make) -> None:
    model = make_model()
    tokens = torch.randint(0, 640, (1, 20), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        here = model(tokens, torch.arange(20)[None])
        there = model(tokens, torch.arange(100, 120)[None])
        apart = model(tokens, 2 * torch.arange(20)[None])
    torch.testing.assert_close(here, there, atol=1e-4, rtol=0)
    assert (here - apart).abs().max() > 0.1


@pytest.mark.parametrize("tied", [True, False])
def test_weights_start_as_documented(tied: bool) -> None:
    torch.manual_seed(0)
    model = Transformer(
        ModelConfig(dim=128, layers=2, heads=4, kv_heads=2, head_dim=48, ffn_dim=320, vocab_size=1000, tied=tied)
    )
    for name, weight in model.named_parameters():
        if weight.ndim < 2:
            assert (weight == 1).all(), name
        elif name.endswith(("o_proj.weight", "down_proj.weight")):
            assert (weight == 0).all(), name
        else:
            fan_in = 128
            expected = 0.02 if name.startswith(("embed_tokens", "lm_head")) else 1 / math.sqrt(fan_in)
            # The standard deviation of n normal numbers is known to 1 / sqrt(2n); four of those.
            std, mean = float(weight.detach().std()), float(weight.detach().mean())
            assert std == pytest.approx(expected, rel=4 / math.sqrt(2 * weight.numel())), name
            assert abs(mean) < 4 * expected / math.sqrt(weight.numel()), name


def test_a_fresh_model_is_the_identity_between_embedding_and_norm() -> None:
    model = Transformer(ModelConfig(dim=32, layers=3, heads=2, kv_heads=2, head_dim=16, ffn_dim=48, vocab_size=64))
    tokens = torch.arange(10)[None]
    x = model.embed_tokens(tokens)
    torch.testing.assert_close(model.hidden(tokens, tokens), x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt())


@pytest.mark.parametrize("tied", [True, False])
def test_parameter_count(tied: bool) -> None:
    # dim 8, 3 layers, 4 query and 2 key-value heads of width 6, inner width 20, vocabulary 50:
    # attention 8*24 + 2 * 8*12 + 24*8, its norms 2 * 6, SwiGLU 3 * 8*20, block norms 2 * 8; embedding 50*8, norm 8.
    block = 192 + 192 + 192 + 12 + 480 + 16
    expected = 3 * block + 400 + 8 + (0 if tied else 400)
    model = Transformer(
        ModelConfig(dim=8, layers=3, heads=4, kv_heads=2, head_dim=6, ffn_dim=20, vocab_size=50, tied=tied)
    )
    assert sum(p.numel() for p in model.parameters()) == expected


def test_nll_is_minus_the_log_probability(make_model: Make) -> None:
    model = make_model()
    tokens = torch.randint(0, 640, (2, 6), generator=torch.Generator().manual_seed(3))
    targets = tokens.roll(-1, 1)
    targets[:, -1] = -100
    positions = torch.arange(6).expand(2, -1)
    with torch.no_grad():
        nll = token_nll(model, tokens, positions, targets, None)
        probability = model(tokens, positions).double().softmax(-1)
    for b in range(2):
        for t in range(5):
            assert float(nll[b, t]) == pytest.approx(-math.log(float(probability[b, t, targets[b, t]])), rel=1e-5)
    assert nll[:, -1].tolist() == [0, 0]
    assert nll.dtype == torch.float32


def masked(length: int = 32) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(4)
    doc = torch.arange(length).expand(2, -1) // 12
    span, note = doc // 2, torch.rand(2, length, generator=generator) < 0.2
    positions = torch.arange(length).expand(2, -1)
    tokens = torch.randint(0, 640, (2, length), generator=generator)
    return tokens, positions, dense_mask(doc, span, note)


@pytest.mark.parametrize("grad", [True, False])
def test_a_block_compiles_without_a_break(make_model: Make, grad: bool) -> None:
    model = make_model()
    _, positions, mask = masked()
    x = torch.randn(2, 32, 32, generator=torch.Generator().manual_seed(5))
    tables = rotary_tables(positions, frequencies(ModelConfig(head_dim=8, theta=10000.0)))
    torch._dynamo.reset()
    with torch.set_grad_enabled(grad):
        found = torch._dynamo.explain(model.layers[0])(x, tables, mask, None)
        assert (found.graph_break_count, found.graph_count) == (0, 1)
        compiled = torch.compile(model.layers[0], backend="aot_eager", fullgraph=True, dynamic=False)
        expected = model.layers[0](x, tables, mask, None)
        torch.testing.assert_close(compiled(x, tables, mask, None), expected, atol=1e-5, rtol=0)
    torch._dynamo.reset()


@pytest.mark.slow
def test_a_compiled_model_learns_the_same(make_model: Make) -> None:
    tokens, positions, mask = masked()
    results = []
    torch._dynamo.reset()
    for compiled in (False, True):
        model = make_model()
        if compiled:
            compile_model(model)
        nll = token_nll(model, tokens, positions, tokens.roll(-1, 1), mask)
        nll.sum().backward()
        results.append([nll.detach(), *(p.grad for p in model.parameters())])
    for eager, fast in zip(*results, strict=True):
        torch.testing.assert_close(fast, eager, atol=2e-5 * float(eager.abs().max()), rtol=0)
    torch._dynamo.reset()


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"dim": 0}, "model.dim=0: must be at least 1"),
        ({"vocab_size": 0}, "model.vocab_size=0: a model needs at least 1"),
        ({"heads": 4, "kv_heads": 3}, "model.kv_heads=3 does not divide model.heads=4"),
        ({"head_dim": 7}, "model.head_dim=7 must be even"),
    ],
)
def test_shapes_that_can_not_be_built_are_refused(shape: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Transformer(ModelConfig(**({"vocab_size": 64} | shape)))
