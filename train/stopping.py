"""Stopping in time: on SIGTERM, Ctrl-C or SLURM's warning, finish the step, write a checkpoint and end the run.

A signal may come in the middle of a step, when the weights are half-way between two states. So the handler only takes
note, and the ranks agree at the end of a step; asked again, it ends the run at once, so that no step that never ends
can hold it. (Lightning's own handlers save, and communicate, right where the signal
strikes.) Under SLURM, on the signal that Lightning's SLURMEnvironment listens to, the job goes back to the queue.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import lightning as L
import torch
from lightning.pytorch.plugins.environments import SLURMEnvironment

log = logging.getLogger(__name__)
PATIENCE = 10.0  # seconds that the step has; asked again after that, the run ends at once, without a checkpoint
REQUEUE = signal.SIGUSR1  # sbatch --signal=USR1@300: five minutes before the time is up


class Stopped(KeyboardInterrupt):
    """Training was asked to stop and did, a checkpoint written. `signum`: by which signal."""

    def __init__(self, message: str, signum: int) -> None:
        super().__init__(message)
        self.signum = signum


class Stopping(L.Callback):
    """Ends the training soon after a signal; `train.checkpoint_retention` writes a checkpoint whenever it ends early.

    Args:
        every: steps after which several ranks ask each other; a single one asks itself after each.

    Attributes:
        signum: of the signal by which the training ended; 0 if by none.
    """

    def __init__(self, every: int) -> None:
        self.every = every
        self.received = self.signum = 0
        self.asked = 0.0
        self.requeues = SLURMEnvironment.detect()
        self.handled = {signal.SIGTERM, signal.SIGINT}
        self.before = {signum: signal.getsignal(signum) for signum in signal.valid_signals()}

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.last = trainer.global_step
        if threading.current_thread() is not threading.main_thread():
            return  # signals are handled elsewhere, then
        if self.requeues:
            self.handled.add(REQUEUE)
        for signum in self.handled:
            signal.signal(signum, self._note)  # Lightning set its own before this hook

    def on_train_batch_end(self, trainer: L.Trainer, module: L.LightningModule, *_: Any) -> None:
        if trainer.global_step == self.last:
            return  # in the middle of an accumulated step
        self.last = trainer.global_step
        self.signum = self._agreed(trainer)
        trainer.should_stop = bool(self.signum)

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        for signum in self.handled:
            signal.signal(signum, self.before[signum])
        if self.signum == REQUEUE and trainer.is_global_zero:
            _requeue()
        elif self.received and not self.signum:
            signal.raise_signal(self.received)  # it came after the last step: for whoever is responsible now

    def _note(self, signum: int, frame: Any) -> None:
        if self.received and (signum == signal.SIGINT or time.monotonic() > self.asked + PATIENCE):
            sys.exit(128 + signum)  # asked twice
        if not self.received:
            self.asked = time.monotonic()
        self.received = signum
        log.warning(
            "%s: stopping after this step, with a checkpoint; asked once more, at once", signal.Signals(signum).name
        )

    def _agreed(self, trainer: L.Trainer) -> int:
        if trainer.world_size == 1:
            return self.received
        if trainer.global_step % self.every:
            return 0
        mine = torch.tensor(self.received, device=trainer.strategy.root_device)
        return int(trainer.strategy.reduce(mine, reduce_op="max"))


def _requeue() -> None:
    """Hand the SLURM job back to the queue, as Lightning does."""
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    job = f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}" if array else os.environ["SLURM_JOB_ID"]
    try:
        subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, check=True)
        log.warning("job %s goes back to the queue", job)
    except (OSError, subprocess.CalledProcessError) as error:
        log.warning("scontrol requeue %s failed: %s", job, getattr(error, "stderr", "").strip() or error)
