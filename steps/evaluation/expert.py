"""The stage of evaluation after tuning on what was never told: what is said to more of that, and how surely."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stages import Stage, announced, write_json
from steps.evaluation.evaluated import Evaluated
from steps.evaluation.probes import FILE, PREFIX

NAME = "never_told"
QUESTIONS, FREE, FORCED = "questions.jsonl", "free.jsonl", "forced.jsonl"


def expert_answers(evaluated: Evaluated) -> Stage:
    """The stage: questions.jsonl, what the model says to them of its own (free.jsonl) and if it has to (forced.jsonl).

    And the measures of eval/results/never_told.py.
    """
    modules = [__name__, "eval.results.never_told", "eval.answerers.free_and_forced"]
    stage = evaluated.stage(PREFIX + NAME, modules, {"prefix": evaluated.config.expert.prefix})
    announced(stage, stage.whole, lambda folder: _answers(evaluated, folder))
    return stage


def _answers(evaluated: Evaluated, folder: Path) -> dict[str, Any]:
    from data.records import write_jsonl
    from eval.answerers.free_and_forced import free_and_forced
    from eval.results.never_told import Shown, is_asked, measured

    asked = [question for question in evaluated.questions if is_asked(question)]
    if not asked:
        raise ValueError("the corpus has no question of split never_tuned, which expert is measured on")
    free, forced = free_and_forced(evaluated.answerer, asked)
    for name, records in ((QUESTIONS, asked), (FREE, free), (FORCED, forced)):
        write_jsonl(folder / name, records)
    write_json(folder / FILE, measured(Shown.of(asked, free, forced)))
    return {"questions": len(asked)}
