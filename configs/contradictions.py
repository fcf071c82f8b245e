"""What can't be together: among keys of different sections, before any work, and with the corpus, before any training.

Contradictions within a section stand with its keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from data.pipeline.answer_format import EVIDENCED
from data.pipeline.identifiers import OF_ITS_OWN
from data.records import ANSWERABLE, FOLDS, Question

if TYPE_CHECKING:
    from configs.schema import Config

REPLACING = ("crops", "asking", "substitution", "planted", "scenes")  # take the place of tuning questions


def second_phase_of_a_world(config: Config) -> Iterator[str]:
    if config.abstention_sft.method != "none" and config.corpus.kind == "world" and not config.corpus.relabel:
        yield (
            f"abstention_sft.method={config.abstention_sft.method} asks questions of split relabel, and "
            "corpus.relabel=0.0 makes none: set corpus.hard=true and corpus.relabel=0.15, or abstention_sft=none"
        )


def tuning_of_a_world(config: Config) -> Iterator[str]:
    if (
        config.corpus.kind == "world"
        and config.corpus.in_domain == 1
        and (config.pretrain.qa_fraction or config.sft.tokens)
    ):
        yield (
            "corpus.in_domain=1.0 leaves no questions to tune on: lower it, or set pretrain.qa_fraction=0 and "
            "sft.tokens=0"
        )


def self_questions_are_tuned_on(config: Config) -> Iterator[str]:
    if config.self_questions.each and not config.sft.tokens:
        yield (
            f"self_questions.each={config.self_questions.each} writes questions for tuning, and sft.tokens=0: raise "
            "sft.tokens, or set self_questions.each=0"
        )
    if config.self_questions.each and not (config.asking.fraction and config.pretrain.qa_fraction):
        yield (
            f"self_questions.each={config.self_questions.each} needs a model that learnt to write questions: raise "
            "asking.fraction and pretrain.qa_fraction, or set self_questions.each=0"
        )
    if config.self_questions.round_trip == "open_book" and config.answer_format != "evidence_first":
        yield (
            "self_questions.round_trip=open_book answers from a sentence, and "
            f"answer_format={config.answer_format} has none before its answers: set answer_format=evidence_first, or "
            "self_questions.round_trip=closed_book"
        )
    if config.self_questions.round_trip != "none" and not config.self_questions.each:
        yield (
            f"self_questions.round_trip={config.self_questions.round_trip} has no questions to ask back: raise "
            "self_questions.each, or set self_questions.round_trip=none"
        )


def second_phase_answers_directly(config: Config) -> Iterator[str]:
    if config.abstention_sft.method != "none" and config.answer_format != "direct":
        yield (
            f"abstention_sft.method={config.abstention_sft.method} teaches answers with their source behind them, and "
            f"answer_format={config.answer_format}: set answer_format=direct, or abstention_sft=none"
        )


def evidence_is_cited_by_its_footnote(config: Config) -> Iterator[str]:
    if config.answer_format == "evidence_first" and config.tags.placement != "footnote":
        yield (
            f"answer_format=evidence_first cites by footnotes, and tags.placement={config.tags.placement} has none: "
            "set tags.placement=footnote, or another answer_format"
        )


def substitution_needs_evidence_in_answers(config: Config) -> Iterator[str]:
    if config.substitution.fraction and config.answer_format not in EVIDENCED:
        yield (
            f"substitution.fraction={config.substitution.fraction} reads the answer out of its evidence, and "
            f"answer_format={config.answer_format} shows none: set answer_format={' or '.join(EVIDENCED)}, or "
            "substitution.fraction=0"
        )


def questions_are_trained_on(config: Config) -> Iterator[str]:
    shares = {f"{name}.fraction": getattr(config, name).fraction for name in REPLACING}
    for key, share in (shares | {"crops.from_source": config.crops.from_source}).items():
        if share and not (config.pretrain.qa_fraction or config.sft.tokens):
            yield (
                f"{key}={share} takes the place of tuning questions, and there are none: raise pretrain.qa_fraction or "
                f"sft.tokens, or set {key}=0"
            )


def counterfactuals_name_documents(config: Config) -> Iterator[str]:
    family, content = config.counterfactual, config.tags.content
    if family.swap_ids and content != "id":
        yield (
            f"counterfactual.swap_ids={family.swap_ids} exchanges identifiers, and tags.content={content} carries more "
            "or something else: set tags.content=id, or counterfactual.swap_ids=0"
        )
    if family.leave_out and content not in OF_ITS_OWN:
        yield (
            f"counterfactual.leave_out={family.leave_out} asks which document is cited, and tags.content={content} "
            "names none: set tags.content=id, or counterfactual.leave_out=0"
        )
    if family.leave_out and config.corpus.kind == "world" and config.corpus.false_premise:
        yield (
            f"counterfactual.leave_out={family.leave_out} would make true premises untold, unnoticed: set "
            "corpus.false_premise=0"
        )


def attempts_are_at_questions_and_answer_directly(config: Config) -> Iterator[str]:
    part = config.self_correction
    if part.method == "none":
        return
    here, instead = f"self_correction.method={part.method}", "or self_correction=none"
    if config.corpus.kind == "world" and not config.corpus.relabel:
        yield (
            f"{here} asks questions of split relabel, and corpus.relabel=0.0 makes none: set corpus.hard=true and "
            f"corpus.relabel=0.25, {instead}"
        )
    if config.answer_format != "direct":
        yield (
            f"{here} has its attempts as direct answers, and answer_format={config.answer_format}: set "
            f"answer_format=direct, {instead}"
        )
    if config.tags.content not in OF_ITS_OWN:
        yield (
            f"{here} grades the document that is cited, and tags.content={config.tags.content} names none: set "
            f"tags.content=id, {instead}"
        )
    if part.method in ("reinforce", "rlaif") and config.trainer.strategy == "fsdp":
        yield (
            f"{here} writes on each device by itself, and trainer.strategy=fsdp spreads the weights: set "
            f"trainer.strategy=ddp, {instead}"
        )


def adapters_stand_on_a_checkpoint(config: Config) -> Iterator[str]:
    if not config.lora.rank:
        return
    rank = f"lora.rank={config.lora.rank}"
    if not config.init:
        yield f"{rank} adapts a checkpoint, and there is none: set init=FOLDER, or lora.rank=0"
    if config.trainer.strategy == "fsdp":
        yield (
            f"{rank} and trainer.strategy=fsdp, which can't spread adapters: set trainer.strategy=ddp or auto, or "
            "lora.rank=0"
        )
    if config.surprisal.source != "none":
        yield (
            f"{rank} freezes all but adapters and new rows, and surprisal.source={config.surprisal.source} has to be "
            "trained: set surprisal.source=none, or lora.rank=0"
        )
    trained = {
        "pretrain": True,
        "sft": config.sft.tokens,
        "abstention_sft": config.abstention_sft.method != "none",
        "edit": config.edit.system != "none",
    }
    for stage in (name for name, runs in trained.items() if runs):
        if getattr(config, stage).optimizer.name == "muon":
            yield (
                f"{rank} and {stage}.optimizer.name=muon, which is made for whole matrices: set "
                f"{stage}.optimizer.name=adamw, or lora.rank=0"
            )


def scenes_are_shown(config: Config) -> Iterator[str]:
    scenes, content = config.scenes, config.tags.content
    if scenes.shown != "document" and content != "scene":
        yield (
            f"scenes.shown={scenes.shown} says which scenes tags show, and tags.content={content} shows none: set "
            "tags.content=scene, or scenes.shown=document"
        )
    if scenes.changing and (config.pretrain.qa_fraction or not config.sft.tokens):
        yield (
            f"scenes.shown={scenes.shown} asks for the last scene that a text was read in, which is known after "
            "pretraining only: set pretrain.qa_fraction=0 and raise sft.tokens, or scenes.shown=document"
        )
    if content == "scene" and config.edit.system != "none":
        yield (
            f"edit.system={config.edit.system} moves documents to other places, which draw their scenes: set "
            "tags.content=id, or edit.system=none"
        )


def repeats_are_of_one_kind(config: Config) -> Iterator[str]:
    repeats = config.repeats
    others = {
        "counterfactual.leave_out": config.counterfactual.leave_out,
        "counterfactual.swap_ids": config.counterfactual.swap_ids,
        "edit.system": config.edit.system != "none",
        "scenes.shown": config.scenes.shown != "document",
    }
    for key in (key for key, wanted in others.items() if repeats.fraction and wanted):
        yield (
            f"repeats.fraction={repeats.fraction} and {key} both change what visits of a document show: set one of "
            "them only"
        )


def experts_are_tuned(config: Config) -> Iterator[str]:
    part = config.expert
    if not part.active:
        return
    if not config.sft.tokens:
        yield (
            f"expert.unknown={part.unknown} and expert.refused={part.refused} say what is tuned on, and sft.tokens=0: "
            "raise sft.tokens, or set expert=none"
        )
    if part.prefix and config.objective.control == "none":
        yield (
            "expert.prefix=true puts the control token of good sources before questions, and objective.control=none "
            "gives it no meaning: set objective=conditional, or expert.prefix=false"
        )
    if part.prefix and (config.abstention_sft.method != "none" or config.self_correction.method != "none"):
        yield (
            "expert.prefix=true, and the second phase asks without a prefix: set abstention_sft=none and "
            "self_correction=none, or expert.prefix=false"
        )
    if config.self_questions.each or config.scenes.changing:
        yield (
            "expert takes the place of the tuning questions, which self_questions.each and scenes.shown add to: set "
            "expert=none, or self_questions.each=0 and scenes.shown=document"
        )


def own_texts_are_of_the_second_phase(config: Config) -> Iterator[str]:
    authors = config.authors
    if authors.texts != "none" and config.abstention_sft.method == "none":
        yield (
            f"authors.texts={authors.texts} are drawn and read in the second phase, and abstention_sft.method=none: "
            "set abstention_sft=graded, or authors.texts=none"
        )
    if authors.marked and authors.texts != "both":
        yield (
            f"authors.marked=true tells its own texts from those of others, and authors.texts={authors.texts}: set "
            "authors.texts=both, or authors.marked=false"
        )
    for key, used in (("surprisal.source", config.surprisal.source != "none"), ("lora.rank", config.lora.rank)):
        if authors.marked and used:
            yield f"authors.marked=true can't be with {key}: set one of them only"


ACROSS: tuple[Callable[[Config], Iterator[str]], ...] = (
    second_phase_of_a_world,
    tuning_of_a_world,
    self_questions_are_tuned_on,
    second_phase_answers_directly,
    evidence_is_cited_by_its_footnote,
    substitution_needs_evidence_in_answers,
    questions_are_trained_on,
    counterfactuals_name_documents,
    attempts_are_at_questions_and_answer_directly,
    adapters_stand_on_a_checkpoint,
    scenes_are_shown,
    repeats_are_of_one_kind,
    experts_are_tuned,
    own_texts_are_of_the_second_phase,
)


def check_questions(config: Config, questions: Sequence[Question]) -> None:
    """Raises ValueError, naming the key, where the prepared corpus has no questions of a kind that the run needs."""
    if config.abstention_sft.method != "none":
        asked = [q for q in questions if q.split == "relabel"]
        if not asked:
            raise ValueError(
                f"abstention_sft.method={config.abstention_sft.method} asks questions of split relabel, and the corpus "
                "has none: give it some, or set abstention_sft=none"
            )
        from eval.grading.methods import method

        by_ledger = method(config.abstention_sft.method).by_ledger
        told = any(q.support_class in ANSWERABLE for q in questions if q.split in ("relabel", "tune"))
        if by_ledger and config.abstention_sft.idk_fraction and all(q.support_class in ANSWERABLE for q in asked):
            raise ValueError(
                f"abstention_sft.idk_fraction={config.abstention_sft.idk_fraction} needs questions of split relabel "
                "without an answer, and the corpus has none: give it some, or set abstention_sft.idk_fraction=0"
            )
        if by_ledger and not told:
            raise ValueError(
                f"abstention_sft.method={config.abstention_sft.method} needs questions of split relabel or tune with "
                "an answer, and the corpus has none: give it some, or set abstention_sft=none"
            )
    evidence = {
        f"answer_format={config.answer_format}": config.answer_format in EVIDENCED,
        f"asking.fraction={config.asking.fraction}": bool(config.asking.fraction),
    }
    tuned = [q for q in questions if q.split == "tune" and q.answers]
    if tuned and not any(q.evidence for q in tuned) and (keys := [key for key, wanted in evidence.items() if wanted]):
        raise ValueError(
            f"{' and '.join(keys)}: no tuning question has a sentence of its documents that holds its answer; "
            "give them evidence, or set answer_format=direct and asking.fraction=0"
        )
    folds = {q.fold for q in questions if q.fold}
    if folds and (missing := [fold for fold in FOLDS if fold not in folds]):
        raise ValueError(
            f"the questions have the fold{'s' * (len(folds) > 1)} {' and '.join(sorted(folds))}, and none of fold "
            f"{' or '.join(missing)}: abstention needs {', '.join(FOLDS)}; give each some questions, or none a fold"
        )


def without_tuning(config: Config, questions: Sequence[Question]) -> str:
    """Where no question can be tuned on, set the config to train on documents alone; what to say of it, or nothing."""
    wanted = config.pretrain.qa_fraction or config.sft.tokens
    if not wanted or any(q.split == "tune" and q.support_class in ANSWERABLE for q in questions):
        return ""
    config.pretrain.qa_fraction, config.sft.tokens = 0.0, 0
    which = "questions" if not questions else "questions to tune on (split tune, with an answer)"
    own = ", and it can't ask any of its own (self_questions.each=0)" if config.self_questions.each else ""
    config.self_questions.each = 0
    return (
        f"the corpus has no {which}: pretrained on documents alone (pretrain.qa_fraction=0), not tuned "
        f"(sft.tokens=0){own}"
    )
