"""Every key of a run, typed: a misspelt key or a value of the wrong type fails before any work."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import II, MISSING

from data.identifiers import IdsConfig
from data.readers.biocite import BiociteCorpus
from data.readers.files import FilesCorpus
from data.readers.remote import ShardsCorpus
from data.tags import TagsConfig
from data.tokenizer import TokenizerConfig
from data.world import WorldCorpus
from model.config import ModelConfig
from train.config import OptimizerConfig, TrainerConfig

METHODS = ("none", "labels", "r_tuning", "r_tuning_refuse", "r_tuning_u", "consistent", "graded", "judge")


@dataclass
class BatchConfig:
    """`row` tokens in a packed row, `rows` rows in an optimiser step (over all devices)."""

    row: int = 256
    rows: int = 8


@dataclass
class PretrainConfig:
    """`tokens`: places in all rows, so equal tokens are equal compute. `mix`: their share of tuning questions."""

    tokens: int = 2_000_000
    mix: float = 0.3
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)


@dataclass
class TuneConfig:
    """`tokens` as in pretraining, 0 for no tuning stage. `replay`: share of them that are tagged documents.

    `seed`: of this stage and the second phase, by default that of the run.
    """

    tokens: int = 100_000
    replay: float = 0.5
    seed: int = II("seed")
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(lr=0.001))


@dataclass
class SecondConfig:
    """A second phase of tuning, on the model's own answers to questions that its tuning never saw.

    Attributes:
        method: one of `METHODS` (see eval/teaching.py), none for no such phase.
        tokens: as in pretraining, of all rounds together.
        rounds: times that the model is asked and graded anew, each followed by its share of the tokens.
        absent: share of lessons without an answer, for method labels.
        samples: answers sampled to each question.
        temperature: of the samples.
        replay: share of the tokens that are tagged documents.
    """

    method: str = "none"
    tokens: int = 100_000
    rounds: int = 2
    absent: float = 0.2
    samples: int = 10
    temperature: float = 1.0
    replay: float = 0.5
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(lr=0.001))

    def check(self) -> None:
        """Raises ValueError, naming the key, for a value outside its range."""
        if self.method not in METHODS:
            raise ValueError(f"second.method={self.method} is not one of {', '.join(METHODS)}")
        for key, share in (("absent", self.absent), ("replay", self.replay)):
            if not 0.0 <= share < 1.0:
                raise ValueError(f"second.{key}={share} is not a share in [0, 1)")
        for key, number in (("rounds", self.rounds), ("samples", self.samples), ("temperature", self.temperature)):
            if number <= 0:
                raise ValueError(f"second.{key}={number} must be positive")


@dataclass
class EvalConfig:
    """How answers are drawn and judged.

    Attributes:
        citations: ranked per question.
        batch: questions side by side.
        samples: further answers drawn to each question, whose agreement is a signal; 0 for none. Only the expert is
            sampled and probed: a second phase is judged by what it says.
        refused: share of the dev fold's right answers that may be withheld, at most: the threshold of abstention is
            lower where a smaller share already equals that of the others which are not withheld.
    """

    citations: int = 10
    batch: int = 256
    samples: int = 0
    refused: float = 0.02


@dataclass
class Config:
    """Every key of a run; see the classes of its parts.

    `cache_dir` holds up to `cache_bytes` of the shards that lie at a url; it changes nothing but the time.
    """

    name: str = "run"
    run_dir: str = "runs/${name}"
    stages_dir: str = "runs/stages"
    cache_dir: str = "${stages_dir}/cache"
    cache_bytes: int = 2**34
    seed: int = 0
    duplicates: str = "error"
    corpus: Any = MISSING
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    ids: IdsConfig = field(default_factory=IdsConfig)
    tags: TagsConfig = field(default_factory=TagsConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    batch: BatchConfig = field(default_factory=BatchConfig)
    pretrain: PretrainConfig = field(default_factory=PretrainConfig)
    tune: TuneConfig = field(default_factory=TuneConfig)
    second: SecondConfig = field(default_factory=SecondConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    eval: EvalConfig = field(default_factory=EvalConfig)


def register() -> None:
    """Make the schema known to Hydra."""
    store = ConfigStore.instance()
    store.store(name="schema", node=Config)
    for corpus in (WorldCorpus, BiociteCorpus, FilesCorpus, ShardsCorpus):
        store.store(group="corpus", name=f"{corpus.kind}_schema", node=corpus)
