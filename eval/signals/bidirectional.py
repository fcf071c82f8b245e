"""The two-way check: having answered and cited, does the cited document, opened from memory, say so?

Pretraining shows documents in both directions: text to identifier, identifier to text. So an answer, put into the words
of the statement that it makes, can be asked for log P(identifier | statement) and then, with the document that the tag
behind it cites, for log P(statement | identifier). No label of what it does not know is needed. Two forward passes over
short rows. What the question presupposes is checked likewise, as a statement of its own.

Shape letters: N statements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from data.pipeline.answer_format import ANSWERED
from data.pipeline.sample import TAG, Part, Sample
from data.pipeline.tokenizer import Tokenizer
from data.records import Prediction, Question
from eval.answerers.likelihoods import log_probabilities
from eval.answerers.lm_answerer import LMAnswerer
from eval.signals import Extractor, Signal

WORDINGS = 1  # of a statement that are checked; five told the same apart, in five times the time
PREMISE = "premise_"


class BidirectionalCheck(NamedTuple):
    """Of N statements, float64 (N,), nats.

    Attributes:
        lp_statement_given_id: log P(statement | identifier), in any of its wordings: what the document, opened from
            memory, says.
        lp_id_given_statement: log P(identifier | statement), mean over the wordings: what the tag behind it cites.
        lp_statement: log P(statement), in any of its wordings: that any document begins so.
    """

    lp_statement_given_id: np.ndarray
    lp_id_given_statement: np.ndarray
    lp_statement: np.ndarray


def bidirectional_check(
    answerer: LMAnswerer, statements: Sequence[Sequence[str]], sources: Sequence[np.ndarray]
) -> BidirectionalCheck:
    """Check each statement, given in one or more wordings, against the identifier of a document (without marks)."""
    tokenizer = answerer.tokenizer
    texts = _encoded(tokenizer, statements)
    tagged = [answerer.placement.followed(tokenizer, text, sources[item]) for item, text in texts]
    of_text, of_tag = log_probabilities(answerer.model, tokenizer, tagged, answerer.batch)
    items = np.array([item for item, _ in texts])
    each = [items == item for item in range(len(statements))]
    return BidirectionalCheck(
        lp_statement_given_id(answerer, statements, sources),
        np.array([of_tag[here].mean() for here in each]),
        np.array([logsumexp(of_text[here]) for here in each]),
    )


def lp_statement_given_id(
    answerer: LMAnswerer, statements: Sequence[Sequence[str]], sources: Sequence[np.ndarray | None]
) -> np.ndarray:
    """Log-probability that a document begins with the statement, in any of its wordings: float64 (N,), nats.

    Args:
        statements: for each item its wordings, at least one.
        sources: for each item the identifier of the document, without marks; None for a document without a tag.
    """
    texts = _encoded(answerer.tokenizer, statements)
    recalled = [_recall(answerer.tokenizer, text, sources[item]) for item, text in texts]
    of_text, _ = log_probabilities(answerer.model, answerer.tokenizer, recalled, answerer.batch)
    items = np.array([item for item, _ in texts])
    return np.array([logsumexp(of_text[items == item]) for item in range(len(statements))])


def restate(answerer: LMAnswerer, questions: Sequence[Question], said: Sequence[Prediction]) -> list[Prediction]:
    """Answers put into the words of the question's statement, cited by the tag behind that, and checked both ways.

    The sources are those of the statement, whether or not the model named one at first (signal `unsourced`), and the
    signals gain those of the check, as well as of what the question presupposes. Unchanged where there is no answer, or
    no statement that it makes, and where the model can't be asked for the source of a statement.
    """
    if not answerer.cites:
        return list(said)
    asked = [i for i, (q, p) in enumerate(zip(questions, said, strict=True)) if p.outcome in ANSWERED and q.statement]
    restated = [[s.replace("{answer}", said[i].answer or "") for s in questions[i].statement] for i in asked]
    presuming = [i for i, question in enumerate(questions) if question.premise]
    cited, checked = _checked(answerer, restated, answerer.most)
    _, presumed = _checked(answerer, [questions[i].premise for i in presuming], 1)
    found = list(said)
    for i, ranked, signals in zip(asked, cited, checked, strict=True):
        signals = {**said[i].signals, **signals, "unsourced": float(said[i].outcome == "no_source")}
        found[i] = replace(
            said[i], outcome="answered", citations=answerer.citations(ranked), signals=signals, valid=None
        )
    for i, signals in zip(presuming, presumed, strict=True):
        premise = {f"{PREMISE}{name}": score for name, score in signals.items()}
        found[i] = replace(found[i], signals={**found[i].signals, **premise})
    return found


def _checked(
    answerer: LMAnswerer, statements: Sequence[Sequence[str]], most: int
) -> tuple[list[list[tuple[int, float]]], list[dict[str, float]]]:
    """The sources of statements, by the tag behind the first wording, and the check against the first source."""
    if not statements:
        return [], []
    tokenizer = answerer.tokenizer
    worded = list(dict.fromkeys(tuple(wordings[:WORDINGS]) for wordings in statements))  # what is the same, once
    ranked = answerer.ranked_sources([wordings[0] for wordings in worded], most)
    sources = [answerer.identifiers.tokens[found[0][0]] for found in ranked]
    check = bidirectional_check(answerer, worded, sources)
    signals = [dict(zip(BidirectionalCheck._fields, row, strict=True)) for row in np.transpose(check).tolist()]
    marks = {int(mark): tenths / 10 for tenths, mark in enumerate(tokenizer.confidences)}
    for shown, source in zip(signals, sources, strict=True):
        if (mark := int(source[0])) in marks:
            shown["reliability"] = marks[mark]
    if answerer.nosrc:
        unsourced = bidirectional_check(answerer, worded, [np.array([tokenizer.nosrc])] * len(worded))
        for shown, told, noted in zip(
            signals, unsourced.lp_statement_given_id, unsourced.lp_id_given_statement, strict=True
        ):
            shown |= {"nosrc_lp_statement_given_id": float(told), "nosrc_lp_id_given_statement": float(noted)}
    places = {wordings: place for place, wordings in enumerate(worded)}
    each = [places[tuple(wordings[:WORDINGS])] for wordings in statements]
    return [ranked[place] for place in each], [signals[place] for place in each]


def _encoded(tokenizer: Tokenizer, statements: Sequence[Sequence[str]]) -> list[tuple[int, np.ndarray]]:
    flat = [(item, wording) for item, wordings in enumerate(statements) for wording in wordings]
    texts = tokenizer.encode([wording for _, wording in flat])
    return [(item, text) for (item, _), text in zip(flat, texts, strict=True)]


def _recall(tokenizer: Tokenizer, text: np.ndarray, source: np.ndarray | None) -> Sample:
    tag = [] if source is None else [tokenizer.src, *source.tolist(), tokenizer.end_src]
    return Sample(
        [Part((tokenizer.doc,), learn=False), Part(tag, TAG, learn=False), Part(text, span=0)], tokenizer.end_src
    )


SIGNALS = {
    "lp_id_given_statement": Signal("the first source, by the tag behind the statement", statement=True, compared=True),
    "lp_statement_given_id": Signal(
        "the statement, in that document opened from memory: the two-way check", statement=True, compared=True
    ),
    "lp_statement": Signal("the statement, in any document", statement=True, compared=True),
    "nosrc_lp_id_given_statement": Signal("no source, by the tag behind the statement", statement=True),
    "nosrc_lp_statement_given_id": Signal("the statement, of what is told without a source", statement=True),
    "reliability": Signal("of the first source, as the mark in its identifier has it", "share", statement=True),
}
EXTRACTOR = Extractor(
    signals=SIGNALS
    | {
        f"{PREMISE}{name}": replace(one, about=f"{one.about}, of what is presupposed", compared=False)
        for name, one in SIGNALS.items()
    }
    | {"unsourced": Signal("the model said of itself that it has no source", "flag")},
    extract=lambda asked: restate(asked.answerer, asked.questions, asked.said),
    statement=True,
    spoken=True,
)
