"""What is configured about a second attempt and what is learnt of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from configs.keys import PART, POSITIVE, SHARE, Section, at_least, between, key, modules, one_of
from train.config import OptimizerConfig
from train.reinforce.critique import CritiqueConfig

METHODS = ("none", "form", "pair_sft", "star", "reinforce", "ilf", "rlaif")


@dataclass
class ReinforceConfig(Section):
    """REINFORCE on own attempts, in the phases of SCoRe (Kumar et al. 2024, arXiv 2409.12917)."""

    section: ClassVar[str] = "self_correction.reinforce"

    stage_one: float = key(
        0.5, "first share of the steps, in which only the second attempt is rewarded and the first is pinned", PART
    )
    pin: float = key(
        0.1, "beta_2: weight of the first attempt's KL to the model before, while it is pinned", at_least(0)
    )
    kl: float = key(0.01, "beta_1: weight of both attempts' KL afterwards", at_least(0))
    alpha: float = key(10.0, "afterwards, of the change: the second reward is r2 + alpha (r2 - r1)", at_least(0))
    gamma: float = key(
        0.0, "share of the second attempt's reward that the first is credited with: above 0 it is paid to err", SHARE
    )
    gate: float = key(
        0.02,
        "the first attempt is pinned again while its share of right answers is this far below the model's before; 1 "
        "for never",
        SHARE,
    )
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(name="adamw", lr=0.0003, decay=0.3))


@dataclass
class SelfCorrectionConfig(Section):
    """A second attempt at each answer, and what is learnt about making one (steps/self_correction)."""

    section: ClassVar[str] = "self_correction"

    method: str = key(
        "none",
        "what is learnt: the form of two attempts alone, or after it from own attempts, by pairs of a wrong and a "
        "right one, by those that ended well (STaR), by REINFORCE, by refinements after a critique (ILF), or by "
        "REINFORCE on a reward that preferences taught (RLAIF); none for a single attempt",
        one_of(*METHODS),
    )
    reward: str = key("cited", "of an attempt (eval/grading/rewards)", one_of(*modules("eval/grading/rewards")))
    target: float = key(
        0.75, "confidence from which on an answer is worth giving: a wrong one costs t / (1 - t)", between(0, 0.99)
    )
    attempts: int = key(2, "at each question", between(1, 2))
    confidence: bool = key(False, "whether attempts end with a mark of confidence")
    form_tokens: int = key(150_000, "that teach the form, as in pretraining", at_least(1))
    steps: int = key(120, "of REINFORCE", at_least(1))
    questions: int = key(16, "asked in each", at_least(1))
    group: int = key(8, "times that each is asked; the others' mean is the baseline", at_least(2))
    temperature: float = key(1.0, "at which attempts are sampled", POSITIVE)
    rounds: int = key(3, "of star: each samples its share of as many attempts as REINFORCE does", at_least(1))
    tokens: int = key(300_000, "of pair_sft and of all rounds of star, as in pretraining", at_least(1))
    replay: float = key(0.5, "share of documents in what teaches the form and in pair_sft and star", PART)
    replayed: int = key(2, "packed sequences of documents and tuning questions learnt beside each step", at_least(1))
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(name="adamw", lr=0.001))
    reinforce: ReinforceConfig = field(default_factory=ReinforceConfig)
    critique: CritiqueConfig = field(default_factory=CritiqueConfig)

    @property
    def episodes(self) -> int:
        """Sampled by each method that learns from own attempts."""
        return self.steps * self.questions * self.group

    def contradictions(self, path: str) -> Iterator[str]:
        if self.method in ("pair_sft", "star") and self.attempts < 2:
            yield f"{path}.method={self.method} learns second attempts: set {path}.attempts=2"
        if self.attempts < 2 and (self.reinforce.stage_one or self.reinforce.gamma):
            yield (
                f"{path}.attempts=1 leaves no second attempt to reward: set {path}.reinforce.stage_one=0 and "
                f"{path}.reinforce.gamma=0"
            )
        if self.method in ("ilf", "rlaif") and (self.attempts > 1 or self.confidence):
            yield (
                f"{path}.method={self.method} leaves one attempt without a mark of confidence: set {path}.attempts=1 "
                f"and {path}.confidence=false"
            )
        if self.reward == "rlcr" and not self.confidence:
            yield f"{path}.reward=rlcr scores a stated confidence: set {path}.confidence=true"
