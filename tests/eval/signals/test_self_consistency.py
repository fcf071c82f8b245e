"""Agreement and entropy by hand; samples are drawn as the model's own probabilities say."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch

from data.pipeline.identifiers import IdsConfig, assign
from data.records import Question
from eval.answerers.lm_answerer import LMAnswerer
from eval.grading.agreement import agreement, entropy
from eval.signals.self_consistency import add_samples, draw_samples
from model.generate import Context, generate, pad_left, read_on


def test_agreement_and_entropy_by_hand() -> None:
    samples = ("Oslo", "oslo.", "Lima", "")
    assert agreement(samples, "Oslo") == 0.5
    assert agreement(samples, "Rome") == 0.0
    assert entropy(samples) == pytest.approx(0.5 * math.log(2) + 2 * 0.25 * math.log(4))
    assert entropy(("Oslo",) * 5) == 0.0
    assert entropy(("", "")) == pytest.approx(math.log(2))  # two that are not well formed don't agree


def test_samples_follow_the_distribution(make_model) -> None:
    model = make_model()
    context = Context.empty(model, 1)
    logits = read_on(model, context, *pad_left([[5, 9, 12]], torch.device("cpu")))
    rows, stop = 4000, int(logits.argmax())
    many = generate(
        model,
        context.select(torch.zeros(rows, dtype=torch.long)),
        logits.expand(rows, -1),
        [stop],
        0,
        temperature=0.5,
        generator=torch.Generator().manual_seed(0),
    )
    stopped = np.mean([end == stop for end in many.stops])
    assert stopped == pytest.approx(float((logits / 0.5).softmax(-1)[0, stop]), abs=0.03)
    # With a limit of no token before the stop, a row that did not stop holds none.
    assert not any(many.tokens)


def test_the_same_seed_draws_the_same_and_the_order_of_questions_does_not_matter(
    make_model, tokenizer, documents
) -> None:
    answerer = LMAnswerer(make_model(), tokenizer, assign(documents, tokenizer, IdsConfig()), most=1)
    texts = ("Where was Ada Moss born?", "Where?")
    questions = [Question(t, t, (), (), "absent_entity", "", "never_tuned") for t in texts]
    first, again = (draw_samples(answerer, questions, 6, seed=3) for _ in range(2))
    assert first == again
    assert draw_samples(answerer, questions[::-1], 6, seed=3) == first[::-1]
    assert Counter(map(len, first)) == {6: 2}
    (added, _) = add_samples(answerer, questions, answerer.answer(questions), 6, seed=3)
    assert added.samples == first[0]
    assert added.signals["neg_semantic_entropy"] == -entropy(first[0])
    assert added.signals["agreement"] == agreement(first[0], added.answer or "")
