"""Of every answer format: what is trained on is what is read back, and nobody else spells the marks of an answer."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from composing import composed, said_of

from data.pipeline.answer_format import FORMATS
from data.pipeline.sample import IGNORE
from data.pipeline.tokenizer import Tokenizer
from stages import Stage
from steps.train import pretrain, sft

ROOT = Path(__file__).parents[3]
TEXT, ANSWER, ID = (np.array(tokens, dtype=np.int32) for tokens in ([600, 601], [602], [90, 91]))


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_trained_on_begins_with_the_prompt_and_parses_as_what_it_is(name: str, tokenizer: Tokenizer) -> None:
    form = FORMATS[name](tokenizer)
    samples = {
        "answered": form.answered(TEXT, ANSWER, ID),
        "no_source": form.answered(TEXT, ANSWER, None),
        "abstained": form.refusal(TEXT, "abstained"),
        "false_premise": form.refusal(TEXT, "false_premise"),
    }
    prompt = form.prompt(TEXT)
    for outcome, sample in samples.items():
        tokens = sample.tokens.tolist()
        assert tokens[: len(prompt)] == prompt
        assert [t for t in sample.targets.tolist() if t != IGNORE] == tokens[len(prompt) :], outcome
        said = tokens[len(prompt) :]
        at = next(place for place, token in enumerate(said) if token in form.stops)
        assert form.parse(said[:at], said[at]) == outcome
    assert form.turn(TEXT, ANSWER, ID) == samples["answered"].tokens.tolist()
    assert form.parse(ANSWER.tolist(), None) == form.parse([], form.opening) == "unparseable"
    assert form.parse(ANSWER.tolist(), tokenizer.idk) == form.parse([tokenizer.ask], form.opening) == "unparseable"


def test_nothing_else_spells_the_marks_of_an_answer() -> None:
    spelled = re.compile(r"tokenizer\.(ask|answer|idk|false)\b")
    wrong = [
        str(path.relative_to(ROOT))
        for room in ("data", "eval", "train", "steps", "bench", "model")
        for path in (ROOT / room).rglob("*.py")
        if spelled.search(path.read_text(encoding="utf-8")) and path.name not in ("answer_format.py", "rewriting.py")
    ]
    assert not wrong


def test_a_format_is_chosen_by_name_and_remakes_the_stages_that_saw_an_answer(tmp_path: Path) -> None:
    assert said_of("answer_format=rhyme") == "answer_format=rhyme: must be direct"
    keys = {}
    for asked in ("0", "0.3"):
        for form in ("direct", "other"):
            config = composed(f"stages_dir={tmp_path}", f"run_dir={tmp_path}/run", f"pretrain.qa_fraction={asked}")
            config.answer_format = form
            keys[asked, form] = _keys(config, tmp_path)
    without, other = keys["0", "direct"], keys["0", "other"]
    assert without[0] == other[0]
    assert without[1] != other[1]
    assert keys["0.3", "direct"][0] != keys["0.3", "other"][0]


def _keys(config, folder: Path) -> tuple[str, str]:
    """The keys of pretraining and tuning, without doing either."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("steps.train.announced", lambda *_: None)
        before = Stage("prepare", {}, folder)
        pretrained = pretrain(config, before)
        return pretrained.key, sft(config, before, pretrained).key
