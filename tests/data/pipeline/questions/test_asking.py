"""The way back: a question is learnt from its sentence and answer, and read back as it was."""

from __future__ import annotations

import numpy as np
import pytest

from data.pipeline.questions.asking import Asking, AskingConfig, Askings
from data.pipeline.sample import IGNORE
from data.pipeline.tokenizer import Tokenizer
from data.record_parts import Evidence
from data.records import Question

BORN = Question(
    "q", "Where was Ada Moss born?", ("Oslo", "in Norway"), ("doc-1",), "single", "", "tune",
    evidence=(Evidence("doc-1", "Ada Moss was born in Oslo."),),
)  # fmt: skip
BARE = Question("r", "Who?", ("Ada",), ("doc-1",), "single", "", "tune")


def test_what_is_learnt_is_the_question(tokenizer: Tokenizer) -> None:
    form = Asking(tokenizer)
    sentence, answer, text = tokenizer.encode(["Ada Moss was born in Oslo.", "Oslo", BORN.text])
    sample = form.sample(sentence, answer, text)
    assert sample.tokens.tolist() == [*form.prompt(sentence, answer), *text.tolist(), form.end]
    assert form.parse(text.tolist()) == BORN.text
    for broken in ([], [tokenizer.ask], [600, tokenizer.src]):
        assert form.parse(broken) == ""
    scored = form.scored(sentence, answer, text)
    assert np.array_equal(scored.tokens, sample.tokens)
    for learnt in (sample.targets, scored.targets):
        assert learnt[learnt != IGNORE].tolist() == [*text.tolist(), form.end]


def test_only_answers_that_stand_in_their_evidence_are_asked_for(tokenizer: Tokenizer) -> None:
    askings = Askings([BORN, BARE], tokenizer, AskingConfig(fraction=0.999999), 256)
    assert len(askings.samples) == 1  # "in Norway" does not stand there, and the other has no evidence
    assert askings.draw(3) is askings.samples[0]
    assert not Askings([BORN], tokenizer, AskingConfig(fraction=0.5), 10).samples  # no room


@pytest.mark.parametrize("fraction", [0.0, 0.3])
def test_the_share_is_the_one_asked_for(tokenizer: Tokenizer, fraction: float) -> None:
    askings = Askings([BORN], tokenizer, AskingConfig(fraction=fraction), 256)
    assert np.mean([askings.draw(key) is not None for key in range(3000)]) == pytest.approx(fraction, abs=0.03)
