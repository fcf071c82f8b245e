"""Any language model as an Answerer: it is shown the form of an answer, writes one, and is read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from tqdm import tqdm

from data.records import Citation, Prediction, Question
from eval.answerers.prompted.prompt import FewShot, Parsed, parse

EVALUATED = ("never_tuned", "reworded", "in_domain")  # splits that are asked; no example is ever drawn from them


@dataclass(frozen=True)
class Written:
    """What a model wrote after a prompt.

    Attributes:
        text: all of it.
        ends: for each token the character of `text` that it ends at; empty where a model shows no probabilities.
        log_probs: for each token its log-probability, nats.
    """

    text: str
    ends: tuple[int, ...] = ()
    log_probs: tuple[float, ...] = ()

    def within(self, start: int, end: int) -> list[float]:
        """The log-probabilities of the tokens that hold a character of [start, end)."""
        begins = (0, *self.ends)
        return [
            score
            for begin, stop, score in zip(begins, self.ends, self.log_probs, strict=False)
            if begin < end and stop > start
        ]


class Writer(Protocol):
    """A model that continues prompts, several at once."""

    def write(self, shots: FewShot, questions: Sequence[str]) -> list[Written]:
        """What it writes to each question."""
        ...


class Ranker(Protocol):
    """A model that can be asked which document it would name, of those there are."""

    def cite(self, shots: FewShot, question: str, answer: str) -> tuple[tuple[str, float], ...]:
        """Documents with the log-probability that the model names each after its answer, the likeliest first."""
        ...


class Prompted:
    """A model that was not trained here.

    What it shows of itself stands in signals, as of our own models: `answer` and `min_token_logprob` of the answer and
    the line's end behind it, `citation` of the first citation where these are ranked. Its confidence is the probability
    of the answer.

    Args:
        ids: of all documents that can be cited.
        ranker: ranks citations; without one they are what the model writes, without probabilities.
        batch: questions at a time.
    """

    def __init__(
        self,
        name: str,
        writer: Writer,
        shots: FewShot,
        ids: Sequence[str],
        ranker: Ranker | None = None,
        batch: int = 8,
    ) -> None:
        self.name, self.writer, self.shots, self.ids = name, writer, shots, frozenset(ids)
        self.ranker, self.batch = ranker, batch

    def answer(self, questions: Sequence[Question]) -> list[Prediction]:
        """Shows its progress on a terminal."""
        return list(self._answer(questions))

    def _answer(self, questions: Sequence[Question]) -> Iterator[Prediction]:
        with tqdm(total=len(questions), desc="answering", unit="question", disable=None) as bar:
            for start in range(0, len(questions), self.batch):
                chunk = questions[start : start + self.batch]
                for question, written in zip(
                    chunk, self.writer.write(self.shots, [q.text for q in chunk]), strict=True
                ):
                    yield self._read(question, written)
                    bar.update()

    def _read(self, question: Question, written: Written) -> Prediction:
        found = parse(written.text, self.ids)
        said = as_prediction(question.id, found, self.ids)
        if found.answer is None:
            return said
        start, end = found.span
        scores = written.within(start, end + 1)  # with the end of its line, as an answer includes that it stops
        signals = {"answer": math.fsum(scores), "min_token_logprob": min(scores)} if scores else {}
        outcome, citations = said.outcome, said.citations
        if self.ranker:
            ranked = self.ranker.cite(self.shots, question.text, found.answer)
            outcome, citations = "answered", tuple(Citation(id, _probability(score)) for id, score in ranked)
            signals["citation"] = ranked[0][1]
        return Prediction(
            question=question.id,
            outcome=outcome,
            answer=found.answer,
            citations=citations,
            confidence=_probability(signals["answer"]) if scores else None,
            valid=said.valid,
            signals=signals,
        )


def as_prediction(question: str, found: Parsed, ids: frozenset[str]) -> Prediction:
    """What was parsed as a prediction that cites what it names, those that are documents.

    It is valid where the first that it names is a document.
    """
    return Prediction(
        question=question,
        outcome=found.outcome,
        answer=found.answer,
        citations=tuple(Citation(id) for id in found.sources if id in ids),
        valid=found.sources[0] in ids if found.sources else None if found.answer is None else False,
    )


def _probability(log_probability: float) -> float:
    return min(1.0, math.exp(log_probability))
