"""What the second phase draws: of whom, in which words, by which chances; and which lessons are in its own words."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from telling import Answering, Make

from data.pipeline.questions.sft_examples import SFTExample
from data.records import Prediction
from eval.probes.beliefs.self_evidence import log_probs
from steps.own_texts import own_texts, own_words
from tests.eval.probes.beliefs.test_self_evidence import CITY, EMPLOYER, QUESTIONS, ask

TUNE = [replace(q, split="tune") for q in QUESTIONS]
RELABEL = [
    ask("Gus Hale", EMPLOYER, "Acrona", "absent_entity", "relabel"),
    ask("Ida Brook", CITY, "Oslo", "single", "relabel"),
    replace(ask("Ida Brook", CITY, "Perth", "single", "relabel"), id="u", attribute="university"),
]
REST = [ask("Eve Rook", CITY, "Lima", "absent_entity"), replace(RELABEL[0], id="x", support_class="false_premise")]


def test_people_of_the_second_phase_are_drawn_on(answering: Answering, make_model: Make) -> None:
    answerer = answering(make_model())
    found = own_texts(answerer, [*TUNE, *RELABEL, *REST], 400, 0)
    assert [(text.first, text.second, text.truth) for text in found] == [
        ("Gus Hale works for {answer}.", "Gus Hale works in {answer}.", "Oslo"),  # where Acrona is
        ("Ida Brook works for {answer}.", "Ida Brook works in {answer}.", "Oslo"),
    ]
    begun = [answerer.tokenizer.doc, *answerer.tokenizer.encode(["Gus Hale works for"])[0].tolist()]
    scores = log_probs(answerer, [(begun, f"{x}.") for x in ("Acrona", "Belcor")], [[]])
    share = 1 / (1 + 2.718281828 ** (scores[1] - scores[0]))
    assert Counter(found[0].drawn)["Acrona"] / 400 == pytest.approx(share, abs=0.08)  # three standard deviations
    assert found == own_texts(answerer, [*TUNE, *RELABEL, *REST], 400, 0)


def test_without_anybody_to_draw_on_it_is_said(answering: Answering, make_model: Make) -> None:
    answerer = answering(make_model())
    with pytest.raises(ValueError, match="no question of split relabel says where anybody truly works"):
        own_texts(answerer, [*TUNE, *REST], 2, 0)
    with pytest.raises(ValueError, match="do not say which employer is in which city"):
        own_texts(answerer, RELABEL, 2, 0)  # nothing of it was told


def test_lessons_in_its_own_words_are_its_own() -> None:
    said = [
        Prediction("a", "answered", "Oslo"),
        Prediction("b", "answered", "Lima"),
        Prediction("c", "unparseable", "x"),
    ]
    lessons = [
        SFTExample("a", ("?",), "answer", "Oslo", "doc-1"),
        SFTExample("b", ("?",), "answer", "Oslo", "doc-1"),
        SFTExample("b", ("?",), "judge", "Lima", "doc-1", 0.0),
        SFTExample("b", ("?",), "idk"),
        SFTExample("c", ("?",), "answer", "x"),
        SFTExample("tuned", ("?",), "answer", "Oslo", "doc-1"),
    ]
    assert [one.own for one in own_words(lessons, said)] == [True, False, True, False, False, False]
