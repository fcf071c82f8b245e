"""The loss against plain float64; nothing is changed at first, and right answers become likelier than wrong ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from data.records import Prediction, Question
from eval.answerers.likelihoods import token_log_probs
from eval.signals import litcab
from eval.signals.litcab import DECAY, MARGIN, Read, add_litcab, fit, loss, nll, read


def rows(seed: int, sizes: tuple[int, ...], words: int = 7, width: int = 4) -> Read:
    generator = torch.Generator().manual_seed(seed)
    total = sum(sizes)
    tokens = torch.randint(words, (total,), generator=generator)
    answer = torch.tensor([n for n, size in enumerate(sizes) for _ in range(size)])
    return Read(torch.randn(total, width, generator=generator), tokens, answer)


def reference(head: np.ndarray, layer: np.ndarray, right: Read, wrong: Read) -> float:
    def means(part: Read) -> np.ndarray:
        scores = log_softmax(part.hidden.double().numpy() @ (head + layer).T, axis=1)
        each = -scores[np.arange(len(scores)), part.tokens.numpy()]
        answer = part.answer.numpy()
        return np.array([each[answer == n].mean() for n in range(answer.max() + 1)])

    pushed = means(wrong)
    push = sum(value for value in pushed if value < MARGIN) / len(pushed)
    return means(right).mean() - push + DECAY * float(np.sqrt((layer**2).sum() + 1e-12))


@pytest.mark.parametrize("scale", [0.0, 0.5, 3.0])
def test_the_loss_is_the_float64_one(scale: float) -> None:
    generator = torch.Generator().manual_seed(1)
    head, layer = (torch.randn(7, 4, generator=generator) for _ in range(2))
    right, wrong = rows(2, (2, 1, 3)), rows(3, (1, 4))
    expected = reference(head.double().numpy(), scale * layer.double().numpy(), right, wrong)
    assert float(loss(head, scale * layer, right, wrong)) == pytest.approx(expected, rel=1e-5)


def test_a_wrong_answer_beyond_the_margin_is_pushed_no_further() -> None:
    head, wrong = torch.zeros(7, 4), rows(3, (2,))
    far = torch.zeros(7, 4)
    hidden = wrong._replace(hidden=torch.ones(2, 4))
    far[hidden.tokens] = -10.0  # far less likely than the margin
    before = loss(head, far, rows(2, (1,)), hidden)
    assert float(before) == pytest.approx(
        reference(np.zeros((7, 4)), far.double().numpy(), rows(2, (1,)), hidden), rel=1e-5
    )
    assert float(nll(head, far, hidden).min()) > MARGIN


def test_fitting_parts_right_from_wrong() -> None:
    generator = torch.Generator().manual_seed(1)
    head = torch.randn(7, 4, generator=generator)
    right, wrong = rows(2, (2, 1, 3)), rows(3, (1, 4))
    layer = fit(head, right, wrong)
    none = torch.zeros_like(layer)
    assert loss(head, layer, right, wrong) < loss(head, none, right, wrong) - 0.1
    assert nll(head, layer, right).mean() < nll(head, none, right).mean()
    assert not head.requires_grad and head.grad is None


QUESTIONS = [
    Question("a", "Where was Ada Moss born?", ("Oslo",), ("doc-0",), "single", "Ada Moss", "relabel"),
    Question("b", "Where was Ben Lark born?", ("Lima",), ("doc-1",), "single", "Ben Lark", "never_tuned"),
]
SAID = [Prediction("a", "answered", "Turin", samples=("Oslo", "Cairo")), Prediction("b", "answered", "Quito")]


def test_at_first_nothing_is_changed(answering, make_model, monkeypatch: pytest.MonkeyPatch) -> None:
    answerer = answering(make_model())
    monkeypatch.setattr(litcab, "STEPS", 0)
    found = add_litcab(answerer, QUESTIONS, SAID)
    for question, prediction in zip(QUESTIONS, found, strict=True):
        text, answer = answerer.tokenizer.encode([question.text, prediction.answer or ""])
        (scores,) = token_log_probs(answerer.model, [(answerer.prompt(text), [*answer, answerer.format.opening])])
        assert prediction.signals["litcab"] == pytest.approx(scores.sum(), rel=1e-4)


def test_the_frozen_model_reads_each_token_from_the_state_before_it(answering, make_model) -> None:
    answerer = answering(make_model())
    part = read(answerer, [(q.text, "Oslo Lima") for q in QUESTIONS])
    head = answerer.model.lm_head.weight
    scores = nll(head, torch.zeros_like(head), part)
    assert part.answer.tolist() == sorted(part.answer.tolist()) and len(part.tokens) == len(scores)
    assert part.tokens[part.answer == 0].tolist()[-1] == answerer.format.opening


def test_wrong_answers_get_less_likely_and_without_relabel_nothing_is_fitted(answering, make_model) -> None:
    answerer = answering(make_model())
    (wrong, _) = add_litcab(answerer, QUESTIONS, SAID)
    (right, _) = add_litcab(answerer, QUESTIONS, [Prediction("a", "answered", "Oslo", samples=("Turin",)), SAID[1]])
    assert right.signals["litcab"] > wrong.signals["litcab"]
    assert add_litcab(answerer, QUESTIONS[1:], SAID[1:]) == SAID[1:]
    assert (
        add_litcab(answerer, QUESTIONS, [Prediction("a", "answered", "Oslo"), SAID[1]])[0].signals == {}
    )  # none wrong
