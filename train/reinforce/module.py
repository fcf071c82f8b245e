"""The LightningModule that learns from its own attempts: each step asks, grades and learns, beside what is replayed.

A step is the stream's (train/module.py), which goes on beside with documents and tuning questions so that they are not
forgotten (PPO-ptx, Ouyang et al. 2022), and tells which step it is. Everything that is drawn is a function of the seed
and the step, so a run that is continued draws what it would have drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from data.pipeline.packing import Batch, collate
from data.pipeline.questions.attempts import LONGEST, Attempt, AttemptForm
from data.pipeline.sample import Tokens
from data.pipeline.stream import Microbatch
from data.stateless_rng import Permutation, hash_key
from model.attention import training_mask
from model.generate import generate_attempts
from model.loss import token_nll
from model.transformer import Transformer
from train.module import SourceAwareLM
from train.reinforce.config import SelfCorrectionConfig
from train.reinforce.losses import (
    Terms,
    advantages,
    attempt_log_probs,
    credits,
    first_stage,
    gap,
    policy_loss,
    second_stage,
)

SIDE_BY_SIDE = 128  # episodes that are written at once
MEMORY = 0.9  # of the gap, from one step to the next
SHOWN = ("reward_1", "reward_2", "right_1", "right_2", "kl_1", "kl_2", "repeated", "gate")


class Graded(NamedTuple):
    """What an attempt is worth, and whether it gives a right answer."""

    reward: float
    right: bool


Grade = Callable[[int, Attempt], Graded]  # of the question with this number


@dataclass(frozen=True)
class Policy:
    """What is asked, how, and what an attempt is worth.

    Attributes:
        texts: the questions, in tokens.
        grade: of an attempt at one of them, from the ledger or from whatever else.
        seed: of what is drawn.
    """

    texts: Sequence[Tokens]
    form: AttemptForm
    grade: Grade
    config: SelfCorrectionConfig
    seed: int


class OnPolicyLM(SourceAwareLM):
    """Learns attempts by REINFORCE; the model as it is given is what it is kept near to.

    Blocks are never compiled: a rollout has another shape at every token.

    Raises ValueError where the questions of a step can't be divided among devices and accumulation.
    """

    def __init__(self, *args: Any, policy: Policy, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs | {"compiled": False})
        self.policy = policy
        self.before = (deepcopy(self.model).requires_grad_(False).eval(),)  # in a tuple: no part of the checkpoint
        self.first_gap = torch.zeros(())  # how much better first attempts are than before; moving average
        self.gaps: list[Tensor] = []  # of the microbatches of the step under way
        self.shown = torch.zeros(len(SHOWN) + 1, dtype=torch.float64)  # sums since the last metrics, and how many

    def on_fit_start(self) -> None:
        super().on_fit_start()
        self.before[0].to(self.device)
        parts = self.trainer.world_size * self.trainer.accumulate_grad_batches
        if self.policy.config.questions % parts:
            asked = f"self_correction.questions={self.policy.config.questions}"
            raise ValueError(f"{asked} can't be divided among the {parts} parts of a step")

    def training_step(self, micro: Microbatch, index: int) -> Tensor:
        step, part = micro.cursor.step - 1, micro.part * self.trainer.world_size + self.trainer.global_rank
        learnt = self._learn(step, part)
        loss = super().training_step(micro, index) + learnt
        self.finite = self.finite & learnt.detach().isfinite()
        if self.parts == self.trainer.accumulate_grad_batches:
            mean = self.trainer.strategy.reduce(torch.stack(self.gaps).mean(), reduce_op="mean")
            self.first_gap = MEMORY * self.first_gap.to(mean.device) + (1 - MEMORY) * mean
            self.gaps = []
        return loss

    def terms(self, step: int) -> Terms:
        """What is made of the attempts of a step, from 0."""
        config = self.policy.config.reinforce
        if step < round(config.stage_one * self.plan.steps):
            return first_stage(config)
        return second_stage(config, pinned=bool(self.first_gap < -config.gate))

    def drawn(self, step: int, part: int) -> list[int]:
        """The numbers of the questions that a part of a step asks: each once before any is asked again."""
        config, count = self.policy.config, len(self.policy.texts)
        size = config.questions // (self.trainer.world_size * self.trainer.accumulate_grad_batches)
        begin = step * config.questions + part * size
        found = []
        for place in range(begin, begin + size):
            epoch, index = divmod(place, count)
            found.append(int(Permutation(count, int(hash_key(self.policy.seed, 60, epoch)))(index)))
        return found

    def sampled(self, asked: Sequence[int], seed: int) -> list[tuple[Attempt, ...]]:
        """Attempts of `group` episodes to each question of these numbers, those of one question together."""
        config, form = self.policy.config, self.policy.form
        generator = torch.Generator(self.device).manual_seed(seed)
        found: list[tuple[Attempt, ...]] = []
        size = max(1, SIDE_BY_SIDE // config.group)
        for start in range(0, len(asked), size):
            prompts = [form.prompt(self.policy.texts[number]) for number in asked[start : start + size]]
            found += map(
                tuple,
                generate_attempts(
                    self.model, prompts, form.again, form.end, LONGEST,
                    config.attempts, config.group, config.temperature, generator,
                ),
            )  # fmt: skip
        return found

    def _learn(self, step: int, part: int) -> Tensor:
        """The loss of one part of a step: questions are drawn, attempts sampled, graded and learnt from."""
        config, terms = self.policy.config, self.terms(step)
        asked = [number for number in self.drawn(step, part) for _ in range(config.group)]
        attempts = self.sampled(asked[:: config.group], int(hash_key(self.policy.seed, 61, step, part)) >> 1)
        graded = [[self.policy.grade(n, one) for one in tries] for n, tries in zip(asked, attempts, strict=True)]
        rewards = torch.tensor([[one.reward for one in tries] for tries in graded], device=self.device)
        right = torch.tensor([[float(one.right) for one in tries] for tries in graded], device=self.device)
        advantage = advantages(credits(rewards.unflatten(0, (-1, config.group)), terms)).flatten(0, 1)

        samples = [
            self.policy.form.sample(self.policy.texts[n], tries) for n, tries in zip(asked, attempts, strict=True)
        ]
        batch = collate([[one] for one in samples], max(map(len, samples)), self.pad).to(self.device)
        # With gradients enabled, of which there are none, so that both are computed in one way and begin equal.
        reference = -_nll(self.before[0], batch)
        log_probs = -self._nll(batch)
        loss, kl = policy_loss(log_probs, reference, batch.objective, advantage, terms)
        first, was = (attempt_log_probs(one, batch.objective, 1) for one in (log_probs.detach(), reference))
        self.gaps.append(gap(right[:, 0], first, was))
        self._show(rewards, right, kl, sum(one[0] == one[-1] for one in attempts) / len(attempts), not terms.first)
        return loss

    def _show(self, rewards: Tensor, right: Tensor, kl: Tensor, same: float, pinned: bool) -> None:
        columns = (rewards.mean(0), right.mean(0), kl)
        values = [float(column[min(n, len(column) - 1)]) for column in columns for n in (0, 1)]
        self.shown += torch.tensor([*values, same, float(pinned), 1.0], dtype=torch.float64)

    def take_metrics(self) -> dict[str, float]:
        """Those of the stream, and the means of `SHOWN` over the episodes since the last call.

        `gate` is the share of steps in which the first attempt was pinned; of single attempts the two of each are one.
        """
        metrics = super().take_metrics()
        shown = self.trainer.strategy.reduce(self.shown.clone(), reduce_op="sum").cpu()
        self.shown = torch.zeros_like(shown)
        means = (shown[:-1] / shown[-1].clamp(min=1)).tolist()
        return metrics | dict(zip(SHOWN, means, strict=True)) | {"first_gap": float(self.first_gap)}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        shown = self.trainer.strategy.reduce(self.shown.clone(), reduce_op="sum").cpu()
        checkpoint["policy"] = {"first_gap": self.first_gap, "shown": shown}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        saved = checkpoint["policy"]
        self.first_gap = saved["first_gap"]
        if self.trainer.is_global_zero:  # the other processes begin at 0: what counts is the sum over all
            self.shown = saved["shown"].clone()


def _nll(model: Transformer, batch: Batch) -> Tensor:
    mask = training_mask(batch.doc, batch.span, batch.note)
    return token_nll(model, batch.tokens, batch.positions, batch.targets, mask)
