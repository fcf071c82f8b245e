"""Who is measured, and in which order: one line a contender. Nothing heavy is imported here, see `bench.launch`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from bench.settings import FP32, Settings

# What `train.fit` sets with mallopt, for the contender that has no Lightning around it.
KEEP_MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(2**31 - 1), "MALLOC_MMAP_THRESHOLD_": str(2**30)}


@dataclass(frozen=True, slots=True)
class Contender:
    """A process to launch.

    Attributes:
        name: in the results. module: what `python -m` runs. about: what it is, for `--help` and the table.
        variant: of its settings.
        environment: added to the process's.
        trains: whether it has a row in the table of training speeds.
    """

    name: str
    module: str
    about: str
    variant: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    trains: bool = True


CONTENDERS = (
    Contender("gemm", "bench.training.gemm", "matrix products alone: the ceiling", trains=False),
    Contender(
        "ours",
        "bench.training.ours",
        "our model, loss, stream and optimiser in a bare loop",
        environment=KEEP_MEMORY,
    ),
    Contender(
        "ours_causal",
        "bench.training.ours",
        "the same on the same rows with plain causal attention",
        variant="causal",
        environment=KEEP_MEMORY,
    ),
    Contender("ours_float32", "bench.training.ours", "the bare loop in float32", environment=KEEP_MEMORY),
    Contender("ours_lightning", "bench.training.ours_lightning", "our training as run.py starts it"),
    Contender(
        "hf_trainer",
        "bench.training.hf_trainer",
        "transformers' Trainer, padding collator, all defaults (float32 on a CPU, bf16 on a GPU)",
    ),
    Contender("hf_trainer_bf16", "bench.training.hf_trainer", "the same with bf16=True"),
    Contender(
        "hf_compiled",
        "bench.training.hf_compiled",
        "the same model and collator, compiled, with fused AdamW",
    ),
    Contender("litgpt", "bench.training.litgpt_loop", "litgpt's model on packed rows, compiled, with fused AdamW"),
    Contender("answer_ours", "bench.answering.ours", "questions answered and cited by ModelAnswerer", trains=False),
    Contender("answer_hf", "bench.answering.hf", "the same by generate() with a constraint function", trains=False),
    Contender("corpus", "bench.corpus.throughput", "preparing a corpus, and the loader alone", trains=False),
)
REFERENCE = ("ours", "ours_lightning", "hf_trainer")  # measured once for the model that is there for comparison


@dataclass(frozen=True, slots=True)
class Launch:
    """One process: a contender with its settings, and the name that its result is filed under."""

    name: str
    contender: Contender
    settings: Settings


def plan(settings: Settings, contenders: Sequence[Contender], repeats: int, suffix: str = "") -> Iterator[Launch]:
    """Round after round of all contenders."""
    for _ in range(repeats):
        for contender in contenders:
            precision = settings.precision
            if contender.name == "hf_trainer_bf16" and (settings.device != "cpu" or precision == FP32):
                continue  # on a GPU hf_trainer has bf16 already, on a CPU without hardware for it bf16 is slower
            if contender.name == "ours_float32" and (settings.device != "cpu" or precision == FP32):
                continue  # that is "ours", or nothing that anybody does
            if contender.name in ("hf_trainer", "ours_float32") and settings.device == "cpu":
                precision = FP32
            changed = replace(settings, variant=contender.variant, precision=precision)
            yield Launch(contender.name + suffix, contender, changed)
