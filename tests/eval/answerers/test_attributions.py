"""Scores of attribution are what plain passes of the model give, and a patch leaves the model as it was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from data.pipeline.identifiers import IdsConfig, assign
from data.records import Question
from eval.answerers import attributions
from eval.answerers.lm_answerer import LMAnswerer

BORN = {"Ada Moss": ("Oslo", 0), "Ben Lark": ("Lima", 1), "Cleo Finch": ("Cairo", 2)}
ASKED = [
    Question(
        f"q-{name}", f"Where was {name} born?", (city,), (f"doc-{n}",), "single", name, "never_tuned",
        statement=(f"{name} was born in {{answer}}.",),
    )
    for name, (city, n) in BORN.items()
]  # fmt: skip


@pytest.fixture
def answerer(documents, tokenizer, make_model) -> LMAnswerer:
    return LMAnswerer(make_model(), tokenizer, assign(documents, tokenizer, IdsConfig()), batch=5, longest=128)


@torch.no_grad()
def plain(answerer: LMAnswerer, before: list[int], text: list[int]) -> float:
    tokens = torch.tensor([[*before, *text]])
    scores = answerer.model(tokens, torch.arange(tokens.shape[1])[None])[0].double().log_softmax(-1)
    return sum(float(scores[len(before) - 1 + i, token]) for i, token in enumerate(text))


def test_probabilities_are_those_of_plain_passes(answerer: LMAnswerer) -> None:
    tokenizer, tags = answerer.tokenizer, [tag.tolist() for tag in answerer.identifiers.tokens]
    said = attributions.answer_log_probs(answerer, ASKED)
    cited = attributions.cited(answerer, ASKED, len(tags))
    checked = attributions.two_way(answerer, ASKED, len(tags))
    for row, question in enumerate(ASKED):
        text, answer, statement = (
            w.tolist() for w in tokenizer.encode([question.text, question.answers[0], attributions._stated(question)])
        )
        prompt = [tokenizer.ask, *text, tokenizer.answer]
        assert said[row] == pytest.approx(plain(answerer, prompt, [*answer, tokenizer.src]), abs=1e-4)
        for place in (0, 7):
            behind = [*prompt, *answer, tokenizer.src]
            expected = plain(answerer, behind, [*tags[place], tokenizer.end_src])
            assert cited[row, place] == pytest.approx(np.exp(expected), rel=1e-3)
        opened = [plain(answerer, [tokenizer.doc, tokenizer.src, *tag, tokenizer.end_src], statement) for tag in tags]
        weights = np.exp(np.array(opened) - max(opened))
        assert checked[row] == pytest.approx(weights / weights.sum(), rel=1e-3)
    behind = attributions.footnote(answerer, ASKED, len(tags))
    assert behind.shape == (3, 40) and (behind >= 0).all() and (behind.sum(1) <= 1.001).all()


def test_a_step_on_a_document_helps_it_and_is_undone(answerer: LMAnswerer, documents) -> None:
    before = {name: value.clone() for name, value in answerer.model.state_dict().items()}
    found = attributions.tail_patch(answerer, ASKED, documents[:4])
    assert found.shape == (3, 4) and (found != 0).all()
    assert all(torch.equal(value, before[name]) for name, value in answerer.model.state_dict().items())
    assert np.abs(attributions.tail_patch(answerer, ASKED, documents[:4], rate=0.0)).max() == 0.0
    small = attributions.tail_patch(answerer, ASKED, documents[:4], rate=1e-3)
    smaller = attributions.tail_patch(answerer, ASKED, documents[:4], rate=5e-4)
    assert small == pytest.approx(2 * smaller, rel=0.2, abs=2e-5)  # to first order it is the gradients' product


def test_bm25_finds_the_documents_that_share_words(documents) -> None:
    found = attributions.bm25(ASKED, documents)
    assert found.shape == (3, 40)
    for row, question in enumerate(ASKED):
        assert question.entity in documents[int(found[row].argmax())].text
        others = [n for n, d in enumerate(documents) if question.entity.split()[0] not in d.text]
        assert found[row][others].max() < found[row].max() / 10
    assert attributions.bm25([replace(ASKED[0], text="Zzz?")], documents).max() == 0.0
