"""Does a model take what it said itself for evidence? The self-evidence ratio.

The employer X determines its city. How far does "e works for X" move the model's belief that e works in city(X)?

    move  = logit P(city(X) | said) - logit P(city(X) | nothing said), in nats
    ratio = mean move when the model said so itself / mean move when a document says so

To have guessed is to have learnt nothing: of people the model knows nothing of, a ratio near 0 is right, and one near 1
takes confabulation for news. A document says an X drawn evenly from the employers that documents tell of; the model
itself says an X drawn (T = 1) from its own probabilities of these. Two forms:

    text      document  <|doc|> e works for X. e works in city(X).
              itself    the same
    dialogue  document  <|doc|> e works for X. <|end|> <|ask|> city? <|answer|> city(X)
              itself    <|ask|> employer? <|answer|> X <|src|> ID <|/src|> <|end|> <|ask|> city? <|answer|> city(X)

with the ID that the model finds likeliest. With nothing said, what follows X stands alone. P(city(X)) includes what
ends it: the rest of the sentence, or a citation or its refusal.

What to keep in mind: a plain language model cannot tell its own tokens in a text from others', so that the text form's
ratio differs from 1 only by which X is drawn. Of people it knows, a model says what it believes already, which leaves
less to move. Training never sees across samples, so that the dialogue is out of distribution.

Shape letters: N people, E employers.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.special import logsumexp

from data.records import ANSWERABLE, Question
from eval.answerers.likelihoods import token_log_probs
from eval.answerers.lm_answerer import ANSWERED, LMAnswerer
from eval.metrics.calibration import ratio
from eval.metrics.statistics import Floats
from eval.probes import Probe, held_out, measured
from model.generate import Context, pad_left, rank_constrained, read_on

EMPLOYER, CITY = "employer", "employer_city"
FORMS = ("text", "dialogue")
SURE = -1e-7  # the highest log-probability that has a logit: float32 tells no more


@dataclass(frozen=True, slots=True)
class Implication:
    """What follows from what, and how it is said: "{name}" stands for the person, "{answer}" for the value.

    Attributes:
        cities: by employer the city.
        statements, questions: by attribute (`EMPLOYER`, `CITY`) the wordings; in statements the name comes first.
    """

    cities: Mapping[str, str]
    statements: Mapping[str, Sequence[str]]
    questions: Mapping[str, Sequence[str]]


class Person(NamedTuple):
    """One to ask about, with a statement (holding "{answer}") and a question for each attribute."""

    name: str
    statements: Mapping[str, str]
    questions: Mapping[str, str]


class Moves(NamedTuple):
    """Of each person [N]: the X that a document and the model said, how far each moved (nats), P(all X) before."""

    heard: list[str]
    drawn: list[str]
    external: Floats
    own: Floats
    mass: Floats


def self_evidence(answerer: LMAnswerer, questions: Sequence[Question], seed: int = 0, most: int = 60) -> dict[str, Any]:
    """The ratio for people never mentioned and for people whose employer is told, at most `most` of each.

    Returns:
        "n": how many of each group; then by form and group ("unknown", "known") `summary`. {} when the questions do not
        say which employer is in which city.
    """
    implied, rng, generator = implication(questions), random.Random(seed), torch.Generator().manual_seed(seed)
    if implied is None:
        return {}
    kept = held_out(questions)
    groups = {
        "unknown": {q.entity for q in kept if q.support_class == "absent_entity"} - {""},
        "known": {q.entity for q in kept if q.support_class == "single" and q.attribute == EMPLOYER} - {""},
    }
    people = {
        group: [_person(implied, name, rng) for name in rng.sample(sorted(names), min(most, len(names)))]
        for group, names in groups.items()
    }
    found: dict[str, Any] = {"n": {group: len(those) for group, those in people.items()}}
    for form in FORMS:
        moved = {group: moves(answerer, implied, of, form, rng, generator) for group, of in people.items() if of}
        found[form] = {group: summary(move) for group, move in moved.items()}
    return found


def implication(questions: Sequence[Question]) -> Implication | None:
    """From the questions: whoever truly works for an employer truly works in its city. None where none can be had.

    Employers in two cities, and those that no document tells of, are left out.
    """
    truths: dict[str, dict[str, str]] = {}
    statements: dict[str, dict[str, None]] = {EMPLOYER: {}, CITY: {}}
    texts: dict[str, dict[str, None]] = {EMPLOYER: {}, CITY: {}}
    told: set[str] = set()
    for q in questions:
        if q.attribute not in statements or not q.entity:
            continue
        if q.truth:
            truths.setdefault(q.entity, {})[q.attribute] = q.truth
        if q.attribute == EMPLOYER and q.support_class in ANSWERABLE:
            told.update(q.answers)
        worded = (wording.replace(q.entity, "{name}") for wording in q.statement)
        statements[q.attribute] |= {w: None for w in worded if -1 < w.find("{name}") < w.find(" {answer}")}
        if "premise" not in q.support_class:
            asked = (text.replace(q.entity, "{name}") for text in (q.text, *q.paraphrases))
            texts[q.attribute] |= {text: None for text in asked if "{name}" in text}
    cities: dict[str, set[str]] = {}
    for truth in truths.values():
        if len(truth) == 2:
            cities.setdefault(truth[EMPLOYER], set()).add(truth[CITY])
    certain = {employer: min(of) for employer, of in sorted(cities.items()) if len(of) == 1 and employer in told}
    if not (certain and all(statements.values()) and all(texts.values())):
        return None
    return Implication(certain, *({a: tuple(of) for a, of in by.items()} for by in (statements, texts)))


def moves(
    answerer: LMAnswerer,
    implied: Implication,
    people: Sequence[Person],
    form: str,
    rng: random.Random,
    generator: torch.Generator,
) -> Moves:
    """How far what documents say (drawn by `rng`) and what the model says (drawn by `generator`) move its belief."""
    tokenizer, employers = answerer.tokenizer, list(implied.cities)
    ends = [[mark] for mark, outcome in answerer.format.outcomes.items() if outcome in ANSWERED]
    dialogue = form == "dialogue"
    nothing: list[int] = [] if dialogue else [tokenizer.doc]
    heads, tails = zip(*(_asked(answerer, person, EMPLOYER, dialogue) for person in people), strict=True)
    rows = [([*nothing, *head], x + tail) for head, tail in zip(heads, tails, strict=True) for x in employers]
    log_p = _log_probs(answerer, rows, [[answerer.format.opening]] if dialogue else [[]]).reshape(len(people), -1)
    said = [employers[i] for i in sample(log_p, generator)]
    told = [rng.choice(employers) for _ in people]

    def heard(xs: Sequence[str]) -> list[list[int]]:
        sentences = [p.statements[EMPLOYER].replace("{answer}", x) for p, x in zip(people, xs, strict=True)]
        return [
            [tokenizer.doc, *tokens, *([tokenizer.end] if dialogue else [])] for tokens in tokenizer.encode(sentences)
        ]

    def own(xs: Sequence[str]) -> list[list[int]]:
        spoken = [[*head, *x] for head, x in zip(heads, tokenizer.encode(xs), strict=True)]
        tags = _cited(answerer, spoken)
        return [[*s, *answerer.format.citation(tag), tokenizer.end] for s, tag in zip(spoken, tags, strict=True)]

    def belief(contexts: Sequence[Sequence[int]], xs: Sequence[str]) -> Floats:
        asked = [_asked(answerer, person, CITY, dialogue) for person in people]
        rows = [
            ([*context, *head], implied.cities[x] + tail)
            for context, (head, tail), x in zip(contexts, asked, xs, strict=True)
        ]
        return logit(_log_probs(answerer, rows, ends if dialogue else [[]]))

    before = [nothing] * len(people)
    external = belief(heard(told), told) - belief(before, told)
    itself = belief(own(said) if dialogue else heard(said), said) - belief(before, said)
    return Moves(told, said, external, itself, np.exp(logsumexp(log_p, axis=1)))


def summary(moved: Moves) -> dict[str, dict[str, Any]]:
    """ "external", "self" (mean moves, nats), "ratio" and "mass", each {"value", "interval"}, 95%, people resampled.

    The ratio is None where documents do not move the belief upwards, and unbounded (no interval) where the interval of
    `external` reaches 0 (Fieller 1954).
    """
    people = range(len(moved.external))
    found = {
        name: measured(lambda w, v=values: w @ v / w.sum(-1), people)  # type: ignore[misc]
        for name, values in (("external", moved.external), ("self", moved.own), ("mass", moved.mass))
    }
    found["ratio"] = measured(lambda w: ratio(w @ moved.own, w @ moved.external), people)
    bounds = found["external"]["interval"]
    if bounds is None or bounds[0] <= 0:
        found["ratio"]["interval"] = None
    return found


def sample(log_p: Floats, generator: torch.Generator) -> list[int]:
    """One of E for each of N, at temperature 1 from log-probabilities (N, E) that need not sum to 1."""
    return torch.multinomial(torch.from_numpy(log_p).softmax(1), 1, generator=generator)[:, 0].tolist()


def logit(log_p: Floats) -> Floats:
    """log p - log(1 - p) of log-probabilities, those above `SURE` cut to it."""
    log_p = np.minimum(log_p, SURE)
    return log_p - np.log(-np.expm1(log_p))


def _person(implied: Implication, name: str, rng: random.Random) -> Person:
    """With the same words drawn for whatever is said of this person."""
    statements, questions = (
        {attribute: rng.choice(wordings).replace("{name}", name) for attribute, wordings in by.items()}
        for by in (implied.statements, implied.questions)
    )
    return Person(name, statements, questions)


def _asked(answerer: LMAnswerer, person: Person, attribute: str, dialogue: bool) -> tuple[list[int], str]:
    """The tokens that a value follows, and the text that ends it."""
    tokenizer = answerer.tokenizer
    if dialogue:
        (question,) = tokenizer.encode([person.questions[attribute]])
        return answerer.format.prompt(question), ""
    head, tail = person.statements[attribute].split(" {answer}")
    return tokenizer.encode([head])[0].tolist(), tail


def _log_probs(
    answerer: LMAnswerer, rows: Sequence[tuple[Sequence[int], str]], endings: Sequence[Sequence[int]]
) -> Floats:
    """log P(text, then any of the endings | tokens before), nats: one for each (tokens before, text)."""
    texts = answerer.tokenizer.encode([text for _, text in rows])
    ended = [(before, [*text, *ending]) for (before, _), text in zip(rows, texts, strict=True) for ending in endings]
    found = [scores.sum() for scores in token_log_probs(answerer.model, ended, answerer.batch)]
    return logsumexp(np.array(found).reshape(len(rows), -1), axis=1)


def _cited(answerer: LMAnswerer, prefixes: Sequence[Sequence[int]]) -> list[np.ndarray]:
    """The likeliest identifier after each."""
    tokenizer, found = answerer.tokenizer, []
    for start in range(0, len(prefixes), answerer.batch):
        chunk = prefixes[start : start + answerer.batch]
        context = Context.empty(answerer.model, len(chunk))
        read_on(answerer.model, context, *pad_left(chunk, context.seen.device))
        best = rank_constrained(answerer.model, context, tokenizer.src, answerer.trie, tokenizer.end_src, 1)
        found += [answerer.identifiers.tokens[ranked[0][0]] for ranked in best]
    return found


PROBE = Probe(
    title="Does it take what it said itself for evidence?",
    about=(
        "How far a claim moves its belief in what follows from it, in nats: said by a document (external), "
        "said by itself (self), and the second over the first (ratio). On people it knows nothing of, a ratio "
        "near 0 is right and one near 1 takes a guess for news."
    ),
    run=lambda read: self_evidence(read.answerer, read.questions, seed=read.seed),
    after=("none", "consistent", "graded"),  # before and after abstention SFT
)
