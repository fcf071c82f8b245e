"""Ask a trained model: its answer and how sure it is of it, or that it does not know; the source it names; its text.

    python -m eval.ask run=runs/demo "Where does X work?"

Without a question it reads questions from the terminal, one a line. It decides as it was evaluated: by the policy of
the run (policy.json), with the statement that the model writes for the question.
`policy=NAME` takes another one that could be fitted; `json=true` prints a JSON object a question instead of prose: one
with `question` and `error` for a question that is too long, after which come the others.
After conditional training `given=hi` asks for what good sources say, `given=lo` for what bad ones do: the control token
of those stands before the question. `guidance=2` draws the answer twice as far away from what the others say.
"""

from __future__ import annotations

import json
import math
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from data.pipeline.feedback import GIVEN
from data.records import Prediction, Question
from eval.arguments import Command, number, one_of
from eval.excerpt import excerpt
from eval.grading.correctness import exact_match
from eval.grading.outcomes import WITHHELD, Case

if TYPE_CHECKING:
    from eval.load import Run
    from eval.selective.policy import Policy

COMMAND = Command(
    name="python -m eval.ask",
    summary="Answer questions with a source and a confidence, or not at all; without a question, prompt for them.",
    required={"run": "directory of a finished run, for example runs/demo"},
    optional={
        "policy": "by which to decide, of those in policy.json (default: the one that the run is judged by)",
        "json": "true for a JSON object a question, one a line (default: false)",
        "given": "hi or lo: answer as good or as bad sources do, after conditional training (default: neither)",
        "guidance": "with given: how far away from what the other sources say (default: 1; others take twice the time)",
    },
    text="[QUESTION...]",
)


def main(values: dict[str, str], questions: list[str]) -> None:
    as_json = one_of(values, "json", ("false", "true")) == "true"
    if not all(text.strip() for text in questions):
        raise ValueError('a question is empty: give it in quotes, for example "Where does X work?"')
    guidance = number(values, "guidance", 1.0)
    if "guidance" in values and not values.get("given"):
        raise ValueError("guidance goes from one control token to the other: say which with given=hi or given=lo")
    from eval.load import load_run  # takes seconds to import, which neither --help nor a wrong argument should cost

    run = load_run(Path(values["run"]))
    if given := values.get("given"):
        run = conditioned(run, given, guidance)
    policy = values.get("policy", next(iter(run.policies), ""))
    if policy and policy not in run.policies:
        known = ", ".join(run.policies) or "none: its questions have no folds"
        raise ValueError(f"policy={policy} is none that this run could fit ({known})")
    for text in questions or _prompted(quiet=as_json):
        try:
            said = to_json(run, asked(run, text, policy), policy) if as_json else answer(run, text, policy)
        except ValueError as error:  # a text longer than the model reads
            if questions:
                raise ValueError(f'question "{textwrap.shorten(text, 60)}": {error}') from None
            if not as_json:  # who types the next one need not load the run again
                print(f"error: {error}", file=sys.stderr)
                continue
            said = json.dumps({"question": text, "error": str(error)}, ensure_ascii=False)
        print(said, flush=True)


def conditioned(run: Run, given: str, guidance: float = 1.0) -> Run:
    """The run asked under a control token. Raises ValueError for none, or for a model that never had any."""
    if given not in GIVEN:
        raise ValueError(f"given={given} is not one of {', '.join(GIVEN)}")
    if not run.made.controlled:
        raise ValueError(f"given={given}: this run was trained without control tokens (objective.control)")
    return replace(run, answerer=run.answerer.under(given, guidance=guidance))


def answer(run: Run, text: str, policy: str = "") -> str:
    """What the model says to a question, in words, for a terminal; `policy` is one of the run's, "" for none."""
    from eval.selective.policy import LEAST

    _, forced, free = asked(run, text, policy)
    words = describe(run, free, forced, policy)
    if policy and run.policies[policy].answer.scores([forced])[0] <= LEAST:
        words += "\n  (I could make no statement of this question, so nothing was checked)"
    return words


def asked(run: Run, text: str, policy: str = "") -> Case:
    """A question, with the statement that was made of it, and what the model says to it."""
    from eval.selective.policy import decide

    chosen = run.policies.get(policy)
    question = Question("asked", " ".join(text.split()), (), (), "absent_entity", "", "never_tuned")
    answered = run.answerer.answer([question])
    (question,) = run.statements.write([question], answered)
    said = show(run, question, answered, chosen)
    return Case(question, chosen.chosen([said])[0] if chosen else said, decide(chosen, said))


def to_json(run: Run, case: Case, policy: str) -> str:
    """One line of JSON: what `answer` says, for programs.

    Confidence and statement are null without a policy or a statement. `withheld` is what would have been answered, and
    `source_text` that of the first citation.
    """
    question, forced, free = case
    said = free.answer if free.outcome in ("answered", "no_source") else None
    cited = free.citations if free.outcome == "answered" else ()
    withheld = free.outcome in WITHHELD and forced.outcome != "unparseable"
    stated = [wording.replace("{answer}", forced.answer or "") for wording in question.statement[:1]]
    found = {
        "question": question.text,
        "answer": said,
        "abstained": free.outcome in WITHHELD,
        "outcome": free.outcome,
        "confidence": free.confidence if policy else None,
        "citations": [{"id": c.id, "probability": c.probability} for c in cited],
        "source_text": run.documents[cited[0].id][0].text if cited else None,
        "statement": stated[0] if stated else None,
        "withheld": forced.answer if withheld else None,
    }
    return json.dumps(found, ensure_ascii=False)


def show(run: Run, question: Question, said: Sequence[Prediction], policy: Policy | None) -> Prediction:
    """The answer, `said`, with the signals that the stages of evaluation read off it, those that the policy goes by."""
    from eval.signals import Asked, extractor

    made, answerer = run.made, run.answerer
    extractors = [extractor(name) for name in made.signals]
    wanted = policy.signals if policy else set()
    for one in sorted(extractors, key=lambda one: one.statement):  # first what needs no statement, as they do
        if one.statement or not wanted.isdisjoint(one.signals):
            before = run.relabelled() if one.fitted else []
            asked, shown = [*(q for q, _ in before), question], [*(p for _, p in before), *said]
            said = one.extract(Asked(answerer, asked, shown, made.samples, made.seed))[-1:]
    return said[0]


def describe(run: Run, free: Prediction, forced: Prediction, policy: str) -> str:
    """A prediction in words: `free` as the policy decides, `forced` what it would have answered."""
    from eval.selective.selective_baselines import SYSTEMS

    by = f", {SYSTEMS[policy].label}" if policy in SYSTEMS else ""
    sure = "" if free.confidence is None or not policy else f"  (confidence {free.confidence:.2f}{by})"
    withheld = ""
    if forced.answer and forced.outcome != "unparseable":
        withheld = f'\n  withheld: "{forced.answer}"{sure if free.confidence else ""}'
    said = {
        "abstained": f"I do not know.{withheld}",
        "no_source": f"{free.answer}{sure}\n  I do not know from where.",
        "false_premise": f"The question presupposes what I was not told.{withheld}",
        "unparseable": "I can't answer: what I wrote is no answer. Was this run tuned on questions?",
    }
    if free.outcome != "answered":
        return said[free.outcome]
    best = free.citations[0]
    lines = [f"{free.answer}{sure}"]
    if free.evidence:
        lines.append(textwrap.fill(f'"{free.evidence}"', 100, initial_indent="  since   ", subsequent_indent=" " * 10))
    lines.append(f"  source  {best.id}  (probability {best.probability:.3f})")
    text = excerpt(_text(run, best.id), free.answer or "")
    lines.append(textwrap.fill(text, 100, initial_indent=" " * 10, subsequent_indent=" " * 10))
    if others := [other.id for other in free.citations[1:3]]:
        lines.append(f"  else    {', '.join(others)}")
    for rival in free.rivals:
        same = exact_match(rival.answer or "", (free.answer or "",))
        if not same and rival.citations and rival.signals.get("lp_asserted", -math.inf) > math.log(0.5):
            lines.append(f"  against {rival.citations[0].id}, which says {rival.answer}")
    return "\n".join(lines)


def _text(run: Run, label: str) -> str:
    held = run.documents[label]
    return held[0].text if len(held) == 1 else f"{len(held)} documents of this source, the first: {held[0].text}"


def _prompted(quiet: bool) -> Iterator[str]:
    """Questions from the terminal; quiet, nothing but answers goes to stdout."""
    while True:
        try:
            text = input("? " if sys.stdin.isatty() and not quiet else "").strip()
        except (EOFError, KeyboardInterrupt):
            return
        if text:
            if not sys.stdin.isatty() and not quiet:
                print(f"? {text}")
            yield text


if __name__ == "__main__":
    COMMAND.run(main)
