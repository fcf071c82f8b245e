"""Corroborating: how many documents say so? As many as the model, opening them from memory, finds to say so.

The footnote of a fact that two documents state does not share itself out between them (.97 and .03, as often as not),
so that its probability counts no documents.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from data.records import Prediction, Question
from eval.candidates import numbered, with_signals
from eval.model import ModelAnswerer
from eval.two_way import log_told

TOLD = -12.0  # nats; a document that says so opens with a statement at about -3, with anything else at -10 and less
SOURCES = 3  # of a footnote, that are opened
NEAR = 4.0  # nats; a source says so when it does at most so much worse than the first


def add_sources(answerer: ModelAnswerer, questions: Sequence[Question], said: Sequence[Prediction]) -> list[Prediction]:
    """Where several answers may have been told, the signal `sources` of each: how many documents say so."""
    told = [(i, candidate) for i, candidate in numbered(said) if candidate.signals["told"] >= TOLD]
    times = Counter(i for i, _ in told)
    disputed = [(i, candidate) for i, candidate in told if times[i] > 1]
    statements = [questions[i].statement[0].replace("{answer}", c.answer or "") for i, c in disputed]
    counts = count_sources(answerer, statements, SOURCES, NEAR)
    return with_signals(said, disputed, [{"sources": float(count)} for count in counts])


def count_sources(answerer: ModelAnswerer, statements: Sequence[str], most: int, near: float) -> list[int]:
    """How many of the first `most` sources of each statement say so: at most `near` nats worse than the first."""
    ranked = answerer.footnotes(statements, most)
    items = [(item, source) for item, found in enumerate(ranked) for source, _ in found]
    sources = [answerer.identifiers.tokens[source] for _, source in items]
    wordings = [[statements[item]] for item, _ in items]
    told = log_told(answerer.model, answerer.codec, wordings, sources, answerer.batch)
    first = {item: told[place] for place, (item, _) in reversed(list(enumerate(items)))}
    counts = [0] * len(statements)
    for place, (item, _) in enumerate(items):
        counts[item] += bool(told[place] >= first[item] - near)
    return counts
