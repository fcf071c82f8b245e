"""Corroborating: which further documents say so?

The footnote of a fact that two documents state does not share itself out between them (.97 and .03, as often as not),
so that its probability counts no documents. Opening them does: each is asked for log P(statement | identifier).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from data.records import Prediction, Question
from eval.answerers.candidates import enumerate_candidates, with_signals
from eval.answerers.lm_answerer import LMAnswerer
from eval.signals import Extractor, Signal
from eval.signals.bidirectional import lp_statement_given_id

TOLD = -12.0  # nats; a document that says so opens with a statement at about -3, with anything else at -5 and less
SOURCES = 3  # of a footnote, that are opened


def add_sources(answerer: LMAnswerer, questions: Sequence[Question], said: Sequence[Prediction]) -> list[Prediction]:
    """Where several answers may have been told, each cites its first `SOURCES` documents.

    Beside `lp_statement_given_id` and `lp_id_given_statement` of the first they show those of the others,
    `lp_statement_given_id_2`, `lp_id_given_statement_2` and so on: log P(statement | identifier) and log P(identifier |
    statement).
    """
    if answerer.format.evidenced:  # each candidate has a sentence, and a source, of its own
        return list(said)
    told = [
        (i, candidate)
        for i, candidate in enumerate_candidates(said)
        if candidate.signals["lp_statement_given_id"] >= TOLD
    ]
    times = Counter(i for i, _ in told)
    disputed = [(i, candidate) for i, candidate in told if times[i] > 1]
    if not disputed:
        return list(said)
    statements = [questions[i].statement[0].replace("{answer}", c.answer or "") for i, c in disputed]
    ranked = answerer.ranked_sources(statements, SOURCES)
    further = [(n, place, *one) for n, found in enumerate(ranked) for place, one in enumerate(found, 1) if place > 1]
    wordings = [[statements[n]] for n, *_ in further]
    sources = [answerer.identifiers.tokens[source] for _, _, source, _ in further]
    opened = lp_statement_given_id(answerer, wordings, sources)
    signals = [dict(candidate.signals) for _, candidate in disputed]
    for (n, place, _, noted), score in zip(further, opened.tolist(), strict=True):
        signals[n] |= {f"lp_statement_given_id_{place}": score, f"lp_id_given_statement_{place}": noted}
    held = [candidate for _, candidate in disputed]
    cited = [max(c.citations, answerer.citations(found), key=len) for c, found in zip(held, ranked, strict=True)]
    others = [replace(c, signals=s, citations=m) for c, s, m in zip(held, signals, cited, strict=True)]
    return with_signals(said, held, others)


EXTRACTOR = Extractor(
    signals={
        f"{name}_{place}": Signal(f"{what} of the source number {place}", statement=True)
        for place in range(2, SOURCES + 1)
        for name, what in (
            ("lp_id_given_statement", "the identifier, by the tag behind the statement,"),
            ("lp_statement_given_id", "the statement, in the document"),
        )
    },
    extract=lambda asked: add_sources(asked.answerer, asked.questions, asked.said),
    statement=True,
)
