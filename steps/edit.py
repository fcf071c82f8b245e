"""After tuning: a short further training on what an edit adds and renames, with lessons of what it retracts.

Added and renamed documents are shown with their tags; what was retracted is never shown again, and questions on it are
taught to be abstained on. Beside them stands, as replay, what stays: all other documents and the tuning questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.schema import Config
from stages import Stage, announced, write_json
from steps.edit_corpus import BEFORE
from steps.evaluation.probes import FILE, PREFIX
from steps.train import Course, fed_back, of_questions, settings_of, train

if TYPE_CHECKING:
    from data.records import Prediction, Question
    from steps.evaluation.evaluated import Evaluated

FORCED = "forced.jsonl"


def edit(config: Config, prepare: Stage, trained: Stage) -> Stage:
    """The stage: the edited model and `lessons.jsonl`. `prepare` is the corpus after the edit."""
    part = config.edit
    training = {name: getattr(part, name) for name in ("tokens", "sequences", "replay")}
    training["optimizer"] = asdict(part.optimizer)
    settings = (
        settings_of(config, prepare, "pretrain") | of_questions(config) | {"trained": trained.key, "edit": training}
    )

    def work(folder: Path) -> dict[str, Any]:
        import torch

        from data.pipeline.concatenated import Concatenated
        from data.records import Question, read_jsonl, write_jsonl
        from eval.grading.edit_lessons import edit_lessons
        from model.hf import load_model
        from steps.corpus import Corpus

        corpus, seed = Corpus.of(config, prepare), config.sft.seed
        what = corpus.edit
        news = [*what.added, *what.renamed.values()]
        stays = {document.id for document in corpus.index} - what.gone - set(news)
        lessons = edit_lessons(list(read_jsonl(prepare.folder / BEFORE, Question)), corpus.questions, what)
        if not news and not lessons:
            raise ValueError(
                "edit.retract: the corpus has no question on these documents to relabel, and nothing is added"
            )
        write_jsonl(folder / "lessons.jsonl", lessons)
        torch.manual_seed(seed)
        first = Concatenated([(corpus.some_documents(news, seed), 1), (corpus.lessons_source(lessons, seed), 1)])
        replayed = corpus.questions_source(seed, left_out={lesson.question for lesson in lessons})
        second = Concatenated([(corpus.some_documents(stays, seed), 1), (replayed, 1)])
        course = Course(first, second, part.tokens, part.replay, part.optimizer, seed, sequences=part.sequences)
        model = fed_back(load_model(trained.folder / "model"), config, "pretrain")
        return train(corpus, stage, folder, model, course) | {"lessons": len(lessons)}

    stage = Stage("edit", settings, Path(config.stages_dir), Path(config.run_dir))
    announced(stage, stage.continued, work)
    return stage


def edit_answers(evaluated: Evaluated) -> Stage:
    """The stage: what the edit touches and what it should not, asked and measured (eval/grading/edit_measures.py)."""
    config = evaluated.config
    modules = [__name__, "eval.selective.edit_cases", "eval.grading.edit_measures", "eval.answerers.writers.statements"]
    modules += [f"eval.signals.{name}" for name in config.eval.signals]
    settings = {"citations": config.eval.citations, "signals": config.eval.signals, "seed": config.seed}
    stage = evaluated.stage(f"{PREFIX}edit", modules, settings | {"rewriting": asdict(config.rewriting)})
    announced(stage, stage.whole, lambda folder: _answers(evaluated, folder))
    return stage


def _answers(evaluated: Evaluated, folder: Path) -> dict[str, Any]:
    from data.records import Question, read_jsonl, write_jsonl
    from eval.grading.edit_measures import asked_after, measure_edit
    from eval.selective.edit_cases import edit_cases

    corpus = evaluated.corpus
    before = list(read_jsonl(evaluated.prepare.folder / BEFORE, Question))
    asked = asked_after(before, corpus.questions, corpus.edit)
    forced = _cited(evaluated, [after for _, _, after in asked])
    write_jsonl(folder / FORCED, forced)
    write_json(folder / FILE, measure_edit(edit_cases(asked, forced), corpus.edit))
    return {"questions": len(asked)}


def _cited(evaluated: Evaluated, questions: Sequence[Question]) -> list[Prediction]:
    """Forced answers, cited as in `eval.ask`: by the statement made of question and answer, where signals need one."""
    from eval.answerers.writers.statements import statements
    from eval.signals import Asked, extractor

    config, answerer = evaluated.config, evaluated.answerer
    said = answerer.answer(questions)
    tuning = [q for q in evaluated.corpus.questions if q.split == "tune"]
    readers = [one for one in map(extractor, config.eval.signals) if one.statement]
    if readers:
        stated = statements(answerer, tuning, bool(config.rewriting.fraction)).write(questions, said)
        for one in readers:
            said = one.extract(Asked(answerer, stated, said, config.eval.samples, config.seed))
    return said
