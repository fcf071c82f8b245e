"""What is configured about training: the optimiser, adapters, the objective, surprisal fed back, and where it runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from configs.keys import PART, POSITIVE, SHARE, Range, Section, at_least, key, modules, one_of, some_of
from data.pipeline.feedback import FeedbackConfig
from model.config import SOURCES, ModelConfig

BEGINS = ("pretrain", "abstention_sft")
BY_SCORE = ("unlikelihood", "rwr", "awr")
ADAPTED = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")  # names of model/transformer.py
DEVICES = Range("at least 1, or -1 for all", lambda value: value == -1 or value >= 1)


@dataclass
class OptimizerConfig(Section):
    """How weights move."""

    section: ClassVar[str] = "optimizer"

    name: str = key("muon", "muon for the matrices inside and AdamW for the rest, or AdamW", one_of("muon", "adamw"))
    lr: float = key(0.005, "the highest learning rate", POSITIVE)
    weight_decay: float = key(0.01, "of matrices, as a share of the learning rate", at_least(0))
    beta1: float = key(0.9, "AdamW's average of gradients", PART)
    beta2: float = key(0.95, "AdamW's average of their squares", PART)
    momentum: float = key(0.95, "Muon's", PART)
    warmup: float = key(0.05, "share of the run in which the rate rises; it is constant between", SHARE)
    decay: float = key(0.5, "share of the run in which it falls, to 0 at the end", SHARE)
    clip: float = key(1.0, "gradient norm at most", POSITIVE)
    skip: float = key(
        0.0,
        "leave out steps whose gradient norm is this many standard deviations above the mean of the last 128, or not "
        "finite; 0 for none, and one that is not finite stops the run",
        at_least(0),
    )

    def contradictions(self, path: str) -> Iterator[str]:
        if self.warmup + self.decay > 1:
            yield f"{path}.warmup={self.warmup} and {path}.decay={self.decay}: together they must be at most 1"


@dataclass
class LoRAConfig(Section):
    """Low-rank adapters are trained in place of a checkpoint's weights, in every stage (train/lora.py)."""

    section: ClassVar[str] = "lora"

    rank: int = key(0, "of the adapters; 0 for none: all weights are trained", at_least(0))
    alpha: float = key(32.0, "over the rank, the factor of what they add", POSITIVE)
    targets: list[str] = key([*ADAPTED], "layers of each block that have one", some_of(*ADAPTED))  # noqa: RUF009

    def parameters(self, model: ModelConfig) -> int:
        """How many the adapters of such a model have; the rows of new tokens are trained besides."""
        queries, keys = model.heads * model.head_dim, model.kv_heads * model.head_dim
        outer = {"q_proj": queries, "k_proj": keys, "v_proj": keys, "o_proj": queries}
        sides = (model.dim + outer.get(name, model.ffn_dim) for name in self.targets)
        return model.layers * self.rank * sum(sides)

    def contradictions(self, path: str) -> Iterator[str]:
        if self.rank and not self.targets:
            yield f"{path}.targets=[] adapts nothing: name some of {', '.join(ADAPTED)}, or set {path}.rank=0"


@dataclass
class ObjectiveConfig(FeedbackConfig):
    """What is learnt of a sentence that is good or not: by the loss, and by what the data makes of its score."""

    loss: str = key("next_token", "of judged sentences (train/objectives)", one_of(*modules("train/objectives")))
    alpha: float = key(
        1.0,
        "weight of the unlikelihood; in awr the tokens' share of the loss, the rest being the value's",
        SHARE,
    )
    beta: float = key(0.3, "of rwr and awr: a score lower by this much weighs e times less", POSITIVE)
    idk: float = key(0.2, "of idk_token: the most that a target gives away to <|idk|>", SHARE)

    def contradictions(self, path: str) -> Iterator[str]:
        yield from super().contradictions(path)
        if self.loss in BY_SCORE and not self.score_column:
            yield f"{path}.loss={self.loss} goes by scores: set {path}.score_column, for example to reliability"
        if self.begins and self.loss == "next_token" and not self.filter and self.control == "none":
            yield f"{path}.begins={self.begins} has nothing to begin: choose an objective, or set {path}.begins=0"


@dataclass
class SurprisalConfig(Section):
    """Surprisal of what was read, fed back to the model in a second pass (model/inputs/surprisal.py)."""

    section: ClassVar[str] = "surprisal"

    source: str = key(
        "none",
        "whose surprisal: each token's own, or a control; off keeps the second pass from any, none is no second pass",
        one_of("none", *SOURCES),
    )
    begins: str = key("pretrain", "the stage that it begins with", one_of(*BEGINS))
    dropout: float = key(0.1, "share of rows of training that nothing is fed to, as in the first pass", PART)

    def fed(self, stage: str) -> bool:
        """Whether a stage of `BEGINS` trains with it."""
        return self.source != "none" and BEGINS.index(stage) >= BEGINS.index(self.begins)

    def read_twice(self, stage: str) -> bool:
        """Whether that needs a first pass; what the other controls are fed is no reading."""
        return self.fed(stage) and self.source in ("own", "shuffled")


@dataclass
class TrainerConfig(Section):
    """Where and how training runs; nothing here changes what is trained, but for the rounding of precision."""

    section: ClassVar[str] = "trainer"

    accelerator: str = key("cpu", "as Lightning's Trainer takes it", one_of("cpu", "gpu", "cuda", "mps", "tpu", "auto"))
    devices: int = key(1, "of each machine, as Lightning's Trainer takes them", DEVICES)
    num_nodes: int = key(1, "machines", at_least(1))
    strategy: str = key(
        "auto",
        "as Lightning's Trainer takes it, or fsdp: parameters spread over devices",
        one_of("auto", "ddp", "fsdp"),
    )
    precision: str = key(
        "auto", "auto is what the hardware is made for (stages/precision.py)", one_of("auto", "bf16-mixed", "32-true")
    )
    compiled: bool = key(True, "torch.compile the model: slower to start, faster to run")
    accumulation: int = key(1, "microbatches in an optimiser step", at_least(1))
    workers: int = key(0, "loader processes; 0 where cores are few", at_least(0))
    log_every: int = key(10, "steps between rows of metrics", at_least(1))
    save_every: int = key(100, "steps between checkpoints", at_least(1))
    validate_every: int = key(
        200,
        "steps between readings of the held-out documents, 0 for none; the best checkpoint is kept too",
        at_least(0),
    )
    induction_every: int = key(
        0,
        "steps between scores of induction heads (model/heads/induction.py), into induction.jsonl; 0 for none",
        at_least(0),
    )

    def contradictions(self, path: str) -> Iterator[str]:
        if self.induction_every and (self.compiled or self.strategy == "fsdp"):
            yield (
                f"{path}.induction_every={self.induction_every} looks into single heads, which a compiled or sharded "
                f"model does not show: set {path}.compiled=false and no fsdp, or {path}.induction_every=0"
            )
