"""What a contender is told, and how it answers: `python -m bench.training.ours --settings JSON` prints a line of JSON.

Standard library only, so that a contender can run in an environment that lacks everything else.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

BF16, FP32 = "bf16-mixed", "32-true"
Measured = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Settings:
    """One launch.

    Attributes:
        folder: holds the inputs (`bench.inputs`) and whatever the contender writes.
        model: a preset of configs/model.
        variant: which form of the contender; "" where there is only one.
        device: cpu or cuda. threads: of a CPU.
        precision: bf16-mixed or 32-true.
        compiled: torch.compile where the contender has it.
        row, rows: places in a row, and rows in a step; a contender that pads fits its batch into the same places.
        warmup, steps: untimed and timed optimiser steps.
        optimizer: adamw or muon, of our contenders; the others have AdamW.
        world: the prepared corpus in the folder. documents, questions: of it, and asked in the evaluation.
        run: a finished run whose model and documents are asked, "" for a briefly trained model of the world.
        workers: loader processes.
        launched: time.time() when the process was started.
    """

    folder: str
    model: str
    variant: str = ""
    device: str = "cpu"
    threads: int = 2
    precision: str = FP32
    compiled: bool = True
    row: int = 128
    rows: int = 16
    warmup: int = 5
    steps: int = 20
    optimizer: str = "adamw"
    world: str = "world"
    documents: int = 400
    questions: int = 128
    run: str = ""
    workers: int = 0
    seed: int = 0
    launched: float = 0.0

    def __post_init__(self) -> None:
        for name in ("threads", "row", "rows", "warmup", "steps", "documents", "questions"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        if self.device not in ("cpu", "cuda"):
            raise ValueError(f"device={self.device} is neither cpu nor cuda")
        if self.precision not in (BF16, FP32):
            raise ValueError(f"precision={self.precision} is neither {BF16} nor {FP32}")

    @classmethod
    def from_json(cls, text: str) -> Settings:
        """Raises ValueError for a key that is not one of the attributes."""
        values = json.loads(text)
        if unknown := set(values) - {field.name for field in fields(cls)}:
            raise ValueError(f"unknown settings: {', '.join(sorted(unknown))}")
        return cls(**values)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @property
    def path(self) -> Path:
        return Path(self.folder)

    @property
    def corpus(self) -> Path:
        """The prepared corpus, with its tokenizer."""
        return self.path / self.world

    @property
    def places(self) -> int:
        """Token positions in a step."""
        return self.row * self.rows


class Clock:
    """Times the steps after the warm-up, data loading included, and counts what was in them.

    A device is waited for at the first step, at the end of the warm-up and at the end only, so steps may overlap.
    """

    def __init__(self, settings: Settings, wait: Callable[[], None]) -> None:
        self.settings, self.wait = settings, wait
        self.done = self.places = self.useful = 0
        self.start_up = self.begun = self.seconds = 0.0
        self.after_warmup: Callable[[], None] = lambda: None

    def tick(self, places: int, useful: int) -> None:
        """A step is done, of `places` token positions, `useful` of them no padding."""
        self.done += 1
        if self.done == 1:
            self.wait()
            self.start_up = time.time() - self.settings.launched
        timed = self.done - self.settings.warmup
        if timed > 0:
            self.places += places
            self.useful += useful
        if timed == 0:
            self.after_warmup()
            self.wait()
            self.begun = time.perf_counter()
        if timed == self.settings.steps:
            self.wait()
            self.seconds = time.perf_counter() - self.begun

    def measured(self) -> Measured:
        """Seconds and counts of the timed steps, and the seconds from launch to the end of the first step."""
        assert self.done >= self.settings.warmup + self.settings.steps, "the training ended before the clock"
        return {
            "seconds": self.seconds,
            "steps": self.settings.steps,
            "batch": self.settings.rows,
            "places": self.places,
            "useful": self.useful,
            "start_up": self.start_up,
        }


def peak_memory() -> int:
    """Bytes: the most this process has held in main memory."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def contend(measure: Callable[[Settings], Mapping[str, Any]]) -> None:
    """The main of a contender: settings from the command line, what was measured to the last line of stdout."""
    parser = argparse.ArgumentParser(description="One contender of the benchmark; started by python -m bench.")
    parser.add_argument("--settings", required=True, help="JSON of bench.settings.Settings")
    settings = Settings.from_json(parser.parse_args().settings)
    os.environ.setdefault("OMP_NUM_THREADS", str(settings.threads))
    measured = dict(measure(settings))
    measured.setdefault("peak_bytes", peak_memory())
    print("\n" + json.dumps(measured), flush=True)
