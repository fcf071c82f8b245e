"""Which checkpoints of a training are kept: the two newest, and the one that read the held-out documents best.

What is on disk decides what is removed, so nothing is lost when a stage's folder is moved. The best one is written
before the newest one, so a run killed between the two goes on from before both and writes both again.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Checkpoint

from train.callbacks import Metrics
from train.checkpoint import remove_all_but

NEWEST = 2  # the second in case the first is damaged


class Keep(Checkpoint):
    """Writes `folder`/step=N every `every` steps and before a stop, `folder`/best/step=N after the best reading.

    Lightning calls it after all callbacks that are no `Checkpoint`, so their state is that of the step.
    """

    def __init__(self, folder: Path, every: int, metrics: Metrics) -> None:
        self.folder, self.every, self.metrics = folder, every, metrics
        self.best = math.inf

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.last = trainer.global_step

    def on_train_batch_end(self, trainer: L.Trainer, module: L.LightningModule, *_: Any) -> None:
        if trainer.global_step == self.last:
            return  # in the middle of an accumulated step
        self.last = trainer.global_step
        reading = self.metrics.reading
        if reading is not None and reading < self.best:
            self.best = reading
            self._save(trainer, self.folder / "best", 1)
        if self.last % self.every == 0 or trainer.should_stop:
            self._save(trainer, self.folder, NEWEST)

    def _save(self, trainer: L.Trainer, folder: Path, keep: int) -> None:
        trainer.save_checkpoint(folder / f"step={self.last}", weights_only=False)
        if trainer.is_global_zero:
            remove_all_but(keep, folder)
