"""Questions become statements: what is learnt is the statement alone, and it reads back as it was."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.pipeline.questions.rewriting import (
    Rewriting,
    RewritingConfig,
    Rewritings,
    Statement,
    invented_name,
    presumed,
    presupposed,
)
from data.pipeline.sample import IGNORE
from data.pipeline.tokenizer import Tokenizer
from data.records import Question

BORN = Question(
    "q", "Where was Ada Moss born?", ("Oslo",), ("doc-1",), "single", "Ada Moss", "tune",
    paraphrases=("What is Ada Moss's birthplace?", "Of which city is she a native?"),
    statement=("Ada Moss was born in {answer}.", "{answer} is where Ada Moss was born."),
)  # fmt: skip
PRESUMING = Question(
    "p", "Since Ada Moss studied law, where was Ada Moss born?", ("Oslo",), ("doc-1",), "true_premise", "Ada Moss",
    "tune", statement=("Ada Moss was born in {answer}, they say.",),
    premise=("Law was what Ada Moss studied.", "Ada Moss studied law."),
)  # fmt: skip


def drawn(tokenizer: Tokenizer, questions: list[Question], **config: float) -> list[tuple[str, Statement | None]]:
    source = Rewritings(questions, tokenizer, RewritingConfig(**({"fraction": 0.999999} | config)))
    found = []
    for key in range(200):
        sample = source.draw(key)
        if sample is not None:
            prompt, target = sample.parts
            text = tokenizer.decode([t for t in prompt.tokens if t not in tokenizer.reserved])
            found.append((text.strip(), source.form.parse([int(t) for t in target.tokens][:-1])))
    return found


def test_each_question_comes_as_often_in_however_many_wordings(tokenizer: Tokenizer) -> None:
    many = replace(BORN, paraphrases=tuple(f"{n} times: where was Ada Moss born?" for n in range(20)))
    premises = [bool(statement and statement.premise) for _, statement in drawn(tokenizer, [many, PRESUMING])]
    assert 0.4 < sum(premises) / len(premises) < 0.6  # of 22 wordings one has a premise


def test_what_is_learnt_is_the_statement_alone(tokenizer: Tokenizer) -> None:
    sample = Rewriting(tokenizer).sample(BORN.text, Statement(BORN.statement[0]))
    learnt = sample.targets[sample.targets != IGNORE].tolist()
    expected = [*tokenizer.encode(["Ada Moss was born in"])[0], tokenizer.answer, *tokenizer.encode(["."])[0]]
    assert learnt == [*expected, tokenizer.end]


def test_statements_and_premises_read_back_as_they_were(tokenizer: Tokenizer) -> None:
    form = Rewriting(tokenizer)
    for statement in (
        Statement("Ada Moss was born in {answer}."),
        Statement("Ada Moss was born in {answer} and left", "Ada Moss studied law."),
        Statement("Ada Moss moved to {answer}, they say."),
    ):
        _, target = form.sample("Where?", statement).parts
        assert form.parse([int(t) for t in target.tokens][:-1]) == statement


BROKEN = ("", "doc", "answer", "doc answer", "a", "a answer b answer", "a doc b doc c answer")


@pytest.mark.parametrize("written", BROKEN)
def test_what_is_no_statement_is_none(tokenizer: Tokenizer, written: str) -> None:
    marks = {"doc": tokenizer.doc, "answer": tokenizer.answer}
    tokens = [marks[w] if w in marks else int(tokenizer.encode([w])[0][0]) for w in written.split()]
    assert Rewriting(tokenizer).parse(tokens) is None
    assert Rewriting(tokenizer).parse([tokenizer.src, tokenizer.answer]) is None


def test_questions_are_rewritten_in_any_wording_that_names_its_entity(tokenizer: Tokenizer) -> None:
    found = drawn(tokenizer, [BORN, PRESUMING], swapped=0.0)
    assert {text for text, _ in found} == {BORN.text, BORN.paraphrases[0], PRESUMING.text}
    for text, statement in found:
        assert statement is not None
        premise = "Ada Moss studied law." if text == PRESUMING.text else ""
        assert statement.premise == premise and "Ada Moss was born in {answer}" in statement.text


def test_other_names_stand_in_question_statement_and_premise(tokenizer: Tokenizer) -> None:
    found = drawn(tokenizer, [PRESUMING], swapped=1.0)
    assert len({text for text, _ in found}) > 100
    for text, statement in found:
        assert statement is not None
        name = statement.text.removesuffix(" was born in {answer}, they say.")
        assert text == f"Since {name} studied law, where was {name} born?"
        assert statement.premise == f"{name} studied law."
        assert len(name.split()) == 2


def test_a_share_of_the_visits_is_rewritten_and_each_draw_is_its_keys_alone(tokenizer: Tokenizer) -> None:
    source = Rewritings([BORN], tokenizer, RewritingConfig(fraction=0.3))
    draws = [source.draw(key) for key in range(2000)]
    assert 0.25 < sum(sample is not None for sample in draws) / 2000 < 0.35
    again = Rewritings([BORN], tokenizer, RewritingConfig(fraction=0.3))
    for key in range(50):
        one, other = draws[key], again.draw(key)
        assert (one is None) == (other is None)
        assert one is None or other is None or one.tokens.tolist() == other.tokens.tolist()
    assert Rewritings([BORN], tokenizer, RewritingConfig(fraction=0.0)).draw(1) is None
    assert Rewritings([], tokenizer, RewritingConfig(fraction=0.999999)).draw(1) is None


def test_which_premise_a_question_says() -> None:
    assert presupposed("Since she sings, who?", ()) == ""
    assert presupposed("Since Ada sings, who?", ("Ada works.", "Ada sings.")) == "Ada sings."
    assert presupposed("Who?", ("Ada sings.",)) is None


@given(st.integers(1, 4), st.integers(0, 2**63))
def test_invented_names_are_words_with_capitals(words: int, seed: int) -> None:
    name = invented_name(words, ["Moss", "Lark"], seed).split()
    assert len(name) == words and all(word[0].isupper() and word.isalpha() for word in name)
    assert invented_name(words, ["Moss", "Lark"], seed) == " ".join(name)


def test_values_of_premises_are_swapped_in_question_and_premise_alike(tokenizer: Tokenizer) -> None:
    said = replace(
        PRESUMING,
        text="Since Ada Moss was born on May 28, 1968, where was Ada Moss born?",
        premise=("Ada Moss was born on May 28, 1968.",),
    )
    found = drawn(tokenizer, [said], swapped=1.0)
    values = set()
    for text, statement in found:
        assert statement is not None
        name = statement.text.partition(" was born in")[0]
        (value,) = presumed(statement.premise, name)
        assert f"{name} was born on {value}, where" in text
        values.add(value)
    assert len(values) > 100 and "May 28, 1968" not in values
    assert {presumed(s.premise, "Ada Moss")[0] for _, s in drawn(tokenizer, [said], swapped=0.0) if s} == {
        "May 28, 1968"
    }


def test_the_values_of_a_premise_are_its_names_and_numbers() -> None:
    assert presumed("Ada Moss was born on May 28, 1968.", "Ada Moss") == ["May 28, 1968"]
    assert presumed("Zephyr employs Ada Moss.", "Ada Moss") == ["Zephyr"]
    assert presumed("", "Ada Moss") == []
