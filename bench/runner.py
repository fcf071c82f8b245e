"""Launches the contenders round after round, and keeps what they measured."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.contenders import REFERENCE, Launch, plan
from bench.launch import Launcher, say
from bench.results import OTHERS, ceiling, headline, summarise
from bench.settings import BF16, FP32, Settings
from bench.training.litgpt_env import litgpt_python, make_litgpt_environment
from model.config import ModelConfig
from stages import revision

BRIEF = 30  # steps that teach a model the form of an answer


class Bench:
    """Launches contenders and keeps what they measured."""

    def __init__(self, folder: Path, timeout: int) -> None:
        self.folder, self.launcher = folder, Launcher(folder, timeout)
        self.failed = self.launcher.failed
        self.runs: dict[str, list[dict[str, Any]]] = {}
        self.revision = revision()  # now: the checkout may have moved on when the last contender ends

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
            make_litgpt_environment(self.folder)

        if not settings.run and any(c.name.startswith("answer") for c in options.contenders):
            say(f"inputs: a model that answers, after {BRIEF} steps")
            brief = replace(settings, optimizer="muon", warmup=1, steps=BRIEF - 1)
            self.launcher.run("answer_inputs", "bench.answering.inputs", brief)

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
        python = str(litgpt_python(self.folder)) if contender.name == "litgpt" else sys.executable
        measured = self.launcher.run(launch.name, contender.module, launch.settings, contender.environment, python)
        took = f"{time.perf_counter() - begun:.0f} s"
        if measured is None:
            self.runs.pop(launch.name, None)
            say(f"{title}: FAILED after {took}")
            return
        self.runs.setdefault(launch.name, []).append(measured)
        speed = f"{measured['places'] / measured['seconds']:,.0f} tokens/s, " if contender.trains else ""
        say(f"{title}: {speed}{took}")

    def _record(
        self, settings: Settings, options: argparse.Namespace, inputs: dict[str, Any], shapes: dict[str, Any]
    ) -> dict[str, Any]:
        gpu = inputs["machine"]["device"] if settings.device == "cuda" else ""
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
            "git": self.revision,
            "versions": inputs["versions"] | self._versions_of_others(),
            "machine": inputs["machine"],
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

    def _versions_of_others(self) -> dict[str, str]:
        raws = [raw for repeats in self.runs.values() for raw in repeats]
        return {name: raw[name] for raw in raws for name in ("transformers", "litgpt") if name in raw}

    def _summary(self, launch: Launch, shape: ModelConfig, gpu: str) -> dict[str, Any]:
        gemm = self.runs.get("gemm")
        rate = ceiling(gemm, launch.settings.precision)[0] if gemm and "@" not in launch.name else None
        return summarise(self.runs[launch.name], shape, rate, gpu)


def _numbers(raw: dict[str, Any]) -> dict[str, Any]:
    """What was measured without the answers themselves."""
    return {key: value for key, value in raw.items() if not isinstance(value, list)}
