"""A finished run from its directory: the model, and what it was trained to cite."""

from __future__ import annotations

import json
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from configs.keys import modules
from data.pipeline.answer_format import FORMATS
from data.pipeline.counterfactual import Counterfactual, CounterfactualConfig
from data.pipeline.feedback import GIVEN
from data.pipeline.identifiers import Identifiers, IdsConfig, assign
from data.pipeline.placement import PLACEMENTS
from data.pipeline.tokenizer import Tokenizer
from data.records import Document, Prediction, Question, read_jsonl
from data.storage.shards import read_documents
from eval.answerers.lm_answerer import LMAnswerer
from eval.answerers.writers.statements import Statements, statements
from eval.grading.methods import FOLDER as METHODS
from eval.grading.methods import NONE, method
from eval.selective.policy import Policy, read_policies
from eval.signals import FOLDER
from model.hf import load_model
from stages.record import DONE, faults


class Made(NamedTuple):
    """How a run was made, as far as the commands need it.

    Attributes:
        counterfactual: what it was denied, or told under another name.
        content: what a tag carries.
        marks, backtracks, nosrc: whether marks of confidence, that of not being sure before an answer, and `<|nosrc|>`
            were taught.
        longest: tokens of the longest text.
        rewritten: whether it learnt to write statements itself.
        controlled: whether it was trained with control tokens, so that it can be asked with one.
        prefixed: whether tuning put that of good sources before every question, as it is then asked.
        signals: extractors of eval/signals; `samples` of each answer and `seed` are theirs.
    """

    ids: IdsConfig
    counterfactual: CounterfactualConfig
    content: str
    marks: bool
    backtracks: bool
    nosrc: bool
    longest: int
    answer_format: str
    placement: str
    rewritten: bool
    controlled: bool
    prefixed: bool
    signals: list[str]
    samples: int
    seed: int


@dataclass(frozen=True)
class Run:
    """What the commands need of a run."""

    answerer: LMAnswerer
    documents: dict[str, list[Document]]  # by what a citation names: an id, or a source or url that several share
    identifiers: Identifiers
    statements: Statements  # what a question's text asks for
    policies: dict[str, Policy]  # how answers are judged, the best first; none where the run could not fit any
    made: Made
    folder: Path

    def relabelled(self) -> list[tuple[Question, Prediction]]:
        """The questions of split relabel with what was answered to them, which some signals are fitted on."""
        questions = read_jsonl(self.folder / "answer" / "questions.jsonl", Question)
        said = read_jsonl(self.folder / "signals" / "predictions.jsonl", Prediction)
        return [(q, p) for q, p in zip(questions, said, strict=True) if q.split == "relabel"]


def load_run(folder: Path) -> Run:
    """Read `folder` as `run.py` leaves it.

    Raises ValueError, naming the file, when it holds no finished run, or one whose files are not as they were.
    """
    _check_whole(folder)
    made = _read_config(folder / "config.json")
    tokenizer = Tokenizer.load(folder / "prepare" / "tokenizer.json")
    documents = list(read_documents(folder / "prepare"))
    questions = list(read_jsonl(folder / "prepare" / "questions.jsonl", Question))
    family = Counterfactual.draw(made.counterfactual, documents, questions)
    identifiers = family.named(assign(documents, tokenizer, made.ids, made.content))
    named: dict[str, list[Document]] = {}
    for label, document in zip(identifiers.labels, documents, strict=True):
        named.setdefault(label, []).append(document)
    model = load_model(folder / "model")
    answerer = LMAnswerer(
        model,
        tokenizer,
        identifiers,
        forced=True,
        marks=made.marks,
        backtracks=made.backtracks,
        nosrc=made.nosrc,
        longest=made.longest,
        answer_format=made.answer_format,
        placement=made.placement,
    )
    if made.prefixed:
        answerer = answerer.under(GIVEN[-1], answerer.name)
    tuning = [q for q in questions if q.split == "tune"]
    found = statements(answerer, tuning, made.rewritten)
    return Run(answerer, named, identifiers, found, read_policies(folder / "policy.json"), made, folder)


def _check_whole(folder: Path) -> None:
    if found := faults(folder):
        name, fault = next(iter(found.items()))
        where = (folder / name).resolve()  # the stage that it lies in
        raise ValueError(f"{where} is damaged ({fault}); the run.py command that made {folder} makes it anew")
    if not (folder / DONE).exists():
        raise ValueError(f"{folder} holds no finished run (no {DONE}); make one with python run.py run_dir={folder}")


def _read_config(path: Path) -> Made:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        tags, evaluated, objective = config["tags"], config["eval"], config.get("objective")
        taught = config["abstention_sft"]["method"]
        named: list[tuple[str, str, Container[str]]] = [
            ("answer_format", config["answer_format"], FORMATS),
            ("tags.placement", tags["placement"], PLACEMENTS),
            ("abstention_sft.method", taught, (NONE, *modules(METHODS))),
            *(("eval.signals", name, modules(FOLDER)) for name in evaluated["signals"]),
        ]
        for key, value, known in named:
            if value not in known:
                raise ValueError(f"{key}={value}")
        return Made(
            ids=IdsConfig(**config["ids"]),
            counterfactual=CounterfactualConfig(**config.get("counterfactual", {})),
            content=tags["content"],
            marks=taught != NONE,
            backtracks=taught != NONE and method(taught).backtracks,
            nosrc=tags["untagged"] == "nosrc",
            longest=int(config["batch"]["seq_len"]),
            answer_format=config["answer_format"],
            placement=tags["placement"],
            rewritten=bool(config["rewriting"]["fraction"]),
            controlled=isinstance(objective, dict) and objective["control"] != "none",  # older have its name only
            prefixed=bool(config.get("expert", {}).get("prefix", False)),  # older have no such part
            signals=list(evaluated["signals"]),
            samples=int(evaluated["samples"]),
            seed=int(config["seed"]),
        )
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not the configuration of a run ({type(error).__name__}: {error})") from None
