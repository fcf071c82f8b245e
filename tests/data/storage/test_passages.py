"""Long documents as passages: no text lost, the questions on them mapped, and documents kept on one side."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.readers.corpora import open_corpus
from data.readers.corpus import Corpus
from data.readers.files import FilesCorpus
from data.readers.qa import QACorpus
from data.readers.sentences import split_sentences
from data.record_parts import Claim, Evidence
from data.records import Document, Question, joined, read_jsonl
from data.storage.passages import cut, documents_of
from data.storage.prepare import prepare
from data.storage.prepare_corpus import prepare_corpus
from data.storage.remote import ShardsCorpus
from data.storage.shards import read_documents, read_index

SENTENCES = (
    "Ada Moss works at Zenith.", "She was born in Oslo.", "Ben Hale works at Dynova.", "He was born in Lima.",
    "Cy Kwan works at Zenith, too.", "She was born in Quito.",
)  # fmt: skip
LONG = Document("long", tuple((sentence,) for sentence in SENTENCES), "The Post", {"url": "https://x.org"})
SHORT = Document("short", (("Dee Lark works at Gentra.",),))


def asked(*answers: str, id: str = "q", support: tuple[str, ...] = ("long",), **more: Any) -> Question:
    kind = more.pop("support_class", "single" if len(support) == 1 else "multi")
    return Question(id, "Who?", answers, support, kind, more.pop("entity", id), more.pop("split", "tune"), **more)


def mapped(folder: Path, *questions: Question, words: int = 9, **more: Any) -> list[Question]:
    prepare(Corpus([LONG, SHORT], questions, passage_words=words, **more), folder)
    return list(read_jsonl(folder / "questions.jsonl", Question))


WORDED = st.text(st.sampled_from("ab .\n\t"), max_size=30).filter(str.strip)


@given(st.lists(WORDED, max_size=12), st.sampled_from(["", " ", "\n"]), st.integers(1, 12))
def test_no_text_is_lost_and_no_passage_is_empty_or_long(sentences: list[str], joiner: str, words: int) -> None:
    document = Document("d", tuple((s,) for s in sentences), "source", {"url": "u"}, joiner)
    passages = cut(document, words)
    assert joined((passage.text for passage in passages), joiner) == document.text
    assert [s for passage in passages for s in passage.sentences] == list(document.sentences)
    counts = [len(sentence.split()) for sentence in sentences]
    if len(passages) == 1:
        assert passages == [document] and (sum(counts) <= words or max(counts) * 2 > words)
        return
    assert [passage.id for passage in passages] == [f"d#{n}" for n in range(1, len(passages) + 1)]
    for passage in passages:
        assert passage.sentences and passage.source == "source"
        assert passage.metadata == {"url": "u", "document": "d"}
        assert sum(len(w.split()) for w, *_ in passage.sentences) < words + max(counts)
    assert documents_of(passages) == {passage.id: "d" for passage in passages}


@given(st.text(st.sampled_from("Ab. \n#-1"), max_size=300), st.integers(1, 9))
def test_text_that_is_split_and_cut_is_the_text_again(text: str, words: int) -> None:
    sentences, joiner = split_sentences(text)
    passages = cut(Document("d", tuple((s,) for s in sentences), joiner=joiner), words)
    assert joined((passage.text for passage in passages), joiner) == (text if text.strip() else "")


def test_passages_are_about_as_long_as_one_another() -> None:
    assert [len(p.sentences) for p in cut(LONG, 9)] == [2, 1, 2, 1]
    assert [len(p.text.split()) for p in cut(LONG, 16)] == [15, 16]
    assert cut(LONG, 0) == cut(LONG, 31) == [LONG]


def test_only_a_passage_by_its_id_too_is_one() -> None:
    told = [replace(SHORT, id=id, metadata={"document": "a"}) for id in ("a#1", "a#01", "b#1", "a", "a#1#2")]
    assert documents_of([*told, replace(SHORT, metadata={"document": 3})]) == {"a#1": "a"}


def test_a_question_is_on_the_passages_that_hold_an_answer(tmp_path: Path) -> None:
    one, two, both = mapped(
        tmp_path, asked(" lima", id="one"), asked("ZENITH", id="two"), asked("Gentra", "Oslo", id="both",
        support=("long", "short"))
    )  # fmt: skip
    assert [d.id for d in read_documents(tmp_path)] == ["long#1", "long#2", "long#3", "long#4", "short"]
    assert (one.support, one.support_class) == (("long#3",), "single")
    assert one.evidence == (Evidence("long#3", "He was born in Lima."),)
    assert (two.support, two.support_class) == (("long#1", "long#3"), "multi")
    assert [e.document for e in two.evidence] == ["long#1", "long#3"]
    assert both.support == ("long#1", "short")
    assert {e.document: e.text for e in both.evidence} == {"long#1": SENTENCES[1], "short": "Dee Lark works at Gentra."}
    assert {q.entity for q in (one, two)} == {"one", "two"}


def test_a_word_is_found_before_a_part_of_one(tmp_path: Path) -> None:
    she, part = mapped(tmp_path, asked("she", id="she"), asked("ynov", id="part"))
    assert she.support == ("long#1", "long#4")
    assert part.support == ("long#2",), "within a word where no passage has it as one"
    (he,) = mapped(tmp_path / "he", asked("he", id="he"))
    assert he.support == ("long#3",), "not where she stands"


def test_given_evidence_names_the_passage(tmp_path: Path) -> None:
    said = Evidence("long", "cy  kwan works at Zenith, too.")
    spread = Evidence("long", "She was born in Oslo. Ben Hale works at Dynova.")  # in no passage
    one, other = mapped(tmp_path, asked("Zenith", id="1", evidence=(said,)), asked("Oslo", id="2", evidence=(spread,)))
    (twice,) = mapped(tmp_path / "twice", asked("Zenith", evidence=(Evidence("long", "works at Zenith"),)))
    assert twice.support == ("long#1", "long#3") and [e.document for e in twice.evidence] == ["long#1", "long#3"]
    assert one.support == ("long#3",) and one.evidence == (Evidence("long#3", said.text),)
    assert other.support == ("long#1",) and other.evidence == (Evidence("long#1", SENTENCES[1]),)


def test_an_answer_in_no_passage_is_on_all_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "whence"):
        spread, _ = mapped(tmp_path, asked("Oslo. Ben Hale works at Dynova. He", id="1"), asked("Oslo", id="2"))
    assert spread.support == ("long#1", "long#2", "long#3", "long#4") and spread.support_class == "multi"
    assert "1 questions have answers that stand in no passage" in caplog.text and "'1': 'Oslo. Ben" in caplog.text
    assert "1 documents of more than 9 words are 4 passages" in caplog.text


def test_claims_go_to_the_passages_that_make_them(tmp_path: Path) -> None:
    claims = (Claim("Zenith", ("long", "short"), 0.9), Claim("Dynova", ("long",)), Claim("Peru", ("long",)))
    (question,) = mapped(tmp_path, asked("Zenith", support=("long",), support_class="contested", claims=claims))
    assert question.support_class == "contested"
    assert [c.documents for c in question.claims] == [
        ("long#1", "long#3", "short"), ("long#2",), ("long#1", "long#2", "long#3", "long#4"),
    ]  # fmt: skip
    assert question.claims[0].reliability == 0.9
    said = (Evidence("long", SENTENCES[4]),)
    (question,) = mapped(tmp_path / "given", asked("Zenith", claims=(Claim("zenith", ("long",)),), evidence=said))
    assert question.support == question.claims[0].documents == ("long#3",), "what is cited for an answer supports it"


def test_the_passages_of_a_document_are_on_one_side(tmp_path: Path) -> None:
    questions = (asked("Oslo", id="1"), asked("Lima", id="2", split="never_tuned"))
    with pytest.raises(ValueError, match="document 'long' supports question '2' of split never_tuned and '1'"):
        mapped(tmp_path / "made", *questions)
    mapped(tmp_path / "apart", questions[0])
    there = tmp_path / "apart" / "questions.jsonl"
    beside = replace(questions[1], support=("long#3",))
    there.write_text(there.read_text() + json.dumps(beside.to_json()) + "\n")
    with pytest.raises(ValueError, match="document 'long' supports question '2' of split never_tuned and '1'"):
        prepare_corpus(ShardsCorpus(url=str(tmp_path / "apart")), tmp_path / "adopted")


def test_bytes_and_held_out_documents(tmp_path: Path) -> None:
    heldout = replace(LONG, id="held", sentences=(("Eve Roe rests.",), *LONG.sentences))
    corpus = Corpus([LONG, SHORT, LONG], (), (heldout, replace(LONG, id="copy")), passage_words=9)
    prepare(corpus, tmp_path, duplicates="drop")
    found = json.loads((tmp_path / "prepared.json").read_text())
    assert found["cut"] == {"documents": 2, "passages": 8, "joiner_bytes": 6}
    held = list(read_jsonl(tmp_path / "heldout.jsonl", Document))
    assert joined((d.text for d in held), " ") == heldout.text and held[0].id == "held#1"
    assert (found["outcomes"]["duplicate_documents"], found["outcomes"]["heldout_copies"]) == (1, 1)
    assert documents_of(read_index(tmp_path)) == {f"long#{n}": "long" for n in range(1, 5)}


@pytest.mark.parametrize("order", [1, -1])
def test_an_id_is_of_one_document_or_passage(tmp_path: Path, order: int) -> None:
    documents = [LONG, replace(SHORT, id="long#2")][::order]
    with pytest.raises(ValueError, match="document 'long#2' has the id of a passage of document 'long'; rename it"):
        prepare(Corpus(documents, passage_words=9), tmp_path, duplicates="drop")


def test_nothing_is_cut_unless_asked(tmp_path: Path) -> None:
    (question,) = mapped(tmp_path, asked("Oslo"), words=0)
    assert question.support == ("long",) and [d.id for d in read_documents(tmp_path)] == ["long", "short"]
    assert "cut" not in json.loads((tmp_path / "prepared.json").read_text())


def test_files_are_cut_by_their_key(tmp_path: Path) -> None:
    rows = [{"id": "long", "text": " ".join(SENTENCES), "document": "x"}, {"id": "s", "text": "Short.", "document": ""}]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "q.jsonl").write_text(json.dumps(asked("Lima").to_json()) + "\n")
    config = FilesCorpus(path=str(tmp_path / "d.jsonl"), questions=str(tmp_path / "q.jsonl"), passage_words=16)
    prepare(open_corpus(config), tmp_path / "made")
    made = list(read_documents(tmp_path / "made"))
    assert [d.id for d in made] == ["long#1", "long#2", "s"]
    (question,) = read_jsonl(tmp_path / "made" / "questions.jsonl", Question)
    assert question.support == ("long#2",)
    with pytest.raises(ValueError, match=r"corpus\.passage_words=16 notes of each passage its document"):
        open_corpus(replace(config, metadata_columns=["meta.document"]))


def test_question_sets_are_cut_and_split_by_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.readers.qa.near_copies", lambda texts: [])  # these are, and would be on one side
    rows = [
        {"id": f"{n}-{place}", "title": f"T{n}", "question": "Where?", "answers": answer,
         "context": " ".join(SENTENCES) + f" Town {n} is there."}
        for n in range(20)
        for place, answer in enumerate(("Oslo", "Lima", f"Town {n}"))
    ]  # fmt: skip
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = QACorpus(path=str(tmp_path / "rows.jsonl"), passage_words=12, withheld=0.2)
    prepare(open_corpus(config), tmp_path / "made")
    whole = documents_of(read_index(tmp_path / "made"))
    assert len(set(whole.values())) == 16 and len(whole) == 48
    sides: dict[str, set[tuple[str, str]]] = {}
    for question in read_jsonl(tmp_path / "made" / "questions.jsonl", Question):
        for name in question.support:
            assert question.entity == whole[name]
            sides.setdefault(whole[name], set()).add((question.split, question.fold))
            text = next(d.text for d in read_documents(tmp_path / "made") if d.id == name)
            assert question.answers[0] in text
    assert len(sides) == 16 and all(len(found) == 1 for found in sides.values())
