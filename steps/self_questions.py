"""Between pretraining and tuning: the pretrained model writes questions for all documents, to be tuned on."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from configs.schema import Config
from stages import Stage, announced
from stages.code import code_digest

QUESTIONS = "questions.jsonl"


def self_questions(config: Config, prepare: Stage, trained: Stage) -> Stage:
    """The stage: questions.jsonl. Documents that are held out have none, since nobody reads them."""
    part = config.self_questions
    settings = {
        "prepare": prepare.key,
        "trained": trained.key,
        "self_questions": asdict(part),
        "seed": config.seed,
        "row": config.batch.seq_len,
        "batch": config.eval.batch,
        "code": code_digest([__name__, "eval.answerers.writers.round_trip"]),
    }

    def work(folder: Path) -> dict[str, Any]:
        from data.records import write_jsonl
        from data.storage.shards import read_documents
        from eval.answerers.lm_answerer import LMAnswerer
        from eval.answerers.writers.question_writer import write_questions
        from eval.answerers.writers.round_trip import returning
        from model.hf import load_model
        from steps.corpus import Corpus

        corpus = Corpus.of(config, prepare)
        answerer = LMAnswerer(
            load_model(trained.folder / "model"),
            corpus.tokenizer,
            corpus.identifiers,
            batch=config.eval.batch,
            longest=config.batch.seq_len,
            answer_format=config.answer_format,
            placement=config.tags.placement,
        )
        documents = corpus.counterfactual.read(list(read_documents(prepare.folder)))
        evaluated = [question for question in corpus.questions if question.split != "tune"]
        found = write_questions(answerer, documents, part.each, part.temperature, config.seed, evaluated)
        if part.round_trip != "none":
            found = returning(answerer, found, part.round_trip)
        write_jsonl(folder / QUESTIONS, found.questions)
        return {"questions": len(found.questions), "left_out": dict(found.left_out)}

    stage = Stage("self_questions", settings, Path(config.stages_dir), Path(config.run_dir))
    announced(stage, stage.whole, work)
    return stage
