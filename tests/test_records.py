"""Predictions with rivals are read as they were written, and malformed ones are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.records import OUTCOMES, Citation, Prediction, RecordError, read_jsonl, write_jsonl

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


@pytest.mark.parametrize(
    ("rivals", "message"),
    [
        ("b", '"rivals" must be a list'),
        ({"question": "q"}, '"rivals" must be a list'),
        (None, '"rivals" must be a list'),
        (["b"], "expected a JSON object"),
        ([None], "expected a JSON object"),
        ([{}], '"question" must be a non-empty string'),
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
