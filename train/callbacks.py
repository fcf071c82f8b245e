"""What is told of a training: a bar, metrics in a JSONL file (the record of truth) and TensorBoard (a view).

The held-out documents are read in a callback rather than in Lightning's validation loop: so it is done before the
checkpoint of that step is written, and a run continued from there never reads them twice or not at all.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import lightning as L
from torch import Tensor
from tqdm import tqdm

from data.atomic import atomic_file
from data.pipeline.stream import Plan
from model.heads.induction import induction_scores
from train.module import SourceAwareLM

HELDOUT = "heldout_bits_per_byte"
INDUCTION = "induction.jsonl"


class Progress(L.Callback):
    """One bar a stage: tokens done, tokens/s, time left."""

    def __init__(self, name: str, plan: Plan) -> None:
        self.name, self.tokens = name, plan.sequences * plan.seq_len
        self.total = plan.steps * self.tokens

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.bar = tqdm(
            total=self.total,
            initial=trainer.global_step * self.tokens,
            desc=self.name,
            unit="tok",
            unit_scale=True,
            disable=not trainer.is_global_zero,
            mininterval=0.5 if sys.stderr.isatty() else 15,
            dynamic_ncols=True,
        )

    def on_train_batch_end(self, trainer: L.Trainer, module: L.LightningModule, *_: Any) -> None:
        behind = trainer.global_step * self.tokens - self.bar.n
        if behind > 0:
            self.bar.update(behind)

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.bar.close()

    def on_exception(self, trainer: L.Trainer, module: L.LightningModule, exception: BaseException) -> None:
        if hasattr(self, "bar"):
            self.bar.close()


class Metrics(L.Callback):
    """A row to `path` every `every` steps: step, tokens, losses, lr, tokens_per_second and data_wait.

    Every `validate` steps and at the end also `heldout_bits_per_byte`, if there are held-out documents. Rows beyond the
    step at which a run is continued are cut, so the file is that of a run that never stopped.

    Attributes:
        seconds: spent training, over all continuations.
        reading: the held-out bits per byte of the step just done, None if they were not read.
    """

    def __init__(self, path: Path, every: int, validate: int, plan: Plan) -> None:
        self.path, self.every, self.validate = path, every, validate
        self.tokens, self.steps = plan.sequences * plan.seq_len, plan.steps
        self.seconds = 0.0
        self.reading: float | None = None

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self.seconds + time.perf_counter() - self.begun}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.seconds = state_dict["seconds"]

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.begun = self.last = time.perf_counter()
        self.last_step = self.last_seen = trainer.global_step
        self.waited, self.idle = 0.0, self.begun
        if trainer.is_global_zero:
            cut(self.path, trainer.global_step)

    def on_train_batch_start(self, trainer: L.Trainer, module: L.LightningModule, *_: Any) -> None:
        self.waited += time.perf_counter() - self.idle

    def on_train_batch_end(self, trainer: L.Trainer, module: L.LightningModule, *_: Any) -> None:
        step = trainer.global_step
        assert isinstance(module, SourceAwareLM)
        if step != self.last_seen:
            self.reading = None
            reads = module.heldout is not None and self.validate and (step % self.validate == 0 or step == self.steps)
            if step % self.every == 0 or step in (1, self.steps) or reads:
                self._row(trainer, module, step, reads=bool(reads))
        self.last_seen = step
        self.idle = time.perf_counter()

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.seconds += time.perf_counter() - self.begun

    def _row(self, trainer: L.Trainer, module: SourceAwareLM, step: int, reads: bool) -> None:
        row: dict[str, float] = {"step": step, "tokens": step * self.tokens, "epoch": module.cursor.epoch}
        row |= module.take_metrics()
        row["lr"] = trainer.optimizers[0].param_groups[0]["lr"]
        now = time.perf_counter()
        row["tokens_per_second"] = (step - self.last_step) * self.tokens / (now - self.last)
        row["data_wait"] = self.waited / (now - self.last)
        if reads:
            with trainer.precision_plugin.train_step_context():
                row[HELDOUT] = trainer.strategy.broadcast(module.heldout_bits())  # all ranks keep the same checkpoint
            self.reading = row[HELDOUT]
        self.last, self.last_step, self.waited = time.perf_counter(), step, 0.0
        if trainer.is_global_zero:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            for logger in trainer.loggers:
                logger.log_metrics(row, step)


class Induction(L.Callback):
    """A row to `path` every `every` steps: the best head's scores of model/heads/induction.py, and `in_context`.

    They are of the first process's model, on the same batch each time. A compiled or sharded model does not show them.

    Args:
        tokens: what `model.heads.induction.repeated_runs` gives.
    """

    def __init__(self, path: Path, every: int, tokens: Tensor) -> None:
        self.path, self.every, self.tokens, self.last = path, every, tokens, -1

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if trainer.is_global_zero:
            cut(self.path, trainer.global_step)

    def on_train_batch_end(self, trainer: L.Trainer, module: L.LightningModule, *_: Any) -> None:
        step = trainer.global_step
        if step == self.last or step % self.every or not trainer.is_global_zero:
            return
        assert isinstance(module, SourceAwareLM)
        self.last = step
        with trainer.precision_plugin.train_step_context():
            scores = induction_scores(module.model, self.tokens)
        best = {name: float(getattr(scores, name).max()) for name in ("prefix_matching", "previous_token", "copying")}
        row: dict[str, float] = {"step": step, **best, "in_context": scores.in_context}
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        for logger in trainer.loggers:
            logger.log_metrics({f"induction_{name}": value for name, value in row.items() if name != "step"}, step)


def cut(path: Path, step: int) -> None:
    """Leave out the rows of a JSONL file that are of later steps, or not whole."""
    rows = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    kept = [row for row in rows if row.endswith("\n") and json.loads(row)["step"] <= step]
    with atomic_file(path) as file:
        file.writelines(kept)
