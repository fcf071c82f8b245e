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
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger

from train.callbacks import Metrics, Progress
from train.checkpoint import WholeCheckpointIO, latest_checkpoint
from train.config import TrainerConfig
from train.module import SourceAwareLM

log = logging.getLogger(__name__)


def fit(name: str, module: SourceAwareLM, config: TrainerConfig, folder: Path, clip: float) -> float:
    """Train `module` to the end of its plan; returns the seconds spent, earlier tries included.

    `folder` gets metrics.jsonl, TensorBoard logs and checkpoints; the newest undamaged checkpoint in it is continued.
    """
    checkpoints = folder / "checkpoints"
    checkpoints.mkdir(parents=True, exist_ok=True)
    start = latest_checkpoint(checkpoints, log.warning)
    if start is not None:
        log.info("%s continues from %s", name, start.name)
    metrics = Metrics(folder / "metrics.jsonl", config.log_every, module.plan)
    keep = ModelCheckpoint(
        checkpoints,
        filename="{step}",
        monitor="step",
        mode="max",
        save_top_k=2,
        every_n_train_steps=config.save_every,
        enable_version_counter=False,
    )
    keep.FILE_EXTENSION = ""  # checkpoints are directories
    _quiet()
    _keep_memory()
    trainer = L.Trainer(
        accelerator=config.accelerator,
        devices=config.devices,
        num_nodes=config.num_nodes,
        strategy=config.strategy,
        precision=config.precision,  # type: ignore[arg-type]  # Lightning checks it
        accumulate_grad_batches=config.accumulation,
        gradient_clip_val=clip or None,
        max_steps=module.plan.steps,
        max_epochs=-1,
        logger=TensorBoardLogger(folder, name="tensorboard", version=""),
        callbacks=[Progress(name, module.plan), metrics, keep],
        plugins=[WholeCheckpointIO()],
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    trainer.fit(module, ckpt_path=str(start) if start else None)
    if trainer.global_step < module.plan.steps:
        raise KeyboardInterrupt(f"{name} was stopped at step {trainer.global_step} of {module.plan.steps}")
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
    warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty.*")
    warnings.filterwarnings("ignore", message=".*isinstance\\(treespec, LeafSpec\\).*")
    torch.set_float32_matmul_precision("high")
