"""What BioCite never says: questions on missing facts of its people and on people that no document names.

BioCite asks only what its documents say. Everything it says is listed with each document, so what it does not say of
someone is known as well: a fact of the test half's people that no document states, and the people of documents that are
held out. Every statement has one wording, which `stating` has; so the two-way check applies.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from data.records import FOLDS, Question

STATEMENTS = {
    "birth_date": "{name} was born on {answer}.",
    "university": "{name} studied at {answer}.",
    "employer": "{name} works at {answer}.",
    "employer_city": "{name} lives in {answer}.",
    "major": "{name} studied {answer}.",
    "birth_city": "{name} was born in {answer}.",
}
ASKED = {  # of the facts that most people have: others are too rare to be missed
    "birth_date": "When was {name} born?",
    "university": "What university did {name} attend?",
    "employer": "Where does {name} work?",
}


def with_unanswerable(
    questions: Sequence[Question], facts: Sequence[str], strangers: Sequence[str], share: float, seed: int
) -> list[Question]:
    """The questions, those never tuned in folds, and questions on what was never said after them.

    Args:
        facts: every sentence of the documents trained on.
        strangers: people of documents held out; those named in `facts` are left out.
        share: of questions on either kind of what was never said, per question of split never_tuned.

    Raises:
        ValueError: there are fewer such questions than asked for.
    """
    rng = random.Random(f"biocite/{seed}/unsaid")
    told = [q for q in questions if q.split == "never_tuned"]
    wanted = round(share * len(told))
    people = list(dict.fromkeys(q.entity for q in told))
    said = "\n".join(facts)
    missing = [(name, a) for name in people for a in ASKED if _opening(name, a) not in said]
    unknown = [(name, a) for name in dict.fromkeys(strangers) if name not in said for a in ASKED]
    found = []
    for kind, pairs in (("absent_attribute", missing), ("absent_entity", unknown)):
        if len(pairs) < wanted:
            more = ", or raise corpus.heldout" if kind == "absent_entity" else ""
            raise ValueError(
                f"corpus.unanswerable={share} asks for {wanted} questions of class {kind} and there are {len(pairs)}; "
                f"lower it{more}"
            )
        found += [(kind, *pair) for pair in rng.sample(pairs, wanted)]
    unsaid = [
        Question(
            id=f"u-{number:06}",
            text=ASKED[attribute].format(name=name),
            answers=(),
            support=(),
            support_class=kind,
            entity=name,
            split="never_tuned",
            attribute=attribute,
            statement=(stating(name, attribute),),
        )
        for number, (kind, name, attribute) in enumerate(found)
    ]
    entities = sorted({q.entity for q in (*told, *unsaid)})
    rng.shuffle(entities)
    fold = {name: FOLDS[place % len(FOLDS)] for place, name in enumerate(entities)}
    return [replace(q, fold=fold[q.entity]) if q.split == "never_tuned" else q for q in (*questions, *unsaid)]


def stating(entity: str, attribute: str) -> str:
    """The statement that an answer to a question of this attribute makes."""
    return STATEMENTS[attribute].replace("{name}", entity)


def _opening(name: str, attribute: str) -> str:
    return stating(name, attribute).partition("{answer}")[0]
