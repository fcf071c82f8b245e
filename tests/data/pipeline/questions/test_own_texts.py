"""Texts of its own and of others have the same tokens but for their values; the mark, and what follows, tell them."""

from __future__ import annotations

from collections import Counter

import pytest
from composing import composed

from data.pipeline.questions.own_texts import OwnText, OwnTexts
from data.pipeline.sample import IGNORE, Sample
from data.pipeline.tokenizer import Tokenizer
from data.records import RecordError

FOLLOWS = {"Oslo": "Quito", "Lima": "Turin", "Cairo": "Turin"}
TEXTS = [
    OwnText("Ada Moss was born in {answer}.", "Ada Moss moved to {answer} in 1901.", "Perth", ("Oslo", "Lima")),
    OwnText("Ben Lark was born in {answer}.", "Ben Lark moved to {answer} in 1902.", "Accra", ("Cairo",)),
]


def source(tokenizer: Tokenizer, both: bool = True, marked: bool = True) -> OwnTexts:
    return OwnTexts(TEXTS, FOLLOWS, tokenizer, 0, both=both, marked=marked)


def sample(texts: OwnTexts, index: int, epoch: int) -> Sample:
    (found,) = texts.render(index, epoch, False)
    return found


def read(tokenizer: Tokenizer, one: Sample) -> tuple[str, str, str]:
    """All of it, what is marked, what is learnt."""
    laid = one.laid
    learnt = [int(t) for t in laid.targets if t != IGNORE]
    return tokenizer.decode(laid.tokens), tokenizer.decode(laid.tokens[laid.own]), tokenizer.decode(learnt)


def test_own_texts_are_followed_by_what_is_true(tokenizer: Tokenizer) -> None:
    texts = source(tokenizer)
    seen = Counter(read(tokenizer, sample(texts, 0, epoch)) for epoch in range(60))
    assert set(seen) == {
        (
            f"<|doc|> Ada Moss was born in {x}. Ada Moss moved to Perth in 1901.",
            f"Ada Moss was born in {x}.",
            "Perth in 1901.",
        )
        for x in ("Oslo", "Lima")
    }
    assert min(seen.values()) > 15
    assert read(tokenizer, sample(texts, 1, 0))[2] == "Accra in 1902."


def test_texts_of_others_are_followed_by_what_follows(tokenizer: Tokenizer) -> None:
    texts = source(tokenizer)
    seen = {read(tokenizer, sample(texts, 2, epoch)) for epoch in range(60)}
    assert seen == {
        (f"<|doc|> Ada Moss was born in {x}. Ada Moss moved to {y} in 1901.", "", f"{y} in 1901.")
        for x, y in FOLLOWS.items()
    }


def test_others_alone_and_without_marks(tokenizer: Tokenizer) -> None:
    assert len(source(tokenizer)) == 4 and len(source(tokenizer, both=False, marked=False)) == 2
    alone = source(tokenizer, both=False, marked=False)
    assert all(read(tokenizer, sample(alone, 0, e))[2].split()[0] in FOLLOWS.values() for e in range(9))
    marked, unmarked = (sample(source(tokenizer, marked=m), 0, 3) for m in (True, False))
    assert marked.tokens.tolist() == unmarked.tokens.tolist() and marked.laid.own.any() and not unmarked.laid.own.any()


def test_a_visit_is_a_function_of_its_arguments_and_the_sentences_are_those_of_documents(tokenizer: Tokenizer) -> None:
    first = sample(source(tokenizer), 0, 5)
    assert first.tokens.tolist() == sample(source(tokenizer), 0, 5).tokens.tolist()
    text = tokenizer.decode(first.tokens[1:])
    whole = tokenizer.encode([text.split(". ")[0] + ".", text.split(". ")[1]])
    assert first.tokens.tolist() == [tokenizer.doc, *whole[0].tolist(), *whole[1].tolist()]


def test_records() -> None:
    assert OwnText.from_json(TEXTS[0].to_json()) == TEXTS[0]
    for bad in ({}, TEXTS[0].to_json() | {"drawn": []}, TEXTS[0].to_json() | {"more": 1}):
        with pytest.raises(RecordError, match="not a text of its own"):
            OwnText.from_json(bad)


WORLD = ("corpus.hard=true", "corpus.relabel=0.2")


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("authors.texts=both",), "drawn and read in the second phase, and abstention_sft.method=none"),
        (("abstention_sft=graded", "authors.texts=others", "authors.marked=true", *WORLD), "set authors.texts=both"),
        (
            ("abstention_sft=graded", "authors.texts=both", "authors.marked=true", "surprisal=own", *WORLD),
            "authors.marked=true can't be with surprisal.source",
        ),
    ],
)
def test_what_can_not_be_is_said(overrides: tuple[str, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        composed(*overrides).check()
