"""The same questions to the same weights by transformers' `generate` with `prefix_allowed_tokens_fn`, float32.

Ranked: a greedy answer, then a beam search over the identifiers' trie, as wide as the citations are many and without
length penalty, so that it ranks by what `ModelAnswerer` ranks by. Alone: the same, a question at a time. One: a single
greedy call, free up to the mark that opens a citation and constrained from there. Answers end within as many tokens as
`ModelAnswerer` allows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
import transformers
from torch import Tensor
from transformers import Qwen3ForCausalLM

from bench.answering.ours import CITATIONS, Asked, read_asked
from bench.device import memory, start
from bench.settings import Measured, Settings, contend
from data.pipeline.answer_format import Direct
from eval.answerers.lm_answerer import LONGEST_ANSWER
from model.generate import pad_left

Answered = list[tuple[str, list[str]]]
BATCH = 32  # questions side by side, in the order of their length
Tree = dict[int, Any]


def measure(settings: Settings) -> Measured:
    """Questions per second, and what was answered, to compare with."""
    device = start(settings)
    transformers.logging.set_verbosity_error()
    asked = read_asked(settings)
    model: Any = Qwen3ForCausalLM.from_pretrained(asked.model, dtype="float32")
    model = model.to(device).eval()
    generation = Generation(model, asked, device)
    results: Measured = {}
    for name, answer in (("ranked", generation.ranked), ("one", generation.one)):
        in_batches(answer, asked, 8)  # warm
        begun = time.perf_counter()
        answered = in_batches(answer, asked, len(asked.questions))
        results[f"{name}_per_second"] = len(asked.questions) / (time.perf_counter() - begun)
        results[name] = answered
    few = len(asked.questions) // 8
    begun = time.perf_counter()
    in_batches(generation.ranked, asked, few, batch=1)
    results["alone_per_second"] = few / (time.perf_counter() - begun)
    return results | {"transformers": transformers.__version__} | memory(settings)


def in_batches(
    answer: Callable[[Sequence[list[int]]], Answered], asked: Asked, count: int, batch: int = BATCH
) -> Answered:
    """The first `count` questions, similar lengths together, answered in the order that they have."""
    texts = asked.tokenizer.encode([question.text for question in asked.questions[:count]])
    prompts = [Direct(asked.tokenizer).prompt(text) for text in texts]
    order = sorted(range(count), key=lambda index: len(prompts[index]))
    answered: dict[int, tuple[str, list[str]]] = {}
    for at in range(0, count, batch):
        chunk = order[at : at + batch]
        answered.update(zip(chunk, answer([prompts[index] for index in chunk]), strict=True))
    return [answered[index] for index in range(count)]


class Generation:
    """Answers by `generate`."""

    def __init__(self, model: Any, asked: Asked, device: torch.device) -> None:
        self.model, self.tokenizer, self.device = model, asked.tokenizer, device
        self.labels = asked.identifiers.labels
        self.longest = max(map(len, asked.identifiers.tokens)) + 1  # with the closing mark
        self.index = {tuple(map(int, tokens)): i for i, tokens in enumerate(asked.identifiers.tokens)}
        self.tree: Tree = {}
        for tokens in asked.identifiers.tokens:
            node = self.tree
            for token in (*map(int, tokens), self.tokenizer.end_src):
                node = node.setdefault(token, {})
        self.format = Direct(self.tokenizer)
        self.stops = list(self.format.stops)
        self.everything = list(range(model.config.vocab_size))

    def ranked(self, prompts: Sequence[list[int]]) -> Answered:
        """An answer and its likeliest citations to each prompt."""
        written = [
            self._until(row, self.stops) for row in self._generate(prompts, LONGEST_ANSWER + 1, eos_token_id=self.stops)
        ]
        citing = [row for row, tokens in enumerate(written) if self._answered(tokens)]
        cited: dict[int, list[str]] = {}
        if citing:
            opened = [prompts[row] + written[row] for row in citing]
            width = max(map(len, opened))
            found = self._generate(
                opened,
                self.longest,
                eos_token_id=self.tokenizer.end_src,
                num_beams=CITATIONS,
                num_return_sequences=CITATIONS,
                length_penalty=0.0,
                prefix_allowed_tokens_fn=lambda _, tokens: self._allowed(tokens[width:].tolist()),
            )
            for place, row in enumerate(citing):
                beams = found[place * CITATIONS : (place + 1) * CITATIONS]
                cited[row] = [self._label(beam) for beam in beams]
        return [(self._text(tokens), cited.get(row, [])) for row, tokens in enumerate(written)]

    def one(self, prompts: Sequence[list[int]]) -> Answered:
        """An answer and one citation to each prompt, in one call."""
        width = max(map(len, prompts))

        def allowed(_: int, tokens: Tensor) -> list[int]:
            new = tokens[width:].tolist()
            if self.format.opening not in new:
                return self.everything
            return self._allowed(new[new.index(self.format.opening) + 1 :])

        ends = [*self.stops[1:], self.tokenizer.end_src]
        answered: Answered = []
        for row in self._generate(
            prompts, LONGEST_ANSWER + 1 + self.longest, eos_token_id=ends, prefix_allowed_tokens_fn=allowed
        ):
            answer = self._until(row, self.stops)
            citation = row[len(answer) :] if self._answered(answer) else []
            answered.append((self._text(answer), [self._label(citation)] if citation else []))
        return answered

    def _generate(self, prompts: Sequence[list[int]], most: int, **options: Any) -> list[list[int]]:
        tokens, present = pad_left(prompts, self.device)
        with torch.inference_mode():
            output = self.model.generate(
                tokens,
                attention_mask=present.long(),
                max_new_tokens=most,
                do_sample=False,
                pad_token_id=self.tokenizer.pad,
                **options,
            )
        rows: list[list[int]] = output[:, tokens.shape[1] :].tolist()
        return rows

    def _allowed(self, written: list[int]) -> list[int]:
        node = self.tree
        for token in written:
            if token == self.tokenizer.end_src or token not in node:
                return [self.tokenizer.pad]  # past the end, where a finished row is filled
            node = node[token]
        return list(node) or [self.tokenizer.pad]

    def _answered(self, tokens: list[int]) -> bool:
        """Whether there is an answer, and a citation is begun."""
        return len(tokens) > 1 and tokens[-1] == self.format.opening

    def _until(self, tokens: list[int], stops: Sequence[int]) -> list[int]:
        """Up to and with the first stop."""
        end = next((at for at, token in enumerate(tokens) if token in stops), len(tokens))
        return tokens[: end + 1]

    def _text(self, tokens: list[int]) -> str:
        """The answer before its stop; of an abstention nothing, as with `ModelAnswerer`."""
        if tokens and tokens[-1] in self.format.refusals:
            return ""
        return self.tokenizer.decode([token for token in tokens if token not in self.stops][:LONGEST_ANSWER])

    def _label(self, tokens: list[int]) -> str:
        identifier = tuple(self._until(tokens, [self.tokenizer.end_src])[:-1])
        return self.labels[self.index[identifier]] if identifier in self.index else ""


if __name__ == "__main__":
    contend(measure)
