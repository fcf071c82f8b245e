"""The regression recovers what is linear; surprisal and entropy are those of the text read alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from telling import Answering

from data.records import Document
from eval.answerers.likelihoods import token_log_probs
from eval.answerers.lm_answerer import LMAnswerer
from eval.probes import Read
from eval.probes.uncertainty import surprisal_states as probe
from model.transformer import Transformer


@pytest.fixture(scope="module")
def answerer(answering: Answering, make_model) -> LMAnswerer:
    return answering(make_model())


def test_a_linear_relation_is_found_and_no_other() -> None:
    rng = np.random.default_rng(0)
    states = rng.normal(3, 2, (400, 5))
    values = states @ [1.0, -2.0, 0.0, 0.5, 0.0] + 7
    mean, scale, weights = probe.ridge(states, values, 1e-6)
    np.testing.assert_allclose(np.column_stack([(states - mean) / scale, np.ones(400)]) @ weights, values, atol=1e-6)
    shrunk = probe.ridge(states, values, 1e9)[2]
    np.testing.assert_allclose(shrunk, [0, 0, 0, 0, 0, values.mean()], atol=1e-3)
    tokens = probe._Tokens(np.arange(400) // 4, rng.normal(size=400), rng.normal(size=400), [states])
    held = np.arange(400) >= 200
    fitted = probe.ridge(states[~held], tokens.surprisal[~held], 1.0)
    assert probe._r2(tokens, states, fitted, held)["value"] < 0.05
    exact = probe._Tokens(tokens.row, values, tokens.entropy, [states])
    assert probe._r2(exact, states, (mean, scale, weights), held)["value"] == pytest.approx(1)


def test_values_are_those_of_each_text_alone(answerer: LMAnswerer, make_model) -> None:
    """Fed or not: the surprisal of the first pass, the entropy of the last, the states that the head reads."""
    rows = [[3, 60, 61, 62, 63, 64], [3, 70, 71, 72]]
    fed = make_model()
    fed.feed_back("own")
    with torch.no_grad():
        fed.surprisal.embed_surprisal.weight[1:] = 0.4 * torch.randn(8, 32, generator=torch.Generator().manual_seed(0))
    for model in (answerer.model, fed):
        reader = LMAnswerer(model, answerer.tokenizer, answerer.identifiers)
        found = probe._read(reader, rows, [2, 1])
        assert found.row.tolist() == [0, 0, 0, 0, 1, 1, 1]
        plain = token_log_probs(model.fed_from("off"), [(rows[0][:2], rows[0][2:]), (rows[1][:1], rows[1][1:])])
        np.testing.assert_allclose(found.surprisal, -np.concatenate(plain), atol=1e-4)
        with torch.no_grad():
            logits = model(torch.tensor([rows[1]]), torch.arange(4)[None])[0].double()
            p = logits.softmax(-1)
            np.testing.assert_allclose(found.entropy[4:], -(p * p.log()).sum(-1)[:3].numpy(), atol=1e-4)
            last = model.lm_head(model.norm(torch.tensor(found.states[-1][4:]).float()))
            np.testing.assert_allclose(last.numpy(), logits[1:].numpy(), atol=1e-3)
            assert len(found.states) == model.config.layers + 1


def test_it_finds_all_its_figures(answerer: LMAnswerer, documents: list[Document]) -> None:
    found = probe.surprisal_states(Read(answerer, [], documents, 0))
    assert {f"r2_layer_{n}" for n in range(3)} | {"r2_own", "entropy_own", "entropy_other", "entropy_ratio"} <= set(
        found
    )
    ratio = found["entropy_own"]["value"] / found["entropy_other"]["value"]
    assert found["entropy_ratio"]["value"] == pytest.approx(ratio)
    again = probe.surprisal_states(Read(answerer, [], documents, 0))
    assert again == found
    assert probe.surprisal_states(Read(answerer, [], documents[:2], 0)) == {}


def test_its_own_words_are_surer_where_they_are(telling, documents: list[Document]) -> None:
    """A model that says one word for ever is sure of that word, and of nothing else."""
    said = telling({" Oslo": {" Oslo": 0.99}, ".": {" Oslo": 0.99}})
    rows, begins = [[3, *said.tokenizer.encode(["Oslo Oslo Oslo Oslo"])[0]]], [2]
    assert probe._read(said, rows, begins).entropy.max() < 0.2
    assert isinstance(said.model, Transformer)
