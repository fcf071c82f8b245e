"""Marks of who wrote what: nothing until they are trained, one vector then; read back, written and packed alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from data.pipeline.packing import collate
from data.pipeline.sample import ANSWER, QUESTION, Part, Sample
from eval.answerers.likelihoods import token_log_probs
from model.attention import training_mask
from model.generate import Context, beam_search, generate, pad_left, read, read_on
from model.hf import load_model, save_model
from model.transformer import Transformer
from train.config import OptimizerConfig
from train.objectives import look, named
from train.optim.optimizer import build_optimizer

Make = Callable[..., Transformer]
TOKENS = torch.tensor([[50, 51, 52, 53, 54], [60, 61, 62, 63, 64]])
OWN = torch.tensor([[False, False, True, True, False], [False] * 5])
POSITIONS = torch.arange(5).expand(2, 5)
CPU, END = torch.device("cpu"), 6


def marked(model: Transformer) -> Transformer:
    """With a mark that says something."""
    model.mark_authors()
    assert model.authors is not None
    with torch.no_grad():
        model.authors.embed_author.weight[1] = torch.randn(32, generator=torch.Generator().manual_seed(5))
    return model


def hidden(model: Transformer, own: torch.Tensor | None) -> torch.Tensor:
    with torch.no_grad():
        return model.hidden(TOKENS, POSITIONS, own=own)


def test_untrained_marks_change_nothing_and_no_marks_hear_nothing(make_model: Make) -> None:
    plain = make_model()
    before = hidden(plain, None)
    assert torch.equal(hidden(plain, OWN), before)
    plain.mark_authors()
    assert torch.equal(hidden(plain, OWN), before)


def test_what_follows_own_words_alone_is_read_otherwise(make_model: Make) -> None:
    model = marked(make_model())
    world, own = hidden(model, torch.zeros_like(OWN)), hidden(model, OWN)
    assert torch.equal(world, hidden(make_model(), None)) and torch.equal(own[1], world[1])
    assert torch.equal(own[0, :2], world[0, :2]) and (own[0, 2:] != world[0, 2:]).any(-1).all()


def test_the_mark_is_added_to_the_embedding(make_model: Make) -> None:
    model = marked(make_model())
    assert model.authors is not None
    x = model.embed_tokens(TOKENS) + model.authors.embed_author.weight[1] * OWN[..., None]
    with torch.no_grad():
        torch.testing.assert_close(model._trunk(x, POSITIONS, None, None), hidden(model, OWN))


def test_what_it_generates_it_reads_as_its_own(make_model: Make) -> None:
    model = marked(make_model())
    context = Context.empty(model, 2)
    logits = read_on(model, context, *pad_left([[50, 51], [60]], CPU))
    written = generate(model, context, logits, [END], 5)
    for prompt, tokens, scores in zip([[50, 51], [60]], written.tokens, written.log_probs, strict=True):
        own = [[False] * len(prompt) + [True] * len(tokens[:-1])]
        (again,) = token_log_probs(model, [([*prompt, *tokens[:-1]], tokens[-1:])], own=own)
        assert scores[len(tokens) - 1] == pytest.approx(again[0], abs=1e-4)
        (unmarked,) = token_log_probs(model, [([*prompt, *tokens[:-1]], tokens[-1:])])
        assert abs(unmarked[0] - again[0]) > 1e-3


def test_beams_are_its_own_words_too(make_model: Make) -> None:
    model = marked(make_model())
    context = Context.empty(model, 1)
    logits = read_on(model, context, *pad_left([[50, 51]], CPU))
    (beams,) = beam_search(model, context, logits, range(100, 105), 4, 8)
    tokens, score = next(one for one in beams if len(one[0]) > 1)  # stop tokens alone follow no word of its own
    whole = [50, 51, *tokens]
    own = torch.tensor([[False, False, *[True] * len(tokens)]])
    read_at_once = read(model, Context.empty(model, 1), *pad_left([whole], CPU), own)[0].log_softmax(-1)
    assert score == pytest.approx(sum(float(read_at_once[1 + i, t]) for i, t in enumerate(tokens)), abs=1e-4)


def packed():
    parts = [
        Part((4, 50, 51), QUESTION, learn=False, span=0),
        Part((52, 53), ANSWER, span=0, own=True),
        Part((END,), ANSWER, span=0),
    ]
    other = [part._replace(own=False) for part in parts]
    return collate([[Sample(parts, 5)], [Sample(other, 5)]], 8, 0)


def test_parts_carry_the_mark_into_batches() -> None:
    batch = packed()
    assert batch.own.dtype == torch.bool
    assert batch.own.tolist() == [[False, False, False, True, True, False, False, False], [False] * 8]


def test_training_reads_the_marks_and_learns_e_self_alone(make_model: Make) -> None:
    model, batch = marked(make_model()), packed()
    nll = look(named("next_token"), model, batch, None, 0).nll
    mask = training_mask(batch.doc, batch.span, batch.note)
    with torch.no_grad():
        wanted = model.hidden(batch.tokens, batch.positions, mask, own=batch.own)
        logits = model.lm_head(wanted).log_softmax(-1)
    assert float(nll.detach()[0, 4]) == pytest.approx(-float(logits[0, 4, END]), abs=1e-4)
    assert not torch.equal(nll[0], nll[1])
    nll.sum().backward()
    assert model.authors is not None
    gradient = model.authors.embed_author.weight.grad
    assert gradient is not None and gradient[1].any() and not gradient[0].any()


def test_the_mark_goes_to_adamw(make_model: Make) -> None:
    model = marked(make_model())
    assert model.authors is not None
    optimizer = build_optimizer(model, OptimizerConfig(name="muon"), torch.float32)
    in_muon = {id(p) for p in optimizer.param_groups[0]["params"]}
    assert id(model.authors.embed_author.weight) not in in_muon


def test_it_is_kept_and_transformers_refuses_it(make_model: Make, tmp_path: Path) -> None:
    model = marked(make_model())
    save_model(model, tmp_path, longest=128, end=END)
    again = load_model(tmp_path).eval()
    assert again.authors is not None and again.surprisal is None and again.config == model.config
    assert torch.equal(hidden(again, OWN), hidden(model, OWN))
    with pytest.raises(ValueError, match="whence_authors"):
        AutoModelForCausalLM.from_pretrained(tmp_path)


def test_log_probabilities_of_padded_rows_are_marked_where_they_stand(make_model: Make) -> None:
    model = marked(make_model())
    rows = [([50, 51, 52], [53, 54]), ([60], [61])]
    own = [[False, True, True], [True]]
    together = token_log_probs(model, rows, own=own)
    for row, marks, scores in zip(rows, own, together, strict=True):
        (alone,) = token_log_probs(model, [row], own=[marks])
        np.testing.assert_allclose(alone, scores, atol=1e-4)
    (unmarked,) = token_log_probs(model, rows[:1])
    assert np.abs(unmarked - together[0]).max() > 1e-3
