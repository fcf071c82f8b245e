"""The answers in declarative form, checked, with rivals and samples: all that a policy decides by.

A model with a second phase is judged by what it says; only on the test fold its sources are those of restatements.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages import Stage, announced
from steps.evaluated import Evaluated, is_plain

if TYPE_CHECKING:
    from data.records import Prediction, Question


def signals(evaluated: Evaluated, answered: Stage) -> Stage:
    """The stage: declarative.jsonl, with all signals and rivals; of an expert cloze.jsonl, the best recital.

    A file of predictions is written whole, with what the stage before found, so that nobody has to join them.
    """
    stage = signals_stage(evaluated, answered)
    announced(stage, stage.whole, lambda folder: _work(evaluated, answered, folder))
    return stage


def signals_stage(evaluated: Evaluated, answered: Stage) -> Stage:
    """Where it stands; nothing is made."""
    config = evaluated.config
    settings = {"answer": answered.key, "citations": config.eval.citations, "seed": config.seed}
    if evaluated.expert:
        settings["samples"] = config.eval.samples
    return evaluated.stage("signals", [__name__], settings)


def _work(evaluated: Evaluated, answered: Stage, folder: Path) -> dict[str, Any]:
    from data.records import Prediction, Question, read_jsonl, write_jsonl
    from eval.signals.cloze_candidates import best_completion

    questions = list(read_jsonl(answered.folder / "questions.jsonl", Question))
    said = list(read_jsonl(answered.folder / f"{evaluated.answerer.name}.jsonl", Prediction))
    found = {"declarative": _restated(evaluated, questions, said)}
    if evaluated.expert:
        found["cloze"] = list(map(best_completion, found["declarative"]))
    for name, predictions in found.items():
        write_jsonl(folder / f"{name}.jsonl", predictions)
    return {"systems": list(found) if any(q.statement for q in questions if is_plain(q)) else []}


def _restated(evaluated: Evaluated, questions: Sequence[Question], said: Sequence[Prediction]) -> list[Prediction]:
    from eval.signals.cloze_candidates import add_cloze_candidates
    from eval.signals.p_ik import add_probes
    from eval.signals.self_consistency import add_samples

    config, answerer = evaluated.config, evaluated.answerer
    if not evaluated.expert:
        found = list(said)
        tested = [i for i, q in enumerate(questions) if q.fold in ("", "test")]
        restated = answerer.restate([questions[i] for i in tested], [said[i] for i in tested])
        for i, prediction in zip(tested, restated, strict=True):
            found[i] = prediction
        return found
    said = add_cloze_candidates(answerer, questions, answerer.restate(questions, said))
    if config.eval.samples:
        said = add_samples(answerer, questions, said, config.eval.samples, seed=config.seed)
    return add_probes(answerer, questions, said)
