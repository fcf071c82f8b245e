"""A run of whence as a model of lm-evaluation-harness: `--model whence --model_args run=runs/demo`.

Text is read as the run read documents in pretraining: after `<|doc|>`, in its own tokens. The run was tuned to answer
in dialogue, not to continue prompts; with `dialogue=true` the last question of a prompt is asked in that form, with
nothing else of the prompt, and the answer is written out with its source.

Shape letters: B texts, T tokens, V vocabulary.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.api.registry import register_model
from lm_eval.utils import get_rolling_token_windows
from tqdm import tqdm

from data.records import Prediction, Question
from eval.load import load_run
from model.generate import Context, generate, pad_left, read, read_on

LONGEST = 256  # tokens that are written unless a task says otherwise
_LAST_QUESTION = re.compile(r"Question:[ \t]*([^\n]*)\s*Answer:\s*\Z")


@register_model("whence")
class WhenceLM(LM):
    """A finished run.

    Args:
        run: its directory.
        dialogue: whether it is asked in the form that it was tuned to.
    """

    def __init__(
        self, run: str, batch_size: int | str = 16, device: str = "cpu", dialogue: bool = False, **_: Any
    ) -> None:
        super().__init__()
        self.run = load_run(Path(run))
        self.answerer = self.run.answerer
        self.model, self.tokenizer = self.answerer.model.to(device), self.answerer.tokenizer
        self.longest, self.batch, self.dialogue = self.answerer.longest, int(batch_size), dialogue
        self.stops = (self.tokenizer.end, self.tokenizer.doc, self.tokenizer.src)
        self._device = torch.device(device)

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Of each continuation after its context: nats, and whether greedy decoding would write it."""
        rows = []
        for context, continuation in (request.args for request in requests):
            spaces = len(context) - len(context.rstrip())  # a space belongs to the word after it
            text, continuation = context[: len(context) - spaces], context[len(context) - spaces :] + continuation
            before, whole = self._tokens(text), self._tokens(text + continuation)
            after = whole[len(before) :]
            rows.append(([self.tokenizer.doc, *before][-max(1, self.longest - len(after)) :], after))
        return self._scored(rows)

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        """Of whole texts, nats; those longer than the run reads in windows, each token once."""
        rows, owners = [], []
        for number, (text,) in enumerate(request.args for request in requests):
            windows = get_rolling_token_windows(self._tokens(text), self.tokenizer.doc, self.longest - 1, 1)
            for inputs, predicted in windows:  # the last window's context holds all but one of its tokens
                rows.append((inputs[: len(inputs) - len(predicted) + 1], predicted))
                owners.append(number)
        totals = [0.0] * len(requests)
        for owner, (score, _) in zip(owners, self._scored(rows), strict=True):
            totals[owner] += score
        return totals

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """Greedy; sampling is refused. With `dialogue`, ValueError for a prompt without a last question."""
        if self.dialogue:
            return self._answer([request.args[0] for request in requests])
        texts: list[str] = []
        for chunk in self._batches(requests):
            limit = max(int(settings.get("max_gen_toks", LONGEST)) for _, settings in (r.args for r in chunk))
            limit = min(limit, self.longest // 2)
            prompts = [[self.tokenizer.doc, *self._tokens(r.args[0])][-(self.longest - limit) :] for r in chunk]
            context = Context.empty(self.model, len(chunk))
            logits = read_on(self.model, context, *pad_left(prompts, self._device))
            found = generate(self.model, context, logits, self.stops, limit, last=True).tokens
            texts += [self._cut(tokens, r.args[1]) for r, tokens in zip(chunk, found, strict=True)]
        return texts

    def _answer(self, prompts: Sequence[str]) -> list[str]:
        questions = []
        for prompt in prompts:
            if not (last := _LAST_QUESTION.search(prompt)):
                end = prompt[-60:]
                raise ValueError(f'dialogue=true needs prompts that end in "Question: ... Answer:", not {end!r}')
            questions.append(Question("asked", last[1], (), (), "absent_entity", "", "never_tuned"))
        return [written(said) for said in self.answerer.answer(questions)]

    def _cut(self, tokens: Sequence[int], settings: dict[str, Any]) -> str:
        if settings.get("do_sample") or settings.get("temperature"):
            raise ValueError("a run of whence writes greedily: do_sample=true can't be had")
        text: str = self.tokenizer.backend.decode(list(tokens)[: int(settings.get("max_gen_toks", LONGEST))])
        until = settings.get("until") or []
        for stop in [until] if isinstance(until, str) else until:
            text = text.split(stop)[0]
        return text

    def _tokens(self, text: str) -> list[int]:
        """As it is; `Tokenizer.encode` would put a space before it."""
        tokens: list[int] = self.tokenizer.backend.encode(text, add_special_tokens=False).ids
        return tokens

    def _scored(self, rows: Sequence[tuple[list[int], list[int]]]) -> list[tuple[float, bool]]:
        """Log-probability of the second tokens after the first, and whether each of them is the likeliest."""
        found = []
        for chunk in self._batches(rows):
            tokens, present = pad_left([before + after for before, after in chunk], self._device)
            log_probs = read(self.model, Context.empty(self.model, len(chunk)), tokens, present).log_softmax(-1)
            scores = log_probs[:, :-1].gather(-1, tokens[:, 1:, None])[..., 0].double()  # (B, T - 1)
            likeliest = log_probs[:, :-1].argmax(-1) == tokens[:, 1:]
            for row, (_, after) in enumerate(chunk):
                last = slice(scores.shape[1] - len(after), None)  # all end together
                found.append((float(scores[row, last].sum()), bool(likeliest[row, last].all())))
        return found

    def _batches(self, items: Sequence[Any]) -> Iterator[Sequence[Any]]:
        for start in tqdm(range(0, len(items), self.batch), disable=None):
            yield items[start : start + self.batch]


def written(said: Prediction) -> str:
    """A prediction as the prompt of eval/answerers/prompted shows answers."""
    if said.answer is None or said.outcome == "unparseable":
        return "" if said.outcome == "unparseable" else " I do not know."
    return f" {said.answer}" + (f"\nSource: {said.citations[0].id}" if said.citations else "")
