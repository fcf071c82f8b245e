"""Every system's answers to the questions never trained on, and bits per byte."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.records import PLAIN
from stages import Stage, announced
from steps.evaluated import Evaluated, is_plain

if TYPE_CHECKING:
    from eval.answerers.answerer import Answerer


def answer(evaluated: Evaluated) -> Stage:
    """The stage: questions.jsonl, whence.jsonl, and for each reference system its answers to the plain ones."""
    stage = answer_stage(evaluated)
    announced(stage, stage.whole, lambda folder: _work(evaluated, folder))
    return stage


def answer_stage(evaluated: Evaluated) -> Stage:
    """Where it stands; nothing is made."""
    return evaluated.stage("answer", [__name__], {"citations": evaluated.config.eval.citations})


def _work(evaluated: Evaluated, folder: Path) -> dict[str, Any]:
    from data.records import write_jsonl
    from eval.answerers.bits_per_byte import bits_per_byte

    answerer, corpus, questions = evaluated.answerer, evaluated.corpus, evaluated.questions
    plain = [question for question in questions if is_plain(question)]
    others = _others(evaluated) if plain else []
    write_jsonl(folder / "questions.jsonl", questions)
    for system in others:
        write_jsonl(folder / f"{system.name}.jsonl", system.answer(plain))
    write_jsonl(folder / f"{answerer.name}.jsonl", answerer.answer(questions))
    row = evaluated.config.batch.seq_len
    return {
        "systems": [answerer.name, *(system.name for system in others)] if plain else [],
        "bits_per_byte": bits_per_byte(answerer.model, corpus.tokenizer, corpus.heldout, row),
        "bits_per_byte_train": bits_per_byte(
            answerer.model, corpus.tokenizer, corpus.counterfactual.read(evaluated.documents), row
        ),
    }


def _others(evaluated: Evaluated) -> list[Answerer]:
    """Floors, BM25 and the oracle."""
    from data.pipeline.identifiers import OF_ITS_OWN
    from eval.answerers.bm25 import BM25
    from eval.answerers.floors import MostFrequent, Oracle, QuestionOnly, Uniform
    from eval.answerers.open_book import OpenBook
    from eval.answerers.sentence_trie import SentenceTrie

    config, corpus = evaluated.config, evaluated.corpus
    labels = corpus.identifiers.labels
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
    named = [replace(d, id=label[d.id]) for d in evaluated.documents]
    reading: list[Answerer] = []
    if evaluated.answerer.format.leads == "evidence":
        reading = [OpenBook(evaluated.answerer, named), SentenceTrie(evaluated.answerer, named)]
    return [
        Uniform(sorted(set(labels))),
        *([MostFrequent(tuned)] if tuned else []),
        QuestionOnly(shown),
        BM25(named),
        *reading,
        Oracle(),
    ]
