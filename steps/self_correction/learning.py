"""The training stages of self-correction: the form, own attempts sampled and tuned on, or learnt from as they come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.schema import Config
from data.stateless_rng import hash_key
from stages import Stage, announced
from stages.code import code_digest
from steps.train import Course, of_questions, settings_of, train

if TYPE_CHECKING:
    from data.pipeline.questions.attempts import Attempt
    from data.records import Question
    from steps.corpus import Corpus
    from train.reinforce.module import Grade

EPISODES, LESSONS = "episodes.jsonl", "lessons.jsonl"
GRADERS = ("eval.grading.attempts", "eval.grading.rewards")
WRITERS = ("model.generate",)  # what is drawn hangs on how


def form(config: Config, prepare: Stage, trained: Stage) -> Stage:
    """The form of attempts, over the tuning questions."""
    part, seed = config.self_correction, config.seed
    taught: dict[str, Any] = {name: getattr(part, name) for name in ("form_tokens", "replay", "confidence")}
    taught["optimizer"] = asdict(part.optimizer)
    settings = settings_of(config, prepare, "pretrain") | {"trained": trained.key, "form": taught}

    def work(folder: Path) -> dict[str, Any]:
        import torch

        from data.pipeline.questions.attempts import FormLessons
        from model.hf import load_model
        from steps.corpus import Corpus

        corpus = Corpus.of(config, prepare)
        torch.manual_seed(seed)
        lessons = FormLessons(
            corpus.tuned, corpus.index, corpus.identifiers, corpus.tokenizer, seed, stated=part.confidence
        )
        documents = corpus.documents_source(seed)
        course = Course(lessons, documents, part.form_tokens, part.replay, part.optimizer, seed)
        return train(corpus, stage, folder, load_model(trained.folder / "model"), course)

    stage = Stage("form", settings, Path(config.stages_dir), Path(config.run_dir))
    announced(stage, stage.continued, work)
    return stage


def rollout(config: Config, prepare: Stage, trained: Stage, number: int, rounds: int) -> Stage:
    """A round's share of the attempts, sampled: episodes.jsonl."""
    part, seed = config.self_correction, int(hash_key(config.sft.seed, 62, number)) >> 1
    count = part.episodes // rounds // part.group
    settings = {
        "prepare": prepare.key,
        "trained": trained.key,
        "ids": asdict(config.ids),
        "questions": count,
        "sampled": [part.group, part.temperature, part.attempts],
        "seed": seed,
        "code": code_digest(WRITERS),
    }

    def work(folder: Path) -> dict[str, Any]:
        import torch

        from data.pipeline.questions.attempts import LONGEST, AttemptForm, Episode
        from data.records import write_jsonl
        from data.stateless_rng import Permutation
        from model.generate import generate_attempts
        from model.hf import load_model
        from steps.corpus import Corpus

        corpus = Corpus.of(config, prepare)
        asked, shape = asked_of(corpus), AttemptForm(corpus.tokenizer, corpus.identifiers)
        model, texts = load_model(trained.folder / "model").eval(), corpus.tokenizer.encode([q.text for q in asked])
        generator = torch.Generator().manual_seed(seed)
        order = [
            int(Permutation(len(asked), int(hash_key(seed, i // len(asked))))(i % len(asked))) for i in range(count)
        ]
        episodes = []
        for start in range(0, count, part.questions):
            here = order[start : start + part.questions]
            prompts = [shape.prompt(texts[place]) for place in here]
            drawn = generate_attempts(
                model, prompts, shape.again, shape.end, LONGEST, part.attempts, part.group, part.temperature, generator
            )
            episodes += [Episode(asked[here[row // part.group]].id, tuple(one)) for row, one in enumerate(drawn)]
        write_jsonl(folder / EPISODES, episodes)
        return {"episodes": len(episodes)}

    stage = Stage(f"rollout{number}", settings, Path(config.stages_dir), Path(config.run_dir))
    announced(stage, stage.whole, work)
    return stage


def from_episodes(config: Config, prepare: Stage, taught: Stage, drawn: Stage, number: int, rounds: int) -> Stage:
    """Tuning on the episodes of a round, from the model of the form on: lessons.jsonl and the model."""
    part, seed = config.self_correction, config.sft.seed
    learnt: dict[str, Any] = {"method": part.method, "tokens": part.tokens // rounds, "replay": part.replay}
    learnt["optimizer"] = asdict(part.optimizer)
    settings = settings_of(config, prepare, "pretrain") | {
        "rollout": drawn.key,
        "taught": taught.key,
        "self_correction": learnt,
    }
    settings |= {"sft_seed": seed, "code": code_digest(GRADERS)}

    def work(folder: Path) -> dict[str, Any]:
        import torch

        from data.pipeline.questions.attempts import AttemptForm, Episode, EpisodeLessons
        from data.records import read_jsonl, write_jsonl
        from eval.grading.attempts import kept, pairs, went_well
        from model.hf import load_model
        from steps.corpus import Corpus

        corpus = Corpus.of(config, prepare)
        shape, asked = AttemptForm(corpus.tokenizer, corpus.identifiers), {q.id: q for q in asked_of(corpus)}
        episodes = list(read_jsonl(drawn.folder / EPISODES, Episode))
        said = {(one.question, attempt) for one in episodes for attempt in one.attempts}
        well = {(name, attempt): went_well(asked[name], shape.parse(name, attempt)) for name, attempt in said}
        lessons = kept(episodes, well) if part.method == "star" else pairs(episodes, well, seed)
        if not lessons:
            raise ValueError(f"self_correction.method={part.method}: no attempt of {len(episodes)} went well")
        write_jsonl(folder / LESSONS, lessons)
        torch.manual_seed(seed + number)
        first, second = EpisodeLessons(lessons, list(asked.values()), shape), corpus.documents_source(seed + number)
        course = Course(first, second, part.tokens // rounds, part.replay, part.optimizer, seed + number)
        return train(corpus, stage, folder, load_model(taught.folder / "model"), course) | {"lessons": len(lessons)}

    stage = Stage(f"{part.method}{number}", settings, Path(config.stages_dir), Path(config.run_dir))
    announced(stage, stage.continued, work)
    return stage


@dataclass(frozen=True)
class Rewarded:
    """What attempts are worth where no reward of eval/grading/rewards says it.

    Attributes:
        key: of the stage that it was learnt in.
        of: the worth of an attempt at the question of this number, from the corpus and its questions.
    """

    key: str
    of: Callable[[Corpus, list[Question]], Callable[[int, Attempt], float]]


def reinforce(config: Config, prepare: Stage, taught: Stage, rewarded: Rewarded | None = None) -> Stage:
    """REINFORCE on own attempts, from the model of the form on, which it is kept near to."""
    part, seed = config.self_correction, config.sft.seed
    names = ("reward", "target", "attempts", "steps", "questions", "group", "temperature", "replayed")
    learnt = {name: getattr(part, name) for name in names} | {"reinforce": asdict(part.reinforce)}
    settings = (
        settings_of(config, prepare, "pretrain")
        | of_questions(config)
        | {"taught": taught.key, "self_correction": learnt}
    )
    settings |= {"sft_seed": seed, "code": code_digest((*GRADERS, *WRITERS, f"eval.grading.rewards.{part.reward}"))}
    settings |= {"rewarded": rewarded.key} if rewarded else {}

    def work(folder: Path) -> dict[str, Any]:
        import torch

        from data.pipeline.questions.attempts import AttemptForm
        from model.hf import load_model
        from steps.corpus import Corpus
        from train.reinforce.module import OnPolicyLM, Policy

        corpus = Corpus.of(config, prepare)
        asked, shape = asked_of(corpus), AttemptForm(corpus.tokenizer, corpus.identifiers)
        texts = corpus.tokenizer.encode([question.text for question in asked])
        policy = Policy(texts, shape, _grade(config, corpus, asked, rewarded), part, seed)
        torch.manual_seed(seed)
        first, second = corpus.documents_source(seed), corpus.questions_source(seed)
        tokens = part.steps * part.replayed * config.batch.seq_len
        optimizer = part.reinforce.optimizer
        course = Course(first, second, tokens, config.pretrain.qa_fraction, optimizer, seed, sequences=part.replayed)
        model = load_model(taught.folder / "model")
        record = train(corpus, stage, folder, model, course, partial(OnPolicyLM, policy=policy))
        return record | {"episodes": part.episodes}

    stage = Stage("reinforce", settings, Path(config.stages_dir), Path(config.run_dir))
    announced(stage, stage.continued, work)
    return stage


def asked_of(corpus: Corpus) -> list[Question]:
    """The questions that own attempts are sampled to. Raises ValueError where there are none."""
    found = [question for question in corpus.questions if question.split == "relabel"]
    if not found:
        raise ValueError("the corpus has no questions of split relabel, which attempts are made at: see corpus.relabel")
    return found


def _grade(config: Config, corpus: Corpus, asked: list[Question], rewarded: Rewarded | None) -> Grade:
    from data.pipeline.questions.attempts import AttemptForm
    from eval.grading.correctness import answer_given, is_right
    from eval.grading.rewards import reward
    from train.reinforce.module import Graded

    shape, part = AttemptForm(corpus.tokenizer, corpus.identifiers), config.self_correction
    by_ledger, learnt = reward(part.reward), rewarded.of(corpus, asked) if rewarded else None

    def grade(number: int, attempt: Attempt) -> Graded:
        question = asked[number]
        said = shape.parse(question.id, attempt)
        worth = learnt(number, attempt) if learnt else by_ledger(question, said, part.target)
        return Graded(worth, is_right(question, answer_given(said)))

    return grade
