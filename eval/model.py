"""Our model as an Answerer: it answers freely and greedily, then cites over the trie of the whole corpus.

Where the question brings the statement that its answer makes, the two-way check follows (eval/two_way.py).

Also here: citing a given statement, with the footnote that pretraining taught and without generating anything.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from data.identifiers import Identifiers
from data.records import Citation, Prediction, Question
from data.tokenizer import Codec
from eval.two_way import log_told
from model.generate import Context, Written, pad_left, rank, read_on, write
from model.transformer import Transformer
from model.trie import Trie

LONGEST_ANSWER = 40  # tokens; longer ones are unparseable


class ModelAnswerer:
    """Answers with the model's own words and the corpus's identifiers.

    Args:
        most: citations per question.
        batch: questions read side by side.
        validity: also decode each citation without constraint, to see whether it names a document at all.
    """

    name = "whence"

    def __init__(
        self,
        model: Transformer,
        codec: Codec,
        identifiers: Identifiers,
        *,
        most: int = 10,
        batch: int = 256,
        validity: bool = True,
    ) -> None:
        self.model, self.codec, self.identifiers = model.eval(), codec, identifiers
        self.most, self.batch, self.validity = most, batch, validity
        self.trie = Trie.build(identifiers.tokens, codec.end_src)
        self.outcomes = {
            codec.src: "answered",
            codec.nosrc: "no_source",
            codec.idk: "abstained",
            codec.false: "false_premise",
        }

    def answer(self, questions: Sequence[Question]) -> list[Prediction]:
        """Similar lengths are batched together; the order of the result is that of the questions."""
        texts = self.codec.encode([question.text for question in questions])
        order = sorted(range(len(questions)), key=lambda i: len(texts[i]))
        predictions: dict[int, Prediction] = {}
        for start in range(0, len(order), self.batch):
            chunk = order[start : start + self.batch]
            prompts = [[self.codec.ask, *texts[i], self.codec.answer] for i in chunk]
            found = self._answer([questions[i] for i in chunk], prompts)
            predictions.update(zip(chunk, found, strict=True))
        return [predictions[i] for i in range(len(questions))]

    def cite(self, statements: Sequence[str]) -> list[tuple[Citation, ...]]:
        """The ranked sources of statements, from the footnote that follows each."""
        cited: list[tuple[Citation, ...]] = []
        for start in range(0, len(statements), self.batch):
            chunk = self.codec.encode(list(statements[start : start + self.batch]))
            context, _ = self._read([[self.codec.doc, *tokens] for tokens in chunk])
            # A footnote sees its sentence, not the <|doc|> before it: hide each row's first token.
            context.seen = context.seen & (context.seen.cumsum(1) > 1)
            cited += [self._citations(found) for found in self._rank(context)]
        return cited

    def _answer(self, questions: Sequence[Question], prompts: Sequence[Sequence[int]]) -> list[Prediction]:
        context, logits = self._read(prompts)
        stops = [*self.outcomes, self.codec.end]
        written = write(self.model, context, logits, stops, LONGEST_ANSWER)
        outcomes = [self._outcome(tokens, stop) for tokens, stop in zip(written.tokens, written.stops, strict=True)]
        citing = [row for row, outcome in enumerate(outcomes) if outcome == "answered"]
        ranked: dict[int, list[tuple[int, float]]] = {}
        valid: dict[int, bool] = {}
        if citing:
            cited = context.select(torch.tensor(citing, device=context.seen.device))
            ranked = dict(zip(citing, self._rank(cited), strict=True))
            if self.validity:
                valid = dict(zip(citing, self._valid(cited), strict=True))
        told = self._told(questions, written, ranked)
        predictions = []
        for row, (question, outcome) in enumerate(zip(questions, outcomes, strict=True)):
            answered = outcome in ("answered", "no_source", "unparseable")
            signals = {"answer": float(np.sum(written.log_probs[row])), "least": float(np.min(written.log_probs[row]))}
            if row in ranked:
                signals["citation"] = ranked[row][0][1]
            signals |= told.get(row, {})
            score = signals["answer"] + signals.get("citation", 0.0)
            predictions.append(
                Prediction(
                    question=question.id,
                    outcome=outcome,
                    answer=self.codec.decode(written.tokens[row]) if answered else None,
                    citations=self._citations(ranked.get(row, [])),
                    confidence=_probability(score) if outcome in ("answered", "no_source") else None,
                    valid=valid.get(row),
                    signals=signals if answered else {},
                )
            )
        return predictions

    def _told(
        self, questions: Sequence[Question], written: Written, ranked: Mapping[int, list[tuple[int, float]]]
    ) -> dict[int, dict[str, float]]:
        """The two-way check of the rows that cite."""
        rows = [row for row in ranked if questions[row].statement]
        if not rows:
            return {}
        answers = {row: self.codec.decode(written.tokens[row]) for row in rows}
        statements = [[s.replace("{answer}", answers[row]) for s in questions[row].statement] for row in rows]
        sources = [self.identifiers.tokens[ranked[row][0][0]] for row in rows]
        told = log_told(self.model, self.codec, statements, sources)
        return {row: {"told": score} for row, score in zip(rows, told.tolist(), strict=True)}

    def _outcome(self, tokens: Sequence[int], stop: int | None) -> str:
        outcome = self.outcomes.get(-1 if stop is None else stop, "unparseable")
        return "unparseable" if outcome in ("answered", "no_source") and not tokens else outcome

    def _read(self, prompts: Sequence[Sequence[int]]) -> tuple[Context, torch.Tensor]:
        context = Context.empty(self.model, len(prompts))
        tokens, present = pad_left(prompts, context.seen.device)
        return context, read_on(self.model, context, tokens, present)

    def _rank(self, context: Context) -> list[list[tuple[int, float]]]:
        return rank(self.model, context, self.codec.src, self.trie, self.codec.end_src, self.most)

    def _valid(self, context: Context) -> list[bool]:
        """Whether greedy decoding without the trie spells an identifier of the corpus. Extends `context`."""
        opening = torch.full((len(context.position), 1), self.codec.src, device=context.seen.device)
        logits = read_on(self.model, context, opening, torch.ones_like(opening, dtype=torch.bool))
        free = write(self.model, context, logits, [self.codec.end_src], self.trie.table.shape[1])
        return [
            stop is not None and self.trie.find([*tokens, stop]) is not None
            for tokens, stop in zip(free.tokens, free.stops, strict=True)
        ]

    def _citations(self, found: Sequence[tuple[int, float]]) -> tuple[Citation, ...]:
        return tuple(Citation(self.identifiers.labels[index], _probability(score)) for index, score in found)


def _probability(log_probability: float) -> float:
    return min(1.0, math.exp(log_probability))
