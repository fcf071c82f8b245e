"""How fast training is, beside what people use today: the same architecture, documents and places a step for everyone.

    python -m bench                                  all contenders, on a CPU or the GPU that is there
    python -m bench --contenders ours,hf_trainer     some of them
    python -m bench --model gpt2-small --row 1024 --rows 32

Every contender is a process of its own, launched anew for each repeat, and the repeats are interleaved (A B C A B C):
whatever else the machine does falls on all of them. What is reported is the median, with the lowest and highest.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.contenders import CONTENDERS
from bench.results import report
from bench.runner import Bench
from bench.settings import BF16, FP32, Settings
from stages import write_json

COMMANDS = """

beside it:
  python -m bench.scaling          cost against the size of a corpus
  python -m bench.objectives       a training step of each objective beside next-token prediction
  python -m bench.loss_compare     do two revisions train to the same numbers?
  python -m bench.golden_losses    write the losses that tests hold the code to"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit status, 1 when a contender failed."""
    options = parse(arguments)
    folder = Path(options.folder)
    started = time.perf_counter()
    try:
        settings = settings_of(options)
        folder.mkdir(parents=True, exist_ok=True)
        record = Bench(folder, options.timeout).run(settings, options)
        write_json(folder / "results.json", record | {"seconds": time.perf_counter() - started})
        told = report(record)
        (folder / "results.md").write_text(told + "\n", encoding="utf-8")
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"\n{told}\n\nresults  {folder / 'results.json'}, {folder / 'results.md'}")
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
        prog="python -m bench",
        description="Speed of whence beside other ways to train and ask the same architecture on the same documents.\n"
        "Writes results.json and results.md (what is printed at the end) into --folder.\n"
        "Exit status: 0 all measured, 1 a contender failed, 2 nothing could be measured.",
        epilog="contenders:\n" + "\n".join(f"  {c.name:<16} {c.about}" for c in CONTENDERS) + COMMANDS,
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
    add("--folder", default="runs/bench", help="the results and all inputs (runs/bench)")
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


if __name__ == "__main__":
    sys.exit(main())
