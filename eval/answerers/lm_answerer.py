"""Our model as an Answerer: it answers freely and greedily, then cites over the trie of the whole corpus.

What the model shows of itself on the way goes into `Prediction.signals`; more is read off it in eval/signals.

Also here: citing a given statement by the tag that pretraining put behind it, without generating anything.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from copy import copy
from functools import cached_property

import numpy as np
import torch

from data.pipeline.answer_format import ANSWERED, FORMATS
from data.pipeline.feedback import GIVEN, control_tokens
from data.pipeline.identifiers import Identifiers
from data.pipeline.placement import PLACEMENTS
from data.pipeline.tokenizer import Tokenizer
from data.records import ANSWERABLE, Citation, Prediction, Question
from eval.answerers.turn import Turn
from model.generate import Context, generate, pad_left, rank_constrained, read_on
from model.inputs.guidance import Guidance
from model.transformer import Transformer
from model.trie import Trie
from stages.precision import drafter

NO_CONTROL: tuple[int, ...] = ()
LONGEST_ANSWER = 40  # tokens; longer ones are unparseable
LONGEST_EVIDENCE = 120  # tokens of a sentence


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
        backtracks: it was taught to write `unsure` of the format before an answer, barred as a refusal is, and
            counts as one in the signal `refusal`.
        nosrc: also check statements against what was told without a source, which `tags.untagged=nosrc` teaches.
        placement: of the tags that it was trained with: how it is asked for the source of a statement.
    """

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
        backtracks: bool = False,
        nosrc: bool = False,
        longest: int = sys.maxsize,
        answer_format: str = "direct",
        placement: str = "footnote",
    ) -> None:
        self.name, self.control = "whence", NO_CONTROL
        self.model, self.tokenizer, self.identifiers = model.eval(), tokenizer, identifiers
        self.most, self.batch, self.longest = most, batch, longest
        self.validity, self.forced, self.marks, self.nosrc = validity, forced, marks, nosrc
        self.trie = Trie.build(identifiers.tokens, tokenizer.end_src)
        self.format, self.placement = FORMATS[answer_format](tokenizer), PLACEMENTS[placement]
        self.unsure = (self.format.unsure,) if backtracks else ()

    @property
    def nbytes(self) -> int:
        """Of the weights and the identifiers."""
        weights = sum(parameter.nbytes for parameter in self.model.parameters())
        return weights + sum(tokens.nbytes for tokens in self.identifiers.tokens)

    @cached_property
    def drafter(self) -> Transformer:
        """The model, or a faster copy of it: for what is sampled (stages/precision.py)."""
        return drafter(self.model)

    @cached_property
    def called(self) -> dict[str, np.ndarray]:
        """The identifier of each document, without marks, by its label."""
        return dict(zip(self.identifiers.labels, self.identifiers.tokens, strict=True))

    def under(self, given: str, name: str = "", guidance: float = 1.0) -> LMAnswerer:
        """The same under a control token of conditional training, one of data.pipeline.feedback.GIVEN.

        `guidance` is how far the token draws it away from the other one, see `model.inputs.guidance`.
        """
        marks = control_tokens(self.tokenizer)
        towards, away = marks if given == GIVEN[0] else reversed(marks)
        conditioned = copy(self)
        conditioned.name, conditioned.control = name or f"{self.name}_{given}", (towards,)
        if guidance != 1:  # 1 is the token alone, for half the time
            conditioned.model = self.model.guided(Guidance(towards, away, guidance))
        return conditioned

    def fed_from(self, source: str) -> LMAnswerer:
        """The same with another source of the surprisal that is fed back, one of model.config.SOURCES."""
        other = copy(self)
        other.name, other.model = f"{self.name}_{source}", self.model.fed_from(source)
        return other

    def prompt(self, text: Sequence[int] | np.ndarray) -> list[int]:
        """A question's tokens as it is asked."""
        return self.format.prompt([*self.control, *map(int, text)])

    def answer(self, questions: Sequence[Question]) -> list[Prediction]:
        """Similar lengths are batched together; the order of the result is that of the questions."""
        return self.answer_texts(questions, self.tokenizer.encode([question.text for question in questions]))

    def answer_texts(
        self, questions: Sequence[Question], texts: Sequence[Sequence[int] | np.ndarray]
    ) -> list[Prediction]:
        """`answer`, asked in other words: the tokens of each question's text, which may name documents."""
        order = sorted(range(len(questions)), key=lambda i: len(texts[i]))
        predictions: dict[int, Prediction] = {}
        for start in range(0, len(order), self.batch):
            chunk = order[start : start + self.batch]
            prompts = [self.prompt(texts[i]) for i in chunk]
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
            found += self._behind(self.tokenizer.encode(list(statements[start : start + self.batch])), most)
        return found

    def _behind(self, statements: Sequence[Sequence[int] | np.ndarray], most: int) -> list[list[tuple[int, float]]]:
        """`ranked_sources` of statements in tokens."""
        return self.ranked(self._told(statements), most)

    def _told(self, statements: Sequence[Sequence[int] | np.ndarray]) -> Context:
        """What a tag behind each statement sees."""
        context, _ = self.read([[self.tokenizer.doc, *tokens] for tokens in statements])
        context.seen = context.seen & (context.seen.cumsum(1) > self.placement.unseen)
        return context

    def spelled_behind(self, statements: Sequence[str]) -> list[list[int]]:
        """What the tag behind each statement spells, greedy and without the trie; empty where it never ends."""
        found: list[list[int]] = []
        for start in range(0, len(statements), self.batch):
            found += self._spelled(self._told(self.tokenizer.encode(list(statements[start : start + self.batch]))))
        return found

    def write(
        self,
        context: Context,
        logits: torch.Tensor,
        temperature: float = 0.0,
        generator: torch.Generator | None = None,
        most: int = 1,
    ) -> Turn:
        """What is written after prompts, sampled or greedy: `context` ends up holding it, but for the last mark.

        Args:
            logits: float (B, V) of the first token.
            most: sources that are ranked where the format begins with one; the answer goes by the first.
        """
        rows, device = len(logits), logits.device
        first = logits.log_softmax(-1)
        refused = torch.isin(first.argmax(-1), torch.tensor(self.format.refusals, device=device)).tolist()
        evidence: list[list[int]] = [[] for _ in range(rows)]
        log_evidence = np.zeros(rows)
        sources: list[list[tuple[int, float]]] = []
        unsourced = [False] * rows
        if self.format.leads == "source":
            sources = self.ranked(context, self.most if temperature else most)
            if temperature:  # the source is drawn as the answer is: by its probability
                sources = [[self._drawn(ranked, temperature, generator)] for ranked in sources]
            unsourced = (first[:, self.tokenizer.nosrc] > first[:, self.format.opening]).tolist()
            cited = [
                [self.tokenizer.nosrc] if without else self.format.citation(self.identifiers.tokens[ranked[0][0]])
                for ranked, without in zip(sources, unsourced, strict=True)
            ]
            logits = self.barred(read_on(self.model, context, *pad_left(cited, device)))
        if self.format.evidenced:
            between = [self.format.between]
            said = generate(self.model, context, self.begun(context), between, LONGEST_EVIDENCE, temperature, generator)
            evidence = said.tokens
            log_evidence = np.array([float(score.sum()) for score in said.log_probs])
            logits = self.barred(self._read_mark(context, self.format.between))
        written = generate(self.model, context, logits, self.format.stops, LONGEST_ANSWER, temperature, generator)
        if self.format.leads:
            for row in (row for row, refusal in enumerate(refused) if refusal and not self.forced):
                evidence[row], written.tokens[row], written.stops[row] = [], [], int(first[row].argmax())
                written.log_probs[row] = first[row].amax(keepdim=True).double().cpu().numpy()
        return Turn(written, evidence, log_evidence, sources, unsourced)

    def _drawn(
        self, ranked: Sequence[tuple[int, float]], temperature: float, generator: torch.Generator | None
    ) -> tuple[int, float]:
        scores = torch.tensor([score for _, score in ranked], dtype=torch.float64) / temperature
        device = generator.device if generator else None
        return ranked[int(torch.multinomial(scores.softmax(0).to(device), 1, generator=generator))]

    def begun(self, context: Context) -> torch.Tensor:
        """Logits (B, V) of the first word of the evidence to prompts; `context` is extended by the mark before it."""
        marks = torch.tensor(sorted(self.tokenizer.reserved), device=context.seen.device)
        return self._read_mark(context, self.format.begins).index_fill(1, marks, -math.inf)

    @torch.inference_mode()
    def finished(self, prompts: Sequence[Sequence[int]]) -> list[tuple[str, float]]:
        """The words that follow prompts which an answer stands next after, greedy, with their log-probability.

        "" where there are none, and where a prompt is more than it reads at once.
        """
        fitting = (i for i, prompt in enumerate(prompts) if len(prompt) <= self.longest)
        order = sorted(fitting, key=lambda i: len(prompts[i]))
        found = [("", 0.0)] * len(prompts)
        for start in range(0, len(order), self.batch):
            chunk = order[start : start + self.batch]
            context, logits = self.read([prompts[i] for i in chunk])
            written = generate(self.model, context, self.barred(logits), self.format.stops, LONGEST_ANSWER, last=True)
            for place, i in enumerate(chunk):
                if self.format.parse(written.tokens[place], written.stops[place]) in ANSWERED:
                    found[i] = self.tokenizer.decode(written.tokens[place]), float(np.sum(written.log_probs[place]))
        return found

    def sources_after(self, prompts: Sequence[Sequence[int]], most: int) -> list[list[tuple[int, float]]]:
        """The documents that a citation after each prompt names, the likeliest first, with their log-probabilities."""
        found: list[list[tuple[int, float]]] = []
        for start in range(0, len(prompts), self.batch):
            context, _ = self.read(prompts[start : start + self.batch])
            found += self.ranked(context, most)
        return found

    def _read_mark(self, context: Context, mark: int) -> torch.Tensor:
        tokens = torch.full((len(context.position), 1), mark, device=context.seen.device)
        return read_on(self.model, context, tokens, torch.ones_like(tokens, dtype=torch.bool))

    def _answer(self, questions: Sequence[Question], prompts: Sequence[Sequence[int]]) -> list[Prediction]:
        context, logits = self.read(prompts, self.told(questions))
        first = logits.double().log_softmax(-1)
        refusal = first[:, [*self.format.refusals, *self.unsure]].logsumexp(-1).cpu().numpy()
        instead = self.barred(first).amax(-1).cpu().numpy()
        if self.forced:
            logits = self.barred(logits)
        turn = self.write(context, logits, most=self.most)
        written = turn.answers
        outcomes = [self.format.parse(tokens, stop) for tokens, stop in zip(written.tokens, written.stops, strict=True)]
        for row in (row for row, without in enumerate(turn.unsourced) if without and outcomes[row] == "answered"):
            outcomes[row] = "no_source"
        sourced = [row for row, outcome in enumerate(outcomes) if outcome in ANSWERED]
        ranked: dict[int, list[tuple[int, float]]] = {}
        valid: dict[int, bool] = {}
        stated: dict[int, float] = {}
        if sourced:
            cited = context.select(torch.tensor(sourced, device=context.seen.device))
            ranked = dict(zip(sourced, self._sources(cited, turn, sourced), strict=True))
            if self.marks:
                stated = dict(zip(sourced, self.stated(cited, [ranked[row][0][0] for row in sourced]), strict=True))
            if self.validity and self.format.leads != "source":
                valid = dict(zip(sourced, self._valid(cited), strict=True))
        predictions = []
        for row, (question, outcome) in enumerate(zip(questions, outcomes, strict=True)):
            worded = outcome in ("answered", "no_source", "unparseable")
            signals = {"refusal": float(refusal[row]), "best_word": float(instead[row])}
            if worded:
                log_probs = written.log_probs[row]
                signals |= {"answer": float(np.sum(log_probs)), "min_token_logprob": float(np.min(log_probs))}
            if turn.evidence[row]:
                source = turn.sources[row][0][1] if turn.sources and not turn.unsourced[row] else 0.0
                signals["lp_evidence"] = source + float(turn.log_evidence[row])
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
                    evidence=self.tokenizer.decode(turn.evidence[row]),
                )
            )
        return predictions

    def _sources(self, context: Context, turn: Turn, rows: Sequence[int]) -> list[list[tuple[int, float]]]:
        """Ranked: those that the answers went by, those behind their evidence, or those written after them."""
        if turn.sources:
            return [turn.sources[row] for row in rows]
        if self.cites and self.format.leads == "evidence":
            return self._behind([turn.evidence[row] for row in rows], self.most)
        return self.ranked(context)

    def stated(self, context: Context, documents: Sequence[int]) -> list[float]:
        """Mean of the marks of confidence after the answer and its citation, as if one of them had to come."""
        cited = [self.format.citation(self.identifiers.tokens[index]) for index in documents]
        tokens, present = pad_left(cited, context.seen.device)
        logits = read_on(self.model, context.branch(), tokens, present)
        marks = torch.from_numpy(self.tokenizer.confidences.astype(np.int64)).to(logits.device)
        weights = logits[:, marks].double().softmax(-1).cpu()
        return (weights @ torch.linspace(0, 1, len(marks), dtype=torch.float64)).tolist()

    def barred(self, logits: torch.Tensor) -> torch.Tensor:
        """Logits (B, V) of the first token of an answer where it must be a word: no refusal, end or confidence."""
        marks = torch.tensor([*self.format.stops, *self.tokenizer.confidences.tolist()], device=logits.device)
        return logits.index_fill(1, marks, -math.inf)

    def read(
        self, prompts: Sequence[Sequence[int]], known: torch.Tensor | None = None, *, model: Transformer | None = None
    ) -> tuple[Context, torch.Tensor]:
        """Read prompts side by side: what follows may be written from, and the logits (B, V) of its first token.

        `known` bool (B, 1) is what an oracle tells, see `model.inputs.surprisal`; `model` is this one or its `drafter`.

        Raises ValueError for a prompt longer than `longest`.
        """
        if (size := max(map(len, prompts))) > self.longest:
            raise ValueError(
                f"a text of {size} tokens is more than the {self.longest} that the model reads; shorten it"
            )
        context = Context.empty(self.model, len(prompts))
        context.cache.known = known
        tokens, present = pad_left(prompts, context.seen.device)
        return context, read_on(model or self.model, context, tokens, present)

    def told(self, questions: Sequence[Question]) -> torch.Tensor | None:
        """What the ledger says of questions, bool (B, 1), for a model that is trained with it as a ceiling."""
        if self.model.surprisal is None or self.model.surprisal.source != "oracle":
            return None
        told = [[question.support_class in ANSWERABLE] for question in questions]
        return torch.tensor(told, device=self.model.embed_tokens.weight.device)

    def ranked(self, context: Context, most: int | None = None) -> list[list[tuple[int, float]]]:
        """The documents that a citation in each row names, the likeliest first, with their log-probabilities."""
        return rank_constrained(
            self.model, context, self.tokenizer.src, self.trie, self.tokenizer.end_src, most or self.most
        )

    def _valid(self, context: Context) -> list[bool]:
        """Whether greedy decoding without the trie spells an identifier of the corpus. Uses `context` up."""
        return [self.trie.find([*spelled, self.tokenizer.end_src]) is not None for spelled in self._spelled(context)]

    def spelled_after(self, prompts: Sequence[Sequence[int]]) -> list[list[int]]:
        """What a citation after each prompt spells, greedy and without the trie; empty where it never ends."""
        found: list[list[int]] = []
        for start in range(0, len(prompts), self.batch):
            found += self._spelled(self.read(prompts[start : start + self.batch])[0])
        return found

    def _spelled(self, context: Context) -> list[list[int]]:
        logits = self._read_mark(context, self.tokenizer.src)
        free = generate(self.model, context, logits, [self.tokenizer.end_src], self.trie.table.shape[1], last=True)
        return [[] if stop is None else tokens for tokens, stop in zip(free.tokens, free.stops, strict=True)]

    def citations(self, found: Sequence[tuple[int, float]]) -> tuple[Citation, ...]:
        """Of documents with their log-probabilities, such as `ranked_sources` finds."""
        return tuple(Citation(self.identifiers.labels[index], _probability(score)) for index, score in found)


def _probability(log_probability: float) -> float:
    return min(1.0, math.exp(log_probability))
