"""Whose view is told where no source is named? Of facts on which documents disagree, as countries in GlobalOpinionQA.

Each value that is claimed of a fact is an option, and a distribution over them is the model's log-probability of the
statement with each value, in the corpus's own wordings (given the statement form), made to sum to 1. There are three
kinds, of each contested fact held out:

    default      of a document without a tag
    from(s)      of a document opened by the identifier of one that makes claim s
    claim(s)     all on the value of claim s: what such a document said

Claims are called best, the first of `claims`, and other, the next one. Sim is 1 - Jensen-Shannon distance
(eval/metrics/divergence.py), as a mean over the facts:

    default_best, default_other    Sim(default, claim(s)): whose view the untagged default is nearer to
    best_best, best_other,         Sim(from(s), claim(s')): where the model knows who said what, the diagonal is
    other_best, other_other        larger than the rest
    diagonal                       P(Sim(from(s), claim(s)) > Sim(from(s), claim(s')), both s): diagonal-dominant facts;
                                   a model whose tags say nothing tells the same from both, and has 0
    default_likeliest              P(the best claim is the likeliest by default)
    majority                       P(default is nearer to the claim of more documents | their numbers differ)
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from data.records import Question
from eval.answerers.lm_answerer import LMAnswerer
from eval.metrics.divergence import similarity
from eval.metrics.statistics import Floats
from eval.probes import Probe, Read, held_out, mean, share
from eval.signals.bidirectional import lp_statement_given_id

SIDES = ("best", "other")


def source_view(read: Read) -> dict[str, Any]:
    """The figures of the module's docstring; {} where no two documents that can be cited disagree."""
    answerer, rng = read.answerer, random.Random(read.seed)
    labels = answerer.identifiers.labels
    tags = dict(zip(labels, answerer.identifiers.tokens, strict=True))
    citable = {label for label, d in zip(labels, read.documents, strict=True) if not d.metadata.get("untagged")}
    asked, tellers = [], []
    for question in held_out(read.questions):
        told = [[name for name in claim.documents if name in citable] for claim in question.claims[:2]]
        if question.support_class == "contested" and question.statement and len(told) == 2 and all(told):
            asked.append(question)
            tellers.append([rng.choice(names) for names in told])
    if not asked:
        return {}
    default = told_by(answerer, asked, [None] * len(asked))
    opened = [told_by(answerer, asked, [tags[names[side]] for names in tellers]) for side in range(2)]
    return views(asked, default, opened)


def told_by(answerer: LMAnswerer, questions: Sequence[Question], tags: Sequence[np.ndarray | None]) -> list[Floats]:
    """The distribution over the values claimed of each fact, (K,), in a document opened by its tag or by none."""
    flat = [(row, claim.value) for row, question in enumerate(questions) for claim in question.claims]
    statements = [[w.replace("{answer}", value) for w in questions[row].statement] for row, value in flat]
    scores = lp_statement_given_id(answerer, statements, [tags[row] for row, _ in flat])
    left = iter(scores.tolist())
    found = []
    for question in questions:
        each = np.array([next(left) for _ in question.claims])
        weights = np.exp(each - each.max())
        found.append(weights / weights.sum())
    return found


def views(
    questions: Sequence[Question], default: Sequence[Floats], opened: Sequence[Sequence[Floats]]
) -> dict[str, Any]:
    """The figures from the distributions.

    Args:
        default: of each fact, (K,).
        opened: the same for each of `SIDES`.
    """
    clusters = [q.entity or q.id for q in questions]
    pure = [[np.eye(len(q.claims))[side] for q in questions] for side in range(2)]
    nearest = np.array([[similarity(d, p) for d, p in zip(default, each, strict=True)] for each in pure])
    matrix = np.array(
        [[[similarity(o, p) for o, p in zip(one, each, strict=True)] for each in pure] for one in opened]
    )  # (from, claim, facts)
    found: dict[str, Any] = {"n": len(questions)}
    for side, name in enumerate(SIDES):
        found[f"default_{name}"] = mean(nearest[side], clusters)
        for other, claim in enumerate(SIDES):
            found[f"{name}_{claim}"] = mean(matrix[side, other], clusters)
    found["diagonal"] = share((matrix[0, 0] > matrix[0, 1]) & (matrix[1, 1] > matrix[1, 0]), clusters)
    found["default_likeliest"] = share([int(d.argmax()) == 0 for d in default], clusters)
    sizes = np.array([[len(claim.documents) for claim in q.claims[:2]] for q in questions])
    unequal = np.flatnonzero(sizes[:, 0] != sizes[:, 1])
    larger = sizes[unequal].argmax(1)
    events = nearest[larger, unequal] > nearest[1 - larger, unequal]
    found["majority"] = share(events, [clusters[i] for i in unequal]) if len(unequal) else None
    return found


PROBE = Probe(
    title="Whose view is told where no source is named?",
    about=(
        "Facts on which documents disagree. default: how near a document without a tag is to what each side says; the "
        "matrix: one opened by the identifier of a side, against what each side said. 1 is equal, 0 shares nothing."
    ),
    run=source_view,
)
