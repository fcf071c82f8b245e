"""The LightningModule of every training stage: one step, its metrics, and where the data stream stands.

The loss is the weighted mean over *all* targets of an optimiser step (train/objectives): every microbatch divides its
sum by the step's weight, which the stream knows without communication, so ranks and accumulation can't skew it. What a
step is made of is checked against the plan: each of its microbatches once, and every token counted as it comes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from data.pipeline.heldout_batches import HeldoutBatches
from data.pipeline.packing import Batch
from data.pipeline.sample import IGNORE, KINDS
from data.pipeline.sources import Source
from data.pipeline.stream import Cursor, Microbatch, Plan, Stream
from data.pipeline.token_accounting import Tally
from model.attention import training_mask
from model.loss import compile_model, token_nll
from model.transformer import Transformer
from model.value_head import ValueHead
from train.config import ObjectiveConfig, OptimizerConfig
from train.fsdp import shard, shard_whole
from train.loading import Failure, loader
from train.objectives import look, named
from train.optim.optimizer import build_optimizer, rate
from train.optim.skip_step import Guard, keep_where


class SourceAwareLM(L.LightningModule):
    """A transformer learning from a stream of tagged documents and questions.

    Args:
        model: trained in place.
        first, second: what is trained on; the plan says in which shares.
        pad: token of empty places.
        fingerprint: of the corpus and the settings that made the stream; a checkpoint with another one is refused.
        workers: loader processes.
        compiled: compile the blocks and the loss.
        heldout: lays out what is read for `heldout_bits` in batches of so many rows.
        objective: what is learnt of judged sentences.
        idk: the token `<|idk|>`, for an objective that gives it a share.
        runs: what induction heads are looked for in (model/heads/induction.py).
    """

    def __init__(
        self,
        model: Transformer,
        first: Source,
        second: Source | None,
        plan: Plan,
        pad: int,
        optimizer: OptimizerConfig,
        fingerprint: str,
        workers: int = 0,
        compiled: bool = False,
        heldout: Callable[[int], HeldoutBatches] | None = None,
        objective: ObjectiveConfig | None = None,
        idk: int = 0,
        runs: Tensor | None = None,
    ) -> None:
        super().__init__()
        optimizer.check()
        self.model, self.plan, self.optimizer_config, self.heldout = model, plan, optimizer, heldout
        self.first, self.second, self.pad, self.runs = first, second, pad, runs
        self.objective_config, self.idk = objective or ObjectiveConfig(), idk
        self.objective_config.check()
        self.objective = named(self.objective_config.loss)
        self.value_head = ValueHead(model.config.dim) if self.objective.value else None
        self.fingerprint, self.workers = fingerprint, workers
        self.cursor = Cursor()
        if compiled:
            compile_model(model)
        self.guard = Guard(optimizer.skip)
        self.finite = self.make_step = torch.tensor(True)  # the losses of the step so far; the verdict on it
        self.norm = torch.tensor(0.0)
        self.totals = torch.zeros(2, len(KINDS), dtype=torch.float64)
        self.seen = torch.zeros(2, dtype=torch.float64)  # filled and all token positions trained on, of the whole run
        self.reported = torch.zeros(
            2, dtype=torch.float64
        )  # of them, those of all processes at the last row of metrics
        self.parts = 0  # microbatches of the step under way

    def configure_model(self) -> None:
        if self.device_mesh is not None:
            shard(self.model, self.device_mesh)
            if self.value_head is not None:
                shard_whole(self.value_head, self.device_mesh)

    def on_fit_start(self) -> None:
        if self.heldout is not None:
            parts = self.trainer.world_size * self.trainer.accumulate_grad_batches
            self.reading = self.heldout(self.plan.sequences // parts)  # as many as are trained on at once

    def train_dataloader(self) -> DataLoader[Microbatch | Failure]:
        trainer = self.trainer
        stream = Stream(
            self.first,
            self.second,
            self.plan,
            self.pad,
            start=self.cursor,
            rank=trainer.global_rank,
            world=trainer.world_size,
            accumulation=trainer.accumulate_grad_batches,
        )
        return loader(stream, self.workers)

    def on_train_epoch_end(self) -> None:
        step, trainer = self.trainer.global_step, self.trainer
        if step < self.plan.steps and not trainer.should_stop:  # Lightning would begin the stream again, for ever
            raise RuntimeError(f"the stream ended at step {step} of {self.plan.steps}; please report it")

    def transfer_batch_to_device(
        self, batch: Microbatch | Failure, device: torch.device, dataloader_idx: int
    ) -> Microbatch:
        if isinstance(batch, Failure):
            raise batch.error
        return batch.to(device)

    def training_step(self, micro: Microbatch, index: int) -> Tensor:
        if (micro.cursor.step, micro.part) != (self.trainer.global_step + 1, self.parts):
            raise RuntimeError(
                f"microbatch {micro.part} of step {micro.cursor.step} came as number {self.parts} of step "
                f"{self.trainer.global_step + 1}; please report it"
            )
        self.parts += 1
        seen = look(self.objective, self.model, micro.batch, self.value_head, self.idk)
        self._count(seen.nll.detach(), micro)
        if self.parts == self.trainer.accumulate_grad_batches:
            self.cursor = micro.cursor
        # Lightning averages over accumulation and DDP over ranks; the step's mean wants sums.
        parts = self.trainer.accumulate_grad_batches * self.trainer.world_size
        loss = self.objective.losses(seen, self.objective_config).sum() * (parts / micro.step_weight)
        self.finite = self.finite.to(loss.device) & loss.detach().isfinite()
        return loss

    def configure_gradient_clipping(
        self, optimizer: Optimizer, gradient_clip_val: Any = None, gradient_clip_algorithm: Any = None
    ) -> None:
        """Clip, and judge the step: Lightning calls this between the gradients and the step, with either unset."""
        if self.parts != self.trainer.accumulate_grad_batches:
            raise RuntimeError(
                f"step {self.trainer.global_step + 1} would be made of {self.parts} of "
                f"{self.trainer.accumulate_grad_batches} microbatches; please report it"
            )
        self.parts = 0
        norm = clip_grad_norm_(self.parameters(), self.optimizer_config.clip)
        self.norm = norm.full_tensor() if isinstance(norm, DTensor) else norm
        finite = self.finite
        if self.optimizer_config.skip:  # all ranks make the step or none
            finite = self.trainer.strategy.reduce(finite.float(), reduce_op="min").bool()
        self.make_step = self.guard.judge(self.norm, finite)
        self.finite = torch.ones_like(self.finite)
        if self.optimizer_config.skip:
            for parameter in self.parameters():
                if parameter.grad is not None:
                    parameter.grad.masked_fill_(~self.make_step, 0.0)  # out of the optimiser's moments, too

    def optimizer_step(
        self,
        epoch: int,
        batch_idx: int,
        optimizer: Any,
        optimizer_closure: Callable[[], Any] | None = None,
    ) -> None:
        guarded = [p for p in self.parameters() if p.requires_grad] if self.optimizer_config.skip else []
        before = [parameter.detach().clone() for parameter in guarded]
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        optimizer.zero_grad()  # Lightning does so after the next forward pass, which can use the memory
        keep_where(self.make_step, guarded, before)

    def heldout_bits(self) -> float:
        """Bits per byte of the held-out documents.

        Read as rows of training are, gradients enabled, so that compiled code has no second case to compile.
        """
        nats = torch.zeros((), dtype=torch.float64, device=self.device)
        for batch in self.reading.batches:
            nats += self._nll(batch.to(self.device)).detach().double().sum()
        return float(nats) / math.log(2) / self.reading.bytes

    def configure_optimizers(self) -> Any:
        half = str(self.trainer.precision).startswith("bf16")
        dtype = torch.bfloat16 if half else torch.float32
        optimizer = build_optimizer(self.model, self.optimizer_config, dtype, self.value_head)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: rate(step, self.plan.steps, self.optimizer_config)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        totals, seen = self._sums()  # over all processes, so that any number of them can go on
        checkpoint["stream"] = {"cursor": list(self.cursor), "fingerprint": self.fingerprint}
        checkpoint["counts"] = {"totals": totals.cpu(), "seen": seen.cpu(), "reported": self.reported.cpu()}
        checkpoint["rng"] = torch.get_rng_state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        saved = checkpoint["stream"]
        if saved["fingerprint"] != self.fingerprint:
            raise ValueError("the checkpoint was written with another corpus or other settings; it can't be continued")
        step, epoch, block, row, tally = saved["cursor"]
        self.cursor = Cursor(step, epoch, block, row, Tally(*tally))
        torch.set_rng_state(checkpoint["rng"])
        planned = torch.tensor(self._planned(), dtype=torch.float64)
        counts = checkpoint.get(
            "counts", {"totals": self.totals, "seen": planned, "reported": planned}
        )  # older have none
        self.reported = counts["reported"]
        if self.trainer.is_global_zero:  # the other processes begin at 0: what counts is the sum over all
            self.totals, self.seen = counts["totals"], counts["seen"].clone()
        progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
        _count_microbatches(progress, self.cursor.step * self.trainer.accumulate_grad_batches)

    def take_metrics(self) -> dict[str, float]:
        """Mean nats per target since the last call, overall and by kind, and the share of places filled.

        Also the norm of the last step's gradient, before clipping, and how many steps were left out.
        """
        # Every rank calls this at the same steps; what is shown is the mean over all of them.
        totals, seen = self._sums()
        self._check(seen)
        sums, counts = totals.cpu()
        metrics = {"loss": float(sums.sum() / counts.sum().clamp(min=1))}
        for kind, total, count in zip(KINDS, sums.tolist(), counts.tolist(), strict=True):
            if count:
                metrics[f"loss_{kind}"] = total / count
        filled, places = (seen - self.reported.to(seen.device)).tolist()
        metrics["filled"] = filled / max(places, 1)
        metrics["grad_norm"] = float(self.norm)
        if self.optimizer_config.skip:
            metrics["skipped"] = int(self.guard.skipped)
        self.totals.zero_()
        self.reported = seen
        return metrics

    @property
    def trained_on(self) -> tuple[int, int]:
        """Filled and all token positions of all processes by the last row of metrics; the last step always has one."""
        filled, places = self.reported.tolist()
        return int(filled), int(places)

    def _check(self, seen: Tensor) -> None:
        """Raises RuntimeError unless the positions trained on, filled and all (2,), are those of the plan so far."""
        if seen.tolist() != self._planned():
            raise RuntimeError(
                f"by step {self.cursor.step} the plan has {self._planned()} filled and all token positions, "
                f"but {seen.tolist()} were trained on; please report it"
            )

    def _planned(self) -> list[float]:
        """What `seen` is over all processes when every step so far was trained on as planned."""
        return [float(self.cursor.tally.trained), float(self.cursor.step * self.plan.sequences * self.plan.seq_len)]

    def _sums(self) -> tuple[Tensor, Tensor]:
        """`totals` and `seen` over all processes, each of which has to call."""
        totals, seen = (self.trainer.strategy.reduce(t.clone(), reduce_op="sum") for t in (self.totals, self.seen))
        return totals, seen

    def _nll(self, batch: Batch) -> Tensor:
        mask = training_mask(batch.doc, batch.span, batch.note)
        return token_nll(self.model, batch.tokens, batch.positions, batch.targets, mask)

    def _count(self, nll: Tensor, micro: Microbatch) -> None:
        batch = micro.batch
        self.totals, self.seen = self.totals.to(nll.device), self.seen.to(nll.device)
        for kind in range(len(KINDS)):
            here = (batch.kind == kind) & (batch.targets != IGNORE)
            self.totals[0, kind] += (nll * here).sum()
            self.totals[1, kind] += here.sum()
        self.seen += torch.stack(((batch.doc >= 0).sum(), torch.tensor(batch.doc.numel(), device=nll.device)))


def _count_microbatches(progress: dict[str, Any], done: int) -> None:
    """Make `done` the microbatches that a checkpoint's loop has had: Lightning ends a step at multiples of that number.

    It keeps the number as it was, though another run may cut the same steps into more of them or fewer.
    """
    shift = done - progress["current"]["ready"]
    for counters in (progress["current"], progress["total"]):
        for name in counters:
            counters[name] += shift
