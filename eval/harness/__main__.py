"""lm-evaluation-harness with what whence brings to it: the task `whence_cited`, and runs as models.

    python -m eval.harness model=hf model_args=pretrained=FOLDER questions=Q.jsonl documents=D.jsonl
    python -m eval.harness model=whence model_args=run=runs/demo tasks=lambada_openai

The task alone is had with the harness's own command, too: see docs/anyone.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data.atomic import write_json
from eval.arguments import Command, whole_number
from eval.corpus import COLUMNS

TASK = "whence_cited"

COMMAND = Command(
    name="python -m eval.harness",
    summary="Evaluate a model with lm-evaluation-harness, on cited answers or any task that it has.",
    required={
        "model": "a model class of the harness: hf, vllm, ...; whence for a run",
        "model_args": "its arguments, key=value,...: pretrained=FOLDER; of whence run=DIR, dialogue=true",
    },
    optional={
        "tasks": f"names with commas between (default: {TASK})",
        "questions": f"of {TASK}: JSONL file of questions, those of split tune the examples",
        "documents": f"of {TASK}: the corpus, as corpus.path of a run has it",
        "shots": f"of {TASK}: examples (default: 4)",
        "split": f"of {TASK}: which questions (default: never_tuned)",
        "batch": "side by side (default: 8)",
        "limit": "questions of each task, the first ones (default: all)",
        "device": "as the harness names it (default: its own choice)",
        "out": "where to write the results as JSON",
        **COLUMNS,
    },
)


def main(values: Mapping[str, str], _: Sequence[str]) -> None:
    tasks = values.get("tasks", TASK).split(",")
    if TASK in tasks:
        for key in ("questions", "documents"):
            if key not in values:
                raise ValueError(f'key "{key}" is missing: the task {TASK} needs it')
    found = evaluate(values, tasks)
    from lm_eval.utils import make_table

    print(make_table(found))
    if "out" in values:
        write_json(Path(values["out"]), {"model": values["model"], "results": found["results"]})


def evaluate(values: Mapping[str, str], tasks: Sequence[str]) -> dict[str, Any]:
    """The harness's results. Raises ValueError where it isn't installed."""
    try:
        import lm_eval
        import lm_eval.models  # before ours is registered: the harness looks for its own where it knows none
        from lm_eval.tasks import TaskManager
    except ImportError:
        raise ValueError("this needs lm-evaluation-harness: pip install lm_eval") from None
    import eval.harness.lm  # noqa: F401  registers the model

    task_keys = ("questions", "documents", "shots", "split", *COLUMNS)
    found = lm_eval.simple_evaluate(
        model=values["model"],
        model_args=values["model_args"],
        tasks=list(tasks),
        batch_size=whole_number(values, "batch", 8),
        limit=whole_number(values, "limit", 1) if "limit" in values else None,
        device=values.get("device"),
        task_manager=TaskManager(
            include_path=str(Path(__file__).parent),
            include_defaults=list(tasks) != [TASK],  # it takes seconds to find thousands
            metadata={key: values[key] for key in task_keys if key in values},
        ),
    )
    assert found is not None  # only where it runs on several processes
    return dict(found)


if __name__ == "__main__":
    COMMAND.run(main)
