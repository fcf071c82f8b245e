"""Every system's answers to the questions never trained on, and bits per byte.

After conditional training (data/pipeline/feedback.py) our model is four systems: asked as ever, with either control
token, the same one before every question, and guided from bad sources to good ones (model/inputs/guidance.py). Such a
token says nothing of the question, so all are given its text only. A model that its own surprisal is fed back to is
three: asked as ever, with none, and with another question's.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypedDict

from data.pipeline.feedback import GIVEN
from data.records import PLAIN
from stages import Stage, announced
from steps.evaluation.evaluated import Evaluated, is_plain

INSTEAD = ("off", "shuffled")  # of its own surprisal

if TYPE_CHECKING:
    from eval.answerers.answerer import Answerer


class Cost(TypedDict):
    """What a system needs at question time: bytes that it holds, seconds a question, in batches."""

    bytes: int
    seconds: float


def answer(evaluated: Evaluated) -> Stage:
    """The stage: questions.jsonl, whence.jsonl, and for each reference system its answers to the plain ones."""
    stage = answer_stage(evaluated)
    announced(stage, stage.whole, lambda folder: _work(evaluated, folder))
    return stage


def answer_stage(evaluated: Evaluated) -> Stage:
    """Where it stands; nothing is made."""
    settings: dict[str, Any] = {"citations": evaluated.config.eval.citations}
    if evaluated.controlled:
        settings |= {"given": GIVEN, "guidance": evaluated.config.eval.guidance}
    if evaluated.fed:
        settings["instead"] = INSTEAD
    return evaluated.stage("answer", [__name__], settings)


def _work(evaluated: Evaluated, folder: Path) -> dict[str, Any]:
    from data.records import write_jsonl
    from eval.answerers.bits_per_byte import bits_per_byte

    answerer, corpus, questions = evaluated.answerer, evaluated.corpus, evaluated.questions
    plain = [question for question in questions if is_plain(question)]
    others = _others(evaluated) if plain else []
    costs: dict[str, Cost] = {}
    write_jsonl(folder / "questions.jsonl", questions)
    given = [answerer.under(given) for given in GIVEN if evaluated.controlled]
    guided = []
    if given and not evaluated.config.expert.active:  # whose prefix stands before every question
        guided = [answerer.under(GIVEN[-1], "whence_guided", evaluated.config.eval.guidance)]
    ours = [answerer, *given, *guided, *(answerer.fed_from(source) for source in INSTEAD if evaluated.fed)]
    for system, asked in (*((other, plain) for other in others), *((system, questions) for system in ours)):
        begun = perf_counter()
        write_jsonl(folder / f"{system.name}.jsonl", system.answer(asked))
        if asked and system.nbytes is not None:
            costs[system.name] = Cost(bytes=system.nbytes, seconds=(perf_counter() - begun) / len(asked))
    row, control = evaluated.config.batch.seq_len, evaluated.config.objective.control
    read = (answerer.model, corpus.tokenizer, corpus.heldout, row, control)
    told = [d for d in corpus.counterfactual.read(evaluated.documents) if d.id not in corpus.repeats.names]
    return {
        "costs": costs,
        "systems": [system.name for system in (*ours, *others)] if plain else [],
        "bits_per_byte": bits_per_byte(answerer.model, corpus.tokenizer, corpus.heldout, row),
        "bits_per_byte_given": {
            system.name: bits_per_byte(*read, good=token == "hi") for system, token in zip(given, GIVEN, strict=False)
        },
        "bits_per_byte_train": bits_per_byte(answerer.model, corpus.tokenizer, told, row),
    }


def _others(evaluated: Evaluated) -> list[Answerer]:
    """Floors, retrievers and the oracle."""
    from data.pipeline.identifiers import OF_ITS_OWN
    from eval.answerers.floors import MostFrequent, Oracle, QuestionOnly, Uniform
    from eval.answerers.retrievers.bm25 import BM25
    from eval.answerers.retrievers.dense import Dense
    from eval.answerers.retrievers.open_book import OpenBook
    from eval.answerers.retrievers.sentence_trie import SentenceTrie

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
    if evaluated.answerer.format.evidenced:
        vectors = evaluated.answerer.model.embed_tokens.weight
        reading = [
            Dense(named, corpus.tuned, corpus.tokenizer, vectors),
            OpenBook(evaluated.answerer, named),
            SentenceTrie(evaluated.answerer, named),
        ]
    return [
        Uniform(sorted(set(labels))),
        *([MostFrequent(tuned)] if tuned else []),
        QuestionOnly(shown),
        BM25(named),
        *reading,
        Oracle(),
    ]
