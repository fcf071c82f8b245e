"""Guidance: the equation of logits, on every way of reading and writing, and nothing between two of the same."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.generate import Context, beam_search, generate, rank_constrained, read, read_on
from model.inputs.guidance import Guidance
from model.transformer import Transformer
from model.trie import Trie
from tests.conftest import random_model

Make = Callable[..., Transformer]
GOOD, BAD, END, OPEN = 7, 8, 6, 5
PROMPT, INSTEAD = (
    torch.tensor([[1, GOOD, 40, 41], [1, GOOD, 50, 51]]),
    torch.tensor([[1, BAD, 40, 41], [1, BAD, 50, 51]]),
)
MORE = torch.tensor([[60, GOOD, 61], [62, 63, GOOD]])  # not of the prompt any more: read as it is
MODEL = random_model()


def reading(model: Transformer, *texts: torch.Tensor) -> tuple[Context, torch.Tensor]:
    """What is read one after the other, and the logits (B, T, V) of the last of it."""
    context = Context.empty(model, len(texts[0]))
    for text in texts:
        logits = read(model, context, text, torch.ones_like(text, dtype=torch.bool))
    return context, logits


def expected(weight: float, *more: torch.Tensor) -> torch.Tensor:
    (_, towards), (_, away) = reading(MODEL, PROMPT, *more), reading(MODEL, INSTEAD, *more)
    return away + weight * (towards - away)


@settings(max_examples=15, deadline=None)
@given(st.floats(0, 4))
def test_logits_are_those_of_the_equation_and_only_the_prompt_is_read_otherwise(weight: float) -> None:
    guided = MODEL.guided(Guidance(GOOD, BAD, weight))
    for more in ((), (MORE,)):
        assert torch.allclose(reading(guided, PROMPT, *more)[1], expected(weight, *more), atol=1e-4)
    positions = torch.arange(4).expand(2, 4)
    with torch.no_grad():
        assert torch.allclose(guided(PROMPT, positions), expected(weight), atol=1e-4)  # without a cache


def test_between_two_of_the_same_nothing_is_guided(make_model: Make) -> None:
    plain = make_model()
    guided = plain.guided(Guidance(GOOD, GOOD, 3.0))
    assert torch.allclose(reading(guided, PROMPT, MORE)[1], reading(plain, PROMPT, MORE)[1], atol=1e-5)
    assert plain.guidance is None


@pytest.mark.parametrize("way", ["select", "branch"])
def test_both_readings_are_carried_on(way: str) -> None:
    guided = MODEL.guided(Guidance(GOOD, BAD, 2.0))
    context, _ = reading(guided, PROMPT)
    rows = torch.tensor([1, 0, 1])
    onward, following = (context.select(rows), MORE[rows]) if way == "select" else (context.branch(), MORE)
    found = read(guided, onward, following, torch.ones_like(following, dtype=torch.bool))
    wanted = expected(2.0, MORE)[rows] if way == "select" else expected(2.0, MORE)
    assert torch.allclose(found, wanted, atol=1e-4)
    again = read_on(guided, context, MORE, torch.ones_like(MORE, dtype=torch.bool))  # the branch left it as it was
    assert torch.allclose(again, expected(2.0, MORE)[:, -1], atol=1e-4)


def test_what_is_written_and_cited_is_what_the_mixed_logits_say() -> None:
    guided = MODEL.guided(Guidance(GOOD, BAD, 3.0))
    context, logits = reading(guided, PROMPT)
    written = generate(guided, context.branch(), logits[:, -1], [END], 4)
    beams = beam_search(guided, context.branch(), logits[:, -1], [END], 2, 3)
    trie = Trie.build([[20, 21], [20, 22], [23, 24]], END)
    cited = rank_constrained(guided, context, OPEN, trie, END, 3)
    for row in range(2):
        said = torch.tensor([written.tokens[row]])
        text = torch.cat((PROMPT[row : row + 1], said), 1)
        towards = reading(MODEL, text)[1]
        away = reading(MODEL, torch.where(text == GOOD, BAD, text))[1]
        mixed = (away + 3 * (towards - away)).log_softmax(-1)[0]
        assert mixed[3:-1].argmax(-1).tolist() == said[0].tolist()
        assert sum(written.log_probs[row][:4]) == pytest.approx(
            float(mixed[3:-1].gather(1, said.T).sum()), abs=1e-3
        )  # of the tokens, none of which is the stop
        for tokens, score in beams[row]:
            assert score == pytest.approx(_score(row, tokens), abs=1e-3)
        for index, score in cited[row]:
            codes = [[20, 21], [20, 22], [23, 24]][index]
            assert score == pytest.approx(_score(row, [*codes, END], after=[OPEN]), abs=1e-3)


def _score(row: int, tokens: list[int], after: list[int] | None = None) -> float:
    """The log-probability of tokens behind a prompt, under the equation with a weight of 3."""
    text = torch.tensor([[*PROMPT[row].tolist(), *(after or []), *tokens]])
    towards, away = reading(MODEL, text)[1], reading(MODEL, torch.where(text == GOOD, BAD, text))[1]
    mixed = (away + 3 * (towards - away)).log_softmax(-1)[0, -len(tokens) - 1 : -1]
    return float(mixed.gather(1, torch.tensor([tokens]).T).sum())
