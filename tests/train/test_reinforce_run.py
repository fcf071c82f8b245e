"""The RL loop itself: its gradient on a bandit, its phases and its gate, and that it goes on to the same bits."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from telling import chained

from data.pipeline.identifiers import IdsConfig, assign
from data.pipeline.placement import TagsConfig
from data.pipeline.questions.attempts import Attempt, AttemptForm
from data.pipeline.sources import Documents
from data.pipeline.stream import Plan
from data.pipeline.tokenizer import Tokenizer
from data.records import Document
from model.transformer import Transformer
from train.checkpoint import read_checkpoint
from train.config import OptimizerConfig, TrainerConfig
from train.fit import fit, read_metrics
from train.reinforce.config import ReinforceConfig, SelfCorrectionConfig
from train.reinforce.module import Graded, OnPolicyLM, Policy

PLAIN = TrainerConfig(precision="32-true", compiled=False, log_every=1, save_every=2, validate_every=0)
ONCE = ReinforceConfig(stage_one=0.0, kl=0.0, gate=1.0)


def module_of(
    model: Transformer,
    tokenizer: Tokenizer,
    documents: list[Document],
    config: SelfCorrectionConfig,
    grade: Callable[[int, Attempt], Graded],
    steps: int = 8,
    lr: float = 0.002,
) -> OnPolicyLM:
    identifiers = assign(documents, tokenizer, IdsConfig())
    texts = tokenizer.encode([f"Where was {name} born?" for name in ("Ada Moss", "Ben Lark", "Cleo Finch", "Dov Reed")])
    return OnPolicyLM(
        model,
        Documents(documents, identifiers, tokenizer, TagsConfig(), 96, seed=0),
        None,
        Plan(seq_len=96, sequences=2, steps=steps, block=9),
        tokenizer.pad,
        OptimizerConfig(name="adamw", lr=lr, warmup=0.0, decay=0.0),
        fingerprint="test",
        policy=Policy(texts, AttemptForm(tokenizer, identifiers), grade, config, 0),
    )


def alone(module: OnPolicyLM) -> OnPolicyLM:
    """As if a trainer of one process had it."""
    module._trainer = SimpleNamespace(world_size=1, accumulate_grad_batches=1)  # type: ignore[assignment]
    return module


def test_a_bandit_of_two_words_has_the_gradient_of_its_closed_form(
    make_model: Callable[..., Transformer], tokenizer: Tokenizer, documents: list[Document]
) -> None:
    """One of two words, then the end: sampled, graded, laid out and learnt from as in any run.

    The mean reward is p a + (1 - p) b, whose gradient is taken by hand: p (1 - p) (a - b) d log-odds.
    """
    chances = {
        "<|answer|>": {" Oslo": 0.6, " Lima": 0.39999},
        " Oslo": {"<|end|>": 0.9999},
        " Lima": {"<|end|>": 0.9999},
    }
    model = chained(make_model(dim=640, layers=1, tied=False), tokenizer, chances)
    oslo, lima, answer = (tokenizer.backend.token_to_id(one) for one in ("ĠOslo", "ĠLima", "<|answer|>"))
    config = SelfCorrectionConfig(attempts=1, questions=16, group=64, reinforce=ONCE)
    module = alone(
        module_of(model, tokenizer, documents, config, lambda n, a: Graded(2.0 * (a[0] == oslo) - 0.5, True))
    )
    module._learn(0, 0).backward()
    total = -model.lm_head.weight.grad
    scale = float(model.norm(torch.eye(640)[:1])[0, 0].detach())
    wanted = 0.6 * 0.4 * 2.0 * scale
    assert float(total[oslo, answer]) == pytest.approx(wanted, rel=0.05)
    assert float(total[lima, answer]) == pytest.approx(-wanted, rel=0.05)
    total[[oslo, lima], answer] = 0
    assert float(total.abs().max()) < 0.05 * wanted


def prefers(token: int) -> Callable[[int, Attempt], Graded]:
    return lambda number, attempt: Graded(float(token in attempt), token in attempt)


def odd(number: int, attempt: Attempt) -> Graded:
    """Half of what is written, so that the share of right answers moves from the first step on."""
    return Graded(float(sum(attempt) % 2), bool(sum(attempt) % 2))


def test_in_the_first_stage_the_first_attempt_is_pinned(
    make_model: Callable[..., Transformer], tokenizer: Tokenizer, documents: list[Document], tmp_path: Path
) -> None:
    """The second attempt learns; the first moves less, the more it is pinned; without a pin it moves along."""
    found = {}
    for pin in (0.0, 30.0):
        learnt = ReinforceConfig(stage_one=0.99, pin=pin)
        config = SelfCorrectionConfig(questions=4, group=8, reinforce=learnt)
        model = make_model(3)
        module = module_of(model, tokenizer, documents, config, prefers(tokenizer.idk), steps=12)
        fit("pinned", module, PLAIN, tmp_path / str(pin))
        found[pin] = read_metrics(tmp_path / str(pin))
    assert all(row["gate"] == 1.0 for row in found[30.0])
    assert found[30.0][0]["kl_1"] == found[0.0][0]["kl_1"] == 0.0  # it begins as it was, to the last bit
    assert found[30.0][-1]["kl_1"] < 0.5 * found[0.0][-1]["kl_1"]


def test_the_gate_pins_the_first_attempt_where_it_got_worse(
    make_model: Callable[..., Transformer], tokenizer: Tokenizer, documents: list[Document]
) -> None:
    config = SelfCorrectionConfig(questions=4, group=2, reinforce=ReinforceConfig(stage_one=0.5))
    module = module_of(make_model(), tokenizer, documents, config, prefers(1), steps=8)
    assert (module.terms(3).first, module.terms(4).first) == (False, True)
    assert (module.terms(3).alpha, module.terms(4).alpha) == (0.0, 10.0)
    module.first_gap = torch.tensor(-0.03)
    shut = module.terms(4)
    assert not shut.first and shut.alpha == 10.0 and shut.kl == (0.1, 0.01)
    module.first_gap = torch.tensor(-0.01)
    assert module.terms(4).first


def test_each_question_is_asked_once_before_any_is_again(
    make_model: Callable[..., Transformer], tokenizer: Tokenizer, documents: list[Document]
) -> None:
    module = alone(
        module_of(make_model(), tokenizer, documents, SelfCorrectionConfig(questions=2, group=2), prefers(1))
    )
    asked = [module.drawn(step, 0) for step in range(6)]
    for epoch in range(3):
        assert sorted(asked[2 * epoch] + asked[2 * epoch + 1]) == [0, 1, 2, 3]
    module._trainer.accumulate_grad_batches = 2  # type: ignore[union-attr]
    assert [module.drawn(step, 0) + module.drawn(step, 1) for step in range(6)] == asked


def test_sampling_leaves_no_weight_without_its_gradient(
    make_model: Callable[..., Transformer], tokenizer: Tokenizer, documents: list[Document]
) -> None:
    """Under autocast, which keeps what it cast: also while nothing was to be learnt."""
    config = SelfCorrectionConfig(questions=4, group=4, reinforce=ReinforceConfig(stage_one=0.0))
    model = make_model(3)
    module = alone(module_of(model, tokenizer, documents, config, prefers(tokenizer.idk)))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = module._learn(0, 0)
    loss.backward()
    assert all(p.grad is not None and bool(p.grad.abs().max() > 0) for p in model.parameters())


def test_it_goes_on_from_a_checkpoint_to_the_same_bits(
    make_model: Callable[..., Transformer], tokenizer: Tokenizer, documents: list[Document], tmp_path: Path
) -> None:
    """Across the phases: the weights, their moments, the gate's average and all that is told of the attempts.

    That a killed run is one that goes on from its newest checkpoint is tests/steps/test_self_correction.py.
    """
    config = SelfCorrectionConfig(questions=4, group=4, reinforce=ReinforceConfig(stage_one=0.5))
    spaced = TrainerConfig(precision="32-true", compiled=False, log_every=4, save_every=3, validate_every=0)
    whole, resumed = (module_of(make_model(3), tokenizer, documents, config, odd) for _ in range(2))
    fit("whole", whole, spaced, tmp_path)
    rows = read_metrics(tmp_path)
    expected = read_checkpoint(tmp_path / "checkpoints" / "step=6")
    shutil.rmtree(tmp_path / "checkpoints" / "step=6")
    fit("resumed", resumed, spaced, tmp_path)
    found = read_checkpoint(tmp_path / "checkpoints" / "step=6")
    assert float(resumed.first_gap) == float(whole.first_gap) != 0.0
    for name, value in expected["state_dict"].items():
        assert torch.equal(found["state_dict"][name], value), name
        assert torch.equal(whole.state_dict()[name], resumed.state_dict()[name]), name
    assert not any(name.startswith("before") for name in expected["state_dict"])
    clocked = ("tokens_per_second", "data_wait")
    again = read_metrics(tmp_path)
    assert [{k: v for k, v in row.items() if k not in clocked} for row in again] == [
        {k: v for k, v in row.items() if k not in clocked} for row in rows
    ]


def test_questions_that_do_not_divide_are_refused(
    make_model: Callable[..., Transformer], tokenizer: Tokenizer, documents: list[Document], tmp_path: Path
) -> None:
    config = SelfCorrectionConfig(questions=3, group=2)
    module = module_of(make_model(), tokenizer, documents, config, prefers(1))
    halves = TrainerConfig(precision="32-true", compiled=False, accumulation=2, validate_every=0)
    with pytest.raises(ValueError, match=r"self_correction\.questions=3 can't be divided among the 2 parts of a step"):
        fit("refused", module, halves, tmp_path)
