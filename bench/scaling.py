"""What a corpus costs as it grows: preparing, loading, the identifiers' trie, and decoding over it.

    python -m bench.scaling                            1,000, 10,000 and 100,000 generated documents
    python -m bench.scaling --sizes 1000,1000000

Each part is a process of its own, so that its peak memory is its own. Into runs/bench/scaling.json, and a table.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.launch import Launcher, say
from bench.results import markdown
from bench.settings import Settings
from stages import revision, write_json

PARTS = ("prepare", "load", "trie", "teach", "decode")  # teach: the model that decodes the form of the identifiers


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every part at every size; returns the exit status, 1 when one failed."""
    options = parse(arguments)
    folder = Path(options.folder)
    folder.mkdir(parents=True, exist_ok=True)
    settings = Settings(
        folder=str(folder.resolve()), model=options.model, threads=options.threads, warmup=1, steps=options.brief
    )
    launcher = Launcher(folder, options.timeout)
    inputs = launcher.run("inputs", "bench.inputs", settings)
    if inputs is None:
        print(f"error: the inputs could not be made:\n{launcher.failed['inputs']}", file=sys.stderr)
        return 2
    settings = replace(settings, optimizer="muon", precision=inputs["precision"])
    sizes: dict[str, dict[str, Any]] = {}
    for size in options.sizes:
        at_size = sizes[str(size)] = {}
        for part in PARTS:
            name, module = f"{part} {size:,}", "bench.answering.inputs" if part == "teach" else "bench.corpus.costs"
            measured = launcher.run(
                name, module, replace(settings, documents=size, variant=part, world=f"corpus-{size}")
            )
            say(f"{name}: {'FAILED' if measured is None else measured}")
            if measured is not None:
                at_size[part] = measured
        shutil.rmtree(folder / f"corpus-{size}", ignore_errors=True)
    record = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "git": revision(),
        "versions": inputs["versions"],
        "threads": settings.threads,
        "model": settings.model,
        "sizes": sizes,
        "failed": launcher.failed,
    }
    write_json(folder / "scaling.json", record)
    print(table(sizes))
    for name, tail in launcher.failed.items():
        print(f"\nfailed: {name}\n{tail}", file=sys.stderr)
    return 1 if launcher.failed else 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.scaling", description="Time and peak memory of each part against the size of the corpus."
    )
    add = parser.add_argument
    add("--sizes", default="1000,10000,100000", help="numbers of documents, with commas between")
    add("--model", default="nano", help="preset of configs/model that decodes (nano)")
    add("--brief", type=int, default=30, help="steps in which it learns to answer (30)")
    add("--threads", type=int, default=os.cpu_count() or 1, help="of the CPU (all cores)")
    add("--folder", default="runs/bench", help="scaling.json and all inputs (runs/bench)")
    add("--timeout", type=int, default=3600, help="seconds that one part may take (3600)")
    options = parser.parse_args(arguments)
    try:
        options.sizes = [int(size) for size in options.sizes.split(",")]
    except ValueError:
        parser.error(f"--sizes {options.sizes} are not numbers with commas between")
    if min(options.sizes) < 1:
        parser.error("--sizes must be positive")
    return options


def table(sizes: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """A markdown row for each size; a part that failed is a dash."""
    head = ["documents", "prepare", "load: first batch", "then", "trie", "decode a question"]
    rows = [head]
    for size, parts in sizes.items():
        cells = [
            _cell(parts, "prepare", lambda m: f"{m['seconds']:.1f} s, {m['mb_per_second']:.1f} MB/s"),
            _cell(parts, "load", lambda m: f"{m['first_seconds']:.1f} s"),
            _cell(parts, "load", lambda m: f"{m['tokens_per_second']:,.0f} tokens/s", memory=False),
            _cell(parts, "trie", lambda m: f"{m['seconds']:.2f} s, {m['bytes'] / 2**20:.1f} MiB"),
            _cell(parts, "decode", lambda m: f"{m['seconds_per_question'] * 1000:.0f} ms"),
        ]
        rows.append([f"{int(size):,}", *cells])
    return markdown(rows) + "\n\nIn brackets: the most memory that the part's process held."


def _cell(parts: Mapping[str, Mapping[str, float]], part: str, show: Any, memory: bool = True) -> str:
    if part not in parts:
        return "-"
    return show(parts[part]) + (f" ({parts[part]['peak_bytes'] / 2**20:,.0f} MiB)" if memory else "")


if __name__ == "__main__":
    sys.exit(main())
