"""The LightningModule of both stages: one step, its metrics, and where the data stream stands.

The loss is the mean over *all* valid targets of an optimiser step: every microbatch divides its sum by the step's
count, which the stream knows without communication, so ranks and accumulation can't skew it.
"""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from data.sources import Source
from data.stream import Cursor, Microbatch, Plan, Stream
from data.tags import IGNORE, KINDS
from model.attention import training_mask
from model.loss import compile_model, token_nll
from model.transformer import Transformer
from train.config import OptimizerConfig
from train.optimizer import build_optimizer, rate


class SourceAwareLM(L.LightningModule):
    """A transformer learning from a stream of tagged documents and questions.

    Args:
        model: trained in place.
        first, second: what is trained on; the plan says in which shares.
        pad: token of empty places.
        fingerprint: of the corpus and the settings that made the stream; a checkpoint with another one is refused.
        workers: loader processes.
        compiled: compile the blocks and the loss.
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
    ) -> None:
        super().__init__()
        self.model, self.plan, self.optimizer_config = model, plan, optimizer
        self.first, self.second, self.pad = first, second, pad
        self.fingerprint, self.workers = fingerprint, workers
        self.cursor = Cursor()
        if compiled:
            compile_model(model)
        self.totals = torch.zeros(2, len(KINDS), dtype=torch.float64)
        self.places = torch.zeros(2, dtype=torch.float64)  # filled and all token positions

    def train_dataloader(self) -> DataLoader[Microbatch]:
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
        return DataLoader(stream, batch_size=None, num_workers=self.workers)

    def transfer_batch_to_device(self, batch: Microbatch, device: torch.device, dataloader_idx: int) -> Microbatch:
        return batch.to(device)

    def training_step(self, micro: Microbatch, index: int) -> Tensor:
        batch = micro.batch
        mask = training_mask(batch.doc, batch.span, batch.note)
        nll = token_nll(self.model, batch.tokens, batch.positions, batch.targets, mask)
        self._count(nll.detach(), micro)
        if (index + 1) % self.trainer.accumulate_grad_batches == 0:
            self.cursor = micro.cursor
        # Lightning averages over accumulation and DDP over ranks; the step's mean wants sums.
        return nll.sum() * (self.trainer.accumulate_grad_batches * self.trainer.world_size / micro.step_targets)

    def configure_optimizers(self) -> Any:
        optimizer = build_optimizer(self.model, self.optimizer_config)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: rate(step, self.plan.steps, self.optimizer_config)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["stream"] = {"cursor": list(self.cursor), "fingerprint": self.fingerprint}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        saved = checkpoint["stream"]
        if saved["fingerprint"] != self.fingerprint:
            raise ValueError("the checkpoint was written with another corpus or other settings; it can't be continued")
        self.cursor = Cursor(*saved["cursor"])

    def take_metrics(self) -> dict[str, float]:
        """Mean nats per target since the last call: overall and by kind, and the share of places filled."""
        # Every rank calls this at the same steps; what is shown is the mean over all of them.
        totals, places = (self.trainer.strategy.reduce(t, reduce_op="sum") for t in (self.totals, self.places))
        sums, counts = totals.cpu()
        metrics = {"loss": float(sums.sum() / counts.sum().clamp(min=1))}
        for kind, total, count in zip(KINDS, sums.tolist(), counts.tolist(), strict=True):
            if count:
                metrics[f"loss_{kind}"] = total / count
        metrics["filled"] = float(places[0] / places[1].clamp(min=1))
        self.totals.zero_()
        self.places.zero_()
        return metrics

    def _count(self, nll: Tensor, micro: Microbatch) -> None:
        batch = micro.batch
        self.totals, self.places = self.totals.to(nll.device), self.places.to(nll.device)
        for kind in range(len(KINDS)):
            here = (batch.kind == kind) & (batch.targets != IGNORE)
            self.totals[0, kind] += (nll * here).sum()
            self.totals[1, kind] += here.sum()
        self.places += torch.stack(((batch.doc >= 0).sum(), torch.tensor(batch.doc.numel(), device=nll.device)))
