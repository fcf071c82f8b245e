"""Substitution: another value stands in the evidence at each visit, and is what is learnt, with the mark behind it."""

from __future__ import annotations

import re

import numpy as np
import pytest
from composing import said_of
from pages import ROOT

from data.pipeline.questions.substitution import SubstitutionConfig, Substitutions, kind, standing
from data.pipeline.sample import IGNORE
from data.pipeline.tokenizer import Tokenizer
from data.record_parts import Evidence
from data.records import Question


def asked(name: str, text: str, answer: str, sentence: str) -> Question:
    return Question(
        name, text, (answer,), ("doc-1",), "single", "", "tune", evidence=(Evidence("doc-1", sentence),)
    )  # fmt: skip


BORN = asked("a", "Where was Ada Moss born?", "Oslo", "Ada Moss was born in Oslo, as her Osloer aunt was.")
WORKS = asked("b", "Where does Bo Ek work?", "Acme", "Bo Ek works for Acme.")
YEAR = asked("c", "When did Cy Ray leave?", "1968", "Cy Ray left in 1968.")
BARE = Question("d", "Who?", ("Ada",), ("doc-1",), "single", "", "tune")
ALWAYS = SubstitutionConfig(fraction=0.999999)


def substitutions(
    tokenizer: Tokenizer, *questions: Question, config: SubstitutionConfig = ALWAYS, room: int = 256
) -> Substitutions:
    return Substitutions(questions, tokenizer, "evidence_first", config, room)


def test_what_is_learnt_is_the_value_that_the_evidence_says_now(tokenizer: Tokenizer) -> None:
    """Nothing else is: not the sentence, which is not so, and no source."""
    drawn = substitutions(tokenizer, BORN, WORKS, YEAR, BARE)
    seen = set()
    for key in range(200):
        sample = drawn.draw(key)
        assert sample is not None
        learnt = sample.targets[sample.targets != IGNORE].tolist()
        assert learnt[-1] == tokenizer.src
        value, text = tokenizer.decode(learnt[:-1]), tokenizer.decode(sample.tokens.tolist())
        given = sample.tokens[: len(sample.tokens) - len(learnt)].tolist()
        evidence = tokenizer.decode(given[given.index(tokenizer.doc) + 1 : -1])
        assert given[-1] == tokenizer.answer and standing(value, evidence)
        if "Ada" in text:
            assert evidence == f"Ada Moss was born in {value}, as her Osloer aunt was."
        seen.add((text.split("?")[0], value))
    assert {value for text, value in seen if "Cy" in text} == {"1968"}  # the only number
    assert {value for text, value in seen if "Ada" in text} == {"Oslo", "Acme"}


def test_only_answers_that_stand_in_their_evidence_as_words_are_read(tokenizer: Tokenizer) -> None:
    inside = asked("e", "What did he win?", "cup", "He won a cupboard.")
    whole = asked("f", "What is said?", "Yes.", "Yes.")
    assert substitutions(tokenizer, BARE, inside, whole).draw(0) is None
    assert substitutions(tokenizer, BORN, room=8).draw(0) is None  # no room
    assert [kind(answer) for answer in ("May 1968", "Oslo", "a cup")] == ["number", "name", "words"]


@pytest.mark.parametrize("fraction", [0.0, 0.3])
def test_the_share_is_the_one_asked_for_and_the_draw_is_of_the_key(tokenizer: Tokenizer, fraction: float) -> None:
    drawn = substitutions(tokenizer, BORN, WORKS, config=SubstitutionConfig(fraction=fraction))
    again = substitutions(tokenizer, WORKS, BORN, config=SubstitutionConfig(fraction=fraction))
    samples = [(drawn.draw(key), again.draw(key)) for key in range(3000)]
    assert np.mean([sample is not None for sample, _ in samples]) == pytest.approx(fraction, abs=0.03)
    assert all(a is None or a.tokens.tolist() == b.tokens.tolist() for a, b in samples if b is not None or a)  # type: ignore[union-attr]


def test_what_takes_the_place_of_a_visit_is_drawn_by_numbers_of_its_own() -> None:
    """All draw by the same key of a visit: the same number twice, and one kind would shut the other out."""
    drawn: dict[str, str] = {}
    for path in (ROOT / "data/pipeline/questions").glob("*.py"):
        numbers = set(re.findall(r"(?:uniform|hash_key)\(key, (\d+)", path.read_text(encoding="utf-8")))
        assert not {n: drawn[n] for n in numbers & drawn.keys()}, path.name
        drawn |= dict.fromkeys(numbers, path.name)
    assert len({*drawn.values()}) >= 6


def test_only_answers_that_show_their_evidence_can_be_read() -> None:
    assert "set answer_format=evidence_first" in said_of("substitution.fraction=0.2")
    assert "takes the place of tuning questions" in said_of(
        "substitution.fraction=0.2", "pretrain.qa_fraction=0", "sft.tokens=0"
    )
