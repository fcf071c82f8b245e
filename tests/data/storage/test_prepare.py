"""Everything that can be wrong with a corpus has its defined outcome: named in an error, or dropped and counted."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.readers.corpora import WorldCorpus, open_corpus
from data.readers.corpus import Corpus
from data.records import Document, Question, read_jsonl
from data.storage.prepare import Intake, prepare, sample_texts
from data.storage.shards import read_documents, read_manifest, write_shards
from data.world.world import Fact, build_world


def document(id: str, text: str = "") -> Document:
    return Document(id, ((text or f"Text of {id}.",),))


def question(id: str, *support: str, split: str = "tune", entity: str = "") -> Question:
    return Question(id, "Who?", ("Ann",), support, "single" if len(support) == 1 else "multi", entity or id, split)


def prepared(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "prepared.json").read_text())
    return found


def test_world_is_prepared_whole(tmp_path: Path) -> None:
    config = WorldCorpus(documents=60, heldout=5)
    world = build_world(config)
    manifest = prepare(open_corpus(config), tmp_path, shard_documents=25)
    assert read_manifest(tmp_path) == manifest
    assert tuple(read_documents(tmp_path)) == world.documents
    asked = list(read_jsonl(tmp_path / "questions.jsonl", Question))
    assert tuple(replace(question, evidence=()) for question in asked) == world.questions
    # The sentence of each supporting document that says so, in the wording of the statement.
    for question in asked:
        said = {s.replace("{answer}", a) for s in question.statement for a in question.answers}
        assert [e.document for e in question.evidence] == list(question.support)
        assert {e.text for e in question.evidence} <= said
    assert tuple(read_jsonl(tmp_path / "heldout.jsonl", Document)) == world.heldout
    rows = [Fact.from_json(json.loads(line)) for line in (tmp_path / "ledger.jsonl").read_text().splitlines()]
    assert tuple(rows) == world.ledger
    report = prepared(tmp_path)
    assert (report["documents"], report["heldout"], report["ledger"]) == (60, 5, len(world.ledger))
    assert sum(report["questions"].values()) == len(world.questions)
    assert report["fingerprint"] == manifest.fingerprint
    assert set(report["outcomes"].values()) == {0}


def test_duplicate_id_is_an_error_naming_both_positions(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'b' comes twice, as documents 1 and 3"):
        prepare(Corpus([document(id) for id in "abcb"]), tmp_path)


def test_duplicates_are_dropped_and_counted_on_request(tmp_path: Path) -> None:
    documents = [document("a"), document("b"), document("a"), document("b", "Another text.")]
    asked = (question("on-a", "a"), question("on-b", "b"))
    prepare(Corpus(documents, asked), tmp_path, duplicates="drop")
    assert list(read_documents(tmp_path)) == documents[:2]
    outcomes = prepared(tmp_path)["outcomes"]
    assert outcomes["duplicate_documents"] == 2
    assert prepared(tmp_path)["dropped_bytes"]["duplicate_documents"] == len("Text of a.") + len("Another text.")
    assert outcomes["questions_on_duplicates"] == 1, "which text of b supports its question is unknown"
    assert [q.id for q in read_jsonl(tmp_path / "questions.jsonl", Question)] == ["on-a"]


def test_empty_documents_are_dropped_with_the_questions_on_them_alone(tmp_path: Path) -> None:
    documents = [document("a"), Document("void", ()), document("b"), Document("blank", ((" \n",),))]
    asked = (question("q1", "void"), question("q2", "a", "void"), question("q3", "a", "b"))
    prepare(Corpus(documents, asked), tmp_path)
    assert [d.id for d in read_documents(tmp_path)] == ["a", "b"]
    outcomes = prepared(tmp_path)["outcomes"]
    assert (outcomes["empty_documents"], outcomes["questions_on_dropped_documents"]) == (2, 1)
    kept = list(read_jsonl(tmp_path / "questions.jsonl", Question))
    assert kept == [question("q2", "a"), question("q3", "a", "b")]


def test_gold_document_missing_from_the_corpus_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="question 'q1' names document 'z'"):
        prepare(Corpus([document("a")], (question("q1", "a", "z"),)), tmp_path)
    with pytest.raises(ValueError, match="question 'q1' names document 'h'"):  # a held-out document is not trained on
        prepare(Corpus([document("a")], (question("q1", "h"),), (document("h"),)), tmp_path / "again")


def test_tuning_and_test_half_must_not_touch(tmp_path: Path) -> None:
    documents = [document(id) for id in "abc"]
    tuned, test = question("q1", "a", "b"), question("q2", "b", split="never_tuned")
    with pytest.raises(ValueError, match="document 'b' supports question 'q2' of split never_tuned and 'q1'"):
        prepare(Corpus(documents, (test, tuned)), tmp_path / "document")
    test = question("q2", "c", split="never_tuned", entity="q1")
    with pytest.raises(ValueError, match="entity 'q1' is asked about in question 'q2' of split never_tuned and 'q1'"):
        prepare(Corpus(documents, (tuned, test)), tmp_path / "entity")
    unknown = (replace(tuned, entity=""), replace(test, entity=""))
    prepare(Corpus(documents, unknown), tmp_path / "unknown")


def test_heldout_copies_of_training_text_are_dropped_and_counted(tmp_path: Path) -> None:
    heldout = (document("h1"), document("h2", "Text of a."), Document("h3", ()))
    prepare(Corpus([document("a")], (), heldout), tmp_path)
    assert list(read_jsonl(tmp_path / "heldout.jsonl", Document)) == [heldout[0]]
    outcomes = prepared(tmp_path)["outcomes"]
    assert (outcomes["heldout_copies"], outcomes["empty_heldout"]) == (1, 1)


@pytest.mark.parametrize("heldout", [("a",), ("h", "h")])
def test_heldout_id_in_use(tmp_path: Path, heldout: tuple[str, ...]) -> None:
    corpus = Corpus([document("a")], (), tuple(document(id, "Other.") for id in heldout))
    with pytest.raises(ValueError, match=f"held-out document {heldout[0]!r}"):
        prepare(corpus, tmp_path / "error")
    prepare(corpus, tmp_path / "drop", duplicates="drop")
    assert prepared(tmp_path / "drop")["outcomes"]["duplicate_heldout"] == 1


@pytest.mark.parametrize(
    ("corpus", "message"),
    [
        (Corpus([]), r"no documents to train on \(none was read\)"),
        (Corpus([Document("a", ())]), r"train on \(documents dropped, since they have no text: 1\)"),
        (Corpus([Document("", (("A.",),))]), "empty id"),
        (Corpus([Document("a", (("A.",), (" ",)))]), "document 'a' has a blank sentence"),
        (Corpus([document("a")], (question("q", "a"), question("q", "a"))), "question id 'q' comes twice"),
        (Corpus([document("a")], (), (Document("h", (("\ud800",),)),)), "document 'h' can't be written"),
    ],
)
def test_other_faults_are_named(tmp_path: Path, corpus: Corpus, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        prepare(corpus, tmp_path)


def test_unknown_way_with_duplicates_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="duplicates is 'keep'"):
        prepare(Corpus([document("a")]), tmp_path, duplicates="keep")


def test_outcomes_of_the_reader_are_reported_after_it_is_read(tmp_path: Path) -> None:
    corpus = Corpus([document("a")], outcomes={"ambiguous_questions": 3})
    prepare(corpus, tmp_path)
    assert prepared(tmp_path)["outcomes"]["ambiguous_questions"] == 3


TEXTS = st.sampled_from(["", "  ", "Ünd.", "One text.", "Another, longer text."])
LISTED = st.lists(st.tuples(st.sampled_from("abcde"), TEXTS), min_size=1, max_size=12)


@given(LISTED, LISTED)
def test_bytes_read_are_bytes_kept_and_dropped(
    tmp_path_factory: pytest.TempPathFactory, trained: list[tuple[str, str]], held: list[tuple[str, str]]
) -> None:
    corpus = Corpus(
        [Document(id, ((text,),)) for id, text in [*trained, ("z", "Kept.")]],
        (),
        tuple(Document(id, ((text,),)) for id, text in held),
    )
    folder = tmp_path_factory.mktemp("prepared")
    prepare(corpus, folder, duplicates="drop")
    found = prepared(folder)
    read = sum(len(text.encode()) for _, text in [*trained, ("z", "Kept."), *held])
    kept = sum(len(d.text.encode()) for d in [*read_documents(folder), *read_jsonl(folder / "heldout.jsonl", Document)])
    assert found["read_bytes"] == read == kept + sum(found["dropped_bytes"].values())
    for reason, size in found["dropped_bytes"].items():
        assert not (size and not found["outcomes"][reason]), reason


def test_bytes_that_do_not_add_up_are_an_error() -> None:
    intake = Intake()
    list(intake.accept([document("a")]))
    intake.check_bytes(len("Text of a."), [])
    with pytest.raises(RuntimeError, match="10 bytes were read, but 9 kept"):
        intake.check_bytes(9, [])


def test_a_tokenizer_is_made_from_all_or_from_some_shards(tmp_path: Path) -> None:
    documents = [Document(f"d{n}", ((f"Text {n}.", f"Words {n}."),)) for n in range(20)]
    manifest = write_shards(documents, tmp_path, 2)
    everything = [wording for d in documents for wordings in d.sentences for wording in wordings]
    assert list(sample_texts(tmp_path)) == everything
    some = list(sample_texts(tmp_path, most=manifest.shards[0].bytes + 1))
    assert len(some) == 2 * 4
    assert [text for text in everything if text in some] == some
    assert some != everything[:8], "not just the first"
