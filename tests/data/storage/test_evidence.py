"""The sentence that gives an answer: the one that holds it and shares most with the question."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from data.readers.corpus import Corpus
from data.record_parts import Evidence
from data.records import Document, Question, read_jsonl
from data.storage.evidence import EvidenceSought, evidence_in
from data.storage.prepare import prepare

PAGE = Document(
    "page",
    (
        ("Oslo is a city.",),
        ("Ada Moss was born in Oslo.", "Oslo is where Ada Moss was born."),
        ("She works in  OSLO for Zephyr.",),
    ),
)


def asked(text: str, **rest: object) -> Question:
    return Question("q", text, ("Oslo",), ("page",), "single", "", "tune", **rest)  # type: ignore[arg-type]


def test_it_holds_the_answer_and_shares_most_with_the_question() -> None:
    assert evidence_in(PAGE, asked("Where was Ada Moss born?")) == "Oslo is where Ada Moss was born."  # "where"
    assert evidence_in(PAGE, asked("In what place is she working?")) == "She works in  OSLO for Zephyr."
    assert evidence_in(PAGE, asked("Who?")) == "Oslo is a city."  # the first of equals
    assert evidence_in(Document("page", (("Nothing.",),)), asked("Where?")) == ""
    seen = Document("page", (("Oslonians were often seen there.",), ("Oslo.",)))
    assert evidence_in(seen, asked("Where were they seen?")) == "Oslo."  # as a word of its own
    assert evidence_in(Document("page", (("OSLO2000",),)), asked("Where?")) == "OSLO2000"


def test_what_a_statement_makes_comes_first() -> None:
    stated = asked("She works for whom?", statement=("Ada Moss was born in {answer}.",))
    assert evidence_in(PAGE, stated) == "Ada Moss was born in Oslo."


def test_what_is_given_stays_and_only_the_support_is_looked_through() -> None:
    given = asked("Where?", evidence=(Evidence("page", "As given."),))
    sought = EvidenceSought([given, Question("r", "Where?", ("Oslo",), ("other",), "single", "", "tune")])
    sought.look(PAGE)
    assert sought.given(given) == given
    assert not sought.found
    elsewhere = replace(given, support=("other",))
    assert EvidenceSought([elsewhere]).given(elsewhere).evidence == ()  # its document is no support any more


def test_prepared_questions_have_their_evidence(tmp_path: Path) -> None:
    prepare(Corpus([PAGE], (asked("Where was Ada Moss born?"),)), tmp_path)
    (question,) = read_jsonl(tmp_path / "questions.jsonl", Question)
    assert question.evidence == (Evidence("page", "Oslo is where Ada Moss was born."),)
