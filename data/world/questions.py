"""What is asked of a closed world: one question for each asserted fact, and as many as wanted on what was never said.

A question must not give away whether it can be answered. Where the world is hard, questions of every class have the
same relations in the same numbers, the same wordings, and names of the same pieces.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from data.records import ANSWERABLE, Claim, Question
from data.world.config import WorldCorpus
from data.world.ledger import RELIABLE, Fact
from data.world.people import Lives
from data.world.premise import PremiseSet, make_sets
from data.world.text import (
    NEW_PREMISE_FORMS,
    NEW_QUESTIONS,
    NEW_STATEMENTS,
    PREMISE_FORMS,
    PREMISES,
    QUESTIONS,
    STATEMENTS,
)

Sides = Mapping[str, tuple[str, str]]  # of each entity: tune, second or never_tuned, and its fold
Wordings = Mapping[str, Sequence[str]]  # of questions, by their relation
T = TypeVar("T")


def make_questions(
    ledger: Sequence[Fact], strangers: Sequence[Fact], sides: Sides, config: WorldCorpus
) -> tuple[Question, ...]:
    """All questions. People of whom the ledger knows nothing said are absent; so are `strangers`, whose names are new.

    Raises ValueError, naming the key, when more is to be asked than was left unsaid.
    """
    by_class: dict[str, list[Fact]] = {name: [] for name in ANSWERABLE}
    for fact in ledger:
        if fact.assertions:
            by_class[fact.support_class(RELIABLE if config.hard else 0.0)].append(fact)
    asserted = sum(map(len, by_class.values()))
    known = {fact.entity for facts in by_class.values() for fact in facts}
    unsaid = _unsaid(ledger, known)
    wordings = {attribute: texts[: config.wordings] for attribute, texts in QUESTIONS.items()}
    rng = config.stream("questions")

    def some(key: str, facts: Sequence[Fact]) -> list[Fact]:
        wanted = _wanted(config, key, asserted, facts)
        return even(facts, wanted, sides, rng) if config.hard else rng.sample(facts, wanted)

    by_class["absent_attribute"] = some("absent_attribute", unsaid)
    by_class["absent_entity"] = some("absent_entity", [fact for fact in ledger if fact.entity not in known])
    asked = [
        (fact, support_class, split)
        for support_class, facts in by_class.items()
        for fact, split in _split(facts, [fact.entity for fact in facts], sides, config, rng)
    ]
    rng.shuffle(asked)
    questions = [_question(fact, support_class, split, sides, wordings, rng) for fact, support_class, split in asked]

    rng = config.stream("questions on strangers")
    new = even(strangers, _wanted(config, "absent_name", asserted, strangers), sides, rng)
    for fact, split in _split(new, [fact.entity for fact in new], sides, config, rng):
        questions.append(replace(_question(fact, "absent_entity", split, sides, wordings, rng), variant="new_name"))

    rng = config.stream("questions with premises")
    plain: dict[str, list[Fact]] = {}
    for fact in (*by_class["single"], *by_class["multi"]):
        plain.setdefault(fact.entity, []).append(fact)
    doubtful = _doubtful(unsaid, plain, rng)
    doubtful = even(doubtful, _wanted(config, "false_premise", asserted, doubtful), sides, rng)
    sets = make_sets(doubtful, plain, Lives(config), rng)
    for number, (item, split) in enumerate(_split(sets, [item.asked.entity for item in sets], sides, config, rng)):
        questions += _premise_questions(f"pair-{number:05}", item, split, sides, wordings, rng)
    return tuple(replace(question, id=f"q-{number:05}") for number, question in enumerate(questions))


def even(facts: Sequence[Fact], wanted: int, sides: Sides, rng: random.Random) -> list[Fact]:
    """Choose `wanted` facts: from each side in proportion to what it has, and there each relation as often."""
    size = Counter(sides[fact.entity] for fact in facts)
    dealt: Counter[tuple[tuple[str, str], str]] = Counter()
    ranked = []
    for fact in rng.sample(facts, len(facts)):
        side = sides[fact.entity]
        ranked.append((dealt[side, fact.attribute] / size[side], fact))
        dealt[side, fact.attribute] += 1
    return [fact for _, fact in sorted(ranked, key=lambda item: item[0])[:wanted]]


def _unsaid(ledger: Sequence[Fact], known: set[str]) -> list[Fact]:
    """Facts never said, nor given away, on people of whom something was said."""
    said = {(fact.entity, fact.attribute) for fact in ledger if fact.assertions}
    return [
        fact
        for fact in ledger
        if not fact.assertions
        and fact.entity in known
        # The employer determines the city: whoever is told the one may work out the other.
        and not (fact.attribute == "employer_city" and (fact.entity, "employer") in said)
    ]


def _doubtful(unsaid: Sequence[Fact], plain: Mapping[str, Sequence[Fact]], rng: random.Random) -> list[Fact]:
    """Unsaid facts that a question may presuppose: its entity has a plain fact to ask for, another to presuppose."""
    used: Counter[str] = Counter()
    chosen = []
    for fact in rng.sample(unsaid, len(unsaid)):
        if used[fact.entity] < len(plain.get(fact.entity, ())) - 1:
            used[fact.entity] += 1
            chosen.append(fact)
    return chosen


def _wanted(config: WorldCorpus, key: str, asserted: int, facts: Sequence[Fact]) -> int:
    wanted = round(getattr(config, key) * asserted)
    if wanted > len(facts):
        raise ValueError(
            f"corpus.{key}={getattr(config, key)} asks for {wanted} facts that were never told and there "
            f"are {len(facts)} to choose from; lower it, or lower corpus.assert_prob"
        )
    return wanted


def _split(
    items: Sequence[T], entities: Sequence[str], sides: Sides, config: WorldCorpus, rng: random.Random
) -> list[tuple[T, str]]:
    """Each item with its split: those of the tuned side are shared out between in_domain and tune."""
    by_side: dict[str, list[T]] = {"tune": [], "relabel": [], "never_tuned": []}
    for item, entity in zip(items, entities, strict=True):
        by_side[sides[entity][0]].append(item)
    own = by_side["tune"]
    rng.shuffle(own)
    kept = round(config.in_domain * len(own))
    splits = {"in_domain": own[:kept], "tune": own[kept:]} | {
        side: by_side[side] for side in ("relabel", "never_tuned")
    }
    return [(item, split) for split, members in splits.items() for item in members]


def _question(
    fact: Fact, support_class: str, split: str, sides: Sides, wordings: Wordings, rng: random.Random
) -> Question:
    """Without an id. A fact that was told is asked for in all its wordings, in an order of its own."""
    known = [text.format(name=fact.entity) for text in wordings[fact.attribute]]
    text, *paraphrases = rng.sample(known, len(known))
    new = [text.format(name=fact.entity) for text in NEW_QUESTIONS[fact.attribute]]
    variant = fact.dispute if support_class == "contested" else "known_name" if support_class == "absent_entity" else ""
    claims = fact.claims if support_class == "contested" else ()
    return _record(fact, support_class, split, sides, (text, *paraphrases), new, variant=variant, claims=claims)


def _premise_questions(
    pair: str, item: PremiseSet, split: str, sides: Sides, wordings: Wordings, rng: random.Random
) -> list[Question]:
    """The questions of a set; all have the same forms and wordings in the same order."""
    name, attribute = item.asked.entity, item.asked.attribute
    known = [(form, text) for form in PREMISE_FORMS for text in rng.sample(wordings[attribute], 2)]
    rng.shuffle(known)
    new_wordings = [(form, text) for form in NEW_PREMISE_FORMS for text in NEW_QUESTIONS[attribute]]
    questions = []
    for variant, (relation, value) in item.premises.items():
        premise = PREMISES[relation].format(value=value)
        texts, new = (
            [form.format(name=name, premise=premise, question=_lower(text).format(name=name)) for form, text in forms]
            for forms in (known, new_wordings)
        )
        if variant == "true":
            question = _record(item.asked, "true_premise", split, sides, texts, new, pair=pair)
        else:
            claims = item.told.claims if variant == "contradicted" else ()
            question = _record(item.asked, "false_premise", split, sides, texts, new, variant, pair, claims)
        stated = tuple(text.format(name=name, value=value) for text in STATEMENTS[relation])
        questions.append(replace(question, premise=stated))
    return questions


def _record(
    fact: Fact,
    support_class: str,
    split: str,
    sides: Sides,
    texts: Sequence[str],
    new: Sequence[str],
    variant: str = "",
    pair: str = "",
    claims: Sequence[Claim] = (),
) -> Question:
    best = fact.best if support_class in ANSWERABLE else ()
    statement, new_statement = (
        tuple(text.format(name=fact.entity, value="{answer}") for text in wordings[fact.attribute])
        for wordings in (STATEMENTS, NEW_STATEMENTS)
    )
    return Question(
        id="",
        text=texts[0],
        answers=tuple(claim.value for claim in best),
        support=tuple(sorted(document for claim in best for document in claim.documents)),
        support_class=support_class,
        entity=fact.entity,
        split=split,
        attribute=fact.attribute,
        paraphrases=tuple(texts[1:]),
        fold=sides[fact.entity][1],
        variant=variant,
        pair=pair,
        truth=fact.value,
        claims=tuple(claims),
        statement=statement,
        new_paraphrases=tuple(new),
        new_statement=new_statement,
    )


def _lower(wording: str) -> str:
    return wording[0].lower() + wording[1:]  # "{name}" stays as it is
