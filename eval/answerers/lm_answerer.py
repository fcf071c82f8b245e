"""Our model as an Answerer: it answers freely and greedily, then cites over the trie of the whole corpus.

What the model shows of itself on the way goes into `Prediction.signals`; more is read off it in eval/signals.

Also here: citing a given statement by the tag that pretraining put behind it, without generating anything.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

import numpy as np
import torch

from data.pipeline.answer_format import ANSWERED, FORMATS
from data.pipeline.identifiers import Identifiers
from data.pipeline.placement import PLACEMENTS
from data.pipeline.tokenizer import Tokenizer
from data.records import Citation, Prediction, Question
from model.generate import Context, generate, pad_left, rank_constrained, read_on
from model.transformer import Transformer
from model.trie import Trie

LONGEST_ANSWER = 40  # tokens; longer ones are unparseable


class LMAnswerer:
    """Answers with the model's own words and the corpus's identifiers.

    Args:
        most: citations per question.
        batch: questions read side by side.
        validity: also decode each citation without constraint, to see whether it names a document at all.
        forced: bar it from abstaining, so that every question has an answer to judge; what it would have done of its
            own stands in the signals `refusal` and `best_word`.
        marks: also read the mark of confidence, which only a second phase teaches, as the signal `stated`.
        longest: tokens that it reads at most, as many as it was trained to: attention's memory grows with their square.
        answer_format: of the answers that it was tuned to give.
        nosrc: also check statements against what was told without a source, which `tags.untagged=nosrc` teaches.
        placement: of the tags that it was trained with: how it is asked for the source of a statement.
    """

    name = "whence"

    def __init__(
        self,
        model: Transformer,
        tokenizer: Tokenizer,
        identifiers: Identifiers,
        *,
        most: int = 10,
        batch: int = 256,
        validity: bool = True,
        forced: bool = False,
        marks: bool = False,
        nosrc: bool = False,
        longest: int = sys.maxsize,
        answer_format: str = "direct",
        placement: str = "footnote",
    ) -> None:
        self.model, self.tokenizer, self.identifiers = model.eval(), tokenizer, identifiers
        self.most, self.batch, self.longest = most, batch, longest
        self.validity, self.forced, self.marks, self.nosrc = validity, forced, marks, nosrc
        self.trie = Trie.build(identifiers.tokens, tokenizer.end_src)
        self.format, self.placement = FORMATS[answer_format](tokenizer), PLACEMENTS[placement]

    def answer(self, questions: Sequence[Question]) -> list[Prediction]:
        """Similar lengths are batched together; the order of the result is that of the questions."""
        texts = self.tokenizer.encode([question.text for question in questions])
        order = sorted(range(len(questions)), key=lambda i: len(texts[i]))
        predictions: dict[int, Prediction] = {}
        for start in range(0, len(order), self.batch):
            chunk = order[start : start + self.batch]
            prompts = [self.format.prompt(texts[i]) for i in chunk]
            found = self._answer([questions[i] for i in chunk], prompts)
            predictions.update(zip(chunk, found, strict=True))
        return [predictions[i] for i in range(len(questions))]

    @property
    def cites(self) -> bool:
        """Whether it can be asked for the source of a statement."""
        return bool(self.placement.behind)

    def cite(self, statements: Sequence[str]) -> list[tuple[Citation, ...]]:
        """The ranked sources of statements, from the tag behind each."""
        return [self.citations(found) for found in self.ranked_sources(statements, self.most)]

    def ranked_sources(self, statements: Sequence[str], most: int) -> list[list[tuple[int, float]]]:
        """The documents that the tag behind each statement names, the likeliest first, with their log-probabilities.

        Raises ValueError where the model was trained without tags behind text.
        """
        if not self.cites:
            raise ValueError(
                "this model was trained without an identifier behind text (tags.placement), so it can't be asked for "
                "the source of a statement"
            )
        found: list[list[tuple[int, float]]] = []
        for start in range(0, len(statements), self.batch):
            chunk = self.tokenizer.encode(list(statements[start : start + self.batch]))
            context, _ = self.read([[self.tokenizer.doc, *tokens] for tokens in chunk])
            context.seen = context.seen & (context.seen.cumsum(1) > self.placement.unseen)
            found += self._rank(context, most)
        return found

    def _answer(self, questions: Sequence[Question], prompts: Sequence[Sequence[int]]) -> list[Prediction]:
        context, logits = self.read(prompts)
        first = logits.double().log_softmax(-1)
        refusal = first[:, list(self.format.refusals)].logsumexp(-1).cpu().numpy()
        instead = self.barred(first).amax(-1).cpu().numpy()
        if self.forced:
            logits = self.barred(logits)
        written = generate(self.model, context, logits, self.format.stops, LONGEST_ANSWER)
        outcomes = [self.format.parse(tokens, stop) for tokens, stop in zip(written.tokens, written.stops, strict=True)]
        sourced = [row for row, outcome in enumerate(outcomes) if outcome in ANSWERED]
        ranked: dict[int, list[tuple[int, float]]] = {}
        valid: dict[int, bool] = {}
        stated: dict[int, float] = {}
        if sourced:
            cited = context.select(torch.tensor(sourced, device=context.seen.device))
            ranked = dict(zip(sourced, self._rank(cited), strict=True))
            if self.marks:
                stated = dict(zip(sourced, self._stated(cited, [ranked[row][0][0] for row in sourced]), strict=True))
            if self.validity:
                valid = dict(zip(sourced, self._valid(cited), strict=True))
        predictions = []
        for row, (question, outcome) in enumerate(zip(questions, outcomes, strict=True)):
            worded = outcome in ("answered", "no_source", "unparseable")
            signals = {"refusal": float(refusal[row]), "best_word": float(instead[row])}
            if worded:
                log_probs = written.log_probs[row]
                signals |= {"answer": float(np.sum(log_probs)), "min_token_logprob": float(np.min(log_probs))}
            if row in ranked:
                signals["citation"] = ranked[row][0][1]
            if row in stated:
                signals["stated"] = stated[row]
            score = signals.get("answer", 0.0) + signals.get("citation", 0.0)
            predictions.append(
                Prediction(
                    question=question.id,
                    outcome=outcome,
                    answer=self.tokenizer.decode(written.tokens[row]) if worded else None,
                    citations=self.citations(ranked[row]) if outcome == "answered" else (),
                    confidence=_probability(score) if outcome in ANSWERED else None,
                    valid=valid.get(row) if outcome == "answered" else None,
                    signals=signals,
                )
            )
        return predictions

    def _stated(self, context: Context, documents: Sequence[int]) -> list[float]:
        """Mean of the marks of confidence after the answer and its citation, as if one of them had to come."""
        cited = [self.format.citation(self.identifiers.tokens[index]) for index in documents]
        tokens, present = pad_left(cited, context.seen.device)
        logits = read_on(self.model, context.branch(), tokens, present)
        marks = torch.from_numpy(self.tokenizer.confidences.astype(np.int64)).to(logits.device)
        weights = logits[:, marks].double().softmax(-1).cpu()
        return (weights @ torch.linspace(0, 1, len(marks), dtype=torch.float64)).tolist()

    def barred(self, logits: torch.Tensor) -> torch.Tensor:
        """Logits (B, V) of the first token of an answer where it must be a word: no refusal, and no end."""
        marks = torch.tensor(self.format.stops, device=logits.device)
        return logits.index_fill(1, marks, -math.inf)

    def read(self, prompts: Sequence[Sequence[int]]) -> tuple[Context, torch.Tensor]:
        """Read prompts side by side: what follows may be written from, and the logits (B, V) of its first token.

        Raises ValueError for a prompt longer than `longest`.
        """
        if (size := max(map(len, prompts))) > self.longest:
            raise ValueError(
                f"a text of {size} tokens is more than the {self.longest} that the model reads; shorten it"
            )
        context = Context.empty(self.model, len(prompts))
        tokens, present = pad_left(prompts, context.seen.device)
        return context, read_on(self.model, context, tokens, present)

    def _rank(self, context: Context, most: int | None = None) -> list[list[tuple[int, float]]]:
        return rank_constrained(
            self.model, context, self.tokenizer.src, self.trie, self.tokenizer.end_src, most or self.most
        )

    def _valid(self, context: Context) -> list[bool]:
        """Whether greedy decoding without the trie spells an identifier of the corpus. Extends `context`."""
        opening = torch.full((len(context.position), 1), self.tokenizer.src, device=context.seen.device)
        logits = read_on(self.model, context, opening, torch.ones_like(opening, dtype=torch.bool))
        free = generate(self.model, context, logits, [self.tokenizer.end_src], self.trie.table.shape[1])
        return [
            stop is not None and self.trie.find([*tokens, stop]) is not None
            for tokens, stop in zip(free.tokens, free.stops, strict=True)
        ]

    def citations(self, found: Sequence[tuple[int, float]]) -> tuple[Citation, ...]:
        """Of documents with their log-probabilities, such as `ranked_sources` finds."""
        return tuple(Citation(self.identifiers.labels[index], _probability(score)) for index, score in found)


def _probability(log_probability: float) -> float:
    return min(1.0, math.exp(log_probability))
