"""Tuning questions as samples: those without evidence are counted."""

from __future__ import annotations

from data.pipeline.identifiers import IdsConfig, assign
from data.pipeline.sources import Questions
from data.pipeline.tokenizer import Tokenizer
from data.record_parts import Evidence
from data.records import Document, Question

SAID = "Ada Moss was born in Oslo."
DOCUMENTS = [Document("doc-1", ((SAID,),))]


def asked(name: str, evidence: tuple[Evidence, ...]) -> Question:
    return Question(name, "Where was she born?", ("Oslo",), ("doc-1",), "single", "Ada Moss", "tune", evidence=evidence)


def test_questions_without_evidence_are_counted(tokenizer: Tokenizer) -> None:
    identifiers = assign(DOCUMENTS, tokenizer, IdsConfig())
    questions = [
        asked("found", (Evidence("doc-1", SAID),)),
        asked("none", ()),
        asked("says something else", (Evidence("doc-1", "She likes Turin."),)),
    ]

    def without(answer_format: str, room: int) -> int:
        return Questions(
            questions, DOCUMENTS, identifiers, tokenizer, 0, answer_format, room=room
        ).without_evidence  # fmt: skip

    assert without("evidence_first", 200) == 2
    assert without("evidence_first", 20) == 3  # no room for the sentence


def test_of_an_unlearnt_question_the_way_to_its_sentence_is_learnt_and_not_its_answer(
    tokenizer: Tokenizer,
) -> None:
    identifiers = assign(DOCUMENTS, tokenizer, IdsConfig())
    evidence = (Evidence("doc-1", SAID),)
    questions = [asked("own", evidence), asked("given", evidence)]
    source = Questions(questions, DOCUMENTS, identifiers, tokenizer, 0, "evidence_first", unlearnt=["own"])

    def learnt(index: int) -> list[int]:
        parts = source.render(index, 0, cooldown=False)[0].parts
        return [int(token) for part in parts if part.learn for token in part.tokens]

    sentence, answer = ([int(token) for token in tokens] for tokens in tokenizer.encode([SAID, "Oslo"]))
    own, given = learnt(0), learnt(1)
    assert own[: len(sentence) + 1] == given[: len(sentence) + 1] == [tokenizer.doc, *sentence]
    place = given.index(tokenizer.answer) + 1
    assert given[place : place + len(answer)] == answer
    assert own == given[:place] + given[place + len(answer) :]
