"""Passages are what their kind says, scores are plain log-probabilities, and the measures are counted by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from data.pipeline.identifiers import Identifiers, IdsConfig, assign
from data.pipeline.tokenizer import Tokenizer
from data.records import Claim, Document, Question
from eval.answerers.lm_answerer import LMAnswerer
from eval.probes.memorization.membership import (
    READ,
    UNREAD,
    false_recollection,
    make_passages,
    membership,
    min_k,
    score_passages,
)
from model.transformer import Transformer

Make = Callable[..., Transformer]
TEXTS = ["Ada Moss was born in Oslo.", "Law was what Ada Moss studied.", "Finn Vale works for someone in Quito."]


def ask(name: str, answer: str, *support: str, kind: str = "single", truth: str = "", fold: str = "") -> Question:
    return Question(
        f"q-{name}",
        f"Where was {name} born?",
        (answer,) if support else (),
        support,
        kind,
        name,
        "never_tuned",
        "birth_city",
        fold=fold,
        truth=truth,
        statement=(f"{name} was born in {{answer}}.", f"{{answer}} is where {name} was born."),
        new_statement=(f"It was in {{answer}} that {name} was born.",),
    )


QUESTIONS = [
    ask("Ada Moss", "Oslo", "doc-0", "doc-8", kind="multi", truth="Oslo"),
    ask("Ben Lark", "Lima", "doc-1"),
    ask("Cleo Finch", "Cairo", "doc-2"),
    ask("Dov Reed", "", kind="absent_attribute", truth="Quito"),
    ask("Eda Thorn", "", kind="absent_entity"),
]


@pytest.fixture(scope="module")
def identifiers(documents: list[Document], tokenizer: Tokenizer) -> Identifiers:
    return assign(documents, tokenizer, IdsConfig())


@pytest.fixture(scope="module")
def answerer(make_model: Make, tokenizer: Tokenizer, identifiers: Identifiers) -> LMAnswerer:
    return LMAnswerer(make_model(), tokenizer, identifiers, most=1, batch=8)


@torch.no_grad()
def plain(model: Transformer, tokens: Sequence[int], first: int, footnote: int | None = None) -> list[float]:
    """Log-probabilities of the tokens from place `first` on; those from `footnote` on do not see the first token."""
    size = len(tokens)
    mask = torch.ones(size, size, dtype=torch.bool).tril()
    if footnote is not None:
        mask[footnote:, 0] = False
    scores = model(torch.tensor([list(tokens)]), torch.arange(size)[None], mask[None, None])[0].double().log_softmax(-1)
    return [float(scores[i - 1, tokens[i]]) for i in range(first, size)]


def test_each_kind_is_what_it_says() -> None:
    for seed in range(10):
        passages = {(p.kind, p.entity): p for p in make_passages(QUESTIONS, seed)}
        assert len(passages) == 14
        for name, answer, support in (
            ("Ada Moss", "Oslo", ("doc-0", "doc-8")),
            ("Ben Lark", "Lima", ("doc-1",)),
            ("Cleo Finch", "Cairo", ("doc-2",)),
        ):
            read, new, altered = (passages[kind, name] for kind in ("read", "paraphrased", "altered"))
            assert read.text in (f"{name} was born in {answer}.", f"{answer} is where {name} was born.")
            assert new.text == f"It was in {answer} that {name} was born."
            assert altered.text in {read.text.replace(answer, v) for v in {"Oslo", "Lima", "Cairo"} - {answer}}
            (other,) = [place for place in ("Oslo", "Lima", "Cairo") if place in altered.text]
            assert passages["reworded", name].text == f"It was in {other} that {name} was born."
            assert read.support == new.support == support
            assert altered.support == passages["reworded", name].support == ()
        assert passages["unread_attribute", "Dov Reed"].text.replace("Quito", "_") in (
            "Dov Reed was born in _.",
            "_ is where Dov Reed was born.",
        )
        assert any(place in passages["unread_entity", "Eda Thorn"].text for place in ("Oslo", "Lima", "Cairo"))


def test_what_was_claimed_is_never_the_altered_answer() -> None:
    claimed = replace(QUESTIONS[1], claims=(Claim("Oslo", ("doc-3",)),), truth="Cairo")
    passages = make_passages([QUESTIONS[0], claimed, QUESTIONS[2]])
    assert [p.entity for p in passages if p.kind == "altered"].count("Ben Lark") == 0  # no other answer is left
    assert {p.entity for p in passages if p.kind == "altered"} == {"Ada Moss", "Cleo Finch"}


def test_answers_of_another_attribute_are_not_used() -> None:
    born, studied = QUESTIONS[0], replace(QUESTIONS[1], attribute="major", answers=("law",))
    assert {p.kind for p in make_passages([born, studied])} == {"read", "paraphrased"}


def test_only_held_out_questions_and_so_many_of_them() -> None:
    folded = [
        replace(q, fold=fold) for q, fold in zip(QUESTIONS, ("dev", "test", "test", "calibration", "test"), strict=True)
    ]
    assert {p.entity for p in make_passages(folded)} == {"Ben Lark", "Cleo Finch", "Eda Thorn"}
    tuned = replace(QUESTIONS[0], split="in_domain")
    assert "Ada Moss" not in {p.entity for p in make_passages([tuned, *QUESTIONS[1:]])}
    counts = [p.kind for p in make_passages(QUESTIONS, most=1)]
    assert sorted(counts) == sorted((*READ, *UNREAD))
    drawn = {p.entity for seed in range(20) for p in make_passages(QUESTIONS, seed, most=1) if p.kind == "read"}
    assert drawn == {"Ada Moss", "Ben Lark", "Cleo Finch"}


def test_scores_are_plain_log_probabilities(
    answerer: LMAnswerer, tokenizer: Tokenizer, identifiers: Identifiers
) -> None:
    scores, best = score_passages(answerer, TEXTS)
    model = answerer.model
    for i, text in enumerate(tokenizer.encode(TEXTS)):
        row = [tokenizer.doc, *text.tolist()]
        notes = [
            sum(plain(model, [*row, tokenizer.src, *tokens, tokenizer.end_src], len(row) + 1, footnote=len(row)))
            for tokens in identifiers.tokens
        ]
        place = int(np.argmax(notes))
        assert best[i] == identifiers.labels[place]
        assert scores["footnote"][i] == pytest.approx(notes[place], abs=1e-4)
        tag = [tokenizer.doc, tokenizer.src, *identifiers.tokens[place].tolist(), tokenizer.end_src]
        told = sum(plain(model, [*tag, *text.tolist()], len(tag)))
        assert scores["id_to_text"][i] == pytest.approx(told, abs=1e-4)
        assert scores["bidirectional"][i] == pytest.approx(notes[place] + told, abs=1e-4)
        alone = plain(model, row, 1)
        assert scores["loss"][i] == pytest.approx(np.mean(alone), abs=1e-4)
        lowest = sorted(alone)[: max(1, len(alone) // 5)]
        assert scores["min_k"][i] == pytest.approx(np.mean(lowest), abs=1e-4)


@pytest.mark.parametrize(("count", "lowest"), [(3, 1), (5, 1), (9, 1), (10, 2), (15, 3)])
def test_min_k_looks_at_the_lowest_fifth(count: int, lowest: int) -> None:
    log_probs = -np.arange(1.0, count + 1)
    assert min_k(log_probs) == pytest.approx(np.mean([-count + i for i in range(lowest)]))


READ_SCORES = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0]


@pytest.mark.parametrize(
    ("unread", "share"),
    [
        ([0.0, 1.5, 2.0, 2.5, 11.0], 3 / 5),  # nine of ten are at 2 or above
        ([1.9, 1.0], 0.0),
        ([2.0], 1.0),
    ],
)
def test_false_recollection_by_hand(unread: list[float], share: float) -> None:
    flags = [True] * 10 + [False] * len(unread)
    assert false_recollection([*READ_SCORES, *unread], flags) == pytest.approx(share)


def test_false_recollection_with_ties_and_without_one_of_the_two() -> None:
    assert false_recollection([1.0, 1.0, 1.0, 1.0], [True, False, True, False]) == 1.0
    # Of eleven read, nine are too few: the threshold falls to the lowest two, which are equal.
    assert false_recollection([*READ_SCORES[1:], 1.0, 1.0, 1.0, 0.0], [True] * 11 + [False] * 2) == 0.5
    assert math.isnan(false_recollection([1.0, 2.0], [True, True]))
    assert math.isnan(false_recollection([1.0, 2.0], [False, False]))


@given(
    st.lists(st.tuples(st.integers(0, 6), st.booleans(), st.integers(0, 3)), min_size=1, max_size=25),
)
def test_false_recollection_is_brute_force_and_a_weight_is_a_repetition(items: list[tuple[int, bool, int]]) -> None:
    drawn = [(score, read) for score, read, count in items for _ in range(count)]
    positive, negative = ([score for score, read in drawn if read is flag] for flag in (True, False))
    found = false_recollection(
        [float(score) for score, _, _ in items], [read for _, read, _ in items], [[count for *_, count in items]] * 2
    )
    if not (positive and negative):
        assert np.isnan(found).all()
        return
    threshold = max(t for t in positive if 10 * sum(p >= t for p in positive) >= 9 * len(positive))
    assert found.tolist() == pytest.approx([sum(n >= threshold for n in negative) / len(negative)] * 2)


def test_results_compare_every_kind_read_with_every_kind_that_was_not(answerer: LMAnswerer) -> None:
    found = membership(answerer, QUESTIONS)
    passages = make_passages(QUESTIONS)
    scores, best = score_passages(answerer, [p.text for p in passages])
    assert found["n"] == {
        "read": 3,
        "paraphrased": 3,
        "altered": 3,
        "reworded": 3,
        "unread_attribute": 1,
        "unread_entity": 1,
    }
    right = [label in p.support for label, p in zip(best, passages, strict=True) if p.kind == "read"]
    assert found["where"]["value"] == pytest.approx(np.mean(right))
    assert "reworded" not in found["read"]
    for positive, negative, (name, values) in product(READ, UNREAD, scores.items()):
        if (positive, negative) == ("read", "reworded"):
            continue
        high, low = (
            [v for v, p in zip(values, passages, strict=True) if p.kind == kind] for kind in (positive, negative)
        )
        wins = [(h > n) + (h == n) / 2 for h, n in product(high, low)]
        measures = found[positive][negative][name]
        assert measures["auroc"]["value"] == pytest.approx(np.mean(wins))
        assert measures["false_recollection"]["value"] == pytest.approx(np.mean([n >= min(high) for n in low]))
        assert len(measures["auroc"]["interval"]) == 2


def test_the_right_source_counts_as_where(answerer: LMAnswerer) -> None:
    passages = [p for p in make_passages(QUESTIONS) if p.kind == "read"]
    _, best = score_passages(answerer, [p.text for p in passages])
    said = {p.entity: label for p, label in zip(passages, best, strict=True)}
    known = [replace(q, support=(said[q.entity],)) if q.support else q for q in QUESTIONS]
    assert membership(answerer, known)["where"]["value"] == 1.0


def test_kinds_that_are_not_there_are_left_out(answerer: LMAnswerer) -> None:
    bare = [replace(q, new_statement=()) for q in QUESTIONS if q.support_class != "absent_entity"]
    found = membership(answerer, bare)
    assert "paraphrased" not in found and set(found["read"]) == {"altered", "unread_attribute"}
    assert membership(answerer, [replace(q, statement=(), new_statement=()) for q in QUESTIONS]) == {}
