"""The sources of a statement are checked both ways, and that nobody made it is said."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from data.pipeline.identifiers import Identifiers
from data.records import Citation, Document
from eval.answerers.writers.question_templates import QuestionTemplates
from eval.cite import checked, describe
from eval.load import Run

HELD = {
    "d0": [Document("d0", (("Ada was born in Oslo.", "Oslo is where Ada was born."), ("Bo sings.",)))],
    "d1": [Document("d1", (("Cy was born in Rome.",),))],
}
OTHERWISE, MADE_UP = "Ada came into the world in Oslo.", "Ada was born in Lima."
RECALLED = {"Ada was born in Oslo.": -2.0, "Bo sings.": -4.0, "Cy was born in Rome.": -3.0, OTHERWISE: -4.0}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """A model that recalls what `RECALLED` says of d0, and half as well from d1."""
    tokens = [np.array([7]), np.array([8])]

    def recalled(answerer: Any, statements: Any, sources: Any) -> np.ndarray:
        from_d1 = [2.0 if source[0] == 8 else 1.0 for source in sources]
        return np.array([far * RECALLED.get(s, -50.0) for (s,), far in zip(statements, from_d1, strict=True)])

    monkeypatch.setattr("eval.signals.bidirectional.lp_statement_given_id", recalled)
    answerer = SimpleNamespace(
        identifiers=SimpleNamespace(tokens=tokens),
        ranked_sources=lambda statements, top: [[(0, math.log(0.75)), (1, math.log(0.25))][:top]],
        citations=lambda ranked: tuple(Citation(f"d{index}", math.exp(score)) for index, score in ranked),
    )
    return Run(cast(Any, answerer), HELD, Identifiers((), []), QuestionTemplates({}), {}, cast(Any, None), Path())


def test_a_statement_that_nobody_made_is_said_to_be_none(run: Run) -> None:
    lines = describe(run, MADE_UP, checked(run, MADE_UP, 2)).splitlines()
    assert lines == [
        MADE_UP,
        "  1. d0  does not say so  (probability 7.50e-01)",
        "     log P of the statement from there -50.0, of what stands there -4.0 or more",
        "     Ada was born in Oslo. Bo sings.",
        "  2. d1  does not say so  (probability 2.50e-01)",
        "     log P of the statement from there -100.0, of what stands there -6.0 or more",
        "     Cy was born in Rome.",
        "  None of these says so: I know of no document that made this statement.",
    ]


@pytest.mark.parametrize(
    ("statement", "verdict"),
    [("ada was born in Oslo", "says so"), (OTHERWISE, "may say so in other words")],
)
def test_what_stands_in_a_source_or_comes_as_easily_is_said(run: Run, statement: str, verdict: str) -> None:
    sources = checked(run, statement, 2)
    assert [source.verdict for source in sources] == [verdict, "does not say so"]
    assert "None of these" not in describe(run, statement, sources)


def test_as_many_sources_as_are_asked_for_are_checked(run: Run) -> None:
    assert [source.id for source in checked(run, MADE_UP, 1)] == ["d0"]
