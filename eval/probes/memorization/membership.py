"""Did you read this, and where? Passages that were read, told from passages that never were by scores alone.

    read               a fact in words that documents have: a wording of `Question.statement`
    paraphrased        the same facts in words that no document has: a wording of `Question.new_statement`
    altered            the passage `read` with an answer to another question in place of its own
    reworded           the passage `paraphrased` with that other answer
    unread_attribute   what was never said of a known person
    unread_entity      of a person who was never mentioned

The first two are told from each of the others (`reworded` from the second only: in the same words, so that nothing but
what they say differs) by five scores of a passage, in nats, the higher the more likely read:

    footnote       log P(ID | passage) of the likeliest document
    id_to_text     log P(passage | ID) of that document
    bidirectional  the sum of both
    loss           mean log-probability of the passage's tokens, without any tag: Yeom et al. 2018, arXiv 1709.01604
    min_k          mean of the lowest 20% of these: Min-K% Prob (Shi et al. 2023, arXiv 2310.16789)

The last two know no documents and are the baselines. Sums over tokens are not normalised by length: what is longer
looks less read.

Shape letters: N passages, T tokens.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from data.records import PLAIN, Question
from eval.answerers.likelihoods import token_log_probs
from eval.answerers.lm_answerer import LMAnswerer
from eval.metrics.calibration import bin_sums, checked_pairs, ratio, unique_bins
from eval.metrics.selective_prediction import auroc
from eval.metrics.statistics import Floats
from eval.probes import Probe, held_out, measured
from eval.signals.bidirectional import lp_statement_given_id

READ = ("read", "paraphrased")
UNREAD = ("altered", "reworded", "unread_attribute", "unread_entity")
LOWEST = 20  # per cent of a passage's tokens that Min-K% Prob looks at
KEPT = 90  # per cent of the read passages that false recollection keeps
ABSENT = ("absent_attribute", "absent_entity")


@dataclass(frozen=True, slots=True)
class Passage:
    """A sentence, its kind, the entity that intervals resample, and the documents that say so (none if unread)."""

    kind: str
    text: str
    entity: str
    support: tuple[str, ...] = ()


def membership(answerer: LMAnswerer, questions: Sequence[Question], seed: int = 0, most: int = 600) -> dict[str, Any]:
    """How well each score tells what was read from what was not; {} when no held-out question has a
    statement, or the model can't be asked for the source of one.

    Returns:
        "n": how many passages of each kind; "where": the share of the passages `read` whose likeliest document is a
        right one; and for each kind that was read, each that was not and each score, "auroc" and "false_recollection"
        (see there), as {"value", "interval"} with 95% intervals that resample entities. Kinds without a passage are
        left out.
    """
    passages = make_passages(questions, seed, most) if answerer.cites else []
    kinds = np.array([passage.kind for passage in passages])
    if "read" not in kinds:
        return {}
    scores, best = score_passages(answerer, [passage.text for passage in passages])
    clusters = np.array([passage.entity for passage in passages])
    right = np.array([label in passage.support for label, passage in zip(best, passages, strict=True)])
    of_read = kinds == "read"
    found: dict[str, Any] = {
        "n": {kind: int((kinds == kind).sum()) for kind in (*READ, *UNREAD)},
        "where": measured(lambda w: ratio(w @ right[of_read], w.sum(-1)), clusters[of_read].tolist()),
    }
    for positive, negative in product(READ, UNREAD):
        here = (kinds == positive) | (kinds == negative)
        truth = kinds[here] == positive
        if truth.any() and not truth.all() and (positive, negative) != ("read", "reworded"):
            pair = {name: compared(score[here], truth, clusters[here].tolist()) for name, score in scores.items()}
            found.setdefault(positive, {})[negative] = pair
    return found


def make_passages(questions: Sequence[Question], seed: int = 0, most: int = 600) -> list[Passage]:
    """At most `most` passages of each kind from the questions held out, the same questions for the first four."""
    rng = random.Random(seed)
    answers: dict[str, list[str]] = {}
    for question in questions:
        answers.setdefault(question.attribute, []).extend(question.answers)
    asked = [question for question in held_out(questions) if question.statement]

    def some(*classes: str) -> list[Question]:
        those = [question for question in asked if question.support_class in classes]
        return rng.sample(those, min(most, len(those)))

    def others(question: Question) -> list[str]:
        own = {question.truth, *question.answers, *(claim.value for claim in question.claims)}
        return [answer for answer in answers[question.attribute] if answer not in own]

    told: list[tuple[str, Question, str, str]] = []
    for question in some(*PLAIN):
        wording, answer = rng.choice(question.statement), question.answers[0]
        told.append(("read", question, wording, answer))
        new, other = _one(question.new_statement, rng), _one(others(question), rng)
        told += [("paraphrased", question, text, answer) for text in new]
        told += [("altered", question, wording, value) for value in other]
        told += [("reworded", question, text, value) for text in new for value in other]
    for name in ABSENT:
        for question in some(name):
            values = [question.truth] if question.truth else _one(others(question), rng)
            kind, wording = name.replace("absent", "unread"), rng.choice(question.statement)
            told += [(kind, question, wording, value) for value in values]
    return [
        Passage(kind, wording.replace("{answer}", value), q.entity or q.id, q.support if kind in READ else ())
        for kind, q, wording, value in told
    ]


def score_passages(answerer: LMAnswerer, texts: Sequence[str]) -> tuple[dict[str, Floats], list[str]]:
    """Each score, float64 (N,), and the label of the likeliest document of each passage."""
    best = [citations[0] for citations in answerer.cite(texts)]
    tokens = dict(zip(answerer.identifiers.labels, answerer.identifiers.tokens, strict=True))
    footnote = np.log([max(citation.probability or 0.0, sys.float_info.min) for citation in best])
    sources = [tokens[citation.id] for citation in best]
    recall = lp_statement_given_id(answerer, [[text] for text in texts], sources)
    rows = [([answerer.tokenizer.doc], text) for text in answerer.tokenizer.encode(texts)]
    plain = token_log_probs(answerer.model, rows, answerer.batch)
    scores = {
        "bidirectional": footnote + recall,
        "id_to_text": recall,
        "footnote": footnote,
        "loss": np.array([text.mean() for text in plain]),
        "min_k": np.array([min_k(text) for text in plain]),
    }
    return scores, [citation.id for citation in best]


def min_k(log_probs: Floats) -> float:
    """Mean of the lowest `LOWEST` per cent of log-probabilities (T,), rounded down but one at least."""
    return float(np.sort(log_probs)[: max(1, len(log_probs) * LOWEST // 100)].mean())


def false_recollection(score: ArrayLike, read: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Of what was not read, the share at or above the highest score that keeps `KEPT` per cent of what was.

    Args:
        score: [N] real numbers; read: bool [N]; weights: as in eval.metrics.selective_prediction, the threshold moves
            with the draws.

    Returns:
        [...] one value a draw; nan where one of the two is missing.
    """
    s, r, w = checked_pairs(score, read, weights, unit=False)
    levels = unique_bins(-s)
    kept, wrong = (np.cumsum(bin_sums(w * among, levels), axis=-1) for among in (r, 1 - r))
    level = np.argmax(100 * kept >= KEPT * kept[..., -1:], axis=-1)[..., None]
    share = ratio(np.take_along_axis(wrong, level, -1)[..., 0], wrong[..., -1])
    return np.where(kept[..., -1] > 0, share, np.nan)[()]


def compared(score: Floats, read: np.ndarray, clusters: list[str]) -> dict[str, Any]:
    """`auroc` and `false_recollection` of a score (N,) of what was read, and what was not."""
    return {
        "auroc": measured(lambda w: auroc(score, read, w), clusters),
        "false_recollection": measured(lambda w: false_recollection(score, read, w), clusters),
    }


def _one(values: Sequence[str], rng: random.Random) -> list[str]:
    """One of them drawn, in a list; none of none."""
    return [rng.choice(values)] if values else []


PROBE = Probe(
    title="Did it read this, and where?",
    about=(
        "Sentences that documents hold, in their words or in new ones, against altered ones and ones that no "
        "document holds. AUROC: how often the read one scores higher; false recollection: of what was not "
        "read, the share that passes where 90% of what was read does. Loss and Min-K% know no documents: the "
        "baselines."
    ),
    run=lambda read: membership(read.answerer, read.questions, seed=read.seed),
)
