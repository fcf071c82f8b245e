"""Does every source of a fact come before every document that is none? Valid-source dominance.

After Bartsch et al. 2023 (arXiv 2310.13439), whose ambiguous number sequences have several valid continuations: a model
that knows them all gives each a higher probability than any invalid one; a model that knows one of them does not. Here
a continuation is the identifier of a document, after `<|ask|> question <|answer|> answer <|src|>` with the right
answer. The invalid ones tell of the same person, but not this: chance passes 1 / C(valid + invalid, valid) of the
trials. No decoding, and no length normalisation: opaque identifiers are equally long.

What a document implies counts as not said: one that names the employer is no source of the employer's city.

Shape letters: N trials, V valid and I invalid documents of each.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.records import Document, Question
from eval.answerers.likelihoods import Tokens, token_log_probs
from eval.answerers.lm_answerer import LMAnswerer
from eval.metrics.statistics import Floats
from eval.probes import Probe, held_out, measured


@dataclass(frozen=True, slots=True)
class Trial:
    """A question with the labels of documents that support its answer, of others, and how many others tell of it."""

    question: Question
    valid: tuple[str, ...]
    invalid: tuple[str, ...]
    matched: int


def dominance(
    answerer: LMAnswerer,
    questions: Sequence[Question],
    documents: Sequence[Document],
    seed: int = 0,
    valid: int = 2,
    invalid: int = 3,
) -> dict[str, Any]:
    """The share of held-out questions of class multi whose valid sources all come first; {} when there are none.

    Args:
        questions: their support are labels of the answerer's identifiers.
        documents: all, in the order of these identifiers; those marked `untagged` are neither valid nor invalid.

    Returns:
        "pass": {"value", "interval"}, 95%, entities resampled; "null": what chance passes; "n": trials; "matched": the
        share of the invalid documents that tell of the same entity, the others are drawn from all.
    """
    trials = make_trials(questions, documents, answerer.identifiers.labels, seed, valid, invalid)
    if not trials:
        return {}
    scores = score_trials(answerer, trials)
    passed = dominates(scores[:, :valid], scores[:, valid:])
    return {
        "pass": measured(lambda w: w @ passed / w.sum(-1), [t.question.entity or t.question.id for t in trials]),
        "null": 1 / math.comb(valid + invalid, valid),
        "n": len(trials),
        "matched": sum(trial.matched for trial in trials) / (invalid * len(trials)),
    }


def make_trials(
    questions: Sequence[Question],
    documents: Sequence[Document],
    labels: Sequence[str],
    seed: int = 0,
    valid: int = 2,
    invalid: int = 3,
) -> list[Trial]:
    """A trial for each question with at least `valid` tagged documents in its support."""
    rng = random.Random(seed)
    tagged = [(label, d) for d, label in zip(documents, labels, strict=True) if not d.metadata.get("untagged")]
    citable = {label for label, _ in tagged}
    asked = [question for question in held_out(questions) if question.support_class == "multi"]
    telling: dict[str, dict[str, None]] = {question.entity: {} for question in asked if question.entity}
    for label, document in tagged:
        text = "\n".join(wording for wordings in document.sentences for wording in wordings)
        for entity in telling:
            if entity in text:
                telling[entity][label] = None
    trials = []
    for question in asked:
        support = [label for label in question.support if label in citable]
        matched = [label for label in telling.get(question.entity, ()) if label not in question.support]
        matched = rng.sample(matched, min(invalid, len(matched)))
        missing = invalid - len(matched)
        rest = sorted(citable.difference(matched, question.support)) if missing else []
        if len(support) >= valid and len(rest) >= missing:
            others = (*matched, *rng.sample(rest, missing))
            trials.append(Trial(question, tuple(rng.sample(support, valid)), others, len(matched)))
    return trials


def score_trials(answerer: LMAnswerer, trials: Sequence[Trial]) -> Floats:
    """log P(identifier and closing mark) after the right answer: float64 (N, V + I), valid ones first, nats."""
    tokenizer, identifiers, form = answerer.tokenizer, answerer.identifiers, answerer.format
    tokens = dict(zip(identifiers.labels, identifiers.tokens, strict=True))
    texts = tokenizer.encode([trial.question.text for trial in trials])
    answers = tokenizer.encode([trial.question.answers[0] for trial in trials])
    rows: list[tuple[Tokens, Tokens]] = []
    for trial, text, answer in zip(trials, texts, answers, strict=True):
        prompt = [*form.prompt(text), *answer, form.opening]
        rows += [(prompt, [*tokens[label], form.closing]) for label in (*trial.valid, *trial.invalid)]
    scores = [found.sum() for found in token_log_probs(answerer.model, rows, answerer.batch)]
    return np.array(scores).reshape(len(trials), -1)


def dominates(valid: Floats, invalid: Floats) -> np.ndarray:
    """Whether each of valid (N, V) exceeds each of invalid (N, I): bool (N,). A tie fails."""
    return valid.min(axis=1) > invalid.max(axis=1)


PROBE = Probe(
    title="Does every source come before every other document?",
    about=(
        "Of the questions with several sources, the share (pass) whose sources are all likelier than "
        "documents that tell of the same person, but not this; null is what chance passes."
    ),
    run=lambda read: dominance(read.answerer, read.questions, read.documents, seed=read.seed),
)
