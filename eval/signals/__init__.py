"""What a model shows of itself beside its answer. One file a method, in this folder.

A module of this folder holds an `EXTRACTOR`: the signals that it adds to predictions, and the function that does.
`eval.signals` names those of a run, in the order in which they work. A new one is a file here and its name there:
whatever it shows, its rows in results.json and the report and, if it asks for one, a system that decides by it alone,
follow from what it says of its signals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import NamedTuple

from configs.keys import modules
from data.records import Prediction, Question
from eval.answerers.lm_answerer import LMAnswerer

FOLDER = "eval/signals"


@dataclass(frozen=True)
class Signal:
    """A number in `Prediction.signals`.

    Attributes:
        about: what it is.
        unit: "nats" of a log-probability, "log-odds", "share" or "flag".
        statement: whether it is read off a statement: with the corpus's own, it is given more than a user has.
        system: the system that answers or withholds by this signal alone; "" for none.
        surer: 1 where more is surer, -1 where less is.
        compared: whether results.json compares it, uncalibrated, with the scores of the systems.
    """

    about: str
    unit: str = "nats"
    statement: bool = False
    system: str = ""
    surer: float = 1.0
    compared: bool = False


class Asked(NamedTuple):
    """Questions with what a model answered: `samples` are to be drawn where answers are, from `seed`."""

    answerer: LMAnswerer
    questions: Sequence[Question]
    said: Sequence[Prediction]
    samples: int
    seed: int


@dataclass(frozen=True)
class Extractor:
    """How some signals come about.

    Attributes:
        signals: what it adds, by name.
        extract: the predictions with them, in their order; unchanged where there is nothing to read them off.
        statement: whether it reads `Question.statement` or `Question.premise`.
        spoken: whether it is also used after abstention SFT, where a model is judged by what it says.
        fitted: whether it fits itself on the questions of split relabel, which have to be among those asked.
    """

    signals: Mapping[str, Signal]
    extract: Callable[[Asked], list[Prediction]]
    statement: bool = False
    spoken: bool = False
    fitted: bool = False


OF_THE_ANSWER: Mapping[str, Signal] = {  # what eval/answerers/lm_answerer.py notes as it answers
    "answer": Signal("the answer and the mark that ends it", system="log_probability"),
    "min_token_logprob": Signal("the least likely token of the answer", compared=True),
    "citation": Signal("the identifier of the first source, cited right after the answer", compared=True),
    "refusal": Signal("a refusal as the first word", system="refusal", surer=-1.0),
    "best_word": Signal("the likeliest other first word"),
    "lp_evidence": Signal("the sentence of evidence, after the question", system="evidence_likelihood", compared=True),
    "stated": Signal("expectation of the mark of confidence, which abstention SFT teaches", "share", system="stated"),
}


def extractor(name: str) -> Extractor:
    """The extractor of the module of this name."""
    found: Extractor = import_module(f"{__name__}.{name}").EXTRACTOR
    return found


@cache
def registered() -> Mapping[str, Signal]:
    """Every signal that there is, by name."""
    found = dict(OF_THE_ANSWER)
    for name in modules(FOLDER):
        found |= extractor(name).signals
    return found
