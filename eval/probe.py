"""Study a finished run by a probe that needs no training: `python -m eval.probe run=runs/demo probe=forced_citation`.

It is given what the run's own probes are: the questions of the test fold, and all documents. What it finds is printed
as JSON. `items=FILE` writes what it asks as JSONL, one of the probe's own form a row, where it has such a form.

Probes that only prompt and score have what they ask as tasks of multiple choice, which any Hugging Face model can be
asked; `tasks=FOLDER` writes them in BIG-bench's form, a file each. And any task in that form is asked of a run or of
a model:

    python -m eval.probe model=FOLDER questions=Q.jsonl documents=D.jsonl probe=inverse_scaling
    python -m eval.probe model=FOLDER probe=task.json
    python -m eval.probe run=runs/demo probe=task.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.keys import modules
from data.records import Question, read_jsonl
from eval.arguments import Command, one_of, whole_number
from eval.corpus import COLUMNS, read_corpus

if TYPE_CHECKING:  # they take seconds to import, which --help should not cost
    from eval.answerers.choices import Chooser
    from eval.probes import Material, Probe, Read

FOLDER = "eval/probes"
TASK = ".json"
COMMAND = Command(
    name="python -m eval.probe",
    summary="Study a finished run, or any model, by a probe that needs no training, and print what it finds as JSON.",
    required={"probe": f"one of {', '.join(modules(FOLDER))}; or a task.json in BIG-bench's form, of multiple choice"},
    optional={
        "run": "directory of a finished run, for example runs/demo",
        "model": "in place of a run: folder of a Hugging Face model with safetensors",
        "questions": "JSONL file of questions, for a model",
        "documents": "the corpus, for a model, as corpus.path of a run has it",
        **COLUMNS,
        "device": "of a folder's model (default: cuda where there is one, else cpu)",
        "seed": "of what is drawn (default: the run's, and 0 for a model)",
        "items": "where to write what is asked, as JSONL",
        "tasks": "folder to write what is asked into, in BIG-bench's form",
    },
)


def main(values: dict[str, str], _: list[str]) -> None:
    if ("run" in values) == ("model" in values):
        raise ValueError("give run=... or model=..., one of them")
    if not values["probe"].endswith(TASK):
        one_of(values, "probe", [*modules(FOLDER)])
    seed = whole_number(values, "seed", 0, least=0) if "seed" in values else None
    found = _of_run(values, seed) if "run" in values else _of_model(values, seed or 0)
    print(json.dumps(found, indent=2))
    if not found:
        said = f"Warning: probe {values['probe']} found nothing to study in what it was given, so it measured nothing"
        print(said, file=sys.stderr)


def read_run(folder: Path, seed: int | None = None) -> Read:
    """What a finished run's own probes are given, drawn by its seed where none is said."""
    from data.storage.shards import read_documents
    from eval.load import load_run
    from eval.probes import Read, readings_of

    run = load_run(folder)
    questions = [
        question
        for question in read_jsonl(folder / "answer" / "questions.jsonl", Question)
        if question.split == "never_tuned" and question.fold in ("", "test")
    ]
    documents = list(read_documents(folder / "prepare"))
    tuning = [q for q in read_jsonl(folder / "prepare" / "questions.jsonl", Question) if q.split == "tune"]
    readings = readings_of((folder / "model").resolve().parent)
    return Read(run.answerer, questions, documents, run.made.seed if seed is None else seed, readings, tuning)


def _of_run(values: Mapping[str, str], seed: int | None) -> dict[str, Any]:
    from eval.answerers.choices import LMChooser
    from eval.probes import probe

    read = read_run(Path(values["run"]), seed)
    if values["probe"].endswith(TASK):
        return _of_task(LMChooser(read.answerer), values["probe"])
    chosen = probe(values["probe"])
    _write(values, chosen, read.material)
    return chosen.run(read)


def _of_model(values: Mapping[str, str], seed: int) -> dict[str, Any]:
    from eval.answerers.prompted.choices import HFChooser
    from eval.answerers.prompted.hf import HFModel
    from eval.probes import Material, held_out, probe
    from eval.probes.beliefs.inverse_scaling import scored, summary

    if values["probe"].endswith(TASK):
        return _of_task(HFChooser(HFModel(values["model"], values.get("device", ""))), values["probe"])
    chosen = probe(values["probe"])
    if chosen.tasks is None:
        raise ValueError(f"probe {values['probe']} does more than prompt and score, so it needs run=...")
    if missing := [key for key in ("questions", "documents") if key not in values]:
        raise ValueError(f"model=... needs {missing[0]}=..., which the probe asks about")
    questions = list(read_jsonl(values["questions"], Question))
    documents = read_corpus(values, questions)
    material = Material(held_out(questions), documents, [document.id for document in documents], seed)
    _write(values, chosen, material)
    chooser = HFChooser(HFModel(values["model"], values.get("device", "")))
    return {name: summary(*scored(chooser, task)) for name, task in chosen.tasks(material).items()}


def _of_task(chooser: Chooser, path: str) -> dict[str, Any]:
    from eval.grading.big_bench import read_task
    from eval.probes.beliefs.inverse_scaling import scored, summary

    task = read_task(path)
    return {task.name: summary(*scored(chooser, task))}


def _write(values: Mapping[str, str], chosen: Probe, material: Material) -> None:
    """What is asked, where it is to be written."""
    from data.atomic import atomic_file
    from eval.grading.big_bench import write_task

    for key, made in (("items", chosen.items), ("tasks", chosen.tasks)):
        if key in values and made is None:
            raise ValueError(f"{key}={values[key]}: probe {values['probe']} has no {key} to write")
    if "items" in values and chosen.items:
        with atomic_file(Path(values["items"])) as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in chosen.items(material))
    if "tasks" in values and chosen.tasks:
        Path(values["tasks"]).mkdir(parents=True, exist_ok=True)
        for task in chosen.tasks(material).values():
            write_task(Path(values["tasks"]) / f"{task.name}{TASK}", task)


if __name__ == "__main__":
    COMMAND.run(main)
