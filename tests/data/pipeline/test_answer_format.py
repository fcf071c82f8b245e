"""Of every answer format: what is trained on is what is read back, and nobody else spells the marks of an answer."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from composing import composed, said_of

from data.pipeline.answer_format import FORMATS
from data.pipeline.placement import PLACEMENTS
from data.pipeline.sample import IGNORE
from data.pipeline.tokenizer import Tokenizer
from model.attention import dense_mask
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
        if form.leads == "source" and outcome in ("answered", "no_source"):  # the source is read before the words
            lead = form.citation(ID) if outcome == "answered" else [tokenizer.nosrc]
            assert said[: len(lead)] == lead
            said, outcome = said[len(lead) :], "answered"
        at = next(place for place, token in enumerate(said) if token in form.stops)
        assert form.parse(said[:at], said[at]) == outcome
    ends = form.stops[0]
    assert form.parse(ANSWER.tolist(), None) == form.parse([], ends) == "unparseable"
    assert form.parse(ANSWER.tolist(), tokenizer.idk) == form.parse([tokenizer.ask], ends) == "unparseable"


def test_evidence_is_a_sentence_whose_footnote_sees_that_sentence_alone(tokenizer: Tokenizer) -> None:
    form = FORMATS["evidence_first"](tokenizer)
    evidence = np.array([610, 611, 612], dtype=np.int32)
    sample = form.answered(TEXT, ANSWER, ID, evidence=evidence)
    words, note = [tokenizer.doc, 610, 611, 612, tokenizer.answer, 602], [tokenizer.src, 90, 91]
    prompt = form.prompt(TEXT)
    assert sample.tokens.tolist() == [
        *prompt, *words[:4], *note, *words[4:], tokenizer.src, 90, 91, tokenizer.end_src, tokenizer.end
    ]  # fmt: skip
    assert sample.note.tolist() == [t in range(8, 11) for t in range(len(sample))]
    # What a document with this sentence is to its footnote, the evidence is to its: the same tokens in the same span.
    place = dense_mask(*(torch.from_numpy(x)[None] for x in (sample.laid.sample, sample.span, sample.note)))[0, 0]
    sees = place[10].nonzero().flatten().tolist()
    assert [sample.tokens.tolist()[i] for i in sees] == [610, 611, 612, *note]
    document = PLACEMENTS["footnote"].followed(tokenizer, evidence, ID)
    assert document.positions[-3:].tolist() == (sample.positions[8:11] - sample.positions[5] + 1).tolist()
    assert sample.targets[8:11].tolist() == [90, 91, tokenizer.end_src]
    # Nothing else sees it, and the text goes on across it.
    assert sample.targets.tolist()[7] == tokenizer.answer and not place[11:, 8:11].any()
    untold = form.answered(TEXT, ANSWER, None, evidence=evidence)
    assert not untold.note.any() and untold.tokens.tolist()[-2:] == [tokenizer.nosrc, tokenizer.end]


def test_a_source_is_recited_before_the_answer(tokenizer: Tokenizer) -> None:
    form = FORMATS["recite"](tokenizer)
    evidence = np.array([610, 611, 612], dtype=np.int32)
    sample = form.answered(TEXT, ANSWER, ID, evidence=evidence)
    prompt, cited = form.prompt(TEXT), [tokenizer.src, 90, 91, tokenizer.end_src]
    recited = [tokenizer.doc, 610, 611, 612, tokenizer.answer]
    assert sample.tokens.tolist() == [*prompt, *cited, *recited, 602, tokenizer.end]
    assert form.led(prompt, evidence, ID) == [*prompt, *cited, *recited]
    assert form.led(prompt, evidence) == [*prompt, *recited]  # of evidence that no document gives
    assert sample.targets.tolist()[len(prompt) - 1 :] == [*sample.tokens.tolist()[len(prompt) :], IGNORE]
    untold = form.answered(TEXT, ANSWER, None, evidence=evidence)
    assert untold.tokens.tolist() == [*prompt, tokenizer.nosrc, *recited, 602, tokenizer.end]


def test_nothing_else_spells_the_marks_of_an_answer() -> None:
    spelled = re.compile(r"tokenizer\.(ask|answer|idk|false)\b")
    wrong = [
        str(path.relative_to(ROOT))
        for room in ("data", "eval", "train", "steps", "bench", "model")
        for path in (ROOT / room).rglob("*.py")
        if spelled.search(path.read_text(encoding="utf-8"))
        and path.name not in ("answer_format.py", "rewriting.py", "asking.py")
    ]
    assert not wrong


def test_a_format_is_chosen_by_name_and_remakes_the_stages_that_saw_an_answer(tmp_path: Path) -> None:
    assert said_of("answer_format=rhyme") == f"answer_format=rhyme: must be one of {', '.join(FORMATS)}"
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
