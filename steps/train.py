"""The training stages pretrain and sft, and what all training stages share.

All of them train on two sources: pretraining on documents with a share of tuning questions, tuning on questions and the
later stages on lessons, these with a share of documents replayed.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.estimate import estimate
from configs.machine import all_devices
from configs.schema import Config
from data.pipeline.visits.scenes import READINGS
from stages import Stage, announced, rank, write_json
from steps.initial import initial_model, initial_settings
from train.config import OptimizerConfig

if TYPE_CHECKING:  # imported where they are used: torch takes seconds
    from data.pipeline.sources import Source
    from data.pipeline.stream import Plan
    from model.transformer import Transformer
    from steps.corpus import Corpus
    from train.module import SourceAwareLM

log = logging.getLogger("whence")


@dataclass(frozen=True)
class Course:
    """How long and on what a stage trains; see `data.pipeline.stream.Plan` and the keys of configs/schema.py."""

    first: Source
    second: Source
    tokens: int
    share: float
    optimizer: OptimizerConfig
    seed: int
    cooldown: float = 0.0
    begins: float = 0.0
    sequences: int = 0  # in an optimiser step; 0 for those of the run


def pretrain(config: Config, prepare: Stage) -> Stage:
    """Tagged documents, with a share of tuning questions mixed in, from random weights or a checkpoint."""
    part = config.pretrain
    settings = settings_of(config, prepare, "pretrain") | {
        "model": initial_settings(config),
        "pretrain": asdict(part),
    }
    if part.qa_fraction:
        settings |= of_questions(config) | {"crops": asdict(config.crops)}

    def work(folder: Path) -> dict[str, Any]:
        import torch

        from steps.corpus import Corpus

        corpus, seed = Corpus.of(config, prepare), config.seed
        corpus.check_questions()
        torch.manual_seed(seed)
        first, second = corpus.documents_source(seed), corpus.questions_source(seed, crops=True)
        phases = config.tags.cooldown, config.objective.begins
        course = Course(first, second, part.tokens, part.qa_fraction, part.optimizer, seed, *phases)
        model = initial_model(config, corpus.tokenizer)
        if not rank():
            log.info("         %s", estimate(config, model.config, all_devices(config.trainer)))
        record = train(corpus, stage, folder, fed_back(model, config, "pretrain"), course)
        if config.scenes.changing and not rank():
            write_json(folder / READINGS, _readings(corpus, course))
        return record

    stage = Stage("pretrain", settings, Path(config.stages_dir), Path(config.run_dir))
    announced(stage, stage.continued, work)
    return stage


def sft(config: Config, prepare: Stage, pretrained: Stage, written: Stage | None = None) -> Stage:
    """Tuning questions, with a share of tagged documents replayed, from the pretrained weights.

    `written` has questions that the model wrote itself, to be tuned on beside them.
    """
    part = config.sft
    settings = settings_of(config, prepare, "pretrain") | {"pretrain": pretrained.key, "sft": asdict(part)}
    settings |= of_questions(config)
    if config.expert.active:
        settings |= {"expert": asdict(config.expert)}
    if written:
        settings |= {"self_questions": written.key}

    def work(folder: Path) -> dict[str, Any]:
        import torch

        from data.records import Question, read_jsonl
        from model.hf import load_model
        from steps.corpus import Corpus
        from steps.self_questions import QUESTIONS

        corpus = Corpus.of(config, prepare)
        further = list(read_jsonl(written.folder / QUESTIONS, Question)) if written else []
        torch.manual_seed(part.seed)  # whether pretraining ran in this process or in one before
        named = None
        if config.scenes.changing:
            readings = json.loads((pretrained.folder / READINGS).read_text(encoding="utf-8"))
            named = corpus.last_read(readings)
            if not rank():
                write_json(folder / READINGS, readings)
        first: Source = (
            corpus.expert_source(part.seed)
            if config.expert.active
            else corpus.questions_source(part.seed, further, named=named)
        )
        second = corpus.documents_source(part.seed)
        plain = 1.0 if config.scenes.changing else 0.0  # replay without tags, so that no reading comes after the last
        course = Course(first, second, part.tokens, part.replay, part.optimizer, part.seed, plain)
        model = fed_back(load_model(pretrained.folder / "model"), config, "pretrain")
        return train(corpus, stage, folder, model, course)

    stage = Stage("sft", settings, Path(config.stages_dir), Path(config.run_dir))
    announced(stage, stage.continued, work)
    return stage


def fed_back(model: Transformer, config: Config, stage: str) -> Transformer:
    """The model with the feedback of surprisal that a stage trains with, given it here where it has none yet."""
    if config.surprisal.fed(stage):
        if model.surprisal is None:
            model.feed_back(config.surprisal.source)
        assert model.surprisal is not None
        model.surprisal.dropout = config.surprisal.dropout
    return model


def settings_of(config: Config, prepare: Stage, begun: str) -> dict[str, Any]:
    """What every training stage depends on; `begun` is the stage of train.config.BEGINS that it is of."""
    family = {"counterfactual": asdict(config.counterfactual)} if config.counterfactual.active else {}
    if config.tags.content == "scene" or config.scenes.fraction:
        family["scenes"] = asdict(config.scenes)
    if config.repeats.fraction:
        family["repeats"] = asdict(config.repeats)
    adapters = {"lora": asdict(config.lora)} if config.lora.rank else {}
    fed = {"surprisal": asdict(config.surprisal)} if config.surprisal.fed(begun) else {}
    return (
        family
        | adapters
        | fed
        | {
            "prepare": prepare.key,
            "ids": asdict(config.ids),
            "tags": asdict(config.tags),
            "batch": asdict(config.batch),
            "objective": asdict(config.objective),
            "precision": config.trainer.precision,
            "seed": config.seed,
        }
    )


def of_questions(config: Config) -> dict[str, Any]:
    """What a stage depends on that trains on questions."""
    drawn = {name: asdict(getattr(config, name)) for name in ("rewriting", "asking")}
    for name in ("planted", "substitution"):
        part = getattr(config, name)
        drawn |= {name: asdict(part)} if part.fraction else {}
    return {"answer_format": config.answer_format, **drawn}


def train(
    corpus: Corpus,
    stage: Stage,
    folder: Path,
    model: Any,
    course: Course,
    learner: Callable[..., SourceAwareLM] | None = None,
) -> dict[str, Any]:
    """Train as the course says, continuing what stands in the folder; leaves the model there and returns the record.

    `learner` makes the module of what is learnt, where that is more than the stream.
    """
    from data.pipeline.answer_format import FORMATS
    from data.pipeline.stream import Stream
    from model.heads.induction import repeated_runs
    from model.hf import save_model
    from train.fit import fit
    from train.fsdp import whole_weights
    from train.lora import add_adapters, merge_adapters
    from train.module import SourceAwareLM

    config, tokenizer = corpus.config, corpus.tokenizer
    if config.lora.rank:
        trained = add_adapters(model, config.lora, known=min(id for id in tokenizer.reserved if id))
        if not rank():
            log.info("         lora.rank=%d: %.3g parameters are trained", config.lora.rank, trained)
    plan = _plan(config, course)
    second = course.second if course.share else None
    module = (learner or SourceAwareLM)(
        model,
        course.first,
        second,
        plan,
        tokenizer.pad,
        course.optimizer,
        fingerprint=stage.key,
        workers=config.trainer.workers,
        compiled=config.trainer.compiled,
        heldout=corpus.reading if corpus.heldout else None,
        objective=config.objective,
        idk=FORMATS[config.answer_format](tokenizer).refusals[0],
        runs=repeated_runs(sorted(tokenizer.starts), tokenizer.doc) if config.trainer.induction_every else None,
    )
    seconds = fit(stage.name, module, config.trainer, folder)
    if config.lora.rank:
        merge_adapters(model)
    weights = whole_weights(model)
    if not rank():
        row = config.batch.seq_len
        save_model(model, folder / "model", row, tokenizer.end, state=weights, beside=tokenizer.exported(row))
    return {
        "seconds": seconds,
        "tokens": plan.steps * plan.sequences * plan.seq_len,
        "accounting": Stream(course.first, second, plan, tokenizer.pad).account(module.cursor, *module.trained_on),
        "steps": plan.steps,
        "parameters": sum(p.numel() for p in model.parameters()),
    }


def _plan(config: Config, course: Course) -> Plan:
    """How the stream of a course is laid out."""
    from data.pipeline.stream import Plan

    sequences = course.sequences or config.batch.sequences
    return Plan(
        seq_len=config.batch.seq_len,
        sequences=sequences,
        steps=max(1, round(course.tokens / (config.batch.seq_len * sequences))),
        share=course.share,
        cooldown=course.cooldown,
        begins=course.begins,
        seed=course.seed,
    )


def _readings(corpus: Corpus, course: Course) -> dict[str, list[list[int]]]:
    """The scenes in which each document was read, in order, by its id: the course's stream once more."""
    from data.pipeline.stream import Stream
    from data.pipeline.visits.scenes import readings

    second = course.second if course.share else None
    stream = Stream(course.first, second, _plan(corpus.config, course), corpus.tokenizer.pad)
    found = readings((cursor.step, rows) for rows, cursor in stream.steps())
    return {corpus.index[place].id: scenes for place, scenes in found.items()}
