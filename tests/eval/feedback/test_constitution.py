"""The sentences of the constitution: which of them the ledger says, what an answer is worth by it, and preferences."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from data.records import Citation, Claim, Prediction, Question
from eval.feedback.constitution import KEPT, SENTENCES, certain, possible, verdict, worths
from eval.grading.attempts import went_well
from eval.grading.rewards.cited import cited

CLAIMS = (Claim("Oslo", ("doc-1",), 0.9), Claim("Lima", ("doc-2", "doc-3"), 0.2))


def question(support_class: str, claims: tuple[Claim, ...] = ()) -> Question:
    told = support_class != "absent_entity"
    given = (("Oslo",), ("doc-1",)) if told else ((), ())
    return Question("q", "Where?", *given, support_class, "Ada", "relabel", claims=claims)


TOLD, ABSENT, UNTAGGED = question("single"), question("absent_entity"), question("untagged")
DISPUTED = question("contested", CLAIMS)
SAID = {
    "right": Prediction("q", "answered", "Oslo", (Citation("doc-1"),)),
    "other source": Prediction("q", "answered", "Oslo", (Citation("doc-2"),)),
    "no source": Prediction("q", "no_source", "Oslo"),
    "lesser": Prediction("q", "answered", "Lima", (Citation("doc-2"),)),
    "wrong": Prediction("q", "answered", "Cairo", (Citation("doc-1"),)),
    "silent": Prediction("q", "abstained"),
    "garbled": Prediction("q", "unparseable"),
}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (TOLD, ("supported", "unsourced", "unsourced", "wrong", "wrong", "known", "malformed")),
        (DISPUTED, ("supported", "unsourced", "unsourced", "outweighed", "wrong", "known", "malformed")),
        (ABSENT, ("untold", "untold", "untold", "untold", "untold", "withheld", "malformed")),
        (UNTAGGED, ("unsourced", "unsourced", "supported", "wrong", "wrong", "known", "malformed")),
    ],
)
def test_the_ledger_says_which_principle_is_broken(asked: Question, expected: tuple[str, ...]) -> None:
    found = tuple(verdict(asked, said) for said in SAID.values())
    assert found == expected
    assert [name in KEPT for name in found] == [went_well(asked, said) for said in SAID.values()]


@pytest.mark.parametrize("target", [0.0, 0.5, 0.75])
def test_a_verdict_is_worth_what_the_reward_is(target: float) -> None:
    value = dict(zip(SENTENCES, worths(target), strict=True))
    for asked, said in itertools.product((TOLD, DISPUTED, ABSENT, UNTAGGED), SAID.values()):
        assert value[verdict(asked, said)] == pytest.approx(cited(asked, said, target))


def test_what_an_answer_is_says_which_sentences_are_possible() -> None:
    for asked, said in itertools.product((TOLD, DISPUTED, ABSENT, UNTAGGED), SAID.values()):
        assert verdict(asked, said) in possible(said)
    assert set(possible(SAID["silent"])) == {"withheld", "known"}
    assert possible(SAID["garbled"]) == ("malformed",)
    groups = [possible(SAID[name]) for name in ("right", "silent", "garbled")]
    assert sorted(name for group in groups for name in group) == sorted(SENTENCES)  # each in one of them


def test_no_sentence_names_an_answer_or_a_document_and_none_is_two() -> None:
    words = [one.words for one in SENTENCES.values()]
    assert len(set(words)) == len(words)
    assert not [text for text in words if "{" in text or any(letter.isdigit() for letter in text)]


def test_what_is_certain_has_one_sentence() -> None:
    found = certain(["withheld", "supported"])
    assert found.shape == (2, len(SENTENCES)) and found.sum() == 2
    assert [list(SENTENCES)[place] for place in found.argmax(1)] == ["withheld", "supported"]
    assert (found @ worths(0.5)).tolist() == [0.0, 1.0]
    assert np.array_equal(
        worths(0.5) < 0, [name in ("outweighed", "wrong", "untold", "malformed") for name in SENTENCES]
    )
