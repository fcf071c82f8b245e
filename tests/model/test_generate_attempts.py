"""Attempts written side by side with a cache are those that are written one by one without."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from model.generate import generate_attempts
from model.transformer import Transformer

END, AGAIN = 9, [9, 4, 5]
PROMPTS = [[4, 60, 5], [4, 61, 62, 63, 5], [4, 200, 201, 5]]


def slowly(model: Transformer, prompt: list[int], attempts: int, limit: int) -> list[tuple[int, ...]]:
    tokens, found = list(prompt), []
    for number in range(attempts):
        if number:
            tokens += AGAIN if found[-1][-1:] != (END,) else AGAIN[1:]
        said: list[int] = []
        while len(said) < limit + 1:
            logits = model(torch.tensor([tokens]), torch.arange(len(tokens))[None])
            said.append(int(logits[0, -1].argmax()))
            if said[-1] == END:
                break
            if len(said) <= limit:
                tokens.append(said[-1])
        else:
            said = said[:limit]
        tokens += [END] if said[-1:] == [END] else []
        found.append(tuple(said))
    return found


@pytest.mark.parametrize("limit", [2, 9])
def test_greedy_attempts_are_those_without_a_cache(make_model: Callable[..., Transformer], limit: int) -> None:
    ends = 0
    for seed in range(4):
        model = make_model(seed, vocab_size=240)
        with torch.no_grad():
            model.lm_head.weight[END] *= 3  # so that some attempts end
        found = generate_attempts(model, PROMPTS, AGAIN, END, limit, attempts=3)
        with torch.no_grad():
            assert [tuple(one) for one in found] == [tuple(slowly(model, p, 3, limit)) for p in PROMPTS]
        ends += sum(attempt[-1:] == (END,) for one in found for attempt in one)
    assert ends  # both kinds occur
    assert ends < 4 * 3 * 3


def test_a_group_samples_each_prompt_anew(make_model: Callable[..., Transformer]) -> None:
    model = make_model(0, vocab_size=240)

    def drawn(seed: int) -> list[list[tuple[int, ...]]]:
        generator = torch.Generator().manual_seed(seed)
        return generate_attempts(model, PROMPTS, AGAIN, END, 5, 2, 4, 1.0, generator)

    assert len(drawn(0)) == 12 and drawn(0) == drawn(0) != drawn(1)
    assert len({tuple(one) for one in drawn(0)[:4]}) > 1
