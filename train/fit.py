"""One training stage under the Lightning Trainer: started, continued where it stood, or found finished."""

from __future__ import annotations

import ctypes
import json
import logging
import platform
import warnings
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from torch.distributed import DistError

from train.callbacks import INDUCTION, Induction, Metrics, Progress
from train.checkpoint import WholeCheckpointIO, latest_checkpoint, step_of
from train.checkpoint_retention import Keep
from train.config import TrainerConfig
from train.fsdp import FSDP2
from train.loading import ended
from train.module import SourceAwareLM
from train.stopping import Stopped, Stopping

log = logging.getLogger(__name__)


def fit(name: str, module: SourceAwareLM, config: TrainerConfig, folder: Path) -> float:
    """Train `module` to the end of its plan; returns the seconds spent, earlier tries included.

    `folder` gets metrics.jsonl, TensorBoard logs and checkpoints; the newest undamaged checkpoint in it is continued.
    Raises Stopped after a signal, FloatingPointError at a gradient that is not finite, CheckpointError when one can't
    be written, ConnectionError when another process of the job is gone, and OSError when a loader process is.
    """
    checkpoints = folder / "checkpoints"
    checkpoints.mkdir(parents=True, exist_ok=True)
    start = latest_checkpoint(checkpoints, log.warning)
    if start is not None:
        log.info("%s continues from %s", name, start.name)
    begun = step_of(start) + 1 if start else 0  # what a try before this one drew from here on is hidden
    metrics = Metrics(folder / "metrics.jsonl", config.log_every, config.validate_every, module.plan)
    stopping = Stopping(config.log_every)
    keep = Keep(checkpoints, config.save_every, metrics)
    heads: list[L.Callback] = []
    if config.induction_every and module.runs is not None:
        heads.append(Induction(folder / INDUCTION, config.induction_every, module.runs))
    _quiet()
    _keep_memory()
    trainer = L.Trainer(
        accelerator=config.accelerator,
        devices=config.devices,
        num_nodes=config.num_nodes,
        strategy=FSDP2() if config.strategy == "fsdp" else config.strategy,
        precision=config.precision,  # type: ignore[arg-type]  # Lightning checks it
        accumulate_grad_batches=config.accumulation,
        max_steps=module.plan.steps,
        max_epochs=-1,
        logger=TensorBoardLogger(folder, name="tensorboard", version="", purge_step=begun),
        callbacks=[Progress(name, module.plan), *heads, metrics, stopping, keep],
        plugins=[WholeCheckpointIO()],
        default_root_dir=folder,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    try:
        with ended():
            trainer.fit(module, ckpt_path=str(start) if start else None)
    except SystemExit as end:
        if isinstance(end.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None  # of which Lightning made exit code 1
        raise
    except RuntimeError as error:
        if isinstance(error, DistError) or "gloo" in str(error):
            raise ConnectionError(f"{name} lost another process of the job; see what that one said ({error})") from None
        if str(error).startswith("DataLoader worker (pid"):
            said = str(error).strip().rstrip(".")
            raise OSError(f"{name} lost a loader process ({said}): fewer trainer.workers need less memory") from None
        raise
    if stopping.signum:
        where = f"{name} stopped at step {trainer.global_step} of {module.plan.steps}; the same command continues"
        raise Stopped(where, stopping.signum)
    return metrics.seconds


def read_metrics(folder: Path) -> list[dict[str, float]]:
    """The rows of a stage's metrics.jsonl, none when there is none."""
    path = folder / "metrics.jsonl"
    return [json.loads(row) for row in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def _keep_memory() -> None:
    """Let glibc keep the memory of freed activations for the next step.

    By default it goes back to the system after each use and comes back zeroed, page by page: a sixth of a CPU's step.
    """
    if platform.libc_ver()[0] == "glibc":
        trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of malloc.h
        libc = ctypes.CDLL(None)
        libc.mallopt(trim_threshold, 2**31 - 1)
        libc.mallopt(mmap_threshold, 2**30)


def _quiet() -> None:
    """Silence what a user can do nothing about; everything else is shown."""
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.pytorch.accelerators.cuda"):
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*Mismatch dtype between input and weight.*")
    warnings.filterwarnings("ignore", message=".*isinstance\\(treespec, LeafSpec\\).*")
    torch.set_float32_matmul_precision("high")
