"""The closed world: the ledger is the truth, and nothing but the person's name leads from a question to a document."""

import hashlib
import re
from collections import Counter
from dataclasses import replace
from statistics import mean
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from data.records import PLAIN, SPLITS
from data.storage.shards import canonical
from data.world.people import _names
from data.world.text import (
    ATTRIBUTES,
    CITIES,
    EMPLOYERS,
    FIRST_NAMES,
    LAST_NAMES,
    MAJORS,
    NEW_FIRST_NAMES,
    NEW_LAST_NAMES,
    NEW_QUESTIONS,
    NEW_STATEMENTS,
    OUTLETS,
    QUESTIONS,
    STATEMENTS,
    UNIVERSITIES,
)
from data.world.world import Fact, World, WorldCorpus, build_world

CONFIGS = st.builds(
    WorldCorpus,
    seed=st.integers(0, 10**6),
    documents=st.integers(40, 160),
    heldout=st.integers(0, 20),
    tuned=st.sampled_from([0.3, 0.5, 0.7]),
    in_domain=st.sampled_from([0.0, 0.2, 0.5]),
    assert_prob=st.sampled_from([0.5, 0.8]),
    multi=st.sampled_from([0.0, 0.15, 0.6]),
    sources=st.integers(1, 12),
)


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(WorldCorpus())


def claims_of(sentence: str) -> set[tuple[str, str, str]]:
    """All (attribute, name, value) that a sentence can be read as, found from the text alone."""
    found = set()
    for attribute, wordings in STATEMENTS.items():
        for wording in wordings:
            pattern = (
                re.escape(wording).replace(r"\{name\}", r"(?P<name>\w+ \w+)").replace(r"\{value\}", "(?P<value>.+)")
            )
            if match := re.fullmatch(pattern, sentence):
                found.add((attribute, match["name"], match["value"]))
    return found


@settings(max_examples=15, deadline=None)
@given(CONFIGS)
def test_support_is_every_document_that_says_so_and_no_other(config: WorldCorpus) -> None:
    world = build_world(config)
    said: dict[tuple[str, str], dict[str, str]] = {}  # read back from the text of the documents
    for document in world.documents:
        for wordings in document.sentences:
            (claim,) = set.intersection(*(claims_of(wording) for wording in wordings))
            attribute, name, value = claim
            assert document.id not in said.setdefault((name, attribute), {}), "a document repeats itself"
            said[name, attribute][document.id] = value
    answered = {(q.entity, q.attribute): q for q in world.questions if q.answers}
    assert answered.keys() == said.keys(), "one question for each asserted fact"
    for key, by_document in said.items():
        question = answered[key]
        assert set(question.support) == set(by_document)
        assert {question.answers[0]} == set(by_document.values())
        assert question.support_class == ("single" if len(by_document) == 1 else "multi")
        assert len(question.support) <= 5
    names = {name for name, _ in said}
    for question in world.questions:
        if not question.answers:
            assert (question.entity, question.attribute) not in said
            assert (question.entity in names) == (question.support_class == "absent_attribute")
            derivable = question.attribute == "employer_city" and (question.entity, "employer") in said
            assert not (derivable and question.support_class == "absent_attribute")


@settings(max_examples=15, deadline=None)
@given(CONFIGS)
def test_ledger_agrees_with_documents(config: WorldCorpus) -> None:
    world = build_world(config)
    documents = {document.id: document for document in world.documents}
    sentences = 0
    cities: dict[str, str] = {}
    truth = {(fact.entity, fact.attribute): fact.value for fact in world.ledger}
    assert len(truth) == len(world.ledger)
    for fact in world.ledger:
        assert Fact.from_json(fact.to_json()) == fact
        for assertion in fact.assertions:
            document = documents[assertion.document]
            assert assertion.source == document.source
            assert assertion.value == fact.value
            assert all(fact.entity in w and fact.value in w for w in document.sentences[assertion.sentence])
            sentences += 1
        if fact.attribute == "employer":
            city = truth[fact.entity, "employer_city"]
            assert cities.setdefault(fact.value, city) == city, "the employer determines the city"
    assert sentences == sum(len(document.sentences) for document in world.documents), "every sentence is in the ledger"
    for question in world.questions:
        assert question.answers in ((), (truth[question.entity, question.attribute],))


@settings(max_examples=15, deadline=None)
@given(CONFIGS)
def test_splits_share_no_document_and_no_entity(config: WorldCorpus) -> None:
    world = build_world(config)
    entities = {split: {q.entity for q in world.questions if q.split == split} for split in SPLITS}
    support = {split: {d for q in world.questions if q.split == split for d in q.support} for split in SPLITS}
    assert not entities["never_tuned"] & (entities["tune"] | entities["in_domain"])
    assert not support["never_tuned"] & (support["tune"] | support["in_domain"])
    ids = {document.id for document in world.documents}
    assert set().union(*support.values()) == ids, "every document is asked about, and every gold document exists"
    assert len(ids) == len(world.documents) == config.documents
    assert abs(len(support["never_tuned"]) - config.documents * (1 - config.tuned)) <= 1
    own = [q for q in world.questions if q.split != "never_tuned"]
    for support_class in {q.support_class for q in own}:
        counts = Counter(q.split for q in own if q.support_class == support_class)
        assert counts["in_domain"] == round(config.in_domain * counts.total())
    text = " ".join(document.text for document in world.heldout)
    assert len(world.heldout) == config.heldout
    assert not any(fact.entity in text for fact in world.ledger), "held-out documents are about other people"


@settings(max_examples=15, deadline=None)
@given(CONFIGS)
def test_names_are_unique_and_their_pieces_shared(config: WorldCorpus) -> None:
    world = build_world(config)
    told = {fact.entity for fact in world.ledger if fact.assertions}
    assert len({fact.entity for fact in world.ledger}) * len(ATTRIBUTES) == len(world.ledger)
    for place in (0, 1):
        bearers = Counter(name.split()[place] for name in told)
        assert min(bearers.values()) >= 2
        absent = {q.entity for q in world.questions if q.support_class == "absent_entity"}
        assert {name.split()[place] for name in absent} <= set(bearers), "a strange piece would give absence away"


def test_question_words_other_than_the_name_do_not_identify_a_document(world: World) -> None:
    documents: dict[str, set[str]] = {}
    for question in world.questions:
        wordings = {text.replace(question.entity, "{name}") for text in (question.text, *question.paraphrases)}
        assert wordings == set(QUESTIONS[question.attribute][:4])
        documents.setdefault(question.text.replace(question.entity, "{name}"), set()).update(question.support)
    assert min(map(len, documents.values())) > len(world.documents) / 10


def test_identifiers_and_metadata_do_not_tell_half_or_people(world: World) -> None:
    never = {document for q in world.questions if q.split == "never_tuned" for document in q.support}
    numbers = [number for number, document in enumerate(world.documents) if document.id in never]
    assert 0.4 < mean(numbers) / len(world.documents) < 0.6
    assert {d.source for d in world.documents if d.id in never} == {d.source for d in world.documents}
    for document in world.documents:
        label = f"{document.id} {document.source} {document.metadata}".lower()
        assert not any(piece.lower() in label for name in people(document.text) for piece in name.split())


def people(text: str) -> set[str]:
    pairs = set(re.findall(r"(?=\b([A-Z][a-z]+ [A-Z][a-z]+)\b)", text))
    return {pair for pair in pairs if pair.split()[0] in FIRST_NAMES and pair.split()[1] in LAST_NAMES}


def test_default_world_has_the_promised_size(world: World) -> None:
    assert len(world.documents) == 400
    assert len(world.heldout) == 40
    facts = [fact for fact in world.ledger if fact.assertions]
    assert len(facts) >= 1500
    assert 4 <= mean(len(document.sentences) for document in world.documents) <= 5.2
    assert all(len(fact.value.split()) <= 3 for fact in world.ledger)
    assert {len(people(document.text)) for document in world.documents} == {2, 3, 4}
    multi = [len(fact.assertions) for fact in facts if len(fact.assertions) > 1]
    assert 0.12 < len(multi) / len(facts) < 0.18
    assert set(multi) == {2, 3, 4, 5}
    classes = Counter((q.split, q.support_class) for q in world.questions)
    assert len(classes) == 12, "every split has every class"
    for support_class in ("absent_attribute", "absent_entity"):
        assert sum(n for (_, name), n in classes.items() if name == support_class) == round(0.1 * len(facts))
    places: dict[str, set[str]] = {}
    for fact in facts:
        places.setdefault(fact.entity, set()).update(a.document for a in fact.assertions)
    assert mean(map(len, places.values())) > 2.5, "a person is spread over documents"


def test_world_is_a_function_of_its_config(world: World) -> None:
    assert build_world(WorldCorpus()) == world
    assert build_world(WorldCorpus(seed=1)).documents != world.documents


def test_asking_other_questions_leaves_the_documents_as_they_were(world: World) -> None:
    other = build_world(WorldCorpus(in_domain=0.5, absent_attribute=0.02, absent_entity=0.3))
    assert other.documents == world.documents
    assert other.heldout == world.heldout
    assert other.questions != world.questions


def test_documents_of_the_demo_are_what_they_were(world: World) -> None:
    digest = hashlib.sha256(b"".join(canonical(document) + b"\n" for document in world.documents))
    assert digest.hexdigest() == "b25141cd3439ef6496e48888dddb76a25b18a9edd96d45770585164794bf9b3b"


def test_no_multi_and_no_absent_facts_on_request() -> None:
    world = build_world(WorldCorpus(documents=60, multi=0.0, absent_attribute=0.0, absent_entity=0.0))
    assert {q.support_class for q in world.questions} == {PLAIN[0]}


def test_relations_have_several_different_wordings() -> None:
    assert STATEMENTS.keys() == QUESTIONS.keys() == NEW_STATEMENTS.keys() == NEW_QUESTIONS.keys() == set(ATTRIBUTES)
    for wordings in (*STATEMENTS.values(), *QUESTIONS.values()):
        assert len(set(wordings)) == len(wordings) >= 4
        assert all(wording.count("{name}") == 1 for wording in wordings)
    statements = [wording for wordings in (*STATEMENTS.values(), *NEW_STATEMENTS.values()) for wording in wordings]
    assert all(wording.count("{value}") == 1 for wording in statements)
    asked = [wording for wordings in (*QUESTIONS.values(), *NEW_QUESTIONS.values()) for wording in wordings]
    every = statements + asked
    assert len(set(every)) == len(every), "no wording serves two relations"


def test_no_value_holds_a_piece_of_a_name() -> None:
    words = {word for value in (*CITIES, *UNIVERSITIES, *MAJORS, *EMPLOYERS, *OUTLETS) for word in value.split()}
    pieces = [*FIRST_NAMES, *LAST_NAMES, *NEW_FIRST_NAMES, *NEW_LAST_NAMES]
    assert not words & set(pieces)
    assert len(set(pieces)) == len(pieces), "no piece is first name and surname, or known and new"


def test_names_stay_unique_when_there_are_many_people() -> None:
    names = list(_names(20_000, 25_000, WorldCorpus().stream("names")))
    assert len(set(names)) == 25_000
    assert len(set(LAST_NAMES)) == len(LAST_NAMES)
    assert len(set(FIRST_NAMES)) == len(FIRST_NAMES)
    with pytest.raises(ValueError, match="people need names"):
        list(_names(200_000, 200_000, WorldCorpus().stream("names")))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"documents": 10}, "raise corpus.documents"),
        ({"tuned": 1.0}, "raise corpus.documents"),
        ({"tuned": 1.5}, "corpus.tuned=1.5: must be a share"),
        ({"multi": -0.1}, "corpus.multi=-0.1: must be a share"),
        ({"heldout": -1}, "corpus.heldout=-1: must be at least 0"),
        ({"sources": 0}, "corpus.sources=0: must be between 1 and 32"),
        ({"false_premise": 2.0}, "corpus.false_premise=2.0: must be a share"),
        ({"false_premise": 1.0}, "false_premise=1.0 asks for"),
        ({"absent_name": 1.0, "tuned": 0.9}, "unheard-of surnames"),
        ({"hard": True}, "are too few for the part calibration of a hard world"),
        ({"hard": True, "exposures": 12}, "corpus.exposures=12: must be a power of two"),
        ({"hard": True, "exposures": 1}, "corpus.exposures=1: must be a power of two"),
        ({"hard": True, "sources": 7}, "corpus.sources=7: a hard world needs 8"),
        ({"hard": True, "contested": 0.5, "untagged": 0.5}, "must stay below 1"),
        ({"assert_prob": 1.0}, "absent_attribute=0.1"),
        ({"documents": 40, "heldout": 2000}, "people need names"),
    ],
)
def test_impossible_config_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        build_world(replace(WorldCorpus(), **change))


def test_config_is_typed() -> None:
    config = OmegaConf.structured(WorldCorpus)
    assert build_world(cast(WorldCorpus, OmegaConf.to_object(OmegaConf.merge(config, {"documents": 40})))).documents
    for wrong in ({"docments": 40}, {"documents": "many"}):
        with pytest.raises(OmegaConfBaseException):
            OmegaConf.merge(config, wrong)
