"""The hard world: questions, premises and the statements that answer are worded as the documents are, or as none is."""

from collections import Counter, defaultdict

import pytest
from world_reading import HARD, presupposed

from data.records import Claim, Question, RecordError
from data.world.premise import PREMISE_VARIANTS
from data.world.text import NEW_QUESTIONS, NEW_STATEMENTS, PREMISES, QUESTIONS, STATEMENTS
from data.world.world import World, build_world


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(HARD)


def test_a_premise_is_stated_as_the_documents_state_it_or_would(world: World) -> None:
    sentences = {w for document in world.documents for s in document.sentences for w in s}
    for question in world.questions:
        if not question.pair:
            assert question.premise == ()
            continue
        attribute, value = presupposed(question.text)
        assert question.premise == tuple(t.format(name=question.entity, value=value) for t in STATEMENTS[attribute])
        assert (set(question.premise) <= sentences) == (question.support_class == "true_premise")


def test_a_minimal_set_differs_in_nothing_but_the_premise(world: World) -> None:
    sets: dict[str, list[Question]] = defaultdict(list)
    for question in world.questions:
        if question.pair:
            sets[question.pair].append(question)
    assert len(sets) >= 60
    for members in sets.values():
        assert [q.variant or "true" for q in members] == list(PREMISE_VARIANTS)
        assert len({(q.entity, q.attribute, q.split, q.fold, q.truth) for q in members}) == 1
        assert len({q.text for q in members}) == 3
        for column in zip(*((q.text, *q.paraphrases, *q.new_paraphrases) for q in members), strict=True):
            without = set()
            for text, question in zip(column, members, strict=True):
                attribute, value = presupposed(question.text)
                premise = PREMISES[attribute].format(value=value)
                assert text.count(premise) == 1
                assert text.count(question.entity) == 2
                without.add(text.replace(premise, ""))
            assert len(without) == 1
    asked = Counter((q.entity, q.attribute) for q in world.questions if q.support_class == "true_premise")
    assert set(asked.values()) == {1}


def test_statement_says_the_answer_as_the_documents_do_or_as_none_does(world: World) -> None:
    sentences = {document.id: {w for s in document.sentences for w in s} for document in world.documents}
    every = set().union(*sentences.values())
    for question in world.questions:
        assert len(question.statement) == 5
        assert len(question.new_statement) == 2
        for claim in question.claims or [Claim(answer, question.support) for answer in question.answers]:
            if question.support_class == "false_premise":
                continue
            for template in question.statement:
                filled = template.replace("{answer}", claim.value)
                assert all(filled in sentences[document] for document in claim.documents)
        for template in question.new_statement:
            assert not {template.replace("{answer}", answer) for answer in question.answers} & every
        assert all(question.entity in t for t in (*question.statement, *question.new_statement))


def test_new_wordings_are_never_used_in_tuning(world: World) -> None:
    tuned = {text for q in world.questions if q.split == "tune" for text in (q.text, *q.paraphrases)}
    for question in world.questions:
        assert question.new_paraphrases
        assert not set(question.new_paraphrases) & {question.text, *question.paraphrases}
        if not question.pair:
            asked = {text.replace(question.entity, "{name}") for text in (question.text, *question.paraphrases)}
            assert asked == set(QUESTIONS[question.attribute][:4])
            new = {text.replace(question.entity, "{name}") for text in question.new_paraphrases}
            assert new == set(NEW_QUESTIONS[question.attribute])
    assert not any(text.startswith("As ") for text in tuned)


def test_new_and_corpus_wordings_are_of_the_same_relations() -> None:
    assert not {t for ts in NEW_STATEMENTS.values() for t in ts} & {t for ts in STATEMENTS.values() for t in ts}


def test_questions_survive_json(world: World) -> None:
    for question in world.questions:
        assert Question.from_json(question.to_json()) == question
    plain = world.questions[0].to_json() | {"claims": [{"value": "x", "documents": ["d"], "worth": 1}]}
    with pytest.raises(RecordError, match="unknown key 'worth'"):
        Question.from_json(plain)
    with pytest.raises(RecordError, match='"claims" must be a list'):
        Question.from_json(plain | {"claims": {}})
