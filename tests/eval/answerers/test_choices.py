"""Choices are scored as they follow their text, in the tokens that each model reads."""

from __future__ import annotations

import pytest
import torch

from data.pipeline.identifiers import IdsConfig, assign
from eval.answerers.choices import LMChooser, split
from eval.answerers.lm_answerer import LMAnswerer
from eval.answerers.prompted.choices import HFChooser
from eval.answerers.prompted.hf import HFModel

SHOT = "Question: Where was Ben Lark born?\nAnswer: Lima\nSource: doc-3"
OPEN = "Question: Where was Ada Moss born?\nAnswer:"


@pytest.fixture
def answerer(documents, tokenizer, make_model) -> LMAnswerer:
    return LMAnswerer(make_model(), tokenizer, assign(documents, tokenizer, IdsConfig()), batch=3, longest=60)


@torch.no_grad()
def plain(model, before: list[int], text: list[int]) -> float:
    tokens = torch.tensor([[*before, *text]])
    scores = model(tokens, torch.arange(tokens.shape[1])[None])[0].double().log_softmax(-1)
    return sum(float(scores[len(before) - 1 + i, token]) for i, token in enumerate(text))


def test_running_text_is_read_as_a_document(answerer: LMAnswerer) -> None:
    (found,) = LMChooser(answerer).log_probs(["Ada Moss was born in"], [[" Oslo.", " Lima."]])
    words = answerer.tokenizer.encode(["Ada Moss was born in", "Oslo.", "Lima."])
    before = [answerer.tokenizer.doc, *words[0].tolist()]
    assert found.tolist() == pytest.approx([plain(answerer.model, before, w.tolist()) for w in words[1:]], abs=1e-4)


def test_questions_are_read_by_their_marks(answerer: LMAnswerer) -> None:
    texts, choices = [f"{SHOT}\n\n{OPEN} Oslo\nSource:", OPEN], [[" doc-0", " doc-7"], [" Oslo"]]
    found = LMChooser(answerer).log_probs(texts, choices)
    tokenizer, form, tags = answerer.tokenizer, answerer.format, answerer.identifiers.tokens
    ben, lima, ada, oslo = (
        w.tolist() for w in tokenizer.encode(["Where was Ben Lark born?", "Lima", "Where was Ada Moss born?", "Oslo"])
    )
    shot = [tokenizer.ask, *ben, tokenizer.answer, *lima, tokenizer.src, *tags[3].tolist(), tokenizer.end_src]
    asked = [tokenizer.ask, *ada, tokenizer.answer]
    said = [[*tags[place].tolist(), tokenizer.end_src] for place in (0, 7)]
    before = [*shot, tokenizer.end, *asked, *oslo, form.opening]
    assert found[0].tolist() == pytest.approx([plain(answerer.model, before, one) for one in said], abs=1e-4)
    assert found[1].tolist() == pytest.approx([plain(answerer.model, asked, oslo)], abs=1e-4)


@pytest.mark.parametrize(
    ("text", "choice", "said"),
    [
        (f"{OPEN} Oslo\nSource:", " doc-99", "'doc-99' is no document"),
        (f"{SHOT.rsplit(' ', 1)[0]}\n\n{OPEN}", " Oslo", "has no source"),
        (f"{OPEN}\nOslo", " x", "is no question with its answer"),
        (SHOT, " x", "leaves nothing open"),
        ("long " * 80, " x", "more than the 60 tokens"),
    ],
)
def test_what_can_not_be_read_is_said(answerer: LMAnswerer, text: str, choice: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        LMChooser(answerer).log_probs([text], [[choice]])


def test_a_joined_token_is_scored_with_the_choice() -> None:
    assert split([1, 2, 3], [1, 2, 3, 4, 5]) == ([1, 2, 3], [4, 5])
    assert split([1, 2, 3], [1, 2, 9, 5]) == ([1, 2], [9, 5])  # 3 and the choice's beginning are one token
    for read, whole in (([1, 2], [1, 2]), ([1], [9])):
        with pytest.raises(ValueError, match="adds no token"):
            split(read, whole)


def test_any_model_of_transformers_is_asked_the_same(foreign_folder) -> None:
    """It has learnt to say Firm 0 and not Firm 3; filling rows up changes nothing."""
    from tests.foreign import SHOTS

    model = HFModel(str(foreign_folder), "cpu")
    texts = [SHOTS.text("Where does Person 0 work?"), SHOTS.text("Where does Person 3 work?")]
    choices = [[" Firm 0", " Firm 3\nSource: doc-99"], [" Firm 0", " Firm 3"]]
    found = HFChooser(model).log_probs(texts, choices)
    assert found[0][0] > found[0][1] and found[1][1] > found[1][0]
    alone = [HFChooser(model, batch=1).log_probs([t], [c])[0] for t, c in zip(texts, choices, strict=True)]
    for one, other in zip(found, alone, strict=True):
        assert one.tolist() == pytest.approx(other.tolist(), abs=1e-4)
    assert HFChooser(model).fits(texts[0], choices[0]) and not HFChooser(model).fits("long " * 5000, [" x"])
