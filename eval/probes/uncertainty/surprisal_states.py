"""Does a state hold how surprising the token was that it has just read? And is the model surer of its own words?

If the states hold it already, to feed it in can't help (`model.inputs.surprisal`). A ridge regression, fitted on one
half of the documents, reads u_t = -log p(x_t | x_<t) off the state behind x_t; R^2 is that on the other half. Layer 0
is what the first block gets: it knows the token, not what came before, so that what later layers have above it is
surprise.

    r2_layer_0 ... r2_layer_L    of u_t, on the documents' second halves
    r2_own                       the same regression on text that the model wrote itself, of the last layer
    entropy_own, entropy_other   mean entropy, nats a token, over halves that it wrote itself (T = 1), and over others'
    entropy_ratio                the first over the second: 1 for a model that finds its own words no surer

Fed models are read as they read: their states are those of the second pass, u_t and entropies those of the first for u,
and of the second for the entropy.

Shape letters: N tokens, L layers, C width.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from data.records import Document
from eval.answerers.lm_answerer import LMAnswerer
from eval.metrics.calibration import ratio
from eval.metrics.statistics import Floats
from eval.probes import Probe, Read, measured
from model.generate import Context, generate, pad_left, read, read_on
from model.inputs.surprisal import surprise
from model.transformer import Transformer

MOST = 80  # documents
LONGEST = 100  # tokens of a document
RIDGE = 1.0  # of standardised states, in tokens


def surprisal_states(asked: Read) -> dict[str, Any]:
    """The figures of the module's docstring; {} for fewer than four documents."""
    answerer, texts = asked.answerer, _texts(asked.answerer, asked.documents, asked.seed)
    if len(texts) < 4:
        return {}
    prefixes = [text[: len(text) // 2] for text in texts]
    own = [[*p, *more] for p, more in zip(prefixes, _continued(answerer, prefixes, texts, asked.seed), strict=True)]
    others, itself = (_read(answerer, rows, [len(p) for p in prefixes]) for rows in (texts, own))
    fitting = np.array([number % 2 == 0 for number in range(len(texts))])[others.row]
    found: dict[str, Any] = {"n": len(texts)}
    weights = None
    for layer, states in enumerate(others.states):
        weights = ridge(states[fitting], others.surprisal[fitting], RIDGE)
        found[f"r2_layer_{layer}"] = _r2(others, states, weights, ~fitting)
    assert weights is not None  # a model has layers
    found["r2_own"] = _r2(itself, itself.states[-1], weights, itself.row % 2 == 1)
    return found | _entropies(itself, others, len(texts))


def ridge(states: Floats, values: Floats, penalty: float) -> tuple[Floats, Floats, Floats]:
    """Mean (C,), scale (C,) and weights (C + 1,) of the regression of values (N,) on states (N, C), standardised."""
    mean, scale = states.mean(0), states.std(0) + 1e-6
    design = np.column_stack([(states - mean) / scale, np.ones(len(states))])
    penalties = np.diag([penalty] * states.shape[1] + [0.0])
    return mean, scale, np.linalg.solve(design.T @ design + penalties, design.T @ values)


@dataclass(frozen=True)
class _Tokens:
    """What was read of the second halves, N tokens.

    Attributes:
        row: (N,) the number of the document.
        surprisal, entropy: float64 (N,), nats.
        states: for each of L + 1 layers float64 (N, C).
    """

    row: np.ndarray
    surprisal: Floats
    entropy: Floats
    states: Sequence[Floats]


def _texts(answerer: LMAnswerer, documents: Sequence[Document], seed: int) -> list[list[int]]:
    chosen = random.Random(seed).sample(list(documents), min(MOST, len(documents)))
    encoded = [answerer.tokenizer.encode([wordings[0] for wordings in d.sentences]) for d in chosen]
    laid = [[answerer.tokenizer.doc, *np.concatenate(sentences).tolist()][:LONGEST] for sentences in encoded]
    return [text for text in laid if len(text) >= 8]


def _continued(
    answerer: LMAnswerer, prefixes: Sequence[Sequence[int]], texts: Sequence[Sequence[int]], seed: int
) -> list[list[int]]:
    """As many tokens behind each prefix as the text has, drawn at T = 1; fewer where it ends by itself."""
    model, device = answerer.model, answerer.model.embed_tokens.weight.device
    context = Context.empty(model, len(prefixes))
    logits = read_on(model, context, *pad_left(prefixes, device))
    generator = torch.Generator(device).manual_seed(seed)
    drawn = generate(model, context, logits, [answerer.tokenizer.end], LONGEST // 2, 1.0, generator, last=True)
    rest = [len(text) - len(prefix) for text, prefix in zip(texts, prefixes, strict=True)]
    return [tokens[:size] for tokens, size in zip(drawn.tokens, rest, strict=True)]


@torch.inference_mode()
def _read(answerer: LMAnswerer, rows: Sequence[Sequence[int]], begins: Sequence[int]) -> _Tokens:
    """The tokens of each row from `begins` on."""
    model = answerer.model
    tokens, present = pad_left(rows, model.embed_tokens.weight.device)
    width = tokens.shape[1]
    states, logits = _states(model, tokens, present)
    plain = read(model.fed_from("off"), Context.empty(model, len(rows)), tokens, present)
    surprisal, _ = surprise(plain[:, :-1], tokens[:, 1:])
    _, entropy = surprise(logits[:, :-1], tokens[:, 1:])
    place = [(r, t) for r, row in enumerate(rows) for t in range(width - len(row) + begins[r], width)]
    at, slot = np.array(place).T
    return _Tokens(
        at,
        surprisal[at, slot - 1].double().numpy(),
        entropy[at, slot - 1].double().numpy(),
        [state[at, slot].double().numpy() for state in states],
    )


def _states(model: Transformer, tokens: torch.Tensor, present: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
    """The input of the first block and the output of each, (B, T, C) on the CPU, and the logits (B, T, V)."""
    seen: dict[int, torch.Tensor] = {}  # of two passes, the second

    def kept(layer: int, state: torch.Tensor) -> None:
        seen[layer] = state.float().cpu()

    hooks = [model.layers[0].register_forward_pre_hook(lambda _, given: kept(0, given[0]))]
    for number, block in enumerate(model.layers, start=1):
        hooks.append(block.register_forward_hook(lambda _, __, state, number=number: kept(number, state)))
    try:
        logits = read(model, Context.empty(model, len(tokens)), tokens, present).cpu()
    finally:
        for hook in hooks:
            hook.remove()
    return [seen[layer] for layer in sorted(seen)], logits


def _r2(tokens: _Tokens, states: Floats, fitted: tuple[Floats, Floats, Floats], held: np.ndarray) -> dict[str, Any]:
    mean, scale, weights = fitted
    said = np.column_stack([(states - mean) / scale, np.ones(len(states))]) @ weights
    u, error = tokens.surprisal[held], (tokens.surprisal - said)[held] ** 2

    def statistic(w: Floats) -> Floats:
        centre = ratio(w @ u, w.sum(-1))
        total = w @ u**2 - w.sum(-1) * centre**2
        return 1 - ratio(w @ error, total)

    return measured(statistic, tokens.row[held].tolist())


def _entropies(own: _Tokens, other: _Tokens, rows: int) -> dict[str, Any]:
    sums = [np.bincount(each.row, each.entropy, rows) for each in (own, other)]
    counts = [np.bincount(each.row, minlength=rows).astype(float) for each in (own, other)]
    clusters = list(range(rows))

    def mean(w: Floats, which: int) -> Floats:
        return ratio(w @ sums[which], w @ counts[which])

    return {
        "entropy_own": measured(lambda w: mean(w, 0), clusters),
        "entropy_other": measured(lambda w: mean(w, 1), clusters),
        "entropy_ratio": measured(lambda w: ratio(mean(w, 0), mean(w, 1)), clusters),
    }


PROBE = Probe(
    title="Do the states hold how surprising a token was?",
    about=(
        "r2_layer_n: of the surprisal of the token just read, by a linear reading of the states behind block n; "
        "entropy_ratio: how much less sure than of others' text the model is of its own."
    ),
    run=surprisal_states,
    after=("none", "backtrack"),
)
