"""How fast training is, beside what people use today: the same architecture, documents and places a step for everyone.

    python -m train.bench                                  all contenders, on a CPU or the GPU that is there
    python -m train.bench --contenders ours,hf_trainer     some of them
    python -m train.bench --model gpt2-small --row 1024 --rows 32

Every contender is a process of its own, launched anew for each repeat, and the repeats are interleaved (A B C A B C):
whatever else the machine does falls on all of them. What is reported is the median, with the lowest and highest.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.launch import Launcher, foreign_environment, say
from bench.results import OTHERS, ceiling, headline, headline_table, summarise, training_table
from bench.settings import BF16, FP32, Settings
from model.config import ModelConfig
from stages import revision, write_json

LITGPT = "litgpt==0.5.13"
BRIEF = 30  # steps that teach a model the form of an answer
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
    Contender("gemm", "bench.gemm", "matrix products alone: the ceiling", trains=False),
    Contender("ours", "bench.ours", "our model, loss, stream and optimiser in a bare loop", environment=KEEP_MEMORY),
    Contender(
        "ours_causal",
        "bench.ours",
        "the same on the same rows with plain causal attention",
        variant="causal",
        environment=KEEP_MEMORY,
    ),
    Contender(
        "ours_float32",
        "bench.ours",
        "the bare loop in float32",
        environment=KEEP_MEMORY,
    ),
    Contender("ours_lightning", "bench.ours_lightning", "our training as run.py starts it"),
    Contender(
        "hf_trainer",
        "bench.hf_trainer",
        "transformers' Trainer, padding collator, all defaults (float32 on a CPU, bf16 on a GPU)",
    ),
    Contender("hf_trainer_bf16", "bench.hf_trainer", "the same with bf16=True"),
    Contender("hf_compiled", "bench.hf_compiled", "the same model and collator, compiled, fused AdamW, in a bare loop"),
    Contender("litgpt", "bench.litgpt_loop", "litgpt's model, compiled, fused AdamW, packed rows, in a bare loop"),
    Contender("answer_ours", "bench.answer_ours", "questions answered and cited by ModelAnswerer", trains=False),
    Contender("answer_hf", "bench.answer_hf", "the same by generate() with a constraint function", trains=False),
    Contender("corpus", "bench.corpus", "preparing a corpus, and the loader alone", trains=False),
)
REFERENCE = ("ours", "ours_lightning", "hf_trainer")  # measured once for the model that is there for comparison


@dataclass(frozen=True, slots=True)
class Launch:
    """One process: a contender with its settings, and the name that its result is filed under."""

    name: str
    contender: Contender
    settings: Settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit status, 1 when a contender failed."""
    options = parse(arguments)
    folder = Path(options.folder)
    started = time.perf_counter()
    try:
        settings = settings_of(options)
        folder.mkdir(parents=True, exist_ok=True)
        record = Bench(folder, options.timeout).run(settings, options)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    write_json(folder / "results.json", record | {"seconds": time.perf_counter() - started})
    print(f"\n{training_table(record['training'])}\n\n{headline_table({k: record[k] for k in record['headline']})}")
    print(f"\n{record['device']}, {describe(record)}\nresults  {folder / 'results.json'}")
    for name, tail in record["failed"].items():
        print(f"\nfailed: {name}\n{tail}", file=sys.stderr)
    return 1 if record["failed"] else 0


def settings_of(options: argparse.Namespace) -> Settings:
    """What all contenders are told. Raises ValueError for a value outside its range."""
    device = options.device or ("cuda" if shutil.which("nvidia-smi") else "cpu")
    return Settings(
        folder=str(Path(options.folder).resolve()),
        model=options.model,
        device=device,
        threads=options.threads,
        compiled=options.compiled,
        row=options.row,
        rows=options.rows,
        warmup=options.warmup,
        steps=options.steps,
        optimizer=options.optimizer,
        documents=options.documents,
        questions=options.questions,
        run=str(Path(options.run).resolve()) if options.run else "",
        workers=4 if device == "cuda" else 0,  # as configs/trainer has it
    )


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m train.bench",
        description="Training speed of whence beside other ways to train the same architecture on the same documents.",
        epilog="contenders:\n" + "\n".join(f"  {c.name:<16} {c.about}" for c in CONTENDERS),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    names = ",".join(c.name for c in CONTENDERS)
    add("--contenders", default=names, help="names, with commas between; all unless given")
    add("--model", default="micro", help="preset of configs/model (default: micro)")
    add("--reference", default="nano", help="a second preset, measured once for comparison; none for none (nano)")
    add("--repeats", type=int, default=3, help="launches of each contender (3)")
    add("--warmup", type=int, default=5, help="optimiser steps before the clock starts (5)")
    add("--steps", type=int, default=10, help="optimiser steps on the clock (10)")
    add("--row", type=int, default=128, help="places in a row (128, as in the demo)")
    add("--rows", type=int, default=16, help="rows in a step; padded batches get as many places at most (16)")
    add("--optimizer", default="adamw", choices=("adamw", "muon"), help="of our contenders (adamw, as the others have)")
    add("--precision", default="auto", choices=("auto", BF16, FP32), help="auto: bf16 where hardware is made for it")
    add("--device", default="", choices=("", "cpu", "cuda"), help="cuda where there is a GPU, unless given")
    add("--threads", type=int, default=os.cpu_count() or 1, help="of a CPU (all cores)")
    add("--documents", type=int, default=400, help="of the generated world (400, the demo's)")
    add("--questions", type=int, default=128, help="asked in the evaluation (128)")
    add("--run", default="", help="a finished run whose model answers, else one trained for a few steps")
    add("--folder", default="runs/bench", help="results.json and all inputs (runs/bench)")
    add("--timeout", type=int, default=900, help="seconds that one launch may take (900)")
    add("--no-compile", dest="compiled", action="store_false", help="compile nobody's model")
    add("--no-litgpt", dest="litgpt", action="store_false", help="leave litgpt out; else it gets its own environment")
    options = parser.parse_args(arguments)
    chosen = options.contenders.split(",")
    if unknown := [name for name in chosen if name not in names.split(",")]:
        parser.error(f"no contender is called {unknown[0]!r}; there are {names}")
    options.contenders = [c for c in CONTENDERS if c.name in chosen and (options.litgpt or c.name != "litgpt")]
    if options.repeats < 1:
        parser.error("--repeats must be at least 1")
    return options


class Bench:
    """Launches contenders and keeps what they measured."""

    def __init__(self, folder: Path, timeout: int) -> None:
        self.folder, self.launcher = folder, Launcher(folder, timeout)
        self.failed = self.launcher.failed
        self.runs: dict[str, list[dict[str, Any]]] = {}

    def run(self, settings: Settings, options: argparse.Namespace) -> dict[str, Any]:
        """All of it; returns what goes into results.json. Raises ValueError when the inputs can't be made."""
        shutil.rmtree(self.folder / "compiled", ignore_errors=True)  # so that the first launch starts cold
        say(f"inputs: {settings.documents} documents, model {settings.model}")
        inputs = self._inputs(settings)
        precision = inputs["precision"] if options.precision == "auto" else options.precision
        settings = replace(settings, precision=precision)
        shapes = {settings.model: inputs["shape"]}
        reference = [c for c in options.contenders if c.name in REFERENCE]
        if options.reference not in ("none", settings.model) and reference:
            shapes[options.reference] = self._inputs(replace(settings, model=options.reference))["shape"]
        if any(c.name == "litgpt" for c in options.contenders):
            self._make_litgpt_environment()

        if not settings.run and any(c.name.startswith("answer") for c in options.contenders):
            say(f"inputs: a model that answers, after {BRIEF} steps")
            brief = replace(settings, optimizer="muon", warmup=1, steps=BRIEF - 1)
            self.launcher.run("answer_inputs", "bench.answer_inputs", brief)

        launches = list(plan(settings, options.contenders, options.repeats))
        for model in list(shapes)[1:]:
            launches += plan(replace(settings, model=model), reference, 1, suffix=f"@{model}")
        for number, launch in enumerate(launches, start=1):
            self._launch(launch, f"[{number}/{len(launches)}] {launch.name}")
        return self._record(settings, options, inputs, shapes)

    def _inputs(self, settings: Settings) -> dict[str, Any]:
        measured = self.launcher.run("inputs", "bench.inputs", settings)
        if measured is None:
            raise ValueError("the inputs could not be made:\n" + self.failed["inputs"])
        return measured

    def _launch(self, launch: Launch, title: str) -> None:
        if launch.name in self.failed:
            say(f"{title}: failed before, left out")
            return
        begun = time.perf_counter()
        contender = launch.contender
        python = str(self._litgpt) if contender.name == "litgpt" else sys.executable
        measured = self.launcher.run(launch.name, contender.module, launch.settings, contender.environment, python)
        took = f"{time.perf_counter() - begun:.0f} s"
        if measured is None:
            self.runs.pop(launch.name, None)
            say(f"{title}: FAILED after {took}")
            return
        self.runs.setdefault(launch.name, []).append(measured)
        speed = f"{measured['places'] / measured['seconds']:,.0f} tokens/s, " if contender.trains else ""
        say(f"{title}: {speed}{took}")

    @property
    def _litgpt(self) -> Path:
        return self.folder.resolve() / "litgpt-env" / "bin" / "python"

    def _make_litgpt_environment(self) -> None:
        """litgpt with the same torch where they agree; what can't be installed fails when it is launched."""
        done = self._litgpt.parents[1] / "installed"
        if done.exists() and done.read_text(encoding="utf-8") == LITGPT:
            return
        say(f"litgpt: installing {LITGPT} into {done.parent}")
        subprocess.run([sys.executable, "-m", "venv", str(done.parent)], check=True)
        for packages in ([LITGPT, f"torch=={version('torch')}"], [LITGPT]):
            install = [str(self._litgpt), "-m", "pip", "install", "--quiet", *packages]
            if subprocess.run(install, capture_output=True, env=foreign_environment()).returncode == 0:
                done.write_text(LITGPT, encoding="utf-8")
                return
        say("litgpt: the installation failed")

    def _record(
        self, settings: Settings, options: argparse.Namespace, inputs: dict[str, Any], shapes: dict[str, Any]
    ) -> dict[str, Any]:
        gpu = self.runs["gemm"][0]["device"] if settings.device == "cuda" and "gemm" in self.runs else ""
        training = {}
        for launch in plan(settings, options.contenders, 1):
            if launch.contender.trains and launch.name in self.runs:
                training[launch.name] = self._summary(launch, ModelConfig(**shapes[settings.model]), gpu)
        for model in list(shapes)[1:]:
            for launch in plan(replace(settings, model=model), options.contenders, 1, suffix=f"@{model}"):
                if launch.name in self.runs:
                    training[launch.name] = self._summary(launch, ModelConfig(**shapes[model]), "")
        figures = headline(training, self.runs, list(self.failed))
        ceilings = {p: ceiling(self.runs["gemm"], p) for p in (FP32, BF16)} if "gemm" in self.runs else {}
        return figures | {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "git": revision(),
            "versions": inputs["versions"],
            "device": self.runs["gemm"][0]["device"] if "gemm" in self.runs else settings.device,
            "threads": settings.threads,
            "precision": settings.precision,
            "model": settings.model,
            "shape": shapes[settings.model],
            "parameters": inputs["parameters"],
            "documents": {"count": settings.documents, "longest": inputs["longest"], "mean": inputs["mean_length"]},
            "asked": {"count": settings.questions, "run": settings.run or f"a model of {BRIEF} steps"},
            "row": settings.row,
            "rows": settings.rows,
            "warmup": settings.warmup,
            "steps": settings.steps,
            "optimizer": settings.optimizer,
            "repeats": options.repeats,
            "gemm": {precision: {"flops": rate, "product": name} for precision, (rate, name) in ceilings.items()},
            "training": training,
            "headline": list(figures),
            "others": [name for name in OTHERS if name in self.runs],
            "about": {c.name: c.about for c in options.contenders},
            "failed": self.failed,
            "raw": {name: [_numbers(raw) for raw in raws] for name, raws in self.runs.items()},
        }

    def _summary(self, launch: Launch, shape: ModelConfig, gpu: str) -> dict[str, Any]:
        gemm = self.runs.get("gemm")
        rate = ceiling(gemm, launch.settings.precision)[0] if gemm and "@" not in launch.name else None
        return summarise(self.runs[launch.name], shape, rate, gpu)


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


def _numbers(raw: dict[str, Any]) -> dict[str, Any]:
    """What was measured without the answers themselves."""
    return {key: value for key, value in raw.items() if not isinstance(value, list)}


def describe(record: dict[str, Any]) -> str:
    """In a line, what the figures hold for."""
    gemm = record["gemm"].get(record["precision"])
    peak = f"; ceiling {gemm['flops'] / 1e9:,.0f} GFLOP/s ({gemm['product']})" if gemm else ""
    return (
        f"{record['threads']} threads, torch {record['versions']['torch']}, {record['precision']}, {record['model']} "
        f"({record['parameters'] / 1e6:.1f}M parameters), {record['rows']} rows of {record['row']} places a step{peak}"
    )


if __name__ == "__main__":
    sys.exit(main())
