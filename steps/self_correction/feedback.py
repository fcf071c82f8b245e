"""The stages of feedback in words: who answers by a critique is taught, refinements are written, judged and learnt.

critic       the model of the form learns to write by a critique, and to write one (eval/feedback/refinements.py)
refined      own first attempts (stage rollout1), their critiques and what is written then: refinements.jsonl with
             judged.jsonl, what the ledger says of them
ilf          the model of the form learns the refinements that fit best, as answers to the question alone
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.schema import Config
from data.stateless_rng import hash_key
from stages import Stage, announced
from stages.code import code_digest
from steps.self_correction.learning import EPISODES, LESSONS, asked_of
from steps.train import Course, settings_of, train

if TYPE_CHECKING:
    from data.pipeline.questions.attempts import Attempt, AttemptForm
    from data.pipeline.questions.refinements import Refinement
    from data.records import Question
    from eval.metrics.statistics import Floats
    from model.transformer import Transformer

REFINEMENTS, JUDGED = "refinements.jsonl", "judged.jsonl"
CRITICS = ("eval.feedback.critics", "eval.feedback.refinements", "eval.feedback.own_critic")
TAUGHT = {"shuffled": "oracle", "own": "oracle"}  # by whose critiques the model learns to write


def critic(config: Config, prepare: Stage, taught: Stage) -> Stage:
    """The model of the form, taught to answer by critiques and to write them, on tuning questions."""
    part, seed = config.self_correction, config.seed
    kind = TAUGHT.get(part.critique.critic, part.critique.critic)
    learnt = {"critic": kind, "tokens": part.critique.tokens, "replay": part.replay}
    settings = settings_of(config, prepare, "pretrain") | {
        "taught": taught.key,
        "critique": learnt | {"optimizer": asdict(part.optimizer)},
        "code": code_digest(CRITICS),
    }

    def work(folder: Path) -> dict[str, Any]:
        import torch

        from data.pipeline.questions.attempts import AttemptForm
        from data.pipeline.questions.refinements import RefinementLessons
        from data.records import write_jsonl
        from eval.feedback.critics import Critic
        from eval.feedback.refinements import lessons
        from model.hf import load_model
        from steps.corpus import Corpus

        corpus = Corpus.of(config, prepare)
        shape = AttemptForm(corpus.tokenizer, corpus.identifiers)
        asked = [question for question in corpus.questions if question.split == "tune"]
        found = lessons(asked, corpus.tuned, Critic(shape, kind), ledger(shape), seed)
        write_jsonl(folder / LESSONS, found)
        torch.manual_seed(seed)
        first = RefinementLessons(found, asked, shape, kind == "oracle", config.batch.seq_len)
        second = corpus.documents_source(seed)
        course = Course(first, second, part.critique.tokens, part.replay, part.optimizer, seed)
        return train(corpus, stage, folder, load_model(taught.folder / "model"), course) | {"lessons": len(found)}

    stage = Stage("critic", settings, Path(config.stages_dir), Path(config.run_dir))
    announced(stage, stage.continued, work)
    return stage


def refined(config: Config, prepare: Stage, drawn: Stage, critic: Stage) -> Stage:
    """Each first attempt of a rollout with its critique and what the model of the critic writes then, sampled."""
    part, seed = config.self_correction, int(hash_key(config.sft.seed, 63)) >> 1
    settings = {
        "prepare": prepare.key,
        "rollout": drawn.key,
        "critic": critic.key,
        "ids": asdict(config.ids),
        "says": part.critique.critic,
        "sampled": [part.questions * part.group, part.temperature],
        "seed": seed,
        "code": code_digest(CRITICS),
    }

    def work(folder: Path) -> dict[str, Any]:
        from data.pipeline.questions.attempts import AttemptForm, Episode
        from data.records import read_jsonl, write_jsonl
        from eval.feedback.refinements import Judged
        from model.hf import load_model
        from steps.corpus import Corpus

        corpus = Corpus.of(config, prepare)
        shape, asked = AttemptForm(corpus.tokenizer, corpus.identifiers), {q.id: q for q in asked_of(corpus)}
        firsts = [(one.question, one.attempts[0]) for one in read_jsonl(drawn.folder / EPISODES, Episode)]
        model, says = load_model(critic.folder / "model").eval(), ledger(shape)
        found, told = _refinements(config, shape, model, asked, firsts, seed)
        judged = [
            Judged(one.question, asked[one.question].entity, says(asked[one.question], one.first), name,
                   says(asked[one.question], one.second))
            for one, name in zip(found, told, strict=True)
        ]  # fmt: skip
        write_jsonl(folder / REFINEMENTS, found)
        write_jsonl(folder / JUDGED, judged)
        return {"refinements": len(found)}

    stage = Stage("refined", settings, Path(config.stages_dir), Path(config.run_dir))
    announced(stage, stage.whole, work)
    return stage


def ilf(config: Config, prepare: Stage, taught: Stage, critic: Stage, written: Stage) -> Stage:
    """Tuning on the refinements that fit best, or by outcome alone, from the model of the form on."""
    part, seed = config.self_correction, config.sft.seed
    chosen = {name: getattr(part.critique, name) for name in ("judge", "choice", "beta", "each")}
    learnt: dict[str, Any] = {"tokens": part.tokens, "replay": part.replay, "target": part.target, **chosen}
    settings = settings_of(config, prepare, "pretrain") | {
        "refined": written.key,
        "taught": taught.key,
        "ilf": learnt | {"optimizer": asdict(part.optimizer)},
        "sft_seed": seed,
        "code": code_digest(CRITICS),
    }

    def work(folder: Path) -> dict[str, Any]:
        import torch

        from data.pipeline.questions.attempts import AttemptForm, EpisodeLessons
        from data.pipeline.questions.refinements import Refinement
        from data.records import read_jsonl, write_jsonl
        from eval.feedback.constitution import worths
        from eval.feedback.refinements import best_fitting, by_outcome
        from model.hf import load_model
        from steps.corpus import Corpus

        corpus = Corpus.of(config, prepare)
        shape, asked = AttemptForm(corpus.tokenizer, corpus.identifiers), asked_of(corpus)
        found = list(read_jsonl(written.folder / REFINEMENTS, Refinement))
        model = load_model(critic.folder / "model").eval()
        value = worths(part.target)
        judge = judged_by(config, shape, model, asked)
        if part.critique.choice == "outcome":
            firsts = [(one.question, one.first) for one in found]
            lessons = by_outcome(firsts, judge(firsts) @ value, part.target, part.critique.each, shape.refusal, seed)
        else:
            rewards = judge([(one.question, one.second) for one in found]) @ value
            lessons = best_fitting(found, rewards, part.critique.beta, part.critique.each, seed)
        if not lessons:
            raise ValueError(f"self_correction.method=ilf: none of {len(found)} refinements fits what was said")
        write_jsonl(folder / LESSONS, lessons)
        torch.manual_seed(seed)
        first, second = EpisodeLessons(lessons, asked, shape), corpus.documents_source(seed)
        course = Course(first, second, part.tokens, part.replay, part.optimizer, seed)
        return train(corpus, stage, folder, load_model(taught.folder / "model"), course) | {"lessons": len(lessons)}

    stage = Stage("ilf", settings, Path(config.stages_dir), Path(config.run_dir))
    announced(stage, stage.continued, work)
    return stage


def ledger(shape: AttemptForm) -> Callable[[Question, Attempt], str]:
    """The verdict of the ledger on an attempt."""
    from eval.feedback.constitution import verdict

    return lambda question, attempt: verdict(question, shape.parse(question.id, attempt))


def judged_by(
    config: Config, shape: AttemptForm, critic: Transformer, asked: list[Question]
) -> Callable[[list[tuple[str, Attempt]]], Floats]:
    """The judge that is configured: from attempts at questions to the probability of each verdict, float64 (N, V)."""
    from eval.feedback.constitution import certain
    from eval.feedback.own_critic import own_verdicts

    if config.self_correction.critique.judge == "own":
        texts = dict(zip((q.id for q in asked), shape.tokenizer.encode([q.text for q in asked]), strict=True))
        return lambda said: own_verdicts(critic, shape, texts, said, config.eval.batch)
    says, questions = ledger(shape), {question.id: question for question in asked}
    return lambda said: certain([says(questions[name], attempt) for name, attempt in said])


def _refinements(
    config: Config,
    shape: AttemptForm,
    model: Transformer,
    asked: dict[str, Question],
    firsts: list[tuple[str, Attempt]],
    seed: int,
) -> tuple[list[Refinement], list[str]]:
    """What is written behind each first attempt, and the name of what the critic says of it, "" for nothing.

    One that breaks no principle in the critic's eyes has nothing to mend: it is its own refinement, without a critique.
    So all critics but the model know which attempts failed, as all of ILF do, and differ in what they say of it.
    """
    import torch

    from data.pipeline.questions.attempts import LONGEST
    from data.pipeline.questions.refinements import Refinement, RefinementForm
    from eval.feedback.constitution import KEPT
    from eval.feedback.critics import Critic, shuffled
    from eval.feedback.own_critic import likeliest, own_verdicts
    from model.generate import generate_attempts

    part, says = config.self_correction, ledger(shape)
    speaker = Critic(shape, part.critique.critic)
    texts = dict(zip(asked, shape.tokenizer.encode([q.text for q in asked.values()]), strict=True))
    if part.critique.critic == "own":
        told = likeliest(own_verdicts(model, shape, texts, firsts, config.eval.batch))
    else:
        told = [says(asked[name], first) for name, first in firsts]
    broken = [place for place, said in enumerate(told) if said not in KEPT]
    if part.critique.critic == "shuffled":
        turned = shuffled([told[place] for place in broken], [firsts[place][0] for place in broken], seed)
        for place, said in zip(broken, turned, strict=True):
            told[place] = said
    form, generator = RefinementForm(shape), torch.Generator().manual_seed(seed)
    found, size = [Refinement(name, first, (), first) for name, first in firsts], part.questions * part.group
    for start in range(0, len(broken), size):
        here = broken[start : start + size]
        critiques = [speaker.says(asked[firsts[place][0]], told[place]) for place in here]
        prompts = [
            form.prompt(texts[firsts[place][0]], firsts[place][1], critique)
            for place, critique in zip(here, critiques, strict=True)
        ]
        drawn = generate_attempts(model, prompts, shape.again, shape.end, LONGEST, 1, 1, part.temperature, generator)
        for place, critique, (second,) in zip(here, critiques, drawn, strict=True):
            found[place] = Refinement(*firsts[place], critique, second)
    return found, told if part.critique.critic != "none" else [""] * len(found)
