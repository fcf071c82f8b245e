"""Predictions with rivals are read as they were written, and malformed ones are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.records import OUTCOMES, Citation, Document, Prediction, RecordError, read_jsonl, write_jsonl

chances = st.none() | st.floats(0, 1)
words = st.text(min_size=1, max_size=5)


def predictions(rivals: st.SearchStrategy[tuple[Prediction, ...]]) -> st.SearchStrategy[Prediction]:
    return st.builds(
        Prediction,
        question=words,
        outcome=st.sampled_from(OUTCOMES),
        answer=st.none() | st.text(max_size=5),
        citations=st.lists(st.builds(Citation, words, chances), max_size=2).map(tuple),
        confidence=chances,
        valid=st.sampled_from([None, True, False]),
        signals=st.dictionaries(words, st.floats(-1e6, 1e6), max_size=2),
        samples=st.lists(words, max_size=2).map(tuple),
        rivals=rivals,
    )


alone = predictions(st.just(()))


@given(predictions(st.lists(alone, max_size=3).map(tuple)))
def test_rivals_are_read_as_they_were_written(prediction: Prediction) -> None:
    written = prediction.to_json()
    assert Prediction.from_json(written) == Prediction.from_json(json.loads(json.dumps(written))) == prediction


def test_rivals_in_a_file(tmp_path: Path) -> None:
    rivals = (
        Prediction("q", "answered", "b", (Citation("d", 0.5),), signals={"told": -1.5}),
        Prediction("q", "no_source"),
    )
    held = [Prediction("q", "answered", "a", rivals=rivals), Prediction("r", "abstained")]
    assert write_jsonl(tmp_path / "said.jsonl", held) == 2
    assert list(read_jsonl(tmp_path / "said.jsonl", Prediction)) == held
    assert Prediction.from_json({"question": "q"}).rivals == ()  # files from before there were any


def nested(depth: int) -> str:
    return '{"question": "q", "rivals": [' * depth + '{"question": "q"}' + "]}" * depth


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"question": "q", "samples": [1]}', '"samples" must be a list of strings, not [1]'),
        ('{"question": "q", "samples": "a"}', '"samples" must be a list, not "a"'),
        (f'{{"question": "q", "signals": {{"x": 1{"0" * 400}}}}}', '"x" must be a finite number, not 1000'),
        (f'{{"question": "q", "confidence": 1{"0" * 400}}}', '"confidence" must be a finite number, not 1000'),
        (f'{{"question": "q", "confidence": 1{"0" * 5000}}}', "Exceeds the limit"),
        ('{"question": "q", "confidence": NaN}', '"confidence" must be a finite number, not NaN'),
        ('{"question": "q", "citations": [{"id": "d", "probability": Infinity}]}', "must be a finite number"),
        ('{"question": "q", "citations": [true]}', '"id" must be a non-empty string or a whole number, not true'),
        ('{"question": null}', '"question" must be a non-empty string or a whole number, not missing'),
        (nested(5000), "lists or objects are nested too deep"),
        (nested(900), "lists or objects are nested too deep"),
    ],
)
def test_a_malformed_prediction_is_named_with_its_line(line: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "said.jsonl").write_text(f'{{"question": 1, "citations": [7, "d"]}}\n{line}\n', encoding="utf-8")
    read = read_jsonl(tmp_path / "said.jsonl", Prediction)
    assert next(read) == Prediction("1", "answered", citations=(Citation("7"), Citation("d")))
    with pytest.raises(RecordError, match=r"said\.jsonl, line 2: ") as error:
        next(read)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_document_with_what_parts_its_sentences(tmp_path: Path) -> None:
    documents = [
        Document("a", (("One.",), ("Two.\n", "2.\n"), ("  Three. ",), ("Four.",))),
        Document("b", (("我是。",), ("你是。",)), joiner=""),
    ]
    assert [document.text for document in documents] == ["One. Two.\n  Three. Four.", "我是。你是。"]
    write_jsonl(tmp_path / "d.jsonl", documents)
    assert list(read_jsonl(tmp_path / "d.jsonl", Document)) == documents
    assert "joiner" not in documents[0].to_json()


@pytest.mark.parametrize(
    ("rivals", "message"),
    [
        ("b", '"rivals" must be a list'),
        ({"question": "q"}, '"rivals" must be a list'),
        (None, '"rivals" must be a list'),
        (["b"], "expected a JSON object"),
        ([None], "expected a JSON object"),
        ([{}], '"question" must be a non-empty string or a whole number'),
        ([{"question": "q"}, {"question": "q", "outcome": "lost"}], '"outcome" is'),
        ([{"question": "q", "confidence": 2.0}], "outside"),
        ([{"question": "q", "signals": {"told": None}}], '"told" must be a finite number'),
        ([{"question": "q", "rival": []}], "unknown key"),
        ([{"question": "q", "rivals": [3]}], "expected a JSON object"),
    ],
)
def test_malformed_rivals_are_refused(rivals: Any, message: str, tmp_path: Path) -> None:
    value = {"question": "q", "rivals": rivals}
    with pytest.raises(RecordError, match=message):
        Prediction.from_json(value)
    (tmp_path / "said.jsonl").write_text(f'{{"question": "q"}}\n{json.dumps(value)}\n', encoding="utf-8")
    with pytest.raises(RecordError, match=r"said\.jsonl, line 2: ") as error:
        list(read_jsonl(tmp_path / "said.jsonl", Prediction))
    assert message in str(error.value)
