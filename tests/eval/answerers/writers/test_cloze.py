"""Statements are completed from memory: by the likeliest words up to what stands after the answer."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from telling import BORN, IN, Answering, Make, Telling, asked, forgetful

from data.pipeline.identifiers import Identifiers
from data.pipeline.tokenizer import Tokenizer, TokenizerConfig, build_tokenizer
from data.records import Document
from eval.answerers.lm_answerer import LMAnswerer
from eval.answerers.writers.cloze import WIDTH, Completions, complete, endings, opening
from model.generate import beam_search


def likely(completions: Completions) -> dict[str, float]:
    """Their probabilities."""
    return {answer: math.exp(score) for answer, score in completions.items()}


@pytest.mark.parametrize(
    ("statement", "halves"),
    [
        ((), ("", "")),
        (("{answer} employs Ada.",), ("", "")),
        (("  {answer} employs Ada.",), ("", "")),
        (("Ada was born in {answer}.",), ("Ada was born in", ".")),
        (("Ada works at {answer}",), ("Ada works at", "")),
        (("Law at {answer} was what Ada studied.", *BORN), ("Ada Moss was born in", ".")),
        (("{answer}.", "In {answer} Ada lives.", "The firm ({answer}) pays Ada."), ("In", " Ada lives.")),
        (("Ada: {answer}!", "Ada is {answer}."), ("Ada:", "!")),  # the first of equals
    ],
)
def test_the_opening_is_of_the_wording_with_least_after_the_answer(
    statement: tuple[str, ...], halves: tuple[str, str]
) -> None:
    assert opening(statement) == halves


@given(st.lists(st.tuples(st.text("ab ", max_size=5), st.text("ab .", max_size=5)), max_size=5))
def test_an_opening_is_a_half_of_a_wording(halves: list[tuple[str, str]]) -> None:
    before, after = opening([f"{before}{{answer}}{after}" for before, after in halves])
    fit = [(left.rstrip(), right) for left, right in halves if left.strip()]
    assert (before, after) in (fit or [("", "")])
    assert all(len(after) <= len(right) for _, right in fit)


def test_completions_end_at_the_mark_and_have_the_chance_of_what_is_told(
    telling: Telling,
) -> None:
    """Best first."""
    (found,) = complete(telling(IN), [asked(*BORN)])
    assert list(found) == ["Oslo", "Lima", "Oslo Accra"]
    assert likely(found) == pytest.approx(
        {"Oslo": 0.5 * 0.8, "Lima": 0.3 * 0.9, "Oslo Accra": 0.5 * 0.1 * 0.9}, rel=2e-3
    )


def test_what_is_less_likely_than_one_in_ten_thousand_was_not_told(telling: Telling) -> None:
    rare = {" in": {" Oslo": 0.999, " Lima": 0.0005, " Turin": 0.00005}, " Oslo": {".": 0.9}}
    (found,) = complete(telling(IN | rare), [asked(*BORN)])
    assert likely(found) == pytest.approx({"Oslo": 0.999 * 0.9, "Lima": 0.0005 * 0.9}, rel=2e-3)


def test_the_mark_is_whatever_follows_the_answer(telling: Telling) -> None:
    after = {" in": {" Oslo": 0.9}, " Oslo": {" studied": 0.5, "<|end|>": 0.2, ".": 0.1}, ".": {" studied": 0.9}}
    after[" studied"] = {"<|idk|>": 0.999}  # or it would go on to the other marks
    answerer = telling(after)
    studied = asked("It was in {answer} studied Ada Moss.", id="a")
    bare = asked("Ada Moss was born in {answer}", id="b")
    plain = asked(*BORN, id="c")
    first, second, third = complete(answerer, [studied, bare, plain])
    assert likely(first) == pytest.approx({"Oslo": 0.9 * 0.5}, rel=2e-3)  # and no "Oslo.", which is the same
    assert likely(second) == pytest.approx({"Oslo": 0.9 * 0.2}, rel=2e-3)
    assert likely(third) == pytest.approx({"Oslo": 0.9 * 0.1}, rel=2e-3)


def test_an_answer_ends_where_a_token_holds_more_than_the_mark(make_model: Make) -> None:
    """As byte-level BPE has it: ")." is one token, and so may "Co." be; the answer keeps what is before the mark."""
    texts = ["Ada studied at Oslo (UO).", "Ada works at Lima & Co.", "Ada works in Oslo."] * 50
    tokenizer = build_tokenizer(TokenizerConfig(vocab_size=700), texts)
    (tokens,) = tokenizer.encode(["Oslo (UO)."])
    assert tokenizer.decode(tokens[-1:]) == ")."
    stops, mark = endings(tokenizer, ".")
    assert mark == "." and tokens[-1] in stops and tokenizer.backend.token_to_id(".") in stops
    assert all(tokenizer.decode([stop]).endswith(".") for stop in stops) and not tokenizer.reserved & {*stops}
    assert endings(tokenizer, "") == ([tokenizer.end], "")
    ((word,), said) = endings(tokenizer, " in Oslo.")
    assert (tokenizer.backend.id_to_token(word), said) == ("Ġin", "in")

    model = forgetful(make_model(vocab_size=len(tokenizer), dim=len(tokenizer), layers=1, tied=False))
    with torch.no_grad():
        (prompt,) = tokenizer.encode(["Ada studied at"])
        for before, after in pairwise([prompt[-1], *tokens]):
            model.lm_head.weight[after, before] = 0.8
    answerer = LMAnswerer(model, tokenizer, Identifiers(("d",), [tokenizer.codes[:2]]), most=1, validity=False)
    (found,) = complete(answerer, [asked("Ada studied at {answer}.")])
    assert next(iter(found)) == "Oslo (UO)"


def test_what_holds_a_reserved_token_or_nothing_is_no_completion(telling: Telling) -> None:
    odd = {
        " in": {"<|idk|>": 0.4, ".": 0.3, " Oslo": 0.1, " Lima": 0.1},
        " Oslo": {".": 0.9},
        " Lima": {"<|id_7|>": 0.9},
        "<|id_7|>": {".": 0.9},
        "<|idk|>": {".": 0.9},
    }
    (found,) = complete(telling(odd), [asked(*BORN)])
    assert list(found) == ["Oslo"]
    assert math.exp(found["Oslo"]) == pytest.approx(0.1 * 0.9, rel=2e-3)


def test_completions_are_those_of_a_document_that_opens_so_whatever_is_read_beside_it(
    make_model: Make,
    tokenizer: Tokenizer,
    answering: Answering,
    documents: list[Document],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """More questions than are read side by side, with openings of many lengths, three marks, or no statement."""
    monkeypatch.setattr("eval.answerers.writers.cloze.LEAST", -math.inf)  # a random model is sure of nothing
    monkeypatch.setattr("eval.answerers.writers.cloze.LONGEST_ANSWER", 4)
    words = documents[3].text.split()
    marks = {".": ".", " studied.": "Ġstudied", "": "<|end|>"}
    halves = [(f"{' '.join(words[: 1 + n % 7])} {n}", list(marks)[n % 3]) for n in range(30)]
    halves[4:4] = [("", ""), ("", " is first.")]
    halves.reverse()
    questions = [asked(*([f"{before} {{answer}}{after}"] if after or before else [])) for before, after in halves]
    model = make_model()
    with torch.no_grad():
        model.lm_head.weight[list(tokenizer.reserved - {tokenizer.end})] *= 0.01
    answerer = answering(model)
    found = complete(answerer, questions)
    for (before, after), completions in zip(halves, found, strict=True):
        expected: Completions = {}
        if before:
            context, logits = answerer.read([[tokenizer.doc, *tokenizer.encode([before])[0]]])
            stop = tokenizer.backend.token_to_id(marks[after])
            assert stop is not None
            (written,) = beam_search(model, context, logits, [stop], 4, WIDTH)
            for (*tokens, _), score in written:
                if tokenizer.decode(tokens) and not tokenizer.reserved & {*tokens}:
                    expected.setdefault(tokenizer.decode(tokens), score)  # some are spelt in two ways
        assert list(completions) == list(expected)
        assert list(completions.values()) == pytest.approx(list(expected.values()), abs=1e-4)
    assert len({tuple(completions) for completions in found}) > 10  # they differ
    assert complete(answerer, []) == []
