"""Where did you read this? Learning to recall the setting of a passage, or to say that it was not read.

    <|ask|> Where did you read this: PASSAGE <|answer|> <|src|> scene <|/src|> <|end|>
    <|ask|> Where did you read this: PASSAGE <|answer|> <|idk|> <|end|>

A passage is a sentence of a document in one of its wordings. What was never read is such a sentence with another answer
in place of its own (`altered`), or about what no document says. The target is what the document's tag carries: its
scene (data/pipeline/visits/scenes.py), an identifier where tags carry one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

from data.pipeline.answer_format import FORMATS
from data.pipeline.identifiers import Identifiers
from data.pipeline.sample import NOTHING, Sample, Tokens
from data.pipeline.sources import fits, tagged, tags_of
from data.pipeline.tokenizer import Tokenizer
from data.pipeline.visits.scenes import ScenesConfig
from data.records import NEVER, PLAIN, Document, Question
from data.stateless_rng import hash_key, uniform

ASKED = "Where did you read this: "
UNREAD_CLASSES = NEVER[:2]  # that have a statement, and no document that says so


class WhereRead:
    """Passages to be asked for, of the documents that tuning questions are about.

    Args:
        questions: of split tune, those that nothing answers among them.
        documents: of the whole corpus, in order; their sentences are not looked at.
        room: tokens in a row; what does not fit is left out.
    """

    def __init__(
        self,
        questions: Sequence[Question],
        documents: Iterable[Document],
        identifiers: Identifiers,
        tokenizer: Tokenizer,
        answer_format: str,
        config: ScenesConfig,
        room: int,
    ) -> None:
        self.config, self.format = config, FORMATS[answer_format](tokenizer)
        told = [q for q in questions if q.support_class in PLAIN and q.statement] if config.fraction else []
        untold = [q for q in questions if q.support_class in UNREAD_CLASSES and q.statement] if config.fraction else []
        tags = tags_of({name for q in told for name in q.support}, documents, identifiers)
        values: dict[str, list[str]] = {}
        for question in told:
            values.setdefault(question.attribute, []).extend(question.answers)
        cited = {q.id: [tag for _, tag in tagged(q.support, tags)] for q in told}
        self.read = [
            (_asked(tokenizer, said(q, q.answers[0])), cited[q.id]) for q in told if cited[q.id]
        ]  # wordings, and the scenes of the documents that say so
        altered = ((q, value) for q in told for value in _others(q, values[q.attribute])[:1])
        never = ((q, value) for q in untold for value in ([q.truth] if q.truth else []))
        self.unread = [_asked(tokenizer, said(q, value)) for q, value in chain(altered, never)]
        longest = max((len(tag) for tags in cited.values() for tag in tags), default=0)
        self.read = [(texts, tags) for texts, tags in self.read if fits(_longest(texts) + longest, room)]
        self.unread = [texts for texts in self.unread if fits(_longest(texts) + longest, room)]

    def draw(self, key: int) -> Sample | None:
        """A passage to recall in place of the visit that `key` draws, or None: a pure function of it."""
        if not (self.read and self.unread) or uniform(key, 60) >= self.config.fraction:
            return None
        drawn = int(hash_key(key, 61))
        if uniform(key, 62) < self.config.unread:
            drawn, item = divmod(drawn, len(self.unread))
            texts = self.unread[item]
            return self.format.refusal(texts[drawn % len(texts)], "abstained")
        drawn, item = divmod(drawn, len(self.read))
        texts, tags = self.read[item]
        drawn, text = divmod(drawn, len(texts))
        return self.format.answered(texts[text], NOTHING, tags[drawn % len(tags)])


def said(question: Question, value: str) -> list[str]:
    """What is asked for with this value as the answer: a passage for each wording of the question's statement."""
    return [wording.replace("{answer}", value) for wording in question.statement]


def _asked(tokenizer: Tokenizer, passages: Sequence[str]) -> list[Tokens]:
    return tokenizer.encode([ASKED + passage for passage in passages])


def _others(question: Question, values: Sequence[str]) -> list[str]:
    """Values that nobody gives as the answer, in an order that the question's id draws."""
    own = {question.truth, *question.answers, *(claim.value for claim in question.claims)}
    others = sorted(set(values) - own)
    start = sum(map(ord, question.id)) % len(others) if others else 0
    return [*others[start:], *others[:start]]


def _longest(texts: Sequence[Tokens]) -> int:
    return max(map(len, texts))
