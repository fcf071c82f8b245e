"""Rewards: what an attempt at a question is worth, for a model that learns from its own (train/reinforce).

A module of this folder is one, chosen by its name with the key `self_correction.reward`, and holds a `REWARD`: from the
question, what was said to it, and the confidence from which on an answer is worth giving, to a number. Most look the
answer up in the ledger; any other grader of a question and an answer serves as well.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from data.records import Prediction, Question

Reward = Callable[[Question, Prediction, float], float]


def reward(name: str) -> Reward:
    """The reward of the module of this name."""
    found: Reward = import_module(f"{__name__}.{name}").REWARD
    return found
