"""How fast each objective trains beside next-token prediction: `python -m bench.objectives`.

    python -m bench.objectives                       all of train/objectives, one thread
    python -m bench.objectives --model micro --steps 20

The same model, rows and optimiser for all, in one process; rounds are interleaved (A B C A B C), so that whatever else
the machine does falls on all of them. Printed is the median over rounds of the time of a step over that of next-token
prediction in the same round, with the lowest and highest. Filtering and control tokens are matters of data, and cost a
step nothing.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import islice

import torch

from bench.inputs import open_documents, prepare_world, read_preset
from bench.settings import Settings
from configs.keys import modules
from data.pipeline.answer_format import FORMATS
from data.pipeline.packing import Batch
from data.pipeline.stream import Plan, Stream
from model.loss import compile_model
from model.transformer import Transformer
from model.value_head import ValueHead
from train.config import ObjectiveConfig, OptimizerConfig
from train.objectives import look, named
from train.optim.optimizer import build_optimizer

PLAIN = "next_token"


class Contender:
    """A model under an objective, a step at a time."""

    def __init__(self, name: str, model: Transformer, idk: int, compiled: bool) -> None:
        self.objective, self.model, self.idk = named(name), model, idk
        self.config = ObjectiveConfig(loss=name, score_column="reliability", alpha=0.5)
        self.value_head = ValueHead(model.config.dim) if self.objective.value else None
        self.optimizer = build_optimizer(model, OptimizerConfig(name="adamw"), torch.float32, self.value_head)
        if compiled:
            compile_model(model)

    def step(self, batch: Batch) -> None:
        seen = look(self.objective, self.model, batch, self.value_head, self.idk)
        (self.objective.losses(seen, self.config).sum() / batch.weight.sum()).backward()
        self.optimizer.step()
        self.optimizer.zero_grad()


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit status."""
    options = parse(arguments)
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory(prefix="whence-objectives-") as folder:
        settings = Settings(folder=folder, model=options.model, row=options.row, rows=options.rows)
        tokenizer = prepare_world(settings.corpus, options.documents, settings.seed)
        documents, _, _ = open_documents(settings)
        shape, (idk, *_) = read_preset(options.model, len(tokenizer)), FORMATS["direct"](tokenizer).refusals
        names = [PLAIN, *(name for name in modules("train/objectives") if name != PLAIN)]
        ours = {}
        for name in names:
            torch.manual_seed(0)
            ours[name] = Contender(name, Transformer(shape), idk, options.compiled)
        plan = Plan(options.row, options.rows, steps=2**40)
        batches = (micro.batch for micro in Stream(documents, None, plan, tokenizer.pad))
        rounds = list(measured(ours, batches, options.rounds, options.steps))
    print(table(rounds, options.row * options.rows))
    return 0


def measured(
    ours: dict[str, Contender], batches: Iterator[Batch], rounds: int, steps: int
) -> Iterator[dict[str, float]]:
    """Seconds of a step of each, round by round; the first, in which compilers work, is not told."""
    for number in range(rounds + 1):
        here = list(islice(batches, steps))
        found = {}
        for name, one in ours.items():
            begun = time.perf_counter()
            for batch in here:
                one.step(batch)
            found[name] = (time.perf_counter() - begun) / steps
        if number:
            yield found


def table(rounds: Sequence[dict[str, float]], places: int) -> str:
    """A line for each objective."""
    lines = [f"{'objective':14} {'tokens/s':>9}  a step over that of {PLAIN}: median (lowest to highest)"]
    for name in rounds[0]:
        speed = places / statistics.median(each[name] for each in rounds)
        over = [each[name] / each[PLAIN] for each in rounds]
        lines.append(f"{name:14} {speed:9,.0f}  {statistics.median(over):.3f} ({min(over):.3f} to {max(over):.3f})")
    return "\n".join(lines)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.objectives", description="Speed of each objective beside next-token prediction, on a CPU."
    )
    add = parser.add_argument
    add("--model", default="nano", help="preset of configs/model (nano)")
    add("--row", type=int, default=128, help="places in a row (128)")
    add("--rows", type=int, default=16, help="rows in a step (16)")
    add("--steps", type=int, default=5, help="optimiser steps of a round (5)")
    add("--rounds", type=int, default=7, help="rounds (7)")
    add("--documents", type=int, default=200, help="of the generated world (200)")
    add("--threads", type=int, default=1, help="of the CPU (1)")
    add("--no-compile", dest="compiled", action="store_false", help="compile nobody's model")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
