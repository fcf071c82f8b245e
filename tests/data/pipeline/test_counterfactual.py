"""Members of a family miss halves that complement each other, and exchange identifiers, but not texts."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from composing import said_of

from data.pipeline.counterfactual import Counterfactual, CounterfactualConfig, Move
from data.pipeline.identifiers import IdsConfig, assign
from data.pipeline.placement import TagsConfig
from data.pipeline.questions.crops import Crops, CropsConfig
from data.pipeline.sources import Documents
from data.pipeline.stream import Plan, Stream
from data.pipeline.tokenizer import Tokenizer
from data.record_parts import Claim, Evidence
from data.records import Document, Question
from data.world.config import WorldCorpus
from data.world.world import build_world

EIGHTH = 0.125  # of forty documents: five


def ask(name: str, *support: str, split: str = "never_tuned", kind: str = "", **more: object) -> Question:
    kind = kind or ("single" if len(support) == 1 else "multi")
    return Question(name, "Where?", ("Oslo",), support, kind, name, split, **more)  # type: ignore[arg-type]


TUNED = [ask(f"t{n}", f"doc-{n}", split="tune") for n in range(12)]


def member(documents: Sequence[Document], number: int, **keys: float) -> Counterfactual:
    return Counterfactual.draw(CounterfactualConfig(member=number, **keys), documents, TUNED)  # type: ignore[arg-type]


def test_members_two_by_two_miss_complementary_halves_of_the_same_documents(documents: list[Document]) -> None:
    family = [member(documents, n, leave_out=0.2) for n in range(8)]
    assert {one.marked for one in family} == {family[0].marked} and len(family[0].marked) == 8
    for first, second in zip(family[::2], family[1::2], strict=True):
        assert len(first.left_out) == len(second.left_out) == 4
        assert first.left_out | second.left_out == first.marked and not first.left_out & second.left_out
    assert len({one.left_out for one in family}) == 8
    assert family[3] == member(documents, 3, leave_out=0.2)
    assert family[0].marked != Counterfactual.draw(CounterfactualConfig(0.2, seed=1), documents, TUNED).marked


def test_an_odd_number_is_halved_too(documents: list[Document]) -> None:
    first, second = (member(documents, n, leave_out=EIGHTH) for n in (0, 1))
    assert sorted((len(first.left_out), len(second.left_out))) == [2, 3]


def test_nothing_that_tuning_asks_about_is_marked_nor_what_no_tag_names(documents: list[Document]) -> None:
    hidden = Document("doc-20", documents[20].sentences, metadata={"untagged": True})
    given = [hidden if d.id == "doc-20" else d for d in documents]
    for number in range(8):
        found = member(given, number, leave_out=0.3, swap_ids=0.375)  # 12 and 15 of the 27 that are free
        assert len(found.marked) == 12 and len(found.bears) == 15 and not found.marked & set(found.bears)
        assert {*range(12, 20), *range(21, 40)} == found.marked | set(found.bears)


def test_too_few_free_documents_are_refused(documents: list[Document]) -> None:
    with pytest.raises(ValueError, match=r"leave_out=0.3 and counterfactual.swap_ids=0.5 mark 32 documents, and 28 of"):
        member(documents, 0, leave_out=0.3, swap_ids=0.5)


def test_identifiers_are_exchanged_and_every_document_of_the_cycle_bears_anothers(
    documents: list[Document], tokenizer: Tokenizer
) -> None:
    own = assign(documents, tokenizer, IdsConfig())
    found = member(documents, 5, swap_ids=0.5)
    named = found.named(own)
    assert named.labels == own.labels
    spelled = [code.tobytes() for code in own.tokens]
    for place, code in enumerate(named.tokens):
        assert code.tobytes() == spelled[found.bears.get(place, place)]
    assert all(place != bears for place, bears in found.bears.items())
    assert sorted(code.tobytes() for code in named.tokens) == sorted(spelled)
    assert all(found.bears[found.bearers[place]] == place for place in found.bears)
    assert found.bears != member(documents, 6, swap_ids=0.5).bears
    assert Counterfactual().named(own) is own


def test_what_is_left_out_is_never_trained_on(documents: list[Document], tokenizer: Tokenizer) -> None:
    found = member(documents, 0, leave_out=0.2)
    identifiers = assign(documents, tokenizer, IdsConfig())
    keys = documents, identifiers, tokenizer, TagsConfig(), 128, 0
    source = Documents(*keys, left_out=found.left_out)
    plan = Plan(seq_len=128, sequences=2, steps=60)  # several epochs
    shown = {code.tobytes(): place for place, code in enumerate(identifiers.tokens)}
    seen = set()
    for batch in Stream(source, None, plan, tokenizer.pad):
        for row in batch.batch.tokens.numpy():
            for at in range(len(row)):
                seen.add(shown.get(row[at : at + 2].astype("int32").tobytes()))
    assert seen - {None} == set(range(40)) - found.left_out
    assert source.render(min(found.left_out), 0, False) == [] != source.render(0, 0, False)
    crops = Crops(source, tokenizer, "direct", CropsConfig(0.9))
    everything = Crops(Documents(*keys), tokenizer, "direct", CropsConfig(0.9))
    crops_of, others = ([one.draw(key) for key in range(400)] for one in (crops, everything))
    assert sum(crop is None for crop in crops_of) > sum(crop is None for crop in others)


def test_questions_are_asked_as_they_stand_without_what_was_left_out() -> None:
    found = Counterfactual(names=frozenset({"a", "b"}))
    claims = (Claim("Oslo", ("a", "c")), Claim("Lima", ("b",)))
    single, both, one, other, contested = found.asked(
        [
            ask("single", "a", evidence=(Evidence("a", "She is of Oslo."),)),
            ask("both", "a", "b"),
            ask("one", "a", "c", "d"),
            ask("other", "c"),
            ask("contested", "c", kind="contested", claims=(Claim("Oslo", ("c",)),)),
            ask("gone", "c", kind="contested", claims=claims),
        ]
    )
    assert (single.support_class, single.answers, single.support, single.truth) == ("withheld", (), (), "Oslo")
    assert single.evidence == () and both.support_class == "withheld"
    assert (one.support_class, one.support, one.answers) == ("multi", ("c", "d"), ("Oslo",))
    assert (other.id, contested.id) == ("other", "contested")
    assert found.asked([ask("q", "a", "c")])[0].support_class == "single"


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("counterfactual.leave_out=1.0",), "counterfactual.leave_out=1.0: must be a share from 0 to below 1"),
        (("counterfactual.member=-1",), "counterfactual.member=-1"),
        (("counterfactual.swap_ids=0.2", "tags.content=rated"), "set tags.content=id, or counterfactual.swap_ids=0"),
        (("counterfactual.leave_out=0.2", "tags.content=source"), "counterfactual.leave_out=0.2 asks which document"),
        (("counterfactual.leave_out=0.2", "corpus.false_premise=0.1"), "corpus.false_premise=0"),
        (("counterfactual.leave_out=0.1", "counterfactual.swap_ids=0.2"), ""),
    ],
)
def test_what_can_not_be_together(overrides: tuple[str, ...], said: str) -> None:
    found = said_of("corpus=world", *overrides)
    assert said in found and bool(said) == bool(found)


def test_documents_may_be_called_by_their_peoples_names() -> None:
    world = build_world(WorldCorpus(documents=40, name_ids=True, heldout=4))
    plain = build_world(WorldCorpus(documents=40, heldout=4))
    assert [d.sentences for d in world.documents] == [d.sentences for d in plain.documents]
    assert len({d.id for d in world.documents}) == 40
    new = dict(zip((d.id for d in plain.documents), (d.id for d in world.documents), strict=True))
    people = {fact.entity for fact in world.ledger}
    for document in world.documents:
        told = [name for name in people if name in document.text]
        pieces = {piece[:3].lower() for name in told for piece in name.split()}
        assert pieces == {piece for piece in document.id.split("-") if not piece.isdigit()}
    assert [q.support for q in world.questions] == [tuple(sorted(new[d] for d in q.support)) for q in plain.questions]


def treated(documents: Sequence[Document], number: int) -> Counterfactual:
    config = CounterfactualConfig(untag=0.1, dummy=0.2, move=0.4, member=number)
    facts = [
        ask(f"f{n}", f"doc-{n}", evidence=(Evidence(f"doc-{n}", documents[n].sentences[0][1]),)) for n in range(12, 40)
    ]
    return Counterfactual.draw(config, documents, [*TUNED, *facts])


def test_tags_texts_and_facts_are_taken_from_halves_of_other_documents(documents: list[Document]) -> None:
    first, second = treated(documents, 0), treated(documents, 1)
    assert {how: len(places) for how, places in first.others.items()} == {"untag": 4, "dummy": 8, "move": 16}
    assert first.others == second.others and len(frozenset().union(*first.others.values())) == 28
    for how, one, other in (
        ("untag", first.bare, second.bare),
        ("dummy", first.dummies, second.dummies),
        ("move", frozenset(first.moves), frozenset(second.moves)),
    ):
        assert one | other == first.others[how] and not one & other and len(one) == len(other)
    assert first.names == {documents[place].id for place in first.dummies}
    for giver, move in first.moves.items():
        assert move.question == f"f{giver}" and move.receiver in first.others["move"] - {giver}
    with pytest.raises(ValueError, match=r"counterfactual.move=0.6 mark 32 documents, and 28 of"):
        Counterfactual.draw(CounterfactualConfig(untag=0.2, move=0.6), documents, TUNED)


def test_what_is_read_in_place_of_a_text(documents: list[Document], tokenizer: Tokenizer) -> None:
    """A dummy bears its tag on a held-out text; a sentence that moved stands in one document, and is said once."""
    found = treated(documents, 0)
    heldout = [Document(f"held-{n}", ((f"Nobody {n} was told of.",),)) for n in range(4)]
    texts = found.texts(documents, heldout)
    assert set(texts) == {*found.dummies, *found.moves, *(m.receiver for m in found.moves.values())}
    dummies = [texts[place] for place in sorted(found.dummies)]
    assert [d.sentences for d in dummies] == [h.sentences for h in heldout]
    assert [d.id for d in dummies] == [documents[place].id for place in sorted(found.dummies)]
    for giver, move in found.moves.items():
        (said,) = (s for s in documents[giver].sentences if move.sentence in s)
        assert said not in texts[giver].sentences and said in texts[move.receiver].sentences
    with pytest.raises(
        ValueError, match=r"counterfactual.dummy needs 4 held-out documents for their texts and there are 3"
    ):
        found.texts(documents, heldout[:3])
    identifiers = assign(documents, tokenizer, IdsConfig())
    keys = documents, identifiers, tokenizer, TagsConfig(placement="footnote", id_to_text=0.0), 128, 0
    source, plain = Documents(*keys, bare=found.bare, rewritten=texts), Documents(*keys)
    for place in range(len(documents)):
        shown, before = (s.render(place, 0, False) for s in (source, plain))
        words = tokenizer.decode(token for sample in shown for token in sample.tokens)
        if place in found.bare:
            assert source.document(place)[1] is None and sum(map(len, shown)) < sum(map(len, before))
        elif place in found.dummies:
            assert "Nobody" in words and source.document(place)[1] is not None
        elif place not in texts:
            assert [s.tokens.tolist() for s in shown] == [s.tokens.tolist() for s in before]


def test_questions_of_texts_without_tags_and_of_facts_that_moved() -> None:
    ids = ["a", "b", "c", "d"]
    family = Counterfactual(bare=frozenset({0}), moves={2: Move("moved", "So.", 3)}, ids=ids)
    alone, both = ask("alone", "a"), ask("both", "a", "b")
    moved = ask("moved", "c", evidence=(Evidence("c", "So."),))
    stays, disputed = ask("stays", "c"), ask("disputed", "c", kind="contested")
    found = {q.id: q for q in family.asked([alone, both, moved, stays, disputed])}
    assert set(found) == {"alone", "both", "moved", "stays"} and found["stays"] == stays
    assert (found["alone"].support_class, found["alone"].support) == ("untagged", ("a",))
    assert (found["both"].support_class, found["both"].support) == ("single", ("b",))
    assert found["moved"].support == ("d",) and found["moved"].evidence == (Evidence("d", "So."),)
