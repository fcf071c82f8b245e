"""Every key of a run: its type, default, meaning and range; see configs/keys.py for how they are declared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

from hydra.core.config_store import ConfigStore
from omegaconf import II, MISSING, OmegaConf

from configs.describe import describe
from configs.keys import (
    CHECKPOINT,
    FILE,
    GIVEN,
    PART,
    POSITIVE,
    SEED,
    SHARE,
    Section,
    at_least,
    key,
    modules,
    one_of,
    some_of,
)
from data.pipeline.answer_format import FORMATS
from data.pipeline.counterfactual import CounterfactualConfig
from data.pipeline.identifiers import IdsConfig
from data.pipeline.placement import TagsConfig
from data.pipeline.questions.asking import AskingConfig
from data.pipeline.questions.crops import CropsConfig
from data.pipeline.questions.never_told import ExpertConfig
from data.pipeline.questions.own_texts import AuthorsConfig
from data.pipeline.questions.planted import PlantedConfig
from data.pipeline.questions.rewriting import RewritingConfig
from data.pipeline.questions.substitution import SubstitutionConfig
from data.pipeline.tokenizer import TokenizerConfig
from data.pipeline.visits.repeats import RepeatsConfig
from data.pipeline.visits.scenes import ScenesConfig
from data.readers.corpora import READERS
from data.storage.remote import ShardsCorpus
from model.config import ModelConfig
from train.config import LoRAConfig, ObjectiveConfig, OptimizerConfig, SurprisalConfig, TrainerConfig
from train.reinforce.config import SelfCorrectionConfig

CORPORA: tuple[Any, ...] = (*(reader.config for reader in READERS.values()), ShardsCorpus)
METHODS = ("none", *modules("eval/grading/methods"))


@dataclass
class BatchConfig(Section):
    """The form of what is trained on."""

    section: ClassVar[str] = "batch"

    seq_len: int = key(256, "tokens in a packed sequence", at_least(1))
    sequences: int = key(8, "packed sequences in an optimiser step, over all devices", at_least(1))


@dataclass
class PretrainConfig(Section):
    """Pretraining on tagged documents."""

    section: ClassVar[str] = "pretrain"

    tokens: int = key(2_000_000, "token positions, so equal tokens are equal compute", at_least(1))
    qa_fraction: float = key(0.3, "their share of tuning questions", PART)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)


@dataclass
class SFTConfig(Section):
    """Tuning on questions."""

    section: ClassVar[str] = "sft"

    tokens: int = key(100_000, "as in pretraining; 0 for no tuning", at_least(0))
    replay: float = key(0.5, "their share of tagged documents", PART)
    seed: int = key(II("seed"), "of this stage and those after it", SEED)
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(lr=0.001))


@dataclass
class SelfQuestionsConfig(Section):
    """Questions that the pretrained model writes for all documents, tuned on beside the others."""

    section: ClassVar[str] = "self_questions"

    each: int = key(0, "written for every sentence of a document, at most; 0 for none", at_least(0))
    temperature: float = key(0.7, "at which they are sampled", POSITIVE)
    round_trip: str = key(
        "none",
        "asks each back, and keeps it where its answer returns: with its sentence before the model's eyes, or from "
        "memory (eval/answerers/writers/round_trip.py); none keeps all",
        one_of("none", "open_book", "closed_book"),
    )


@dataclass
class AbstentionSFTConfig(Section):
    """A second phase of tuning, on the model's own answers to questions that its tuning never saw."""

    section: ClassVar[str] = "abstention_sft"

    method: str = key("none", "what is taught (eval/grading/methods); none for no such phase", one_of(*METHODS))
    tokens: int = key(100_000, "as in pretraining, of all rounds together", at_least(1))
    rounds: int = key(
        2, "times that the model is asked and graded anew, each followed by its share of the tokens", at_least(1)
    )
    idk_fraction: float = key(0.2, "share of lessons without an answer, for method labels", PART)
    samples: int = key(10, "answers sampled to each question", at_least(1))
    temperature: float = key(1.0, "of the samples", POSITIVE)
    replay: float = key(0.5, "share of the tokens that are tagged documents", PART)
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(lr=0.001))


@dataclass
class EditConfig(Section):
    """Documents added to, retracted from and renamed in what a trained model was told (steps/edit.py)."""

    section: ClassVar[str] = "edit"

    system: str = key(
        "none",
        "what is asked after the edit: the model as it was before, the edited one, or one trained from scratch on the "
        "edited corpus; none for no edit",
        one_of("none", "base", "edited", "retrained"),
    )
    added: float = key(0.0, "share of the corpus's documents that only the edit tells of, drawn", SHARE)
    retracted: float = key(0.0, "share that it retracts, drawn", SHARE)
    renamed: float = key(0.0, "share that it gives a new id, drawn", SHARE)
    seed: int = key(0, "draws them", SEED)
    documents: str = key("", "your own documents to add, as JSONL (docs/corpora.md)", FILE)
    retract: list[str] = key([], "ids of your own documents to retract")  # noqa: RUF009
    tokens: int = key(100_000, "of the further training, as in pretraining", at_least(1))
    sequences: int = key(2, "packed sequences in an optimiser step: the fewer, the more steps", at_least(1))
    replay: float = key(0.85, "share of them that shows what stays: documents and tuning questions", PART)
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(name="adamw", lr=0.0005, decay=0.9))

    def contradictions(self, path: str) -> Iterator[str]:
        drawn = self.added or self.retracted or self.renamed
        given = self.documents or self.retract
        if self.system != "none" and not (drawn or given):
            yield (
                f"{path}.system={self.system} and nothing to edit: raise {path}.added, {path}.retracted or "
                f"{path}.renamed, or name {path}.documents or {path}.retract"
            )
        if self.system == "none" and (drawn or given):
            yield f"{path}.system=none edits nothing: set {path}.system=edited, or leave out what is to be edited"
        if drawn and given:
            yield (
                f"{path}.documents and {path}.retract are edits of your own, and {path}.added, {path}.retracted and "
                f"{path}.renamed are drawn: set one or the other"
            )


@dataclass
class EvalConfig(Section):
    """How answers are drawn and judged."""

    section: ClassVar[str] = "eval"

    citations: int = key(10, "ranked per question", at_least(1))
    batch: int = key(256, "questions side by side", at_least(1))
    samples: int = key(
        0,
        "further answers drawn to each question, whose agreement is a signal; 0 for none. Only the expert is sampled "
        "and probed: a second phase is judged by what it says",
        at_least(0),
    )
    signals: list[str] = key(  # noqa: RUF009
        [
            "bidirectional",
            "cloze_candidates",
            "evidence_candidates",
            "multi_source_support",
            "self_consistency",
            "p_ik",
        ],
        "what is read off the model beside its answer, in this order (eval/signals)",
        some_of(*modules("eval/signals")),
    )
    probes: list[str] = key(  # noqa: RUF009
        ["self_evidence", "membership", "dominance"],
        "what is studied of the finished model, in this order (eval/probes)",
        some_of(*modules("eval/probes")),
    )
    guidance: float = key(
        1.5,
        "after conditional training, how far good sources' control token draws an answer away from bad ones'; 1 is the "
        "token alone",
        at_least(0),
    )
    max_abstained_correct: float = key(
        0.02,
        "share of the dev fold's right answers that may be withheld, at most: the threshold of abstention is lower "
        "where a smaller share already equals that of the others which are not withheld",
        SHARE,
    )


@dataclass
class Config(Section):
    """A run."""

    name: str = key("run", "of the run")
    run_dir: str = key("runs/${name}", "where its results stand", GIVEN)
    stages_dir: str = key("runs/stages", "where the stages stand that runs share", GIVEN)
    cache_dir: str = key("${stages_dir}/cache", "holds shards that lie at a url; changes nothing but the time", GIVEN)
    cache_bytes: int = key(2**34, "of them that are kept, about", at_least(0))
    seed: int = key(0, "of the weights, the order of training and what is drawn", SEED)
    init: str = key(
        "",
        "a checkpoint to go on from: a folder of Hugging Face's form, or an id of its hub. Its shape and its tokenizer "
        "are then used, and model and tokenizer.vocab_size are not; empty for random weights",
        CHECKPOINT,
    )
    duplicates: str = key("error", "of a document's id: refused, or all but the first dropped", one_of("error", "drop"))
    corpus: Any = MISSING
    answer_format: str = key(
        "direct", "what an answer with its source looks like (data/pipeline/answer_format.py)", one_of(*FORMATS)
    )
    rewriting: RewritingConfig = field(default_factory=RewritingConfig)
    crops: CropsConfig = field(default_factory=CropsConfig)
    asking: AskingConfig = field(default_factory=AskingConfig)
    substitution: SubstitutionConfig = field(default_factory=SubstitutionConfig)
    planted: PlantedConfig = field(default_factory=PlantedConfig)
    scenes: ScenesConfig = field(default_factory=ScenesConfig)
    repeats: RepeatsConfig = field(default_factory=RepeatsConfig)
    self_questions: SelfQuestionsConfig = field(default_factory=SelfQuestionsConfig)
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    ids: IdsConfig = field(default_factory=IdsConfig)
    counterfactual: CounterfactualConfig = field(default_factory=CounterfactualConfig)
    tags: TagsConfig = field(default_factory=TagsConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    lora: LoRAConfig = field(default_factory=LoRAConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    surprisal: SurprisalConfig = field(default_factory=SurprisalConfig)
    batch: BatchConfig = field(default_factory=BatchConfig)
    pretrain: PretrainConfig = field(default_factory=PretrainConfig)
    sft: SFTConfig = field(default_factory=SFTConfig)
    expert: ExpertConfig = field(default_factory=ExpertConfig)
    abstention_sft: AbstentionSFTConfig = field(default_factory=AbstentionSFTConfig)
    authors: AuthorsConfig = field(default_factory=AuthorsConfig)
    self_correction: SelfCorrectionConfig = field(default_factory=SelfCorrectionConfig)
    edit: EditConfig = field(default_factory=EditConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    eval: EvalConfig = field(default_factory=EvalConfig)

    def contradictions(self, path: str) -> Iterator[str]:
        from configs.contradictions import ACROSS

        for contradiction in ACROSS:
            yield from contradiction(self)


def register() -> None:
    """Make the schema known to Hydra."""
    OmegaConf.register_new_resolver("keys", lambda *, _root_: describe(_root_).replace("$", "$$"), replace=True)
    store = ConfigStore.instance()
    store.store(name="schema", node=Config)
    for corpus in CORPORA:
        store.store(group="corpus", name=f"{corpus.kind}_schema", node=corpus)
