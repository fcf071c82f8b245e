"""Multiple choice: is the likelier option as often right as it is likely, and is "none of these" ever chosen?

After Kadavath et al. 2022 (arXiv 2207.05221, section 3), whose large models are calibrated on lettered options and
lose it where the last option is "none of the above". A model of this size has learnt no letters: an option is its text,
and its confidence the likelihood of that text after the question, over that of all options. "None of these" is the mark
that stands for it, `<|idk|>` in place of an answer, `<|nosrc|>` in place of a citation.

    answers      four values of the attribute asked for, one of them right
    sources      four documents after the model's own answer, where that is right; one supports it
    .of_4        told questions, all four options there
    .with_none   the same with "none of these" for one option: for the right one in half of them, where it is then
                 right; and never-told questions (answers) and untagged facts (sources), where it always is

For each: `accuracy`, `ece` (smooth) of the option chosen, `ece_temperature` with one temperature (fitted on one half of
the persons, applied to the other, and the other way round), and with none `none`, how often it is chosen where right,
and `none_wrong` where it is not.

Shape letters: N questions, K options.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import softmax

from data.records import NEVER, PLAIN, Prediction, Question
from eval.answerers.likelihoods import token_log_probs
from eval.answerers.lm_answerer import LMAnswerer
from eval.grading.correctness import answer_given, is_right
from eval.metrics.calibration import smooth_ece
from eval.metrics.statistics import Floats
from eval.probes import Probe, Read, held_out, measured, share
from eval.selective.calibrators import Temperature

OPTIONS = 4
MOST = 400  # questions of a kind
NONE = ""  # the option "none of these"
FEWEST = 10


@dataclass(frozen=True)
class Choice:
    """A question, what was answered so far ("" for nothing), its options, and which of them is right."""

    question: Question
    answer: str
    options: tuple[str, ...]
    right: int


def options(read: Read) -> dict[str, Any]:
    """See the module docstring; what cannot be asked is left out."""
    rng, asked = random.Random(read.seed), held_out(read.questions)
    answerer = read.answerer
    if answerer.format.leads:
        return {}
    told = [q for q in asked if q.support_class in PLAIN]
    values: dict[str, set[str]] = {}
    for question in told:
        values.setdefault(question.attribute, set()).update(question.answers)
    never = [q for q in asked if q.support_class in NEVER]
    plain = {q.id: p for q, p in zip(told, answerer.answer(told), strict=True)}
    loose = [q for q in asked if q.support_class == "untagged"]
    untagged = {q.id: p for q, p in zip(loose, answerer.answer(loose), strict=True)} if loose else {}
    labels = answerer.identifiers.labels
    documents = sorted({name for name, d in zip(labels, read.documents, strict=True) if not d.metadata.get("untagged")})
    kinds = {
        "answers.of_4": [_choice(q, "", q.answers[0], values[q.attribute], rng, "with right") for q in told],
        "answers.with_none": [
            *(_choice(q, "", q.answers[0], values[q.attribute], rng, _half(rng)) for q in told),
            *(_choice(q, "", "", values.get(q.attribute, set()), rng, "right is none") for q in never),
        ],
        "sources.of_4": [
            _choice(q, q.answers[0], q.support[0], documents, rng, "with right") for q in told if _knows(q, plain)
        ],
        "sources.with_none": [
            *(_choice(q, q.answers[0], q.support[0], documents, rng, _half(rng)) for q in told if _knows(q, plain)),
            *(_choice(q, q.answers[0], "", documents, rng, "right is none") for q in loose if _knows(q, untagged)),
        ],
    }
    found: dict[str, Any] = {}
    for name, made in kinds.items():
        choices = [choice for choice in made if choice is not None]
        choices = rng.sample(choices, min(MOST, len(choices)))
        if len(choices) >= FEWEST:
            found |= {f"{name}.{key}": value for key, value in judged(choices, scored(answerer, choices)).items()}
    return found


def scored(answerer: LMAnswerer, choices: Sequence[Choice]) -> Floats:
    """Log-likelihood of every option, float64 [N, K], nats."""
    tokenizer, no_answer = answerer.tokenizer, [answerer.format.refusals[0]]
    codes = dict(zip(answerer.identifiers.labels, answerer.identifiers.tokens, strict=True))
    words = _encoded(answerer, choices)
    rows = []
    for choice in choices:
        prompt = answerer.prompt(words[choice.question.text])
        if choice.answer:
            prompt = [*prompt, *map(int, words[choice.answer])]
        for option in choice.options:
            if choice.answer:
                rows.append((prompt, answerer.format.citation(codes[option]) if option else [tokenizer.nosrc]))
            else:
                rows.append((prompt, [*words[option], answerer.format.opening] if option else no_answer))
    scores = np.array([values.sum() for values in token_log_probs(answerer.model, rows)])
    return scores.reshape(len(choices), -1)


def judged(choices: Sequence[Choice], scores: Floats) -> dict[str, Any]:
    """The measures of the module docstring, persons resampled."""
    persons = [choice.question.entity or choice.question.id for choice in choices]
    chance = softmax(scores, axis=1)
    chosen = chance.argmax(1)
    top, right = chance.max(1), chosen == np.array([choice.right for choice in choices])
    found: dict[str, Any] = {"accuracy": share(right, persons)}
    found["ece"] = measured(lambda w: smooth_ece(top, right, w), persons)
    tempered = cross_tempered(top, right, persons)
    found["ece_temperature"] = measured(lambda w: smooth_ece(tempered, right, w), persons)
    none = np.array([choice.options[at] == NONE for choice, at in zip(choices, chosen, strict=True)])
    offered = np.array([NONE in choice.options for choice in choices])
    due = np.array([choice.options[choice.right] == NONE for choice in choices])
    for key, among in (("none", due), ("none_wrong", offered & ~due)):
        if among.any():
            found[key] = share(none[among], [p for p, here in zip(persons, among, strict=True) if here])
    return found


def cross_tempered(confidence: Floats, right: np.ndarray, persons: Sequence[str]) -> Floats:
    """Confidence [N] after a temperature that was fitted on the other half of the persons."""
    half = np.array([zlib.crc32(person.encode()) % 2 == 0 for person in persons])
    found = confidence.copy()
    for part in (half, ~half):
        if part.any() and not part.all():
            found[part] = Temperature.fit(confidence[~part], right[~part]).apply(confidence[part])
    return found


def _choice(
    question: Question, answer: str, right: str, among: Sequence[str] | set[str], rng: random.Random, kind: str
) -> Choice | None:
    """With `OPTIONS` options in random order; None where there are too few others.

    `kind`: "with right" has no "none of these", "none beside" has it in place of a wrong option, and "right is none" in
    place of the right one.
    """
    taken = {right, *question.answers, *question.documents}
    others = sorted(set(among) - taken)
    wrong = OPTIONS - 1 - (kind == "none beside")
    if len(others) < wrong:
        return None
    held = [*rng.sample(others, wrong), *([NONE] if kind != "with right" else [])]
    true = NONE if kind == "right is none" else right
    shown = rng.sample([*held, *([] if kind == "right is none" else [right])], OPTIONS)
    return Choice(question, answer, tuple(shown), shown.index(true))


def _half(rng: random.Random) -> str:
    return "none beside" if rng.random() < 0.5 else "right is none"


def _knows(question: Question, said: Mapping[str, Prediction]) -> bool:
    return is_right(question, answer_given(said[question.id]))


def _encoded(answerer: LMAnswerer, choices: Sequence[Choice]) -> dict[str, Any]:
    """The tokens of every text among choices, each encoded once."""
    texts = {choice.question.text for choice in choices} | {choice.answer for choice in choices if choice.answer}
    texts |= {option for choice in choices if not choice.answer for option in choice.options if option}
    ordered = sorted(texts)
    return dict(zip(ordered, answerer.tokenizer.encode(ordered), strict=True))


PROBE = Probe(
    title="Is the likelier option as often right as it is likely?",
    about=(
        "Four options, of answers and of sources: accuracy, smooth ECE as it is and after one temperature. with_none: "
        "one option is none of these, the mark of a refusal or of no source; none: how often it is chosen where right."
    ),
    run=options,
)
