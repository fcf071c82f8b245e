"""Methods of abstention SFT: what a model is taught, from its own answers, about saying that it does not know.

An expert that always answers is asked questions outside its tuning (split "relabel"): greedily, and k times sampled. A
method turns each attempt into lessons (data/pipeline/questions/sft_examples.py). A module of this folder is one, chosen
by its name with the key `abstention_sft.method`, and holds a `METHOD`. Beside its lessons, every method repeats the
tuning questions with their gold answers.

Sure and unsure, right and wrong are the marks 1 and 0; a soft confidence is the share of the samples that are right (or
agree), learnt as a soft label.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import NamedTuple

from data.pipeline.questions.sft_examples import SFTExample
from data.records import Prediction, Question
from eval.grading.lessons import gold

FOLDER = "eval/grading/methods"
NONE = "none"  # no such phase: the expert


class Attempts(NamedTuple):
    """What the lessons of one round are made of.

    Attributes:
        asked: questions of split relabel, each with the model's forced answer and its samples.
        tuned: lessons of the tuning questions, their gold answers.
        idk_fraction: share of lessons without an answer, for a method that asks for one.
        seed: draws which are left out where a share is asked for.
    """

    asked: Sequence[tuple[Question, Prediction]]
    tuned: Sequence[SFTExample]
    idk_fraction: float
    seed: int


@dataclass(frozen=True)
class AbstentionMethod:
    """A method.

    Attributes:
        label: what it is called in tables.
        lessons: those of one round.
        systems: the systems of eval/selective/selective_baselines.py by which a model so taught is judged in the table
            of runs, each with what its row's label says besides.
        backtracks: it teaches to write the mark of not being sure before an answer (data/pipeline/answer_format.py).
        by_ledger: it takes a share `idk_fraction` of questions that nothing answers, by the ledger alone.
    """

    label: str
    lessons: Callable[[Attempts], list[SFTExample]]
    systems: Mapping[str, str] = field(default_factory=lambda: {"own": ""})
    by_ledger: bool = False
    backtracks: bool = False


def method(name: str) -> AbstentionMethod:
    """The method of the module of this name."""
    found: AbstentionMethod = import_module(f"{__name__}.{name}").METHOD
    return found


def relabel(
    name: str,
    attempted: Sequence[tuple[Question, Prediction]],
    tuned: Sequence[Question],
    idk_fraction: float = 0.2,
    seed: int = 0,
) -> list[SFTExample]:
    """The lessons of one round by a method; the arguments are those of `Attempts`, `tuned` the questions themselves."""
    again = [gold(question) for question in tuned]
    found = method(name)
    lessons = found.lessons(Attempts(attempted, again, idk_fraction, seed))
    return lessons if found.by_ledger else lessons + again
