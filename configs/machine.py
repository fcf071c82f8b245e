"""Whether this machine has what a run asks for: devices, and memory for the model and a step. Asked before any work.

Memory is estimated from below, so that only what can't fit is refused:

    12 bytes a parameter: weight, gradient and momentum in float32 (Muon; AdamW has four more)
    with lora.rank 4 bytes a parameter, which stands still, and those of the adapters
    of each token and layer, in 2 bytes each, what the backward pass needs: 4 C + 2 F
    on a CPU, where attention is written out: the weights of one layer, 4 R H T^2 bytes

Shape letters: C width, F inner width, H heads, R rows of a microbatch, T tokens of a row.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from model.config import ModelConfig
from train.config import LoRAConfig, TrainerConfig

if TYPE_CHECKING:
    from configs.schema import Config

LIMIT = Path("/sys/fs/cgroup/memory.max")
LAUNCHED = ("MASTER_ADDR", "NODE_RANK", "SLURM_JOB_ID", "TORCHELASTIC_RUN_ID", "LSB_JOBID", "OMPI_COMM_WORLD_SIZE")
SMALLEST_VOCABULARY = 533  # of a tokenizer of ours
GB = 1e9


def check_machine(config: Config) -> None:
    """Raises ValueError, naming the key, for what this machine does not have."""
    trainer, rows = config.trainer, config.batch.sequences
    processes = all_devices(trainer)
    if trainer.num_nodes > 1 and not any(name in os.environ for name in LAUNCHED):
        raise ValueError(
            f"trainer.num_nodes={trainer.num_nodes}: start it on each, with torchrun or srun (see docs/devices.md)"
        )
    if rows % (processes * trainer.accumulation):
        raise ValueError(
            f"batch.sequences={rows} can't be divided among {processes} device{'s' * (processes > 1)} with "
            f"trainer.accumulation={trainer.accumulation}: set a multiple of {processes * trainer.accumulation}"
        )
    spread = processes if trainer.strategy == "fsdp" else 1
    shape, at_once = checked_shape(config), rows // processes // trainer.accumulation
    try:
        check_memory(shape, config.batch.seq_len, at_once, spread, *memory(trainer), config.lora)
    except ValueError as error:
        raise ValueError(f"init={config.init}: {error}" if config.init else str(error)) from None


def checked_shape(config: Config) -> ModelConfig:
    """The model's shape, that of the checkpoint where there is one.

    Raises ValueError, naming the key, for a checkpoint that is not there, can't be read, or reads shorter rows only.
    """
    shape, said = config.model, f"model.window={config.model.window}"
    if config.init:
        from model.hf import check_header, weight_files
        from model.hf_config import CONFIG, read_config
        from model.pretrained import locate

        folder = locate(config.init)
        try:
            shape = read_config(folder / CONFIG)
            weights, tokenizer = weight_files(folder), [] if config.tokenizer.base else [folder / "tokenizer.json"]
            if missing := [path for path in (*weights, *tokenizer) if not path.is_file()]:
                raise ValueError(f"{missing[0]} is missing")
            for path in weights:
                check_header(path)
        except ValueError as error:
            raise ValueError(f"init={config.init}: {error}") from error
        said = f"init={config.init} has a window of {shape.window} tokens"
    if shape.window and config.batch.seq_len > shape.window:
        raise ValueError(f"batch.seq_len={config.batch.seq_len}: must be at most {shape.window}, since {said}")
    return shape


def all_devices(trainer: TrainerConfig) -> int:
    """How many devices a run takes of all its machines. Raises ValueError like `local_devices`."""
    return local_devices(trainer) * trainer.num_nodes


def local_devices(trainer: TrainerConfig) -> int:
    """How many devices of this machine a run takes. Raises ValueError, naming the key, where there are not so many."""
    if trainer.accelerator == "cpu":
        found = 0
    elif trainer.accelerator == "tpu":
        found = 1024 if find_spec("torch_xla") else 0  # its own errors are clear
    else:
        found = _gpus(trainer.accelerator)
    if not found and trainer.accelerator not in ("cpu", "auto"):
        raise ValueError(
            f"trainer.accelerator={trainer.accelerator}: PyTorch finds none on this machine; set trainer=cpu, or "
            "install a PyTorch for it"
        )
    if trainer.devices == -1 and not found:
        raise ValueError("trainer.devices=-1: must be at least 1 on a CPU, the number of its processes")
    if found and trainer.devices > found:
        raise ValueError(f"trainer.devices={trainer.devices}: must be at most {found}, the devices of this machine")
    return found if trainer.devices == -1 else trainer.devices


def check_memory(
    model: ModelConfig,
    seq_len: int,
    sequences: int,
    spread: int,
    available: float,
    on_cpu: bool = True,
    lora: LoRAConfig | None = None,
) -> None:
    """Raises ValueError where training needs more than `available` bytes on a device.

    Args:
        seq_len, sequences: tokens in a packed sequence, and sequences in a microbatch.
        spread: devices that share a copy of the weights.
    """
    vocabulary = model.vocab_size or SMALLEST_VOCABULARY
    weights = state(model, vocabulary, 12, lora) / spread
    if weights > available:
        raise ValueError(
            f"model.dim={model.dim} with model.layers={model.layers} and a vocabulary of {vocabulary} or more: "
            f"training {model.parameters(vocabulary):.3g} parameters needs at least {_gigabytes(weights)}, and there "
            f"are {_gigabytes(available)}; make the model smaller"
        )
    step = activations(model, sequences * seq_len)
    written_out = 4.0 * sequences * model.heads * seq_len**2 if on_cpu else 0.0
    if weights + step + written_out > available:
        raise ValueError(
            f"batch.seq_len={seq_len} with {sequences} sequences at once needs at least "
            f"{_gigabytes(weights + step + written_out)}, and there are {_gigabytes(available)}: lower batch.seq_len "
            "or batch.sequences, or raise trainer.accumulation"
        )


def state(model: ModelConfig, vocabulary: int, each: int, lora: LoRAConfig | None) -> float:
    """Bytes of the weights and of what moves them, at `each` a parameter that is trained.

    The rows of new tokens are not counted among those: there are few.
    """
    whole = model.parameters(vocabulary)
    return 4.0 * whole + each * lora.parameters(model) if lora and lora.rank else float(each * whole)


def activations(model: ModelConfig, tokens: int) -> float:
    """Bytes at least that the backward pass needs of so many tokens on a device, but for attention written out."""
    return 2.0 * tokens * model.layers * (4 * model.dim + 2 * model.ffn_dim)


def memory(trainer: TrainerConfig) -> tuple[float, bool]:
    """Bytes of a device, and whether it is a CPU."""
    if trainer.accelerator in ("gpu", "cuda", "auto"):
        import torch

        if torch.cuda.is_available():
            return float(torch.cuda.get_device_properties(0).total_memory), False
    return cpu_memory(), trainer.accelerator in ("cpu", "auto")


def cpu_memory() -> float:
    """Bytes of this machine, or of the container that we are in."""
    whole = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    try:
        return min(whole, float(LIMIT.read_text(encoding="utf-8")))
    except (OSError, ValueError):  # no container, or one without a limit: "max"
        return whole


def _gpus(accelerator: str) -> int:
    import torch  # takes seconds: only where a GPU is asked for

    if accelerator != "mps" and torch.cuda.is_available():
        return torch.cuda.device_count()
    return int(accelerator != "cuda" and torch.backends.mps.is_available())


def _gigabytes(size: float) -> str:
    return f"{size / GB:,.0f} GB" if size >= 10 * GB else f"{size / GB:.2g} GB"
