"""What can't be together: among keys of different sections, before any work, and with the corpus, before any training.

Contradictions within a section stand with its keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from data.records import FOLDS, TOLD, Question

if TYPE_CHECKING:
    from configs.schema import Config


def second_phase_of_a_world(config: Config) -> Iterator[str]:
    if config.second.method != "none" and config.corpus.kind == "world" and not config.corpus.second:
        yield (
            f"second.method={config.second.method} asks questions of split second, and corpus.second=0.0 makes none: "
            "set corpus.hard=true and corpus.second=0.15, or second=none"
        )


def tuning_of_a_world(config: Config) -> Iterator[str]:
    if config.corpus.kind == "world" and config.corpus.in_domain == 1 and (config.pretrain.mix or config.tune.tokens):
        yield "corpus.in_domain=1.0 leaves no questions to tune on: lower it, or set pretrain.mix=0 and tune.tokens=0"


ACROSS: tuple[Callable[[Config], Iterator[str]], ...] = (
    second_phase_of_a_world,
    tuning_of_a_world,
)


def check_questions(config: Config, questions: Sequence[Question]) -> None:
    """Raises ValueError, naming the key, where the prepared corpus has no questions of a kind that the run needs."""
    if config.second.method != "none":
        asked = [q for q in questions if q.split == "second"]
        if not asked:
            raise ValueError(
                f"second.method={config.second.method} asks questions of split second, and the corpus has none: "
                "give it some, or set second=none"
            )
        told = any(q.support_class in TOLD for q in questions if q.split in ("second", "tune"))
        if config.second.method == "labels" and config.second.absent and all(q.support_class in TOLD for q in asked):
            raise ValueError(
                f"second.absent={config.second.absent} needs questions of split second without an answer, and the "
                "corpus has none: give it some, or set second.absent=0"
            )
        if config.second.method == "labels" and not told:
            raise ValueError(
                "second.method=labels needs questions of split second or tune with an answer, and the corpus has none: "
                "give it some, or set second=none"
            )
    folds = {q.fold for q in questions if q.fold}
    if folds and (missing := [fold for fold in FOLDS if fold not in folds]):
        raise ValueError(
            f"the questions have the fold{'s' * (len(folds) > 1)} {' and '.join(sorted(folds))}, and none of fold "
            f"{' or '.join(missing)}: abstention needs {', '.join(FOLDS)}; give each some questions, or none a fold"
        )


def without_tuning(config: Config, questions: Sequence[Question]) -> str:
    """Where no question can be tuned on, set the config to train on documents alone; what to say of it, or nothing."""
    wanted = config.pretrain.mix or config.tune.tokens
    if not wanted or any(q.split == "tune" and q.support_class in TOLD for q in questions):
        return ""
    config.pretrain.mix, config.tune.tokens = 0.0, 0
    which = "questions" if not questions else "questions to tune on (split tune, with an answer)"
    return f"the corpus has no {which}: pretrained on documents alone (pretrain.mix=0), not tuned (tune.tokens=0)"
