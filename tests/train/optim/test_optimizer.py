"""Two optimisers that step as one are those two; the rate is a trapezoid."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.optim import AdamW, Muon, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from model.transformer import Transformer
from train.checkpoint import read_checkpoint, write_checkpoint
from train.optim.muon import orthogonalise
from train.optim.optimizer import OptimizerConfig, Together, build_optimizer, rate

Make = Callable[..., Transformer]
TOKENS = torch.randint(0, 640, (4, 10), generator=torch.Generator().manual_seed(1))


def learn(model: Transformer, optimizers: list[Optimizer], steps: int = 3) -> None:
    for _ in range(steps):
        for optimizer in optimizers:
            optimizer.zero_grad()
        logits = model(TOKENS[:, :-1], torch.arange(9).expand(4, -1))
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), TOKENS[:, 1:].flatten()).backward()
        for optimizer in optimizers:
            optimizer.step()


def assert_same(left: Transformer, right: Transformer) -> None:
    for (name, a), b in zip(left.named_parameters(), right.parameters(), strict=True):
        assert torch.equal(a, b), name


def by_hand(model: Transformer, config: OptimizerConfig) -> tuple[Muon, AdamW]:
    named = dict(model.named_parameters())
    outside = [p for name, p in named.items() if name in ("embed_tokens.weight", "lm_head.weight")]
    norms = [p for name, p in named.items() if "norm" in name]
    inside = [p for name, p in named.items() if "proj" in name]
    assert len(outside) + len(norms) + len(inside) == len(named)
    muon = Muon(inside, lr=config.lr, weight_decay=config.weight_decay, momentum=config.momentum,
                adjust_lr_fn="match_rms_adamw")  # fmt: skip
    groups: list[dict] = [{"params": outside}, {"params": norms, "weight_decay": 0.0}]
    betas = (config.beta1, config.beta2)
    return muon, AdamW(groups, lr=config.lr, betas=betas, weight_decay=config.weight_decay, fused=True)


@pytest.mark.parametrize("tied", [True, False])
def test_together_is_each_alone(make_model: Make, tied: bool) -> None:
    config = OptimizerConfig(lr=0.01, weight_decay=0.1)
    one, two = make_model(tied=tied), make_model(tied=tied)
    together = build_optimizer(one, config)
    assert isinstance(together, Together)
    learn(one, [together])
    learn(two, list(by_hand(two, config)))
    assert_same(one, two)
    assert not torch.equal(one.norm.weight, make_model(tied=tied).norm.weight)


@pytest.mark.parametrize("name", ["muon", "adamw"])
def test_parameters_are_grouped_as_documented(make_model: Make, name: str) -> None:
    model = make_model(tied=False)
    named = {id(p): n for n, p in model.named_parameters()}
    groups = build_optimizer(model, OptimizerConfig(name=name, weight_decay=0.1)).param_groups
    found = [({named[id(p)] for p in group["params"]}, group["weight_decay"]) for group in groups]
    outside = {"embed_tokens.weight", "lm_head.weight"}
    norms = {n for n in named.values() if "norm" in n}
    inside = set(named.values()) - outside - norms
    assert len(inside) == 2 * 7
    matrices = [(inside, 0.1), (outside, 0.1)] if name == "muon" else [(inside | outside, 0.1)]
    assert found == [*matrices, (norms, 0.0)]
    assert sum(len(group["params"]) for group in groups) == len(named)


@pytest.mark.parametrize("shape", [(48, 48), (96, 32), (32, 96)])
def test_an_orthogonalised_matrix_has_singular_values_near_one(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    before = matrix.clone()
    found = orthogonalise(matrix, torch.float32)
    assert torch.equal(matrix, before)
    assert found.dtype == torch.float32
    values = torch.linalg.svdvals(found)
    assert float(values.min()) > 0.6 and float(values.max()) < 1.3  # Jordan et al.: about 0.7 to 1.2
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    assert float(((u @ v) * found).sum() / (u @ v).norm() / found.norm()) > 0.98  # in the directions of U V^T


def test_an_update_is_as_large_as_adamws(make_model: Make) -> None:
    # Liu et al. (arXiv 2502.16982): an update's root mean square is about .2, Adam's, whatever the shape.
    model = make_model(dim=64, ffn_dim=256)
    before = copy.deepcopy(model)
    learn(model, [build_optimizer(model, OptimizerConfig(lr=1.0, weight_decay=0.0))], steps=1)
    for name in ("layers.0.mlp.gate_proj.weight", "layers.1.mlp.down_proj.weight"):
        change = model.get_parameter(name) - before.get_parameter(name)
        assert 0.1 < float(change.detach().square().mean().sqrt()) < 0.3, name


@pytest.mark.parametrize("name", ["muon", "adamw"])
def test_a_saved_state_continues_bit_by_bit(make_model: Make, tmp_path: Path, name: str) -> None:
    config = OptimizerConfig(name=name, lr=0.01)
    whole = make_model()
    optimizer = build_optimizer(whole, config)
    schedule = LambdaLR(optimizer, lambda step: rate(step, 8, config))
    for step in range(8):
        learn(whole, [optimizer], steps=1)
        schedule.step()
        if step == 3:
            weights = copy.deepcopy(whole.state_dict())
            write_checkpoint({"o": optimizer.state_dict(), "s": schedule.state_dict()}, tmp_path / "step=4")
    again = make_model(seed=1)
    again.load_state_dict(weights)
    saved = read_checkpoint(tmp_path / "step=4")
    continued = build_optimizer(again, config)
    schedule = LambdaLR(continued, lambda step: rate(step, 8, config))
    continued.load_state_dict(saved["o"])
    schedule.load_state_dict(saved["s"])
    for _ in range(4):
        learn(again, [continued], steps=1)
        schedule.step()
    assert_same(whole, again)


def test_a_schedule_moves_every_part(make_model: Make) -> None:
    model = make_model()
    together = build_optimizer(model, OptimizerConfig())
    assert isinstance(together, Together)
    for group in together.param_groups:
        group["lr"] = 0.0
        group["weight_decay"] = 0.0
    before = copy.deepcopy(model)
    learn(model, [together])
    assert_same(model, before)


def test_a_closure_is_called_with_gradients(make_model: Make) -> None:
    model = make_model()
    optimizer, seen = build_optimizer(model, OptimizerConfig()), []

    def closure() -> float:
        seen.append(torch.is_grad_enabled())
        return 1.5

    with torch.no_grad():
        assert optimizer.step(closure) == 1.5
    assert seen == [True]


def test_the_rate_by_hand() -> None:
    # 20 steps, a tenth up and half down: 1/2, then 1 until ten steps are left, 9/10 ... 1/10, and 0 after.
    config = OptimizerConfig(warmup=0.1, decay=0.5)
    rates = [rate(step, 20, config) for step in range(21)]
    assert rates == pytest.approx([0.5] + [1.0] * 10 + [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0])
    flat = OptimizerConfig(warmup=0.0, decay=0.0)
    assert [rate(step, 4, flat) for step in range(5)] == [1, 1, 1, 1, 0]
    assert rate(0, 1, OptimizerConfig()) == 1.0


@pytest.mark.parametrize(
    "settings", [{"name": "sgd"}, {"lr": 0.0}, {"warmup": -0.1}, {"decay": -0.1}, {"warmup": 0.6, "decay": 0.5}]
)
def test_bad_settings_are_named(make_model: Make, settings: dict) -> None:
    with pytest.raises(ValueError, match=rf"optimizer\.{next(iter(settings))}="):
        build_optimizer(make_model(), OptimizerConfig(**settings))
