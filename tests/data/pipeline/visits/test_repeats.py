"""A pass stays as long as it was; what a repeat looks like is what its kind says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from composing import said_of

from data.pipeline.identifiers import Identifiers, IdsConfig, assign
from data.pipeline.placement import TagsConfig
from data.pipeline.questions.crops import Crops, CropsConfig
from data.pipeline.sources import Documents
from data.pipeline.tokenizer import Tokenizer
from data.pipeline.visits.repeats import IDS, KINDS, Repeats, RepeatsConfig
from data.records import Document, Question

TUNED = [
    Question(f"t{n}", "Where?", ("Oslo",), (f"doc-{n}",), "single", f"e{n}", "tune") for n in range(12)
]  # so 28 of 40 documents are free


def drawn(documents: Sequence[Document], fraction: float = 0.5, times: int = 10, kind: str = "exact") -> Repeats:
    return Repeats.draw(RepeatsConfig(fraction, times, kind), documents, TUNED)


@pytest.fixture(scope="module")
def named(documents: list[Document], tokenizer: Tokenizer) -> Identifiers:
    return assign(documents, tokenizer, IdsConfig())


def source(documents: Sequence[Document], tokenizer: Tokenizer, named: Identifiers, repeats: Repeats) -> Documents:
    return Documents(documents, named, tokenizer, TagsConfig("end", 0.0), 128, seed=1, repeats=repeats)


@pytest.mark.parametrize("kind", KINDS)
def test_a_pass_has_as_many_visits_and_none_of_a_tuned_document(documents: list[Document], kind: str) -> None:
    repeats = drawn(documents, kind=kind)
    shown = Counter(repeats.visits[i].text if i in repeats.visits else i for i in range(40))
    assert sum(shown.values()) == 40 and sorted(shown.values()) == [1] * 20 + [10, 10]
    assert all(shown[i] == 1 for i in range(12))
    assert len(repeats.names) == 20 and repeats.names == {f"doc-{i}" for i in repeats.visits}
    assert {visit.text for visit in repeats.visits.values()} <= set(repeats.visits)


def test_shares_and_numbers(documents: list[Document]) -> None:
    assert drawn(documents, 0.0) == Repeats()
    assert len(drawn(documents, 0.25, 5).visits) == 10
    assert len(drawn(documents, 0.01, 4).visits) == 4  # one document at least
    assert drawn(documents, 0.25, 5).names < drawn(documents, 0.5, 5).names  # what is read once is nested
    other = Repeats.draw(RepeatsConfig(0.5, 10, seed=1), documents, TUNED)
    assert other.names != drawn(documents).names


def test_too_few_documents_are_free(documents: list[Document]) -> None:
    with pytest.raises(
        ValueError, match=r"repeats\.fraction=0\.8 and repeats\.times=4 take the visits of 32 documents, and 28"
    ):
        drawn(documents, 0.8, 4)
    hidden = [Document(d.id, d.sentences, metadata={"untagged": True}) for d in documents[12:30]]
    with pytest.raises(ValueError, match="and 10 of 40"):
        drawn([*documents[:12], *hidden, *documents[30:]])


def test_identifiers_of_repeats(documents: list[Document]) -> None:
    for kind, number in {"exact": 1, "shuffled": 1, "reworded": 1, "new_id": 10, "several_ids": IDS}.items():
        visits = drawn(documents, kind=kind).visits
        of: dict[int, set[int]] = {}
        for visit in visits.values():
            of.setdefault(visit.text, set()).add(visit.named)
        assert [len(names) for names in of.values()] == [number] * 2, kind
        assert all(text in names and names <= set(visits) for text, names in of.items())
        assert not set.intersection(*of.values())  # no two documents share one


def texts(documents: list[Document], tokenizer: Tokenizer, named: Identifiers, kind: str) -> list[list[str]]:
    """Of a document of several sentences that is repeated, its visits over two passes: what is shown, and the tag."""
    repeats = drawn(documents, 0.7, 7, kind)
    made = source(documents, tokenizer, named, repeats)
    chosen = next(v.text for v in repeats.visits.values() if len(documents[v.text].sentences) == 4)
    places = [place for place, visit in repeats.visits.items() if visit.text == chosen]
    samples = [made.render(place, epoch, False)[0] for epoch in (0, 1) for place in places]
    assert len(samples) == 14
    return [[tokenizer.decode(part.tokens) for part in sample.parts[1:-1]] for sample in samples]


def test_exact_shuffled_and_reworded(documents: list[Document], tokenizer: Tokenizer, named: Identifiers) -> None:
    exact, shuffled, reworded = (texts(documents, tokenizer, named, kind) for kind in KINDS[:3])
    assert len({tuple(visit) for visit in exact}) == 1
    assert len({tuple(visit) for visit in shuffled}) > 4 and len({tuple(sorted(visit)) for visit in shuffled}) == 1
    assert len({tuple(sorted(visit)) for visit in reworded}) > 4
    assert {visit[-1] for visit in (*exact, *shuffled, *reworded)} == {exact[0][-1]}  # one tag
    new, several = (texts(documents, tokenizer, named, kind) for kind in KINDS[3:])
    assert len({visit[-1] for visit in new}) == 7 and len({visit[-1] for visit in several}) == IDS
    assert len({tuple(visit[:-1]) for visit in (*new, *several, *exact)}) == 1


def test_others_are_shown_as_ever(documents: list[Document], tokenizer: Tokenizer, named: Identifiers) -> None:
    repeats = drawn(documents)
    with_, without = (source(documents, tokenizer, named, r) for r in (repeats, Repeats()))
    for place in set(range(40)) - set(repeats.visits):
        one, other = (made.render(place, 3, False)[0] for made in (with_, without))
        assert (one.tokens == other.tokens).all()


def test_what_is_left_out_is_in_no_crop(documents: list[Document], tokenizer: Tokenizer, named: Identifiers) -> None:
    repeats = drawn(documents)
    made = source(documents, tokenizer, named, repeats)
    shown = {visit.text for visit in repeats.visits.values()}
    for place in repeats.visits:
        sentences, cited = made.document(place)
        own = [tokenizer.decode(wordings[0]) for wordings in sentences]
        assert own in [[w[0] for w in documents[text].sentences] for text in shown] and cited is not None
    assert Crops(made, tokenizer, "direct", CropsConfig(fraction=0.5)) is not None


def test_what_is_asked(documents: list[Document]) -> None:
    repeats = drawn(documents)
    asked = [Question(f"q{n}", "Where?", ("Oslo",), (f"doc-{n}",), "single", f"e{n}", "never_tuned") for n in range(40)]
    unknown = Question("q", "Where?", (), (), "absent_entity", "", "never_tuned")
    assert {q.id for q in repeats.asked([*asked, unknown])} == {
        *(f"q{n}" for n in range(40) if n not in repeats.visits),
        "q",
    }


def test_what_cannot_be() -> None:
    assert "repeats.kind=new_id of no repeats" in said_of("repeats.kind=new_id")
    assert "repeats.times=1: must be at least 2" in said_of("repeats=exact", "repeats.times=1")
    both = said_of("repeats=exact", "counterfactual.leave_out=0.1", "corpus.false_premise=0")
    assert "repeats.fraction=0.5 and counterfactual.leave_out" in both
