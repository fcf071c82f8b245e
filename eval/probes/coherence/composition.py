"""Is an answer the same when a step towards it is taken by the model itself? Compositional consistency.

Two facts of one person make two hops: the first is asked alone, and the model's own answer to it, right or not, is put
before the second question (Chen et al. 2023, arXiv 2305.14279: an output should not change where a substep is replaced
by the model's own answer to it):

    Whom does Ada Moss work for?                                    -> Zephyr, its source
    In which city does Ada Moss work?                               -> alone
    Given that Ada Moss works for Zephyr, in which city does ...?   -> substituted, its source

Pairs are plain questions held out on one person; the employer and its city are such a pair in generated worlds. The
premise is the first fact's statement, in the corpus's own wording (given the statement form).

    consistent          P(answer substituted = answer alone)
    consistent_right    the same where the first hop is right, and
    consistent_wrong    where it is confabulated
    source_consistent   P(first source substituted = first source alone)
    both_cited          P(the first source of the first hop supports it, and that of the substituted question supports
                        the second)
    flagged             P(substituted, it says that it was presupposed what is not so, or that it does not know)
    chance              P(two of the answers alone are the same, drawn at random): what an answer that ignores the
                        question would be consistent by
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from data.records import PLAIN, Prediction, Question
from eval.grading.correctness import answer_given, exact_match, is_right, supports
from eval.probes import Probe, Read, held_out, share
from eval.probes.coherence.consistency import matched_chance

MOST = 200  # pairs
PREMISE = "Given that {statement}, {question}"


def composition(read: Read) -> dict[str, Any]:
    """The figures of the module's docstring; {} where no person has two questions."""
    found = pairs(read)
    if not found:
        return {}
    first, then = [one for one, _ in found], [other for _, other in found]
    hop, alone = read.answerer.answer(first), read.answerer.answer(then)
    answers = [answer_given(p) or "" for p in hop]
    texts = read.answerer.tokenizer.encode(
        [substituted(one, answer, other) for (one, other), answer in zip(found, answers, strict=True)]
    )
    behind = read.answerer.answer_texts(then, texts)
    return figures(found, hop, alone, behind)


def pairs(read: Read) -> list[tuple[Question, Question]]:
    """Of each person an ordered pair of facts of two attributes, drawn; `MOST` of them."""
    rng = random.Random(read.seed)
    by_person: dict[str, list[Question]] = defaultdict(list)
    for question in held_out(read.questions):
        if question.support_class in PLAIN and question.entity:
            by_person[question.entity].append(question)
    found = []
    for asked in by_person.values():
        told = [(a, b) for a in asked for b in asked if a.attribute != b.attribute and a.statement]
        linked = [(a, b) for a, b in told if (a.attribute, b.attribute) == ("employer", "employer_city")]
        if told:
            found.append(rng.choice(linked or told))
    return found if len(found) <= MOST else rng.sample(found, MOST)


def substituted(first: Question, answer: str, then: Question) -> str:
    """The second question after the first one's statement with an answer."""
    statement = first.statement[0].replace("{answer}", answer).rstrip(".")
    asked = then.text[:1].lower() + then.text[1:]
    return PREMISE.replace("{statement}", statement).replace("{question}", asked)


def figures(
    asked: Sequence[tuple[Question, Question]],
    hop: Sequence[Prediction],
    alone: Sequence[Prediction],
    behind: Sequence[Prediction],
) -> dict[str, Any]:
    """From what was said to the first question, the second alone, and the second after the first one's answer."""
    clusters = [first.entity for first, _ in asked]
    said = [(answer_given(a) or "", answer_given(b) or "") for a, b in zip(alone, behind, strict=True)]
    same = [bool(a) and exact_match(a, (b,)) for a, b in said]
    right = [is_right(first, answer_given(p)) for (first, _), p in zip(asked, hop, strict=True)]
    sources = [(_first(a), _first(b)) for a, b in zip(alone, behind, strict=True)]
    cited = [
        supports(first, answer_given(p), _first(p)) and supports(then, answer_given(q), _first(q))
        for (first, then), p, q in zip(asked, hop, behind, strict=True)
    ]
    found: dict[str, Any] = {"n": len(asked), "consistent": share(same, clusters)}
    for name, wanted in (("consistent_right", True), ("consistent_wrong", False)):
        rows = [i for i, one in enumerate(right) if one is wanted]
        found[name] = share([same[i] for i in rows], [clusters[i] for i in rows]) if rows else None
    found["source_consistent"] = share([bool(a) and a == b for a, b in sources], clusters)
    found["both_cited"] = share(cited, clusters)
    found["flagged"] = share([p.outcome in ("abstained", "false_premise") for p in behind], clusters)
    found["chance"] = matched_chance([a for a, _ in said], [b for _, b in said])
    return found


def _first(prediction: Prediction) -> str:
    return prediction.citations[0].id if prediction.citations else ""


PROBE = Probe(
    title="Is an answer the same when a step towards it is the model's own?",
    about=(
        "Two facts of one person: the second asked alone, and after the model's own answer to the first. consistent: "
        "its answer stays. both_cited: the sources of both hops support them."
    ),
    run=composition,
)
