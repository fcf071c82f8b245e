"""Which of two answers is better, and a reward that learns it: AI feedback in place of people's.

A judge gives each answer a probability of every sentence of the constitution (constitution.certain for the ledger,
own_critic.py for the model), and prefers a to b with

    P(a > b) = sum over sentences u, v of P_a(u) P_b(v) (1[worth_u > worth_v] + 1/2 1[worth_u = worth_v])

a soft label, as normalised log-probabilities are in Constitutional AI (Bai et al. 2022, arXiv 2212.08073, section 4.1).
The reward r = h . w, on the state h where a critique would begin, is fitted by (Bradley and Terry 1952, *Rank analysis
of incomplete block designs*, Biometrika 39)

    L(w) = mean over pairs of - P log s(r_a - r_b) - (1 - P) log s(r_b - r_a) + ridge / 2N |w|^2,    s the sigmoid

Shape letters: N answers or pairs, V sentences, C width of the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from data.pipeline.questions.attempts import Attempt, AttemptForm
from data.pipeline.questions.refinements import RefinementForm
from data.pipeline.sample import Tokens
from eval.metrics.logistic import fit_logistic
from eval.metrics.statistics import Floats
from model.transformer import Transformer

RIDGE = 10.0  # pull of the standardised weights to 0, in pairs


def preferred(left: Floats, right: Floats, worths: Floats) -> Floats:
    """P(left > right), float64 (N,), from a judge's probabilities of the sentences (N, V) and their worth (V,)."""
    better = (worths[:, None] > worths[None, :]) + 0.5 * (worths[:, None] == worths[None, :])
    found: Floats = np.einsum("nu,uv,nv->n", left, better, right)
    return found


@dataclass(frozen=True)
class RewardModel:
    """A linear head on standardised states.

    Attributes:
        mean, weights: float64 (C,); the reward of a state h is (h - mean) . weights, of deviation 1 over the states
            that it was fitted on.
    """

    mean: Floats
    weights: Floats

    @classmethod
    def fitted(cls, left: Floats, right: Floats, preference: Floats) -> RewardModel:
        """On the states (N, C) of pairs and P(left > right) (N,). Raises ValueError where no pair differs."""
        states = np.concatenate((left, right))
        scale = states.std(0) + 1e-6
        design = (left - right) / scale
        if not len(preference) or not design.any():
            raise ValueError("there are no two different answers to one question to prefer one of")
        weights = fit_logistic(design, preference, np.zeros(design.shape[1]), RIDGE) / scale
        spread = float(((states - states.mean(0)) @ weights).std())
        return cls(states.mean(0), weights / max(spread, 1e-6))

    def __call__(self, states: Floats) -> Floats:
        """Rewards (N,) of states (N, C)."""
        found: Floats = (states - self.mean) @ self.weights
        return found

    @classmethod
    def from_json(cls, value: Any) -> RewardModel:
        """Inverse of `to_json`."""
        return cls(np.array(value["mean"], dtype=np.float64), np.array(value["weights"], dtype=np.float64))

    def to_json(self) -> dict[str, Any]:
        return {"mean": self.mean.tolist(), "weights": self.weights.tolist()}


@torch.inference_mode()
def states(
    model: Transformer,
    form: AttemptForm,
    texts: Sequence[Sequence[int] | Tokens],
    said: Sequence[Attempt],
    batch: int = 256,
) -> Floats:
    """The model's state where it would begin a critique of each answer, float64 (N, C).

    Args:
        texts: the question of each answer, in tokens.
    """
    shape, device = RefinementForm(form), model.embed_tokens.weight.device
    rows = [shape.told(text, attempt) for text, attempt in zip(texts, said, strict=True)]
    order = sorted(range(len(rows)), key=lambda place: len(rows[place]))
    found = np.zeros((len(rows), model.config.dim))
    for start in range(0, len(order), batch):
        chunk = order[start : start + batch]
        ends = torch.tensor([len(rows[place]) - 1 for place in chunk], device=device)
        width = int(ends.max()) + 1  # filled up on the right, where causal attention never looks
        tokens = torch.tensor(
            [[*rows[p], *[form.tokenizer.pad] * (width - len(rows[p]))] for p in chunk], device=device
        )
        hidden = model.hidden(tokens, torch.arange(width, device=device).expand_as(tokens), None)
        found[chunk] = hidden[torch.arange(len(chunk), device=device), ends].double().cpu().numpy()
    return found


def agreement(gaps: Floats, preference: Floats) -> float | None:
    """Of pairs with a preference, P(a > b) (N,) other than 1/2, the share that the sign of a gap (N,) agrees with.

    A gap of 0 agrees half. None where no pair has one.
    """
    wanted = np.sign(preference - 0.5)
    told = wanted != 0
    return float(np.mean(0.5 + 0.5 * np.sign(gaps[told]) * wanted[told])) if told.any() else None
