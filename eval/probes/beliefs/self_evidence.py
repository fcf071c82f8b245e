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

Of a model with marks of who wrote what (model/inputs/authorship.py) the sentence, or X in dialogue, is marked where
the model said it; and as a third move, "flipped", the same words are read without the mark. "shift" is the ratio of
that to a document's move less the ratio itself: what the mark alone is worth.

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
    """Of each person [N]: the X that a document and the model said, how far each moved (nats), P(all X) before.

    `flipped` is how far the model's own X moved where it was read as another's; None for a model without marks.
    """

    heard: list[str]
    drawn: list[str]
    external: Floats
    own: Floats
    mass: Floats
    flipped: Floats | None = None


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
    log_p = log_probs(answerer, rows, [[answerer.format.opening]] if dialogue else [[]]).reshape(len(people), -1)
    said = [employers[i] for i in sample(log_p, generator)]
    told = [rng.choice(employers) for _ in people]

    def heard(xs: Sequence[str]) -> list[Spoken]:
        sentences = [p.statements[EMPLOYER].replace("{answer}", x) for p, x in zip(people, xs, strict=True)]
        closing = [tokenizer.end] if dialogue else []
        return [Spoken([tokenizer.doc], tokens.tolist(), closing) for tokens in tokenizer.encode(sentences)]

    def own(xs: Sequence[str]) -> list[Spoken]:
        values = [x.tolist() for x in tokenizer.encode(xs)]
        tags = _cited(answerer, [[*head, *x] for head, x in zip(heads, values, strict=True)])
        return [
            Spoken(head, x, [*answerer.format.citation(tag), tokenizer.end])
            for head, x, tag in zip(heads, values, tags, strict=True)
        ]

    def belief(contexts: Sequence[Spoken], xs: Sequence[str], marked: bool = False) -> Floats:
        asked = [_asked(answerer, person, CITY, dialogue) for person in people]
        rows = [
            ([*context.tokens, *head], implied.cities[x] + tail)
            for context, (head, tail), x in zip(contexts, asked, xs, strict=True)
        ]
        mine = [context.marks(len(head)) for context, (head, _) in zip(contexts, asked, strict=True)]
        return logit(log_probs(answerer, rows, ends if dialogue else [[]], mine if marked else None))

    before = [Spoken(nothing, [], [])] * len(people)
    external = belief(heard(told), told) - belief(before, told)
    spoken, unsaid = own(said) if dialogue else heard(said), belief(before, said)
    marks = answerer.model.authors is not None
    itself = belief(spoken, said, marked=marks) - unsaid
    flipped = belief(spoken, said) - unsaid if marks else None
    return Moves(told, said, external, itself, np.exp(logsumexp(log_p, axis=1)), flipped)


class Spoken(NamedTuple):
    """What was said, in tokens: what stands before its words, the words, and what ends them."""

    opening: list[int]
    words: list[int]
    ends: list[int]

    @property
    def tokens(self) -> list[int]:
        return [*self.opening, *self.words, *self.ends]

    def marks(self, more: int) -> list[bool]:
        """Which of these tokens, and so many more, the model said itself, if it was the model: the words."""
        return [*[False] * len(self.opening), *[True] * len(self.words), *[False] * (len(self.ends) + more)]


def summary(moved: Moves) -> dict[str, dict[str, Any]]:
    """ "external", "self" (mean moves, nats), "ratio" and "mass", each {"value", "interval"}, 95%, people resampled.

    With marks also "flipped" (a mean move), "ratio_flipped" and "shift".

    The ratio is None where documents do not move the belief upwards, and unbounded (no interval) where the interval of
    `external` reaches 0 (Fieller 1954).
    """
    people = range(len(moved.external))
    found = {
        name: measured(lambda w, v=values: w @ v / w.sum(-1), people)  # type: ignore[misc]
        for name, values in (("external", moved.external), ("self", moved.own), ("mass", moved.mass))
    }
    found["ratio"] = measured(lambda w: ratio(w @ moved.own, w @ moved.external), people)
    ratios = ["ratio"]
    if (flipped := moved.flipped) is not None:
        found["flipped"] = measured(lambda w: w @ flipped / w.sum(-1), people)
        found["ratio_flipped"] = measured(lambda w: ratio(w @ flipped, w @ moved.external), people)
        found["shift"] = measured(lambda w: ratio(w @ (flipped - moved.own), w @ moved.external), people)
        ratios += ["ratio_flipped", "shift"]
    bounds = found["external"]["interval"]
    if bounds is None or bounds[0] <= 0:
        for name in ratios:
            found[name]["interval"] = None
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
        return answerer.prompt(question), ""
    head, tail = person.statements[attribute].split(" {answer}")
    return tokenizer.encode([head])[0].tolist(), tail


def log_probs(
    answerer: LMAnswerer,
    rows: Sequence[tuple[Sequence[int], str]],
    endings: Sequence[Sequence[int]],
    own: Sequence[Sequence[bool]] | None = None,
) -> Floats:
    """log P(text, then any of the endings | tokens before), nats: one for each (tokens before, text).

    `own` says which of the tokens before the model wrote itself; None for none.
    """
    texts = answerer.tokenizer.encode([text for _, text in rows])
    ended = [(before, [*text, *ending]) for (before, _), text in zip(rows, texts, strict=True) for ending in endings]
    mine = None if own is None else [marks for marks in own for _ in endings]
    found = [scores.sum() for scores in token_log_probs(answerer.model, ended, answerer.batch, mine)]
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
