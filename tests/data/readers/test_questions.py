"""Questions that don't fit their documents, their model or each other are named: file, line and id."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from data.pipeline.identifiers import IdsConfig, assign
from data.pipeline.questions.question_lengths import check_lengths
from data.pipeline.tokenizer import Tokenizer
from data.readers.corpora import FilesCorpus, WorldCorpus, open_corpus
from data.records import Claim, Document, Question, RecordError, read_jsonl
from data.storage.prepare import prepare
from data.storage.prepare_corpus import prepare_corpus
from data.storage.question_checks import QuestionError

DOCUMENTS = [
    {"id": 1, "text": "Ann works at  ACME\nCorp. She is tall."},
    {"id": "b", "text": "Bob works at Bolt."},
    {"id": "c", "text": " "},
]


def asked(id: str, answer: str = "Acme Corp", support: Any = (1,), split: str = "never_tuned", **more: Any) -> Any:
    return {"id": id, "text": "Where?", "answers": [answer], "support": list(support), "split": split, **more}


def prepared(tmp_path: Path, *questions: Any, **config: Any) -> Path:
    for name, rows in (("d.jsonl", DOCUMENTS), ("q.jsonl", questions)):
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    corpus = FilesCorpus(path=str(tmp_path / "d.jsonl"), questions=str(tmp_path / "q.jsonl"), **config)
    prepare_corpus(corpus, tmp_path / "prepared")
    return tmp_path / "prepared"


@pytest.mark.parametrize(
    ("questions", "message"),
    [
        ([asked("q"), asked("r"), asked("q")], r"q\.jsonl, line 3: question id 'q' comes twice, first on line 1"),
        ([asked("q"), asked("r", support=["z"])], r"q\.jsonl, line 2: question 'r' names document 'z'"),
        (
            [asked("q", split="tune"), asked("r"), asked("s")],
            r"q\.jsonl, lines 1 and 2: document '1' supports question 'r' of split never_tuned and 'q' of split tune",
        ),
        (
            [asked("q", entity="e", split="tune"), asked("r", "Bolt", ["b"], entity="e")],
            r"q\.jsonl, lines 1 and 2: entity 'e' is asked about",
        ),
        (
            [asked("q", entity="e", fold="dev"), asked("r", entity="e", fold="test")],
            r"q\.jsonl, lines 1 and 2: entity 'e' is asked about in question 'q' of fold dev and 'r' of fold test",
        ),
        ([], r"q\.jsonl holds no questions; leave corpus\.questions away"),
        ([asked("q", support=[])], r"q\.jsonl, line 1: \"answers\" without \"support\": name the documents"),
        ([asked("q") | {"answers": []}], r"line 1: \"support\" without \"answers\": say what"),
        ([asked("q", support=[])], r"both empty where none does$"),
        ([asked("q", support_class="single", support=[])], r'support class "single" needs "answers" and "support"'),
        ([asked("q", support=[True])], r'"support" must be a list of non-empty strings or whole numbers, not \[true\]'),
        ([asked("q") | {"support": "1"}], r'"support" must be a list of non-empty strings or whole numbers, not "1"'),
        ([asked("q", claims=[{"value": "x", "documents": []}])], r'the claim "x" has no "documents" that make it'),
        ([asked("q", claims=[{"value": "x", "documents": [1], "reliability": 7}])], r'"reliability" is 7, outside'),
        ([asked("q", claims=[{"value": "x", "documents": [1], "reliability": float("nan")}])], "finite number"),
    ],
)
def test_a_bad_question_is_named_with_its_line(tmp_path: Path, questions: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        prepared(tmp_path, *questions)
    assert "\n" not in str(error.value)


def test_ids_may_be_whole_numbers_wherever_they_stand(tmp_path: Path) -> None:
    folder = prepared(tmp_path, asked("q") | {"id": 7, "claims": [{"value": "Acme Corp", "documents": [1]}]})
    (question,) = read_jsonl(folder / "questions.jsonl", Question)
    assert (question.id, question.support, question.claims) == ("7", ("1",), (Claim("Acme Corp", ("1",)),))


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelno == logging.WARNING]


def test_what_is_dropped_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "whence"):
        prepared(tmp_path, asked("q"), asked("r", support=["c"]))
    dropped = [warning for warning in warnings(caplog) if "dropped" in warning]
    assert dropped == [
        "prepare: documents dropped, since they have no text: 1",
        "prepare: questions dropped, since they are on documents that were dropped: 1",
    ]


def test_answers_that_stand_in_no_support_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    wrong = [asked(f"w{n}", f"Atlantis {n}", [1, "b"]) for n in range(4)]
    right = [asked("case and space", "acme corp"), asked("second one", "Bolt", [1, "b"])]
    with caplog.at_level(logging.WARNING, "whence"):
        prepared(tmp_path, *right, *wrong)
    assert warnings(caplog)[-1] == (
        "prepare: 4 questions have answers that stand in none of their supporting documents: "
        "'w0': 'Atlantis 0' in '1', 'b'; 'w1': 'Atlantis 1' in '1', 'b'; 'w2': 'Atlantis 2' in '1', 'b'"
    )


def test_answers_of_the_world_stand_in_some_wording(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "whence"):
        prepare(open_corpus(WorldCorpus(documents=120, hard=True, exposures=2)), tmp_path)
    assert warnings(caplog) == []


@pytest.mark.parametrize("splits", [("tune",), ("tune", "relabel")])
def test_questions_that_are_never_scored_are_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, splits: tuple[str, ...]
) -> None:
    with caplog.at_level(logging.WARNING, "whence"):
        prepared(tmp_path, *(asked(f"q{n}", support=[(1, "b")[n]], split=s) for n, s in enumerate(splits)))
    assert f"all {len(splits)} questions are of split " in warnings(caplog)[-1]
    assert "none will be scored" in warnings(caplog)[-1]
    caplog.clear()
    with caplog.at_level(logging.WARNING, "whence"):
        (tmp_path / "again").mkdir()
        prepared(tmp_path / "again", asked("q", split="tune"), asked("r", split="in_domain"))
    assert warnings(caplog)[1:] == []


LONG = "word " * 300


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"text": LONG}, r"question 'q' has \d{3,} tokens: \d{3,} with marks and source, more than a row of 64"),
        ({"paraphrases": (LONG,)}, r"question 'q' has \d{3,} tokens: "),
        ({"answers": (LONG,)}, r"question 'q' has \d+ tokens and an answer of \d{3,}: "),
        ({"statement": (LONG + "{answer}",)}, r"question 'q' has a statement or premise of \d{3,} tokens"),
        ({"premise": ("Short.", LONG)}, r"question 'q' has a statement or premise of \d{3,} tokens"),
        ({"answers": (LONG,), "split": "never_tuned"}, ""),  # never trained on, and compared as text
    ],
)
def test_a_question_longer_than_a_row_is_named(tokenizer: Tokenizer, change: dict[str, Any], message: str) -> None:
    documents = [Document("d", (("T.",),))]
    fields = {"answers": ("Ann",), "support": ("d",), "support_class": "single", "entity": "", "split": "tune"}
    question = Question(**{"id": "q", "text": "Who?", **fields, **change})
    identifiers = assign(documents, tokenizer, IdsConfig())
    if not message:
        check_lengths([question], documents, identifiers, tokenizer, 64)
        return
    with pytest.raises(QuestionError, match=message) as error:
        check_lengths([question], documents, identifiers, tokenizer, 64)
    assert error.value.questions == ("q",)
    check_lengths([question], documents, identifiers, tokenizer, 4096)


def test_the_longest_question_that_fits_is_trained_on(tokenizer: Tokenizer) -> None:
    from data.pipeline.sources import Questions

    documents = [Document("d", (("T.",),))]
    identifiers = assign(documents, tokenizer, IdsConfig())
    question = Question("q", "Who is it?", ("Ann Moss",), ("d",), "single", "", "tune")
    (sample,) = Questions([question], documents, identifiers, tokenizer, 0).render(0, 0, False)
    check_lengths([question], documents, identifiers, tokenizer, len(sample) + 1)  # a mark of confidence may follow
    with pytest.raises(QuestionError):
        check_lengths([question], documents, identifiers, tokenizer, len(sample) - 1)


def test_an_unasked_class_is_not_named() -> None:
    with pytest.raises(RecordError) as error:
        Question.from_json(asked("q", support=[]))
    assert "absent_entity" not in str(error.value)
