"""What is said to a question in a terminal: answer, confidence, source, and which documents say otherwise."""

import io
import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from data.pipeline.feedback import control_tokens
from data.pipeline.identifiers import Identifiers, IdsConfig, assign
from data.pipeline.tokenizer import Tokenizer
from data.records import Citation, Document, Prediction, Question
from eval import ask
from eval.answerers.lm_answerer import LMAnswerer
from eval.answerers.writers.question_templates import QuestionTemplates
from eval.ask import conditioned, describe, to_json
from eval.grading.outcomes import Case
from eval.load import Run
from model.inputs.guidance import Guidance
from tests.conftest import random_model

HELD = {f"d{n}": [Document(f"d{n}", ((f"Ada was born in {place}.",),))] for n, place in enumerate(("Oslo", "Lima"))}
RUN = Run(cast(Any, None), HELD, Identifiers((), []), QuestionTemplates({}), {}, cast(Any, None), Path())


def rival(answer: str, source: str, said: float) -> Prediction:
    return Prediction("q", "answered", answer, (Citation(source, 0.5),), signals={"lp_asserted": math.log(said)})


def answered(*rivals: Prediction, outcome: str = "answered") -> Prediction:
    return Prediction("q", outcome, "Oslo", (Citation("d0", 0.75), Citation("d1", 0.01)), 0.9, rivals=rivals)


def test_an_answer_comes_with_confidence_source_and_its_text() -> None:
    lines = describe(RUN, answered(), answered(), "selected").splitlines()
    assert lines == [
        "Oslo  (confidence 0.90, completed, checked, selected)",
        "  source  d0  (probability 0.750)",
        "          Ada was born in Oslo.",
        "  else    d1",
    ]


def test_the_evidence_that_was_written_stands_before_the_source() -> None:
    free = replace(answered(), evidence="Ada was born in Oslo, they say.")
    assert describe(RUN, free, free, "").splitlines()[1:3] == [
        '  since   "Ada was born in Oslo, they say."',
        "  source  d0  (probability 0.750)",
    ]


def test_documents_that_say_otherwise_are_named_where_they_likely_do() -> None:
    free = answered(rival("Lima", "d1", 0.51), rival("Quito", "d1", 0.49), Prediction("q", "answered", "Rome"))
    said = describe(RUN, free, free, "selected")
    assert [line for line in said.splitlines() if "against" in line] == ["  against d1, which says Lima"]


@pytest.mark.parametrize(
    ("outcome", "begins"),
    [
        ("abstained", "I do not know."),
        ("false_premise", "The question presupposes what I was not told."),
        ("no_source", "Oslo"),
    ],
)
def test_what_is_not_answered_names_no_source(outcome: str, begins: str) -> None:
    said = describe(RUN, answered(rival("Lima", "d1", 0.9), outcome=outcome), answered(), "selected")
    assert said.startswith(begins) and "d0" not in said and "d1" not in said
    assert ('withheld: "Oslo"' in said) == (outcome != "no_source")


ASKED = Question(
    "asked", "Where is Ada from?", (), (), "absent_entity", "", "never_tuned", statement=("Ada was born in {answer}.",)
)


def test_json_says_the_same_on_one_line() -> None:
    said = to_json(RUN, Case(ASKED, answered(), answered()), "selected")
    assert "\n" not in said
    assert json.loads(said) == {
        "question": "Where is Ada from?",
        "answer": "Oslo",
        "abstained": False,
        "outcome": "answered",
        "confidence": 0.9,
        "citations": [{"id": "d0", "probability": 0.75}, {"id": "d1", "probability": 0.01}],
        "source_text": "Ada was born in Oslo.",
        "statement": "Ada was born in Oslo.",
        "withheld": None,
    }


@pytest.mark.parametrize("outcome", ["abstained", "false_premise", "no_source", "unparseable"])
def test_json_names_no_source_where_prose_names_none(outcome: str) -> None:
    found = json.loads(to_json(RUN, Case(ASKED, answered(), answered(outcome=outcome)), "selected"))
    withheld = outcome in ("abstained", "false_premise")
    assert (found["outcome"], found["abstained"]) == (outcome, withheld)
    assert (found["citations"], found["source_text"]) == ([], None)
    assert found["answer"] == ("Oslo" if outcome == "no_source" else None)
    assert found["withheld"] == ("Oslo" if withheld else None)


def test_json_has_null_for_what_is_not_known() -> None:
    found = json.loads(to_json(RUN, Case(replace(ASKED, statement=()), answered(), answered()), ""))
    assert (found["statement"], found["confidence"]) == (None, None)


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that reads at most ten words."""

    def said(run: Run, text: str, policy: str) -> str:
        if len(text.split()) > 10:
            raise ValueError("a text of 11 tokens is more than the 10 that the model reads")
        return f"Oslo, to {text}"

    monkeypatch.setattr("eval.load.load_run", lambda folder: RUN)
    monkeypatch.setattr(ask, "answer", said)


def test_a_question_that_cannot_be_read_is_named_and_a_prompt_goes_on(
    answering: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("where? " * 11 + "\nwho?\n"))
    ask.main({"run": "r"}, [])
    shown = capsys.readouterr()
    assert "Oslo, to who?" in shown.out and shown.err.startswith("error: a text of 11 tokens")
    with pytest.raises(ValueError, match=r'^question "where\? where\? .*\[\.\.\.\]": a text of 11 tokens'):
        ask.main({"run": "r"}, ["where? " * 11])


def test_guidance_is_from_one_token_to_the_other(answering: None) -> None:
    with pytest.raises(ValueError, match="say which with given=hi or given=lo"):
        ask.main({"run": "r", "guidance": "2"}, ["who?"])
    with pytest.raises(ValueError, match="guidance=-1 is not a number of 0 or more"):
        ask.main({"run": "r", "given": "hi", "guidance": "-1"}, ["who?"])


def test_an_empty_question_is_refused(answering: None) -> None:
    with pytest.raises(ValueError, match="a question is empty"):
        ask.main({"run": "r"}, ["who?", " "])


def test_help_and_wrong_arguments_wait_for_nothing_heavy() -> None:
    code = "import sys, eval.ask, eval.cite, configs.schema, run; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0


def test_what_answers_without_a_compiled_model_does_not_import_the_compiler() -> None:
    code = "import sys, eval.load, eval.answerers.bits_per_byte; sys.exit('torch._dynamo' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0


def test_a_control_token_stands_behind_the_opening_of_a_question(
    tokenizer: Tokenizer, documents: list[Document]
) -> None:
    answerer = LMAnswerer(random_model(), tokenizer, assign(documents, tokenizer, IdsConfig()))
    run = replace(RUN, answerer=answerer, made=cast(Any, SimpleNamespace(controlled=True)))
    (text,) = tokenizer.encode(["Where was Ada born?"])
    low, high = control_tokens(tokenizer)
    for given, mark in (("lo", low), ("hi", high)):
        asked = conditioned(run, given).answerer
        assert asked.name == f"whence_{given}"
        assert asked.prompt(text) == [tokenizer.ask, mark, *text, tokenizer.answer]
        assert asked.model is answerer.model
        guided = conditioned(run, given, 2.0).answerer
        assert guided.prompt(text) == asked.prompt(text)
        assert guided.model.guidance == Guidance(mark, low + high - mark, 2.0)
    assert answerer.name == "whence" and answerer.prompt(text) == [tokenizer.ask, *text, tokenizer.answer]
    with pytest.raises(ValueError, match="given=mid is not one of lo, hi"):
        conditioned(run, "mid")
    with pytest.raises(ValueError, match="trained without control tokens"):
        conditioned(replace(run, made=cast(Any, SimpleNamespace(controlled=False))), "hi")
