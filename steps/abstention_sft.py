"""The second phase of tuning: the model is asked, graded and taught, round by round (eval/grading/methods)."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.schema import Config
from stages import Stage, announced
from steps.train import Course, fed_back, settings_of, train

if TYPE_CHECKING:
    from data.pipeline.sources import Source


def abstention_sft(config: Config, prepare: Stage, tuned: Stage) -> list[Stage]:
    """Its stages: for each round a rollout and what was learnt from it."""
    stages = [tuned]
    for number in range(1, config.abstention_sft.rounds + 1):
        rollout = _rollout(config, prepare, stages[-1], number)
        stages += [rollout, _teach(config, prepare, stages[-1], rollout, number)]
    return stages[1:]


def _rollout(config: Config, prepare: Stage, trained: Stage, number: int) -> Stage:
    """The model's own answers to the questions of split relabel: forced and greedy, and sampled."""
    part = config.abstention_sft
    settings = {
        "prepare": prepare.key,
        "trained": trained.key,
        "ids": asdict(config.ids),
        "answer_format": config.answer_format,
        "samples": part.samples,
        "temperature": part.temperature,
        "seed": config.sft.seed,
    }
    if config.authors.texts != "none":
        settings["own_texts"] = True

    def work(folder: Path) -> dict[str, Any]:
        from data.records import write_jsonl
        from eval.answerers.lm_answerer import LMAnswerer
        from eval.signals.self_consistency import draw_samples
        from model.hf import load_model
        from steps.corpus import Corpus
        from steps.own_texts import OWN_TEXTS, own_texts

        corpus = Corpus.of(config, prepare)
        questions = [q for q in corpus.questions if q.split == "relabel"]
        if not questions:
            raise ValueError(
                "the corpus has no questions of split relabel, which a second phase asks: see corpus.relabel"
            )
        model = load_model(trained.folder / "model")
        answerer = LMAnswerer(
            model,
            corpus.tokenizer,
            corpus.identifiers,
            most=1,
            validity=False,
            forced=True,
            answer_format=config.answer_format,
            placement=config.tags.placement,
        )
        said = answerer.answer(questions)
        samples = draw_samples(answerer, questions, part.samples, part.temperature, config.sft.seed)
        drawn = [replace(p, samples=s) for p, s in zip(said, samples, strict=True)]
        write_jsonl(folder / "predictions.jsonl", drawn)
        if config.authors.texts != "none":
            write_jsonl(folder / OWN_TEXTS, own_texts(answerer, corpus.questions, part.samples, config.sft.seed))
        return {"questions": len(questions)}

    stage = Stage(f"rollout{number}", settings, Path(config.stages_dir), Path(config.run_dir))
    announced(stage, stage.whole, work)
    return stage


def _teach(config: Config, prepare: Stage, trained: Stage, rollout: Stage, number: int) -> Stage:
    """One round: lessons from the rollout, learnt from where the model stands."""
    part, seed = config.abstention_sft, config.sft.seed
    settings = settings_of(config, prepare, "abstention_sft") | {
        "answer_format": config.answer_format,
        "rollout": rollout.key,
        "trained": trained.key,
        "abstention_sft": asdict(part),
    }
    if config.authors.texts != "none":
        settings["authors"] = asdict(config.authors)

    def work(folder: Path) -> dict[str, Any]:
        import torch

        from data.records import Prediction, read_jsonl, write_jsonl
        from eval.grading.methods import relabel
        from model.hf import load_model
        from steps.corpus import Corpus
        from steps.own_texts import own_words, with_texts

        corpus = Corpus.of(config, prepare)
        asked = {q.id: q for q in corpus.questions}
        named = dict(zip(corpus.identifiers.labels, (d.id for d in corpus.index), strict=True))  # by what tags carry
        said = [
            replace(p, citations=tuple(replace(c, id=named[c.id]) for c in p.citations))
            for p in read_jsonl(rollout.folder / "predictions.jsonl", Prediction)
        ]
        lessons = relabel(part.method, [(asked[p.question], p) for p in said], corpus.tuned, part.idk_fraction, seed)
        if config.authors.marked:
            lessons = own_words(lessons, said)
        write_jsonl(folder / "lessons.jsonl", lessons)
        torch.manual_seed(seed + number)
        first: Source = corpus.lessons_source(lessons, seed + number)
        if config.authors.texts != "none":
            first = with_texts(first, corpus, rollout.folder, seed + number)
        second = corpus.documents_source(seed + number)
        course = Course(first, second, part.tokens // part.rounds, part.replay, part.optimizer, seed + number)
        model = fed_back(load_model(trained.folder / "model"), config, "abstention_sft")
        if config.authors.marked and model.authors is None:
            model.mark_authors()
        return train(corpus, stage, folder, model, course) | {"lessons": len(lessons)}

    stage = Stage(f"abstention_sft{number}", settings, Path(config.stages_dir), Path(config.run_dir))
    announced(stage, stage.continued, work)
    return stage
