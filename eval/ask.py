"""Ask a trained model: its answer, the source it names with the probability of it, and what that source says.

    python -m eval.ask run=runs/demo "Where does X work?"

Without a question it reads questions from the terminal, one a line.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from data.records import Prediction, Question
from eval.arguments import Command
from eval.load import Run, load_run

COMMAND = Command(
    name="python -m eval.ask",
    summary="Answer questions with a source; without a question, prompt for them.",
    required={"run": "directory of a finished run, for example runs/demo"},
    optional={},
    text="[QUESTION...]",
)


def main(values: dict[str, str], questions: list[str]) -> None:
    run = load_run(Path(values["run"]))
    for text in questions or _prompted():
        question = Question("asked", text, (), (), "absent_entity", "", "never_tuned")
        print(describe(run, run.answerer.answer([question])[0]), flush=True)


def describe(run: Run, prediction: Prediction) -> str:
    """An answer in words, for a terminal."""
    said = {
        "abstained": "I do not know.",
        "no_source": f"{prediction.answer}\n  I do not know from where.",
        "false_premise": "The question presupposes what is not so.",
        "unparseable": f"(no well-formed answer: {prediction.answer!r})",
    }
    if prediction.outcome != "answered":
        return said[prediction.outcome]
    best = prediction.citations[0]
    lines = [f"{prediction.answer}", f"  source  {best.id}  (probability {best.probability:.3f})"]
    lines.append(textwrap.fill(_line(run, best.id), 100, initial_indent=" " * 10, subsequent_indent=" " * 10))
    for other in prediction.citations[1:3]:
        lines.append(f"  else    {other.id}  ({other.probability:.1e})")
    return "\n".join(lines)


def _line(run: Run, label: str) -> str:
    held = run.documents[label]
    return held[0].text if len(held) == 1 else f"{len(held)} documents of this source, the first: {held[0].text}"


def _prompted() -> Iterator[str]:
    while True:
        try:
            text = input("? " if sys.stdin.isatty() else "").strip()
        except (EOFError, KeyboardInterrupt):
            return
        if text:
            yield text


if __name__ == "__main__":
    COMMAND.run(main)
