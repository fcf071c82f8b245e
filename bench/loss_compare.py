"""Do two revisions train to the same numbers? A refactor must; this shows it, bit for bit, on one machine.

    python -m bench.loss_compare A              commit A and the working tree as it is, uncommitted changes included
    python -m bench.loss_compare A B            commits A and B
    python -m bench.loss_compare A B KEY=VALUE  another training than the short one, as overrides of run.py

Each revision trains with its own code (see `bench.golden_losses`) in a temporary folder; neither the checkout nor the
repository changes. The exit code is 0 when every loss and every final weight is identical, 1 when something differs
and 2 when the two can't be compared, as with cmp(1).
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.golden_losses import Trace, trace

WORKING_TREE = "the working tree"
# The demo with its own batch: 20 steps of pretraining and 10 of tuning, about half a minute a revision on one core.
SHORT = ("experiment=demo", "pretrain.tokens=40960", "sft.tokens=20480")


def differences(a: Mapping[str, Trace], b: Mapping[str, Trace]) -> list[str]:
    """One line for each stage that is not the same to the last bit: the first difference in it."""
    found = []
    for stage in dict.fromkeys((*a, *b)):
        if stage not in a or stage not in b:
            found.append(f"{stage}: only {'A' if stage in a else 'B'} has this stage")
        else:
            found += [f"{stage}: {what}" for what in _first_difference(a[stage], b[stage])]
    return found


def _first_difference(a: Trace, b: Trace) -> list[str]:
    for step, (ours, theirs) in enumerate(zip(a.losses, b.losses, strict=False), start=1):
        if ours != theirs:
            return [f"losses differ from step {step} on: {ours!r} in A, {theirs!r} in B"]
    if len(a.losses) != len(b.losses):
        return [f"{len(a.losses)} steps in A, {len(b.losses)} in B"]
    for name in sorted({*a.weights, *b.weights}):
        if a.weights.get(name) != b.weights.get(name):
            return [f"all {len(a.losses)} losses are identical, but the final weights differ, first in {name}"]
    return []


def trace_revision(repository: Path, revision: str, overrides: Sequence[str]) -> dict[str, Trace]:
    """The training of a commit of `repository`, or of WORKING_TREE, in a temporary copy of its files.

    Raises ValueError for an unknown revision, or one whose run fails.
    """
    with tempfile.TemporaryDirectory(prefix="whence-revision-") as folder:
        if revision == WORKING_TREE:
            _copy_tree(repository, Path(folder))
        else:
            _copy_commit(repository, revision, Path(folder))
        return trace(Path(folder), overrides, revision)


def _copy_commit(repository: Path, revision: str, folder: Path) -> None:
    commit = _git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", revision + "^{commit}")
    archive = _git(repository, "archive", commit.decode().strip())
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")


def _copy_tree(repository: Path, folder: Path) -> None:
    """What git would see of the working tree, so that edits during the run change nothing."""
    listed = _git(repository, "ls-files", "-z", "--cached", "--others", "--exclude-standard").decode().split("\0")
    for name in filter(None, listed):
        if (repository / name).is_file():  # a file deleted but not committed is listed too
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(repository / name, folder / name)


def _git(folder: Path, *arguments: str) -> bytes:
    try:
        return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, check=True).stdout
    except FileNotFoundError:
        raise ValueError("git is not installed") from None
    except subprocess.CalledProcessError as error:
        if arguments[0] == "rev-parse" and "--verify" in arguments:
            raise ValueError(f"{arguments[-1].removesuffix('^{commit}')!r} is no commit of {folder}") from None
        raise ValueError(f"git {arguments[0]} in {folder}: {error.stderr.decode().strip()}") from None


def parse(arguments: Sequence[str] | None) -> tuple[str, str, list[str]]:
    """Both revisions, and the overrides of run.py."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.loss_compare",
        usage="%(prog)s [-h] A [B] [KEY=VALUE ...]",
        description="Train revisions A and B (the working tree unless given) for a few steps each and compare every "
        "loss and every final weight, bit for bit. Exit status: 0 identical, 1 different, 2 not comparable.",
    )
    parser.add_argument("words", nargs="+", metavar="A, B, KEY=VALUE", help="commits, and overrides of run.py for both")
    words = parser.parse_args(arguments).words
    revisions = [word for word in words if "=" not in word]
    if not 1 <= len(revisions) <= 2:
        parser.error(f"one revision or two, not {len(revisions)}")
    b = revisions[1] if len(revisions) > 1 else WORKING_TREE
    return revisions[0], b, [word for word in words if "=" in word]


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, and tell what differs; returns the exit status."""
    a, b, overrides = parse(arguments)
    try:
        repository = Path(_git(Path.cwd(), "rev-parse", "--show-toplevel").decode().strip())
        traces = [trace_revision(repository, revision, (*SHORT, *overrides)) for revision in (a, b)]
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    found = differences(*traces)
    print(f"A is {a}, B is {b}")
    for line in found:
        print(line)
    if not found:
        steps = ", ".join(f"{len(traced.losses)} steps of {stage}" for stage, traced in traces[0].items())
        print(f"identical over {steps}: every loss, and every final weight")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
