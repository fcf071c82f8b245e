"""Does every source of a fact come before every document that is none? Valid-source dominance.

After Bartsch et al. 2023 (arXiv 2310.13439), whose ambiguous number sequences have several valid continuations: a model
that knows them all gives each a higher probability than any invalid one; a model that knows one of them does not. Here
a continuation is the identifier of a document, after `<|ask|> question <|answer|> answer <|src|>` with the right
answer. The invalid ones tell of the same person, but not this: chance passes 1 / C(valid + invalid, valid) of the
trials. No decoding, and no length normalisation: opaque identifiers are equally long.

What a document implies counts as not said: one that names the employer is no source of the employer's city.

Also here, for all probes by scoring alone: which questions they report on, log-probabilities, and intervals.

Shape letters: N trials, V valid and I invalid documents of each, T tokens.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.records import Document, Question
from eval.model import ModelAnswerer
from eval.statistics import Floats, bootstrap_draws, percentile_interval
from model.generate import Context, pad_left, read
from model.transformer import Transformer

RESAMPLES = 500

Tokens = Sequence[int] | np.ndarray


@dataclass(frozen=True, slots=True)
class Trial:
    """A question with the labels of documents that support its answer, of others, and how many others tell of it."""

    question: Question
    valid: tuple[str, ...]
    invalid: tuple[str, ...]
    matched: int


def dominance(
    answerer: ModelAnswerer,
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


def score_trials(answerer: ModelAnswerer, trials: Sequence[Trial]) -> Floats:
    """log P(identifier and closing mark) after the right answer: float64 (N, V + I), valid ones first, nats."""
    codec, identifiers = answerer.codec, answerer.identifiers
    tokens = dict(zip(identifiers.labels, identifiers.tokens, strict=True))
    texts = codec.encode([trial.question.text for trial in trials])
    answers = codec.encode([trial.question.answers[0] for trial in trials])
    rows: list[tuple[Tokens, Tokens]] = []
    for trial, text, answer in zip(trials, texts, answers, strict=True):
        prompt = [codec.ask, *text, codec.answer, *answer, codec.src]
        rows += [(prompt, [*tokens[label], codec.end_src]) for label in (*trial.valid, *trial.invalid)]
    scores = [found.sum() for found in token_log_probs(answerer.model, rows, answerer.batch)]
    return np.array(scores).reshape(len(trials), -1)


def dominates(valid: Floats, invalid: Floats) -> np.ndarray:
    """Whether each of valid (N, V) exceeds each of invalid (N, I): bool (N,). A tie fails."""
    return valid.min(axis=1) > invalid.max(axis=1)


def held_out(questions: Sequence[Question]) -> list[Question]:
    """Those to report on: of split never_tuned, and of its test fold where there are folds."""
    folds = any(question.fold for question in questions)
    return [q for q in questions if q.split == "never_tuned" and (q.fold == "test" or not folds)]


def token_log_probs(model: Transformer, rows: Sequence[tuple[Tokens, Tokens]], batch: int = 256) -> list[Floats]:
    """Log-probabilities of each text's tokens after its prefix, neither of them empty: float64 (T,) each, nats.

    Args:
        rows: (prefix, text) token lists; similar lengths are read side by side.
    """
    device = model.embed_tokens.weight.device
    order = sorted(range(len(rows)), key=lambda i: len(rows[i][0]) + len(rows[i][1]))
    found: list[Floats] = [np.empty(0)] * len(rows)
    for start in range(0, len(order), batch):
        chunk = order[start : start + batch]
        tokens, present = pad_left([[*rows[i][0], *rows[i][1]] for i in chunk], device)
        log_probs = read(model, Context.empty(model, len(chunk)), tokens, present).log_softmax(-1)
        scores = log_probs[:, :-1].gather(-1, tokens[:, 1:, None])[..., 0].double().cpu().numpy()
        for i, score in zip(chunk, scores, strict=True):
            found[i] = score[len(score) - len(rows[i][1]) :]  # all end together
    return found


def measured(statistic: Callable[[Floats], Any], clusters: Sequence[Hashable]) -> dict[str, Any]:
    """{"value", "interval"} of a statistic of weights [..., N]; None for what is undefined."""
    value = float(statistic(np.ones(len(clusters))))
    draws = bootstrap_draws(statistic, clusters, resamples=RESAMPLES)
    return {"value": None if np.isnan(value) else value, "interval": percentile_interval(draws)}
