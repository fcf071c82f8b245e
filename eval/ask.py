"""Ask a trained model: its answer and how sure it is of it, or that it does not know; the source it names; its text.

    python -m eval.ask run=runs/demo "Where does X work?"

Without a question it reads questions from the terminal, one a line. Confidence and threshold are those that the run
calibrated (policy.json): with the two-way check where the wording of the question is one of the corpus's questions, by
answer and citation alone where it is not.
"""

from __future__ import annotations

import math
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from data.records import Prediction
from eval.arguments import Command

if TYPE_CHECKING:
    from eval.load import Run

COMMAND = Command(
    name="python -m eval.ask",
    summary="Answer questions with a source and a confidence, or not at all; without a question, prompt for them.",
    required={"run": "directory of a finished run, for example runs/demo"},
    optional={},
    text="[QUESTION...]",
)


def main(values: dict[str, str], questions: list[str]) -> None:
    from eval.load import load_run  # takes seconds to import, which neither --help nor a wrong argument should cost

    run = load_run(Path(values["run"]))
    for text in questions or _prompted():
        print(answer(run, text), flush=True)


def answer(run: Run, text: str) -> str:
    """What the model says to a question, in words, for a terminal."""
    from eval.selective.policy import LEAST
    from eval.signals.cloze_candidates import add_cloze_candidates

    question = run.wordings.understand(text)
    said = add_cloze_candidates(
        run.answerer, [question], run.answerer.restate([question], run.answerer.answer([question]))
    )
    if said[0].signals.get("refusal", -math.inf) > said[0].signals.get("best_word", 0.0):
        return describe(run, replace(said[0], outcome="abstained", confidence=None), said[0], "")
    for name, policy in run.policies.items():
        chosen = policy.chosen(said)
        if policy.answer.scores(chosen)[0] > LEAST:
            return describe(run, policy.apply(said)[0], chosen[0], name)
    return describe(run, said[0], said[0], "")


def describe(run: Run, free: Prediction, forced: Prediction, policy: str) -> str:
    """A prediction in words: `free` as the policy decides, `forced` what it would have answered."""
    sure = "" if free.confidence is None or not policy else f"  (confidence {free.confidence:.2f}, {METHODS[policy]})"
    withheld = f'\n  withheld: "{forced.answer}"' if forced.answer else ""
    said = {
        "abstained": f"I do not know.{sure}{withheld}",
        "no_source": f"{free.answer}{sure}\n  I do not know from where.",
        "false_premise": f"The question presupposes what I was not told.{sure}{withheld}",
        "unparseable": f"(no well-formed answer: {free.answer!r})",
    }
    if free.outcome != "answered":
        return said[free.outcome]
    best = free.citations[0]
    lines = [f"{free.answer}{sure}", f"  source  {best.id}  (probability {best.probability:.3f})"]
    lines.append(textwrap.fill(_line(run, best.id), 100, initial_indent=" " * 10, subsequent_indent=" " * 10))
    for other in free.citations[1:3]:
        lines.append(f"  else    {other.id}  ({other.probability:.1e})")
    for rival in free.rivals:
        if rival.citations and rival.signals.get("lp_asserted", -math.inf) > math.log(0.5):
            lines.append(f"  against {rival.citations[0].id}, which says {rival.answer}")
    return "\n".join(lines)


METHODS = {
    "selected": "recited, checked both ways and weighed",
    "bidirectional": "by the two-way check",
    "stated": "by its own word",
    "with_citation": "by answer and citation",
    "log_probability": "by the answer alone",
}


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
