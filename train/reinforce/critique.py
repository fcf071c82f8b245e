"""What is configured about critiques: who writes them, who judges what is written then, and what is learnt of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from configs.keys import Section, at_least, key, one_of

CRITICS = ("oracle", "answer", "shuffled", "own", "none")
JUDGES = ("oracle", "own")


@dataclass
class CritiqueConfig(Section):
    """Feedback in words on own attempts (eval/feedback), for the methods ilf and rlaif."""

    section: ClassVar[str] = "self_correction.critique"

    critic: str = key(
        "oracle",
        "who says what is wrong with an attempt: the ledger; the same with the right answer and source; the ledger on "
        "another question; the model itself; or nobody",
        one_of(*CRITICS),
    )
    judge: str = key("oracle", "who says what an attempt is worth: the ledger, or the model itself", one_of(*JUDGES))
    choice: str = key(
        "refinement",
        "what is learnt: refinements, the better the oftener, or by the outcome of all attempts alone an own answer or "
        "a refusal",
        one_of("refinement", "outcome"),
    )
    beta: float = key(2.0, "of refinements: each is learnt in proportion to exp(beta reward)", at_least(0))
    each: int = key(4, "of them for every question", at_least(1))
    tokens: int = key(300_000, "that teach to answer by critiques, as in pretraining", at_least(1))

    def contradictions(self, path: str) -> Iterator[str]:
        if "own" in (self.critic, self.judge) and self.critic in ("answer", "none"):
            yield (
                f"{path}.judge=own asks a model that was taught the constitution, and {path}.critic={self.critic} "
                f"teaches it none: set {path}.critic=own, oracle or shuffled"
            )
