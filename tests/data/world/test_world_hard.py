"""The hard world: each support class is what its definition says, read back from the text of all documents."""

from collections import Counter, defaultdict
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from world_reading import ASKED, HARD, presupposed, read

from data.records import ANSWERABLE, FOLDS, Claim, Document, Question
from data.world.ledger import RELIABLE, Assertion
from data.world.plan import DISPUTES, EXPOSURE_DECAY, Dealer
from data.world.world import Fact, World, WorldCorpus, build_world

CONFIGS = st.builds(
    WorldCorpus,
    seed=st.integers(0, 10**6),
    documents=st.integers(240, 320),
    heldout=st.integers(0, 10),
    tuned=st.sampled_from([0.25, 0.4]),
    relabel=st.sampled_from([0.0, 0.2]),
    assert_prob=st.sampled_from([0.6, 0.8]),
    multi=st.sampled_from([0.0, 0.15]),
    hard=st.just(True),
    contested=st.sampled_from([0.0, 0.1, 0.3]),
    untagged=st.sampled_from([0.0, 0.1]),
    low_reliability=st.sampled_from([0.0, 0.1]),
    exposures=st.sampled_from([2, 8]),
    **{key: st.just(share) for key, share in (ASKED | {"false_premise": 0.05}).items()},
)


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(HARD)


def ids(documents: list[Document]) -> set[str]:
    return {document.id for document in documents}


@settings(max_examples=6, deadline=None)
@given(CONFIGS)
def test_every_class_is_what_the_documents_say(config: WorldCorpus) -> None:
    world = build_world(config)
    said = read(world.documents)
    told = {name for name, _ in said}
    pieces = {piece for name in told for piece in name.split()}
    for question in world.questions:
        here = said.get((question.entity, question.attribute), {})
        documents = [document for by_value in here.values() for document in by_value]
        reliability = [document.metadata["reliability"] for document in documents]
        tagged = [not document.metadata.get("untagged", False) for document in documents]
        if question.support_class in ANSWERABLE and question.support_class != "contested":
            assert question.answers == tuple(here)
            assert set(question.support) == ids(documents)
            assert len(question.support) == len(documents)
        match question.support_class:
            case "single" | "multi" | "true_premise":
                assert all(tagged)
                assert max(reliability) >= RELIABLE
                assert question.truth == question.answers[0]
                many = question.support_class == "multi" or (question.pair and len(documents) > 1)
                assert len(documents) in ([2**n for n in range(1, 7) if 2**n <= config.exposures] if many else [1])
            case "contested":
                assert len(here) == 2
                strength = {v: (max(d.metadata["reliability"] for d in ds), len(ds)) for v, ds in here.items()}
                best = {value for value in here if strength[value] == max(strength.values())}
                assert set(question.answers) == best
                assert set(question.support) == {d.id for value in best for d in here[value]}
                assert {claim.value: set(claim.documents) for claim in question.claims} == {
                    value: ids(by_value) for value, by_value in here.items()
                }
                assert question.claims[0].value in best
                outlets = [{d.source for d in by_value} for by_value in here.values()]
                assert outlets[0].isdisjoint(outlets[1]), "a source contradicts itself"
                (r1, n1), (r2, n2) = sorted(strength.values(), reverse=True)
                expected = {"equal": r1 == r2 and n1 == n2, "counts": r1 == r2 and n1 > n2}
                expected |= {"reliability": r1 > r2 and n1 >= n2, "outnumbered": r1 > r2 and n1 < n2}
                assert [name for name, holds in expected.items() if holds] == [question.variant]
                assert question.truth in here
                assert all(tagged)
            case "untagged":
                assert documents
                assert not any(tagged)
            case "low_reliability":
                assert documents
                assert max(reliability) < RELIABLE
                assert all(tagged)
            case "absent_attribute":
                assert not here
                assert question.entity in told
                assert question.attribute != "employer_city" or (question.entity, "employer") not in said
            case "absent_entity":
                assert question.entity not in told
                known = [piece in pieces for piece in question.entity.split()]
                assert all(known) if question.variant == "known_name" else not any(known)
            case _:
                assert question.support_class == "false_premise"
        if question.pair:
            attribute, value = presupposed(question.text)
            stated = said.get((question.entity, attribute), {})
            assert attribute != question.attribute
            if question.support_class == "true_premise":
                assert set(stated) == {value}
            elif question.variant == "contradicted":
                assert stated
                assert value not in stated
                assert {c.value: set(c.documents) for c in question.claims} == {v: ids(d) for v, d in stated.items()}
            else:
                assert question.variant == "unsupported"
                assert not stated
                assert attribute != "employer_city" or (question.entity, "employer") not in said
    asked = Counter((q.entity, q.attribute) for q in world.questions if not q.pair)
    assert set(asked.values()) == {1}, "a fact is asked for once"
    assert said.keys() <= asked.keys()


@settings(max_examples=4, deadline=None)
@given(CONFIGS)
def test_ledger_knows_who_said_what_and_how_far_they_can_be_trusted(config: WorldCorpus) -> None:
    world = build_world(config)
    said = read(world.documents)
    documents = {document.id: document for document in world.documents}
    for fact in world.ledger:
        assert Fact.from_json(fact.to_json()) == fact
        told = {value: ids(by_value) for value, by_value in said.get((fact.entity, fact.attribute), {}).items()}
        assert {c.value: set(c.documents) for c in fact.claims} == told
        for assertion in fact.assertions:
            document = documents[assertion.document]
            assert fact.entity in document.sentences[assertion.sentence][0]
            assert assertion.value in document.sentences[assertion.sentence][0]
            assert assertion.source == document.source
            assert assertion.reliability == document.metadata["reliability"]
            assert assertion.tagged != document.metadata.get("untagged", False)


@settings(max_examples=4, deadline=None)
@given(CONFIGS)
def test_tuning_calibration_dev_and_test_share_nothing(config: WorldCorpus) -> None:
    world = build_world(config)
    parts: dict[str, list[Question]] = defaultdict(list)
    for question in world.questions:
        assert (question.split == "never_tuned") == bool(question.fold)
        parts[question.fold or question.split.replace("in_domain", "tune")].append(question)
    assert parts.keys() == {"tune", *FOLDS, *(["relabel"] if config.relabel else [])}
    for one, other in combinations(parts.values(), 2):
        assert not {q.entity for q in one} & {q.entity for q in other}
        assert not {d for q in one for d in q.support} & {d for q in other for d in q.support}
        new = [{piece for q in half if q.variant == "new_name" for piece in q.entity.split()} for half in (one, other)]
        assert all(new)
        assert new[0].isdisjoint(new[1]), "new name pieces are seen in another part"
    asked = {d for q in world.questions for d in (*q.support, *(d for claim in q.claims for d in claim.documents))}
    assert asked == {document.id for document in world.documents}, "every document is asked about"
    assert len(world.documents) == config.documents
    assert all(document.sentences for document in world.documents)


def test_exposures_are_exact_and_their_strata_filled(world: World) -> None:
    config = HARD
    for fold in FOLDS:
        facts = [q for q in world.questions if q.fold == fold and q.support_class in ANSWERABLE and not q.pair]
        counts = Counter(len(q.support) for q in facts if q.support_class in ("single", "multi"))
        plain = 1 - config.contested - config.untagged - config.low_reliability
        assert counts.keys() == {1, 2, 4, 8, 16}
        assert counts[1] == pytest.approx(plain * (1 - config.multi) * len(facts), abs=8)
        mass = sum(n**-EXPOSURE_DECAY for n in (2, 4, 8, 16))
        for n in (2, 4, 8, 16):
            assert counts[n] == pytest.approx(plain * config.multi * n**-EXPOSURE_DECAY / mass * len(facts), abs=4)


def test_classes_and_their_relations_have_their_shares(world: World) -> None:
    told = [q for q in world.questions if q.support_class in ANSWERABLE and not q.pair]
    for support_class in ("contested", "untagged", "low_reliability"):
        found = [q for q in told if q.support_class == support_class]
        assert len(found) == pytest.approx(0.1 * len(told), rel=0.1)
        relations = Counter(q.attribute for q in found)
        assert max(relations.values()) - min(relations.values()) <= 8  # four parts, each give or take one or two
    disputes = Counter(q.variant for q in told if q.support_class == "contested")
    assert disputes.keys() == DISPUTES.keys()
    assert max(disputes.values()) - min(disputes.values()) <= 8


def test_a_dealer_gives_each_outcome_its_share_at_any_time() -> None:
    dealer = Dealer({"often": 0.9, "seldom": 0.1, "never": 0.0}, WorldCorpus().stream("test"))
    dealt: Counter[str] = Counter()
    for total in range(1, 500):
        dealt[dealer.deal()] += 1
        assert dealt["seldom"] == pytest.approx(0.1 * total, abs=1.5)
    assert not dealt["never"]


def test_sources_are_as_reliable_as_they_are_said_to_be() -> None:
    right: dict[float, list[bool]] = defaultdict(list)
    preferred = []
    for seed in range(4):
        config = replace(HARD, seed=seed, documents=800, contested=0.3, low_reliability=0.3, false_premise=0.0)
        for fact in build_world(config).ledger:
            support_class = fact.support_class(RELIABLE)
            if support_class == "low_reliability":
                right[fact.assertions[0].reliability].append(fact.assertions[0].value == fact.value)
            elif support_class == "contested" and fact.dispute in ("reliability", "outnumbered"):
                preferred.append(fact.best[0].value == fact.value)
    assert sorted(right) == [0.55, 0.7, 0.85]
    for reliability, hits in right.items():
        assert sum(hits) / len(hits) == pytest.approx(reliability, abs=4 * (0.25 / len(hits)) ** 0.5)
    # Odds .95 (1 - r) : .05 r for r = .55, .7, .85 are .940, .891 and .770; each is as frequent.
    assert sum(preferred) / len(preferred) == pytest.approx((0.940 + 0.891 + 0.770) / 3, abs=0.05)


def test_hard_world_is_a_function_of_its_config(world: World) -> None:
    assert build_world(HARD) == world
    assert build_world(replace(HARD, seed=1)).documents != world.documents


def test_asking_other_questions_of_a_hard_world_leaves_its_documents(world: World) -> None:
    fewer: dict[str, Any] = dict.fromkeys(("absent_attribute", "absent_name", "false_premise"), 0.0)
    other = build_world(replace(HARD, in_domain=0.5, **fewer))
    assert other.documents == world.documents
    assert other.questions != world.questions


def test_identifier_and_source_do_not_tell_the_part(world: World) -> None:
    for fold in FOLDS:
        own = {d for q in world.questions if q.fold == fold for d in q.support}
        places = [place for place, document in enumerate(world.documents) if document.id in own]
        assert 0.35 < sum(places) / len(places) / len(world.documents) < 0.65
        outlets = Counter(document.source for document in world.documents if document.id in own)
        assert max(outlets.values()) < 0.25 * len(own)


def test_the_best_claim_is_the_most_reliable_then_the_most_frequent() -> None:
    def fact(*said: tuple[str, str, float]) -> Fact:
        return Fact("e", "a", "v", tuple(Assertion(v, d, d, 0, r) for v, d, r in said))

    equal = fact(("v", "d1", 0.9), ("w", "d2", 0.9))
    assert {claim.value for claim in equal.best} == {"v", "w"}
    counts = fact(("v", "d1", 0.9), ("w", "d2", 0.9), ("w", "d3", 0.5))
    assert counts.best == (Claim("w", ("d2", "d3"), 0.9),)
    outnumbered = fact(("v", "d1", 0.9), ("w", "d2", 0.8), ("w", "d3", 0.8))
    assert [claim.value for claim in outnumbered.claims] == ["v", "w"]
    assert [f.dispute for f in (equal, counts, outnumbered)] == ["equal", "counts", "outnumbered"]
    assert fact().support_class() == ""


def test_an_easy_world_has_no_part_for_a_second_phase() -> None:
    with pytest.raises(ValueError, match=r"corpus\.relabel=0\.2: only a hard world"):
        build_world(WorldCorpus(relabel=0.2))


def test_a_false_value_is_one_that_is_true_of_others(world: World) -> None:
    true = {(fact.attribute, fact.value) for fact in world.ledger if fact.attribute != "birth_date"}
    claimed = {(fact.attribute, claim.value) for fact in world.ledger for claim in fact.claims}
    supposed = {presupposed(question.text) for question in world.questions if question.pair}
    false = {(attribute, value) for attribute, value in claimed | supposed if attribute != "birth_date"}
    assert false <= true, "a value that is never true would tell that it is wrong"
