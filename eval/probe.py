"""Study a finished run by a probe that needs no training: `python -m eval.probe run=runs/demo probe=forced_citation`.

It is given what the run's own probes are: the questions of the test fold, and all documents. What it finds is printed
as JSON. `items=FILE` writes what it asks as JSONL, one of the probe's own form a row, where it has such a form.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from configs.keys import modules
from data.records import Question, read_jsonl
from eval.arguments import Command, one_of, whole_number

FOLDER = "eval/probes"
COMMAND = Command(
    name="python -m eval.probe",
    summary="Study a finished run by a probe that needs no training, and print what it finds as JSON.",
    required={
        "run": "directory of a finished run, for example runs/demo",
        "probe": f"one of {', '.join(modules(FOLDER))}",
    },
    optional={
        "seed": "of what is drawn (default: the run's)",
        "items": "where to write what is asked, as JSONL",
    },
)


def main(values: dict[str, str], _: list[str]) -> None:
    name = one_of(values, "probe", modules(FOLDER))
    seed = whole_number(values, "seed", 0, least=0) if "seed" in values else None
    from data.storage.shards import read_documents  # they take seconds to import, which --help should not cost
    from eval.load import load_run
    from eval.probes import Read, probe, readings_of

    folder, chosen = Path(values["run"]), probe(name)
    run = load_run(folder)
    questions = [
        question
        for question in read_jsonl(folder / "answer" / "questions.jsonl", Question)
        if question.split == "never_tuned" and question.fold in ("", "test")
    ]
    documents = list(read_documents(folder / "prepare"))
    readings = readings_of((folder / "model").resolve().parent)
    read = Read(run.answerer, questions, documents, run.made.seed if seed is None else seed, readings)
    if "items" in values:
        if chosen.items is None:
            raise ValueError(f"items={values['items']}: probe {name} has no items to write")
        _write(Path(values["items"]), chosen.items(read))
    print(json.dumps(chosen.run(read), indent=2))


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    from data.atomic import atomic_file

    with atomic_file(path) as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


if __name__ == "__main__":
    COMMAND.run(main)
