"""The second phase of tuning: the model is asked, graded and taught, round by round (eval/teaching.py)."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from configs.schema import Config
from stages import Stage, announced
from steps.train import Course, settings_of, train


def second_phase(config: Config, prepare: Stage, tuned: Stage) -> list[Stage]:
    """Its stages: for each round an attempt and what was learnt from it."""
    stages = [tuned]
    for number in range(1, config.second.rounds + 1):
        attempt = _attempt(config, prepare, stages[-1], number)
        stages += [attempt, _teach(config, prepare, stages[-1], attempt, number)]
    return stages[1:]


def _attempt(config: Config, prepare: Stage, trained: Stage, number: int) -> Stage:
    """The model's own answers to the questions of split second: forced and greedy, and sampled."""
    part = config.second
    settings = {
        "prepare": prepare.key,
        "trained": trained.key,
        "ids": asdict(config.ids),
        "samples": part.samples,
        "temperature": part.temperature,
        "seed": config.tune.seed,
    }

    def work(folder: Path) -> dict[str, Any]:
        from data.records import write_jsonl
        from eval.model import ModelAnswerer
        from eval.samples import draw_samples
        from model.hf import load_model
        from steps.corpus import Corpus

        corpus = Corpus.of(config, prepare)
        questions = [q for q in corpus.questions if q.split == "second"]
        if not questions:
            raise ValueError(
                "the corpus has no questions of split second, which a second phase asks: see corpus.second"
            )
        model = load_model(trained.folder / "model")
        answerer = ModelAnswerer(model, corpus.codec, corpus.identifiers, most=1, validity=False, forced=True)
        said = answerer.answer(questions)
        samples = draw_samples(answerer, questions, part.samples, part.temperature, config.tune.seed)
        drawn = [replace(p, samples=s) for p, s in zip(said, samples, strict=True)]
        write_jsonl(folder / "predictions.jsonl", drawn)
        return {"questions": len(questions)}

    stage = Stage(f"attempt{number}", settings, Path(config.stages_dir), Path(config.run_dir))
    announced(stage, stage.whole, work)
    return stage


def _teach(config: Config, prepare: Stage, trained: Stage, attempt: Stage, number: int) -> Stage:
    """One round: lessons from the attempt, learnt from where the model stands."""
    part, seed = config.second, config.tune.seed
    settings = settings_of(config, prepare) | {"attempt": attempt.key, "trained": trained.key, "second": asdict(part)}

    def work(folder: Path) -> dict[str, Any]:
        import torch

        from data.records import Prediction, read_jsonl, write_jsonl
        from eval.teaching import teach
        from model.hf import load_model
        from steps.corpus import Corpus

        corpus = Corpus.of(config, prepare)
        asked = {q.id: q for q in corpus.questions}
        named = dict(zip(corpus.identifiers.labels, (d.id for d in corpus.index), strict=True))  # by what tags carry
        said = [
            replace(p, citations=tuple(replace(c, id=named[c.id]) for c in p.citations))
            for p in read_jsonl(attempt.folder / "predictions.jsonl", Prediction)
        ]
        lessons = teach(part.method, [(asked[p.question], p) for p in said], corpus.tuned, part.absent, seed)
        write_jsonl(folder / "lessons.jsonl", lessons)
        torch.manual_seed(seed + number)
        first, second = corpus.lessons_source(lessons, seed + number), corpus.documents_source(seed + number)
        course = Course(first, second, part.tokens // part.rounds, part.replay, part.optimizer, seed + number)
        return train(corpus, stage, folder, load_model(trained.folder / "model"), course) | {"lessons": len(lessons)}

    stage = Stage(f"second{number}", settings, Path(config.stages_dir), Path(config.run_dir))
    announced(stage, stage.continued, work)
    return stage
