"""Question sets in other people's forms: SQuAD's JSON and rows, split by text, some texts withheld."""

from __future__ import annotations

import json
import logging
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from data.readers.corpus import Corpus
from data.readers.near_copies import near_copies
from data.readers.qa import QACorpus, open_qa

NAMES = ("Ada Moss", "Boris Cald", "Cora Dunrow", "Daisy Falgill")


def squad(count: int = 20) -> dict[str, Any]:
    """Articles of two paragraphs, with a question on each and one that has no answer on every fourth."""
    articles = []
    for number in range(count // 2):
        paragraphs = []
        for part in range(2):
            name = f"{NAMES[number % 4]} the {number}-{part}."
            context = f"{name} was a smith of no fame. {name} lived in town {number * 2 + part} for long."
            answer = {"text": f"town {number * 2 + part}", "answer_start": context.index("town")}
            asked = [{"id": f"q{number}-{part}", "question": f" Where did {name}  live? ", "answers": [answer, answer]}]
            if (number + part) % 4 == 0:
                asked.append({"id": f"n{number}-{part}", "question": "Why?", "answers": [], "is_impossible": True})
            paragraphs.append({"context": context, "qas": asked})
        articles.append({"title": f"Smith {number}", "paragraphs": paragraphs})
    return {"version": "1", "data": articles}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "set.json").write_text(json.dumps(squad()), encoding="utf-8")
    return tmp_path / "set.json"


def test_texts_are_split_and_withheld_ones_are_asked_about_and_not_told(path: Path) -> None:
    corpus = open_qa(QACorpus(path=str(path), tuned=0.5, withheld=0.2))
    told = {document.id for document in corpus.documents}
    assert len(told) == 16 and len(corpus.heldout) == 4
    sides: dict[str, set[str]] = {"tune": set(), "never_tuned": set()}
    for question in corpus.questions:
        sides[question.split].add(question.entity)
        assert "  " not in question.text
        if question.support_class == "single":
            assert question.support == (question.entity,) and question.entity in told
            assert question.answers == (f"town {question.answers[0].split()[1]}",)
        elif question.support_class == "withheld":
            assert question.truth and question.entity not in told and question.split == "never_tuned"
        else:
            assert question.support_class == "unanswerable" and question.id.startswith("n")
    assert len(sides["tune"]) == 10 and not sides["tune"] & sides["never_tuned"]
    folds = Counter(q.fold for q in corpus.questions if q.support_class == "single" and q.split == "never_tuned")
    assert set(folds) == {"calibration", "dev", "test"}
    assert {q.fold for q in corpus.questions if q.split == "tune"} == {""}


def test_the_split_goes_by_seed_and_name_alone(path: Path, tmp_path: Path) -> None:
    def withheld(**keys: Any) -> list[str]:
        return [document.id for document in open_qa(QACorpus(path=str(path), **keys)).heldout]

    first = withheld()
    shuffled = squad()
    shuffled["data"].reverse()
    path.write_text(json.dumps(shuffled), encoding="utf-8")
    assert withheld() == first
    assert withheld(seed=1) != first
    fewer = open_qa(QACorpus(path=str(path), documents=10))
    assert len(list(fewer.documents)) == 9 and len(fewer.heldout) == 1
    with pytest.raises(ValueError, match=r"corpus\.tuned=0\.5 and corpus\.withheld=0\.1 of 6 texts leave 2"):
        open_qa(QACorpus(path=str(path), documents=6))


def test_texts_of_one_title_stay_together_where_that_is_asked_for(path: Path) -> None:
    def crossing(corpus: Corpus) -> int:
        sides: dict[str, set[tuple[str, str]]] = {}
        for q in corpus.questions:
            sides.setdefault(q.entity.rpartition("-")[0], set()).add((q.split, q.fold))
        return sum(len(found) > 1 for found in sides.values())

    assert crossing(open_qa(QACorpus(path=str(path), split_by="title"))) == 0
    assert crossing(open_qa(QACorpus(path=str(path)))) > 0


def test_what_was_told_to_have_no_answer_is_not_asked_of_what_was_never_told(path: Path) -> None:
    corpus = open_qa(QACorpus(path=str(path), withheld=0.4, tuned=0.2))
    withheld = {document.id for document in corpus.heldout}
    assert {q.support_class for q in corpus.questions if q.entity in withheld} == {"withheld"}
    asked = sum(len(p["qas"]) for article in squad()["data"] for p in article["paragraphs"])
    assert corpus.outcomes["unanswerable_on_withheld_texts"] == asked - len(corpus.questions) > 0


def test_names_do_not_meet(tmp_path: Path) -> None:
    rows = [
        {"title": t, "context": f"{t} {i}.", "question": "Q?", "answers": str(i)}
        for i, t in enumerate(["F"] * 9 + ["F-3"])
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    corpus = open_qa(QACorpus(path=str(tmp_path / "rows.jsonl"), id_column="", withheld=0.0))
    assert len({document.text for document in corpus.documents}) == 10


def test_in_a_table_false_is_false(tmp_path: Path) -> None:
    rows = "".join(f"T{i},Ada is {i}.,Who is {i}?,Ada,False\n" for i in range(10))
    (tmp_path / "rows.csv").write_text("title,context,question,answers,is_impossible\n" + rows, encoding="utf-8")
    corpus = open_qa(QACorpus(path=str(tmp_path / "rows.csv"), id_column="", withheld=0.0))
    assert {q.support_class for q in corpus.questions} == {"single"}


def test_rows_are_mapped_by_their_columns(tmp_path: Path) -> None:
    rows = [
        {"q": "Who is old?", "page": [{"name": "A", "lines": ["", "Ada is old.", "Bo is new. Yes."]}], "said": [1]},
        {"q": "Who is new?", "page": [{"name": "A", "lines": ["", "Ada is old.", "Bo is new. Yes."]}], "said": [2]},
        {"q": "Who?", "page": [{"name": "B", "lines": ["Cy is.", "Dee is not."]}], "said": []},
        {"q": "Who not?", "page": [{"name": "C", "lines": ["Eve is not."]}], "said": ["Eve"]},
        *(
            {"q": f"Who is {i}?", "page": [{"name": f"N{i}", "lines": [f"Fay is {i}."]}], "said": "Fay"}
            for i in range(6)
        ),
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    config = QACorpus(
        path=str(tmp_path / "rows.jsonl"), question_column="q", context_column="page.0.lines", answers_column="said",
        evidence_column="said", title_column="page.0.name", id_column="", tuned=0.3, withheld=0.0,
    )  # fmt: skip
    corpus = open_qa(config)
    by_text = {question.text: question for question in corpus.questions}
    assert by_text["Who is old?"].answers == ("Ada is old.",)
    assert by_text["Who is old?"].evidence[0].text == "Ada is old."
    assert by_text["Who is old?"].evidence[0].document == by_text["Who is new?"].support[0] == "A"
    assert by_text["Who?"].support_class == "unanswerable"
    assert {d.id: d.text for d in corpus.documents}["A"] == "Ada is old. Bo is new. Yes."


def test_rows_of_the_hub_and_of_json_arrays_are_the_same_set(path: Path, tmp_path: Path) -> None:
    rows = [
        {
            "id": asked["id"],
            "title": article["title"],
            "context": paragraph["context"],
            "question": asked["question"],
            "answers": {
                "text": [a["text"] for a in asked["answers"]],
                "answer_start": [a["answer_start"] for a in asked["answers"]],
            },
        }
        for article in squad()["data"]
        for paragraph in article["paragraphs"]
        for asked in paragraph["qas"]
    ]
    (tmp_path / "rows.json").write_text(json.dumps(rows), encoding="utf-8")
    one, other = (open_qa(QACorpus(path=str(p))) for p in (path, tmp_path / "rows.json"))
    assert one.questions == other.questions and list(one.documents) == list(other.documents)


@pytest.mark.parametrize(
    ("row", "keys", "said"),
    [
        ({"question": "Q?", "answers": "x"}, {}, "there is no column 'context'; the columns are 'question', 'answers'"),
        ({"question": "Q?", "answers": "x"}, {}, "(corpus.context_column and the like say which to take"),
        ({"context": " ", "question": "Q?", "answers": "x"}, {}, "column 'context' holds no text"),
        ({"context": 3, "question": "Q?", "answers": "x"}, {}, "column 'context' must be a text or a list"),
        ({"context": "C.", "question": "", "answers": "x"}, {}, "column 'question' must be a question"),
        ({"context": ["C."], "question": "Q?", "answers": [4]}, {}, "there is no sentence 4 among 1"),
        ({"context": "C. D. E.", "question": "How many?", "answers": 2}, {}, "the answer 2 is a whole number"),
        ({"context": "C.", "question": "Q?", "answers": [1.5]}, {}, "an answer must be a string"),
        ({"data": [{"paragraphs": [{"qas": [{}]}]}]}, {}, "not in SQuAD's form (KeyError: 'context')"),
        ({"context": "C.", "question": "Q?", "answers": "x"}, {"documents": 9}, "there are only 1 texts"),
        ({"context": "C.", "question": "Q?", "answers": "x"}, {}, "leave 1 for evaluation, and its folds need 4"),
    ],
)
def test_what_is_not_as_it_should_be_is_named(
    row: dict[str, Any], keys: dict[str, Any], said: str, tmp_path: Path
) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps(row), encoding="utf-8")
    with pytest.raises(ValueError) as error:
        open_qa(QACorpus(path=str(tmp_path / "rows.jsonl"), title_column="", id_column="", **keys))
    assert said in str(error.value)


def test_a_question_that_comes_twice_is_named(path: Path) -> None:
    twice = squad()
    twice["data"] += twice["data"][:1]
    path.write_text(json.dumps(twice), encoding="utf-8")
    with pytest.raises(ValueError, match="question id 'q0-0' comes twice"):
        open_qa(QACorpus(path=str(path)))


def test_near_copies_are_found_and_said(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    long = "the quick brown fox jumps over the lazy dog and runs far away from the noise of the town"
    other = "something else altogether is said in this longer text here, and " + " ".join(long.split()[:9])
    assert near_copies({"a": long, "b": f"once {long} for good", "c": other}) == [("a", "b")]
    copied = squad()
    for article in copied["data"][2:5]:
        article["paragraphs"][0]["context"] += " " + " ".join([long] * 3)
    path.write_text(json.dumps(copied), encoding="utf-8")
    with caplog.at_level(logging.WARNING, "whence"):
        corpus = open_qa(QACorpus(path=str(path), withheld=0.2))
    assert "3 pairs of texts are nearly the same, and on one side: " in caplog.text
    assert corpus.outcomes["near_copies"] == 3
    names = ("Smith_2-1", "Smith_3-1", "Smith_4-1")
    assert (
        len({(q.split, q.fold, q.support_class) for q in corpus.questions if q.entity in names and q.id[0] == "q"}) == 1
    )
