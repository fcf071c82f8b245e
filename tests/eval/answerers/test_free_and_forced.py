"""Free, a model refuses; forced, it answers, and its certainty is that of its words before any source or none."""

from __future__ import annotations

import math

import pytest
from telling import Telling

import eval.answerers.free_and_forced
from data.records import Question
from eval.answerers.free_and_forced import SURE, free_and_forced

ASKED = [
    Question(f"q{i}", text, ("Oslo",), ("doc-1",), "single", "", "never_tuned")
    for i, text in enumerate(("Where was Ada Moss born?", "Where?"))
]


def test_both(telling: Telling) -> None:
    answerer = telling(
        {
            "<|answer|>": {"<|idk|>": 0.6, " Oslo": 0.25, " Lima": 0.1},
            " Oslo": {"<|src|>": 0.5, "<|nosrc|>": 0.3, "<|end|>": 0.1},
        }
    )
    answerer.forced = True
    free, forced = free_and_forced(answerer, ASKED)
    assert [p.outcome for p in free] == ["abstained"] * 2
    assert [(p.question, p.outcome, p.answer) for p in forced] == [(q.id, "answered", "Oslo") for q in ASKED]
    assert [p.signals[SURE] for p in forced] == [pytest.approx(math.log(0.25 * 0.8), abs=1e-4)] * 2
    assert answerer.forced and answerer.most == 5  # as it was


def test_what_has_no_words_has_no_certainty(telling: Telling) -> None:
    answerer = telling({"<|answer|>": {" Oslo": 0.9}, " Oslo": {" Lima": 0.9}, " Lima": {" Oslo": 0.9}})
    _, forced = free_and_forced(answerer, ASKED)
    assert [p.outcome for p in forced] == ["unparseable"] * 2 and all(SURE not in p.signals for p in forced)


def test_it_reads_its_words_as_its_own(telling: Telling, monkeypatch: pytest.MonkeyPatch) -> None:
    answerer = telling({"<|answer|>": {" Oslo": 0.9}, " Oslo": {"<|src|>": 0.9}})
    seen: list[list[list[bool]]] = []
    plain = eval.answerers.free_and_forced.token_log_probs

    def watched(model: object, rows: list, batch: int, own: list[list[bool]]) -> list:
        seen.append(own)
        assert [len(marks) for marks in own] == [len(prompt) + len(said) - 1 for prompt, said in rows]
        return plain(model, rows, batch, own)

    monkeypatch.setattr(eval.answerers.free_and_forced, "token_log_probs", watched)
    free_and_forced(answerer, ASKED[:1])
    assert [marks[-2:] for marks in seen[0]] == [[False, True]] * 2 and sum(seen[0][0]) == 1
