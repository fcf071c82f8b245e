"""A finished run from its directory: the model, and what it was trained to cite."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from data.pipeline.identifiers import Identifiers, IdsConfig, assign
from data.pipeline.tokenizer import Tokenizer
from data.records import Document, Question, read_jsonl
from data.storage.shards import read_documents
from eval.answerers.lm_answerer import LMAnswerer
from eval.answerers.question_templates import QuestionTemplates
from eval.selective.policy import Policy, read_policies
from model.hf import load_model
from stages.record import DONE, faults


@dataclass(frozen=True)
class Run:
    """What the commands need of a run."""

    answerer: LMAnswerer
    documents: dict[str, list[Document]]  # by what a citation names: an id, or a source or url that several share
    identifiers: Identifiers
    wordings: QuestionTemplates  # of its questions
    policies: dict[str, Policy]  # how answers are judged, the best first; none where the run could not fit any


def load_run(folder: Path) -> Run:
    """Read `folder` as `run.py` leaves it.

    Raises ValueError, naming the file, when it holds no finished run, or one whose files are not as they were.
    """
    _check_whole(folder)
    made = _read_config(folder / "config.json")
    tokenizer = Tokenizer.load(folder / "prepare" / "tokenizer.json")
    documents = list(read_documents(folder / "prepare"))
    identifiers = assign(documents, tokenizer, made.ids, made.content)
    named: dict[str, list[Document]] = {}
    for label, document in zip(identifiers.labels, documents, strict=True):
        named.setdefault(label, []).append(document)
    model = load_model(folder / "model")
    answerer = LMAnswerer(
        model, tokenizer, identifiers, forced=True, marks=made.marks, nosrc=made.nosrc, longest=made.longest
    )
    wordings = QuestionTemplates.of(read_jsonl(folder / "prepare" / "questions.jsonl", Question))
    return Run(answerer, named, identifiers, wordings, read_policies(folder / "policy.json"))


def _check_whole(folder: Path) -> None:
    if found := faults(folder):
        name, fault = next(iter(found.items()))
        where = (folder / name).resolve()  # the stage that it lies in
        raise ValueError(f"{where} is damaged ({fault}); the run.py command that made {folder} makes it anew")
    if not (folder / DONE).exists():
        raise ValueError(f"{folder} holds no finished run (no {DONE}); make one with python run.py run_dir={folder}")


class Made(NamedTuple):
    """How a run was made: identifiers, what a tag carries, whether marks of confidence and `<|nosrc|>` were taught, and
    the tokens of the longest text."""

    ids: IdsConfig
    content: str
    marks: bool
    nosrc: bool
    longest: int


def _read_config(path: Path) -> Made:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        tags = config["tags"]
        second = config["abstention_sft"]["method"] != "none"
        longest = int(config["batch"]["seq_len"])
        return Made(IdsConfig(**config["ids"]), tags["content"], second, tags["untagged"] == "nosrc", longest)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not the configuration of a run ({type(error).__name__}: {error})") from None
