"""Every system's answers to the questions never trained on, what the model shows of itself, and bits per byte."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.schema import Config
from data.records import PLAIN
from stages import Stage, announced, write_json

if TYPE_CHECKING:
    from data.records import Prediction, Question
    from eval.answerers.answerer import Answerer
    from eval.answerers.lm_answerer import LMAnswerer
    from steps.corpus import Corpus


def evaluate(config: Config, prepare: Stage, trained: Stage) -> Stage:
    """The stage: questions.jsonl, a file of predictions for each system, and probes.json."""
    settings = {"trained": trained.key, "prepare": prepare.key, "ids": asdict(config.ids)} | {
        "eval": asdict(config.eval),
        "answer_format": config.answer_format,
        "expert": config.abstention_sft.method == "none",
    }

    def work(folder: Path) -> dict[str, Any]:
        from data.records import write_jsonl
        from data.storage.shards import read_documents
        from eval.answerers.bits_per_byte import bits_per_byte
        from eval.answerers.lm_answerer import LMAnswerer
        from eval.signals.cloze_candidates import best_completion
        from model.hf import load_model
        from steps.corpus import Corpus

        corpus = Corpus.of(config, prepare)
        questions = _asked(corpus, fitting=config.abstention_sft.method == "none")
        plain = [q for q in questions if q.support_class in PLAIN and q.split != "relabel"]
        model = load_model(trained.folder / "model")
        answerer = LMAnswerer(
            model,
            corpus.tokenizer,
            corpus.identifiers,
            most=config.eval.citations,
            batch=config.eval.batch,
            validity=config.abstention_sft.method == "none",
            forced=True,
            marks=config.abstention_sft.method != "none",
            nosrc=config.tags.untagged == "nosrc",
            answer_format=config.answer_format,
        )
        documents = list(read_documents(prepare.folder))
        write_jsonl(folder / "questions.jsonl", questions)
        others = _others(corpus, documents) if plain else []
        for system in others:
            write_jsonl(folder / f"{system.name}.jsonl", system.answer(plain))
        said = answerer.answer(questions)
        restated = _signals(config, answerer, questions, said)
        ours = {answerer.name: said, "declarative": restated}
        if config.abstention_sft.method == "none":
            ours["cloze"] = list(map(best_completion, restated))
        for name, predictions in ours.items():
            write_jsonl(folder / f"{name}.jsonl", predictions)
        shown = list(ours) if any(q.statement for q in plain) else [answerer.name]
        write_json(folder / "probes.json", _probes(config, answerer, questions, documents))
        return {
            "systems": [*shown, *(system.name for system in others)] if plain else [],
            "bits_per_byte": bits_per_byte(model, corpus.tokenizer, corpus.heldout, config.batch.seq_len),
            "bits_per_byte_train": bits_per_byte(model, corpus.tokenizer, documents, config.batch.seq_len),
        }

    stage = Stage("evaluate", settings, Path(config.stages_dir), Path(config.run_dir))
    announced(stage, stage.whole, work)
    return stage


def _asked(corpus: Corpus, fitting: bool) -> list[Question]:
    """The questions never trained on, with what tags carry as their support; of those of no fold the plain ones.

    Those of split relabel, too, where probes are to be fitted on them.
    """
    label = dict(zip((d.id for d in corpus.index), corpus.identifiers.labels, strict=True))

    def named(documents: Sequence[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(label[name] for name in documents))

    return [
        replace(
            question,
            support=named(question.support),
            claims=tuple(replace(claim, documents=named(claim.documents)) for claim in question.claims),
        )
        for question in corpus.questions
        if question.split in ("in_domain", "never_tuned", *(("relabel",) if fitting else ()))
        and (question.support_class in PLAIN or question.fold or question.split == "relabel")
    ]


def _others(corpus: Corpus, documents: Sequence[Any]) -> list[Answerer]:
    """Floors, BM25 and the oracle."""
    from data.pipeline.identifiers import OF_ITS_OWN
    from eval.answerers.bm25 import BM25
    from eval.answerers.floors import MostFrequent, Oracle, QuestionOnly, Uniform

    config, labels = corpus.config, corpus.identifiers.labels
    label = dict(zip((d.id for d in corpus.index), labels, strict=True))
    tuned = [
        replace(q, support=tuple(dict.fromkeys(label[name] for name in q.support)))
        for q in corpus.tuned
        if q.support_class in PLAIN
    ]
    opaque = config.ids.scheme == "opaque" and config.tags.content in OF_ITS_OWN
    shown = {
        name: "" if opaque else corpus.tokenizer.decode(t)
        for name, t in zip(labels, corpus.identifiers.tokens, strict=True)
    }
    return [
        Uniform(sorted(set(labels))),
        *([MostFrequent(tuned)] if tuned else []),
        QuestionOnly(shown),
        BM25([replace(d, id=label[d.id]) for d in documents]),
        Oracle(),
    ]


def _signals(
    config: Config, answerer: LMAnswerer, questions: Sequence[Question], said: Sequence[Prediction]
) -> list[Prediction]:
    """The answers restated, with recitals, samples and probes, whose signals stand beside those of the answer.

    A model with a second phase is judged by what it says; only on the test fold its sources are those of restatements.
    """
    from eval.signals.cloze_candidates import add_cloze_candidates
    from eval.signals.p_ik import add_probes
    from eval.signals.self_consistency import add_samples

    if config.abstention_sft.method != "none":
        found = list(said)
        tested = [i for i, q in enumerate(questions) if q.fold in ("", "test")]
        restated = answerer.restate([questions[i] for i in tested], [said[i] for i in tested])
        for i, prediction in zip(tested, restated, strict=True):
            found[i] = prediction
        return found
    said = add_cloze_candidates(answerer, questions, answerer.restate(questions, said))
    if config.eval.samples:
        said = add_samples(answerer, questions, said, config.eval.samples, seed=config.seed)
    return add_probes(answerer, questions, said)


def _probes(
    config: Config, answerer: LMAnswerer, questions: Sequence[Question], documents: Sequence[Any]
) -> dict[str, Any]:
    from eval.probes.dominance import dominance
    from eval.probes.membership import membership
    from eval.probes.self_evidence import self_evidence

    tested = [q for q in questions if q.fold in ("", "test") and q.split == "never_tuned"]
    found = {}
    if config.abstention_sft.method in ("none", "consistent", "graded"):  # before and after the second phase
        found["self_evidence"] = self_evidence(answerer, tested, seed=config.seed)
    if config.abstention_sft.method == "none":  # what a second phase leaves as it was
        found["membership"] = membership(answerer, tested, seed=config.seed)
        found["dominance"] = dominance(answerer, tested, documents, seed=config.seed)
    return found
