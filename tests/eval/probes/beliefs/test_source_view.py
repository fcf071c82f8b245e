"""Whose view is whose, from distributions by hand and from a model that says nothing of sources."""

from __future__ import annotations

import numpy as np
import pytest

from data.pipeline.identifiers import IdsConfig, assign
from data.record_parts import Claim
from data.records import Question
from eval.answerers.lm_answerer import LMAnswerer
from eval.metrics.divergence import similarity
from eval.probes import Read
from eval.probes.beliefs.source_view import source_view, told_by, views


def dispute(name: str, first: tuple[str, ...], second: tuple[str, ...]) -> Question:
    claims = Claim("Oslo", first), Claim("Lima", second)
    return Question(
        name, f"Where was {name} born?", ("Oslo",), first, "contested", name, "never_tuned",
        attribute="birth_city", claims=claims, statement=(f"{name} was born in {{answer}}.",),
    )  # fmt: skip


ASKED = [dispute("Ada Moss", ("doc-0",), ("doc-8", "doc-16", "doc-24")), dispute("Ben Lark", ("doc-1",), ("doc-9",))]
SURE, SPLIT, OTHER = np.array([1.0, 0.0]), np.array([0.5, 0.5]), np.array([0.0, 1.0])


def value(found, key: str) -> float:
    return found[key]["value"]


def test_who_knows_who_said_what_by_hand() -> None:
    """By default Ada's fact is told as the three documents have it, Ben's is even; opened, each side says its own."""
    found = views(ASKED, [OTHER, SPLIT], [[SURE, SURE], [OTHER, OTHER]])
    even = float(similarity(SPLIT, SURE))
    assert value(found, "default_best") == pytest.approx(even / 2)
    assert value(found, "default_other") == pytest.approx((1 + even) / 2)
    assert (value(found, "best_best"), value(found, "best_other"), value(found, "other_other")) == (1.0, 0.0, 1.0)
    assert value(found, "diagonal") == 1.0 and value(found, "default_likeliest") == 0.5
    assert value(found, "majority") == 1.0 and found["majority"]["n"] == 1  # only Ada's sides are unequal


def test_tags_that_say_nothing_fail() -> None:
    """Control: whatever opens the document, it tells the same."""
    found = views(ASKED, [SURE, SURE], [[SURE, SURE], [SURE, SURE]])
    assert value(found, "diagonal") == 0.0 and value(found, "other_other") == 0.0
    assert value(found, "majority") == 0.0


def test_a_real_model_is_asked(documents, tokenizer, make_model) -> None:
    answerer = LMAnswerer(make_model(), tokenizer, assign(documents, tokenizer, IdsConfig()))
    read = Read(answerer, ASKED, documents, 0)
    (ada, ben) = told_by(answerer, ASKED, [None, answerer.identifiers.tokens[1]])
    assert ada.sum() == pytest.approx(1.0) and (ben > 0).all()
    found = source_view(read)
    assert found["n"] == 2 and 0 <= value(found, "default_best") <= 1
    assert source_view(read._replace(questions=[])) == {}
