"""The beam finds what trying everything finds, with the probability of a plain pass, and leaves its context alone."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import pytest
import torch
from telling import forgetful

from model.generate import Context, beam_search, generate, pad_left, read
from model.transformer import Transformer

Make = Callable[..., Transformer]
Found = list[tuple[list[int], float]]
VOCABULARY = 6  # so few that all continuations of three tokens can be tried
TEXTS = [[2, 3, 2], [4], [5, 2, 3, 4, 4, 3, 2], [3, 5]]


@pytest.fixture(scope="module")
def model(make_model: Make) -> Transformer:
    """Sure of itself, so that some long continuations are likelier than short ones."""
    model = make_model(vocab_size=VOCABULARY)
    with torch.no_grad():
        model.norm.weight.mul_(2)
    return model


def reading(model: Transformer, texts: Sequence[Sequence[int]]) -> tuple[Context, torch.Tensor]:
    context = Context.empty(model, len(texts))
    tokens, present = pad_left(texts, torch.device("cpu"))
    return context, read(model, context, tokens, present)[:, -1]


@torch.no_grad()
def next_log_probs(model: Transformer, tokens: Sequence[int]) -> torch.Tensor:
    """Of every token (V,) after `tokens`, read anew."""
    text = torch.tensor([list(tokens)])
    return model(text, torch.arange(text.shape[1])[None])[0, -1].double().log_softmax(-1)


def everything(model: Transformer, text: Sequence[int], stops: Sequence[int], limit: int) -> Found:
    """All continuations that stop after at most `limit` tokens, best first, each with its stop token."""
    words = [token for token in range(VOCABULARY) if token not in stops]
    scores: dict[tuple[int, ...], float] = {(): 0.0}  # without a stop token
    found = []
    for length in range(limit + 1):
        for tokens in itertools.product(words, repeat=length):
            following = next_log_probs(model, [*text, *tokens])
            found += [([*tokens, stop], scores[tokens] + float(following[stop])) for stop in stops]
            scores |= {(*tokens, word): scores[tokens] + float(following[word]) for word in words}
    return sorted(found, key=lambda item: -item[1])


def plain_beam(model: Transformer, text: Sequence[int], stops: Sequence[int], limit: int, width: int) -> Found:
    """A beam of lists, the whole text read anew for each token, always to the end."""
    beams: Found = [([], 0.0)]
    found: Found = []
    for _ in range(limit + 1):
        longer: Found = []
        for tokens, score in beams:
            following = next_log_probs(model, [*text, *tokens])
            found += [([*tokens, stop], score + float(following[stop])) for stop in stops]
            words = [token for token in range(len(following)) if token not in stops]
            longer += [([*tokens, word], score + float(following[word])) for word in words]
        beams = sorted(longer, key=lambda item: -item[1])[:width]
    return sorted(found, key=lambda item: -item[1])[:width]


def assert_same(found: Found, expected: Found) -> None:
    assert [tokens for tokens, _ in found] == [tokens for tokens, _ in expected]
    assert [score for _, score in found] == pytest.approx([score for _, score in expected], abs=1e-4)


@pytest.mark.parametrize(("stops", "count"), [([0], 1 + 5 + 25 + 125), ([0, 1, 0], 2 * (1 + 4 + 16 + 64))])
def test_a_beam_that_holds_everything_is_exact_and_gives_no_more_than_there_is(
    model: Transformer, stops: list[int], count: int
) -> None:
    context, logits = reading(model, TEXTS)
    for text, found in zip(TEXTS, beam_search(model, context, logits, stops, 3, 200), strict=True):
        expected = everything(model, text, sorted(set(stops)), 3)
        assert len(found) == count  # narrower than the beam
        assert [score for _, score in found] == pytest.approx([score for _, score in expected], abs=1e-4)
        # Equally likely ones may change places by a rounding: each is looked up.
        scores = {tuple(tokens): score for tokens, score in expected}
        assert {tuple(tokens) for tokens, _ in found} == set(scores)
        assert [score for _, score in found] == pytest.approx([scores[tuple(t)] for t, _ in found], abs=1e-4)
        # Some long ones are likelier than short ones.
        assert sorted((len(tokens) for tokens, _ in found)) != [len(tokens) for tokens, _ in found]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    ("width", "limit", "stops"), [(1, 6, [0]), (2, 5, [0]), (3, 4, [0, 5]), (7, 3, [1]), (4, 0, [0])]
)
def test_a_narrow_beam_is_a_beam_of_lists(
    make_model: Make, seed: int, width: int, limit: int, stops: list[int]
) -> None:
    model = make_model(seed, vocab_size=VOCABULARY)
    context, logits = reading(model, TEXTS)
    for text, found in zip(TEXTS, beam_search(model, context, logits, stops, limit, width), strict=True):
        assert_same(found, plain_beam(model, text, stops, limit, width))


def test_neighbours_and_padding_change_nothing(make_model: Make) -> None:
    model = make_model(vocab_size=120)
    with torch.no_grad():
        model.norm.weight.mul_(6)
    texts = [[50, 51, 52], [60], [70, 71, 72, 73, 74, 75, 76], [80, 81]]
    stops = [generate(model, *reading(model, [text]), [], 6).tokens[0][place] for place, text in enumerate(texts)]
    context, logits = reading(model, texts)
    together = beam_search(model, context, logits, stops, 9, 4)
    assert {len(found) for found in together} == {4}
    for text, found in zip(texts, together, strict=True):
        (alone,) = beam_search(model, *reading(model, [text]), stops, 9, 4)
        assert_same(found, alone)
        assert_same(found, plain_beam(model, text, stops, 9, 4))


def test_the_context_is_left_as_it_was(model: Transformer) -> None:
    context, logits = reading(model, TEXTS)
    held = [*context.cache.keys, *context.cache.values, context.seen, context.position, logits]
    before = [tensor.clone() for tensor in held]
    beam_search(model, context, logits, [0], 4, 3)
    after = [*context.cache.keys, *context.cache.values, context.seen, context.position, logits]
    assert all(one is other for one, other in zip(held, after, strict=True))
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_what_has_no_chance_is_not_found(model: Transformer) -> None:
    """The logits of the first token may be barred: nothing begins with those, and the end does not come at once."""
    context, logits = reading(model, TEXTS)
    barred = logits.index_fill(1, torch.tensor([0, 2, 3, 5]), -math.inf)
    for text, row, found in zip(TEXTS, barred, beam_search(model, context, barred, [0], 1, 10), strict=True):
        first = row.double().log_softmax(-1)
        expected = [([word, 0], float(first[word] + next_log_probs(model, [*text, word])[0])) for word in (1, 4)]
        assert_same(found, sorted(expected, key=lambda item: -item[1]))


def test_reading_ends_where_nothing_better_can_come(make_model: Make) -> None:
    """Token 1 comes first, surely, then the stop: one token is read, and not another thousand."""
    model = forgetful(make_model(vocab_size=VOCABULARY, dim=VOCABULARY, layers=1, tied=False))
    with torch.no_grad():
        model.lm_head.weight[1, 4] = model.lm_head.weight[0, 1] = 8.0
    context, logits = reading(model, [[4], [3, 4]])
    passes: list[int] = []
    counting = model.norm.register_forward_hook(lambda *_: passes.append(1))
    found = beam_search(model, context, logits, [0], 1000, 1)
    counting.remove()
    assert [[tokens for tokens, _ in row] for row in found] == [[[1, 0]], [[1, 0]]]
    assert len(passes) == 1
