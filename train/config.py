"""What is configured about training: the optimiser, and where it runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class OptimizerConfig:
    """How weights move.

    Attributes:
        name: muon or adamw.
        warmup, decay: shares of the run; the rate is constant between and ends at 0.
        clip: gradient norm at most.
        skip: leave out steps whose gradient norm is this many standard deviations above the mean of the last 128, or
            not finite; 0 for none, and one that is not finite stops the run.
    """

    name: str = "muon"
    lr: float = 0.005
    weight_decay: float = 0.01
    beta1: float = 0.9
    beta2: float = 0.95
    momentum: float = 0.95
    warmup: float = 0.05
    decay: float = 0.5
    clip: float = 1.0
    skip: float = 0.0

    def check(self) -> None:
        """Raises ValueError, naming the key, for a value outside its range."""
        if self.name not in ("muon", "adamw"):
            raise ValueError(f"optimizer.name={self.name} is neither muon nor adamw")
        if self.lr <= 0 or self.warmup < 0 or self.decay < 0 or self.warmup + self.decay > 1:
            raise ValueError("optimizer: lr must be positive, warmup and decay shares that together are at most 1")
        if self.clip <= 0 or self.skip < 0:
            raise ValueError("optimizer: clip must be positive, skip positive or 0")


@dataclass
class TrainerConfig:
    """Where and how training runs; nothing here changes what is trained, but for the rounding of `precision`.

    Attributes:
        accelerator, devices, num_nodes: as Lightning's Trainer takes them.
        strategy: as Lightning's Trainer takes it (auto, ddp), or fsdp for FSDP2: parameters spread over the devices.
        precision: bf16-mixed, 32-true, or auto for what the hardware is made for (train/precision.py).
        compiled: torch.compile the model; slower to start, faster to run.
        accumulation: microbatches per optimiser step.
        workers: loader processes; 0 where cores are few.
        log_every, save_every: steps between rows of metrics, and between checkpoints.
        validate_every: steps between readings of the held-out documents, 0 for none; the best checkpoint is kept too.
    """

    accelerator: str = "cpu"
    devices: int = 1
    num_nodes: int = 1
    strategy: str = "auto"
    precision: str = "auto"
    compiled: bool = True
    accumulation: int = 1
    workers: int = 0
    log_every: int = 10
    save_every: int = 100
    validate_every: int = 200
