"""Does a model cite the same when it is asked otherwise, and does it know all the sources that it could name?

Hypothetical consistency (Chen et al. 2023, arXiv 2305.14279): a model should foretell what it would say. "Which source
would you cite?" is asked by having it cite straight after the question, before it has answered; what it foretells is
the source that it does cite, after its answer or behind its evidence:

    foretold         P(source named before answering = source cited)
    foretold_chance  the same for two questions drawn at random: sum over c of n_before(c) n_cited(c) / N^2
    foretold_wrong   foretold, of citations that support nothing: does it foretell its own citation, or the right one?

A model that never answered so was not taught to: read the first beside the second, not beside 1.

All sources of facts that several documents assert, listed one behind the other, `direct` models only (after Bartsch et
al. 2023, arXiv 2310.13439, whose models verbalise alternatives up to a cap). L is the list, V the support:

    list_precision   mean |L and V| / |L|
    list_recall      mean |L and V| / |V|, the list written until the model ends it, CAP at most
    list_length      mean |L|, sources
    forced_recall    mean |L and V| / |V|, L as long as V, each source the likeliest that is not listed yet
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence, Set
from typing import Any

import numpy as np

from data.records import PLAIN, Prediction, Question
from eval.answerers.lm_answerer import LMAnswerer
from eval.metrics.calibration import ratio
from eval.probes import Probe, Read, held_out, measured, share

MOST = 200  # questions
CAP = 5  # sources of a list


def consistency(read: Read) -> dict[str, Any]:
    """The figures of the module's docstring; {} where there is nothing to foretell or to list."""
    rng = random.Random(read.seed)
    asked = [q for q in held_out(read.questions) if q.support_class in PLAIN]
    asked = rng.sample(asked, min(MOST, len(asked)))
    pairs = [(q, p) for q, p in zip(asked, read.answerer.answer(asked), strict=True) if p.outcome == "answered"]
    found: dict[str, Any] = {}
    if pairs and read.answerer.format.leads != "source":
        found |= _foretold(read.answerer, pairs)
    several = [(q, p) for q, p in pairs if len(q.support) > 1]
    if several and not read.answerer.format.leads:
        found |= _listed(read.answerer, several)
    return found


def matched_chance(before: Sequence[str], cited: Sequence[str]) -> float:
    """The chance that a source named for one question is the one cited for another, both drawn at random: in [0, 1]."""
    first, then = Counter(before), Counter(cited)
    return sum(first[c] * then[c] for c in first) / (len(before) * len(cited))


def overlap(lists: Sequence[Sequence[str]], supports: Sequence[Set[str]]) -> tuple[list[float], list[float]]:
    """Precision and recall of each list, which is not empty and repeats nothing."""
    hits = [len(support & set(found)) for found, support in zip(lists, supports, strict=True)]
    precision = [hit / len(found) for hit, found in zip(hits, lists, strict=True)]
    return precision, [hit / len(support) for hit, support in zip(hits, supports, strict=True)]


def _foretold(answerer: LMAnswerer, pairs: Sequence[tuple[Question, Prediction]]) -> dict[str, Any]:
    prompts = [answerer.format.prompt(text) for text in answerer.tokenizer.encode([q.text for q, _ in pairs])]
    before = [answerer.identifiers.labels[ranked[0][0]] for ranked in answerer.sources_after(prompts, 1)]
    cited = [p.citations[0].id for _, p in pairs]
    same = [a == b for a, b in zip(before, cited, strict=True)]
    clusters = [q.entity or q.id for q, _ in pairs]
    wrong = [i for i, (q, _) in enumerate(pairs) if cited[i] not in q.support]
    return {
        "foretold": share(same, clusters),
        "foretold_chance": matched_chance(before, cited),
        "foretold_wrong": share([same[i] for i in wrong], [clusters[i] for i in wrong]) if wrong else None,
    }


def _listed(answerer: LMAnswerer, pairs: Sequence[tuple[Question, Prediction]]) -> dict[str, Any]:
    supports = [set(q.support) for q, _ in pairs]
    clusters = [q.entity or q.id for q, _ in pairs]
    lists, own = list_sources(answerer, pairs)
    precision, recall = overlap([found[:n] for found, n in zip(lists, own, strict=True)], supports)
    _, forced = overlap([found[: len(v)] for found, v in zip(lists, supports, strict=True)], supports)
    return {
        "list_precision": _mean(precision, clusters),
        "list_recall": _mean(recall, clusters),
        "list_length": _mean(list(map(float, own)), clusters),
        "forced_recall": _mean(forced, clusters),
    }


def list_sources(
    answerer: LMAnswerer, pairs: Sequence[tuple[Question, Prediction]]
) -> tuple[list[list[str]], list[int]]:
    """For each answer its sources one behind the other, `CAP` or all of its support, and after how many it ends.

    A source that is listed already is passed over, and the list goes on behind the likeliest other.
    """
    form, tokenizer = answerer.format, answerer.tokenizer
    texts = tokenizer.encode([q.text for q, _ in pairs])
    answers = tokenizer.encode([p.answer or "" for _, p in pairs])
    prompts = [[*form.prompt(text), *map(int, answer)] for text, answer in zip(texts, answers, strict=True)]
    longest = max(CAP, *(len(q.support) for q, _ in pairs))
    lists: list[list[str]] = [[] for _ in pairs]
    ended = [0] * len(pairs)
    for size in range(1, longest + 1):
        for row, ranked in enumerate(answerer.sources_after(prompts, size)):
            index = next((i for i, _ in ranked if answerer.identifiers.labels[i] not in lists[row]), None)
            if index is None:  # all others are negligible
                ended[row] = ended[row] or len(lists[row])
                continue
            lists[row].append(answerer.identifiers.labels[index])
            prompts[row] = [*prompts[row], *form.citation(answerer.identifiers.tokens[index])]
        going = _goes_on(answerer, prompts)
        for row, on in enumerate(going):
            if not on or size == CAP:
                ended[row] = ended[row] or len(lists[row])
    return lists, ended


def _goes_on(answerer: LMAnswerer, prompts: Sequence[Sequence[int]]) -> list[bool]:
    """Whether another citation is likelier than the end, behind a list of them."""
    found: list[bool] = []
    for start in range(0, len(prompts), answerer.batch):
        _, logits = answerer.read(prompts[start : start + answerer.batch])
        found += (logits[:, answerer.format.opening] > logits[:, answerer.tokenizer.end]).tolist()
    return found


def _mean(values: Sequence[float], clusters: Sequence[str]) -> dict[str, Any]:
    each = np.array(values)
    return measured(lambda w: ratio(w @ each, w.sum(-1)), clusters) | {"n": len(values)}


PROBE = Probe(
    title="Does it cite the same when asked otherwise, and does it know all its sources?",
    about=(
        "foretold: the source named before answering is the one cited then; foretold_chance is what chance would make "
        "of it. list: the sources that it names one behind the other, where documents agree."
    ),
    run=consistency,
)
