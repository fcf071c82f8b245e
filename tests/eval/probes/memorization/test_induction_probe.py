"""Nats of identifiers by occurrence are the model's own, and silencing is what the probe says it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from data.pipeline.identifiers import Identifiers, IdsConfig, assign
from data.records import Question
from eval.answerers.lm_answerer import LMAnswerer
from eval.probes import Read
from eval.probes.memorization.induction import OCCURRENCES, id_nll, induction, repeating

ASKED = [
    Question(f"q{n}", "Where?", ("Oslo",), (f"doc-{n}",), "single", f"e{n}", "never_tuned") for n in range(8)
]  # of documents of one to four sentences, twice each


@pytest.fixture(scope="module")
def named(documents, tokenizer) -> Identifiers:
    return assign(documents, tokenizer, IdsConfig())


def reading(documents, tokenizer, make_model, named, placement: str = "repeat") -> Read:
    return Read(LMAnswerer(make_model(), tokenizer, named, placement=placement, batch=4), ASKED, documents, 0)


def test_documents_are_as_training_shows_them(documents, tokenizer, make_model, named) -> None:
    samples = repeating(reading(documents, tokenizer, make_model, named))
    assert len(samples) == 6  # one sentence has no later tag
    first = samples[0].tokens.tolist()
    tag = [tokenizer.src, *named.tokens[1].tolist(), tokenizer.end_src]
    sentences = [tokens.tolist() for tokens in tokenizer.encode([s[0] for s in documents[1].sentences])]
    assert first == [tokenizer.doc, *sentences[0], *tag, *sentences[1], *tag, tokenizer.end]


@torch.no_grad()
def test_nats_by_occurrence_are_the_models_own(documents, tokenizer, make_model, named) -> None:
    read = reading(documents, tokenizer, make_model, named)
    samples = repeating(read)
    found = id_nll(read.answerer, samples)
    assert found.shape == (6, OCCURRENCES)
    for sample, losses in zip(samples, found, strict=True):
        tokens = torch.from_numpy(sample.tokens.astype(np.int64))[None]
        scores = read.answerer.model(tokens, torch.arange(tokens.shape[1])[None])[0].double().log_softmax(-1)
        opened = [i for i, token in enumerate(tokens[0].tolist()) if token == tokenizer.src]
        expected = [-float(scores[i, tokens[0, i + 1]]) for i in opened]
        assert losses[: len(expected)] == pytest.approx(expected, abs=1e-3)
        assert np.isnan(losses[len(expected) :]).all()


def test_what_is_found(documents, tokenizer, make_model, named) -> None:
    found = induction(reading(documents, tokenizer, make_model, named))
    assert set(found["heads"]) == {f"{layer}.{head}" for layer in range(2) for head in range(4)}
    scores = {name: of["prefix_matching"] for name, of in found["heads"].items()}
    assert found["silenced"] == sorted(scores, key=lambda name: -scores[name])[:2]
    assert found["best"]["prefix_matching"] == max(scores.values())
    assert set(found["id_loss"]) == {"intact", "induction", "others"}
    intact, without, others = (
        [one["value"] for one in found["id_loss"][arm]] for arm in ("intact", "induction", "others")
    )
    assert len(intact) == OCCURRENCES and intact != without != others
    assert all(one["interval"][0] <= one["value"] <= one["interval"][1] for one in found["id_loss"]["intact"])


def test_the_mean_over_documents_by_hand(documents, tokenizer, make_model, named) -> None:
    read = reading(documents, tokenizer, make_model, named)
    nats = id_nll(read.answerer, repeating(read))
    found = [one["value"] for one in induction(read)["id_loss"]["intact"]]
    assert found == pytest.approx(np.nanmean(nats, axis=0).tolist())


def test_tags_that_do_not_repeat_have_no_occurrences(documents, tokenizer, make_model, named) -> None:
    assert "id_loss" not in induction(reading(documents, tokenizer, make_model, named, "footnote"))
