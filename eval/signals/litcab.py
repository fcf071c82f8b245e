"""LitCab: a linear layer on the frozen model's last hidden state is added to its logits, and answers are read anew.

    logits'(h) = logits(h) + W h
    loss = mean over pairs of [CE(right answer) - CE(wrong answer) where that is below `MARGIN`] + DECAY ||W||

Liu et al. 2024 (arXiv 2310.19208; the margin and the decay are their code's). CE is the mean over the tokens of an
answer and the mark that ends it. Right answers are the corpus's, wrong ones the model's own: its answer and its samples
that are not right. W begins at 0, where nothing is changed. It is fitted on the questions of split "relabel", which no
tuning saw.

Shape letters: N answers, M tokens of them all, C width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from data.records import Prediction, Question
from eval.answerers.lm_answerer import LMAnswerer
from eval.grading.correctness import is_right
from eval.signals import Extractor, Signal

MARGIN, DECAY = 3.0, 0.01
STEPS, RATE = 100, 3e-3  # theirs are 20 passes at 5e-6, of billions of weights


class Read(NamedTuple):
    """N answers as the frozen model reads them, all tokens in a row: the hidden state float32 (M, C) before each token
    of an answer and the mark that ends it, the token int64 (M,), and which answer it is of, int64 (M,)."""

    hidden: Tensor
    tokens: Tensor
    answer: Tensor


def add_litcab(answerer: LMAnswerer, questions: Sequence[Question], said: Sequence[Prediction]) -> list[Prediction]:
    """The predictions with the signal `litcab`, unchanged where nothing can be fitted.

    For formats that begin with the answer: the mark behind it is the one that a citation begins with.
    """
    fitting = [(q, p) for q, p in zip(questions, said, strict=True) if q.split == "relabel"]
    right = [(q.text, q.answers[0]) for q, _ in fitting if q.answers]
    wrong = [(q.text, answer) for q, p in fitting for answer in _wrong(q, p)]
    if answerer.format.leads or not right or not wrong:
        return list(said)
    layer = fit(answerer.model.lm_head.weight, read(answerer, right), read(answerer, wrong))
    found = list(said)
    here = [i for i, p in enumerate(said) if p.answer and p.outcome in ("answered", "no_source")]
    for start in range(0, len(here), answerer.batch):
        chunk = here[start : start + answerer.batch]
        rows = read(answerer, [(questions[i].text, said[i].answer or "") for i in chunk])
        scores = -_sums(nll(answerer.model.lm_head.weight, layer, rows), rows.answer)
        for i, score in zip(chunk, scores.tolist(), strict=True):
            found[i] = replace(said[i], signals={**said[i].signals, "litcab": min(0.0, score)})
    return found


def fit(head: Tensor, right: Read, wrong: Read) -> Tensor:
    """W (V, C) of the least loss that `STEPS` steps of Adam on all answers find. `head` (V, C) stays as it is."""
    layer = torch.zeros_like(head, dtype=torch.float32).requires_grad_()
    adam = torch.optim.Adam([layer], lr=RATE)
    with torch.enable_grad():
        for _ in range(STEPS):
            adam.zero_grad()
            loss(head, layer, right, wrong).backward()
            adam.step()
    return layer.detach()


def loss(head: Tensor, layer: Tensor, right: Read, wrong: Read) -> Tensor:
    """The loss above, a scalar."""
    pulled, pushed = (_means(nll(head, layer, rows), rows.answer) for rows in (right, wrong))
    push = pushed[pushed < MARGIN].sum() / len(pushed)
    return pulled.mean() - push + DECAY * (layer.square().sum() + 1e-12).sqrt()


def nll(head: Tensor, layer: Tensor, rows: Read) -> Tensor:
    """Negative log-likelihood (M,) of every token, nats."""
    logits = rows.hidden @ (head.detach().float() + layer).T
    return torch.nn.functional.cross_entropy(logits, rows.tokens, reduction="none")


@torch.no_grad()  # not inference mode, whose tensors no layer can be fitted on
def read(answerer: LMAnswerer, answers: Sequence[tuple[str, str]]) -> Read:
    """Of (question, answer) texts."""
    tokenizer, model = answerer.tokenizer, answerer.model
    texts = tokenizer.encode([text for text, _ in answers])
    words = [[*map(int, w), answerer.format.opening] for w in tokenizer.encode([answer for _, answer in answers])]
    prompts = [answerer.prompt(text) for text in texts]
    device, parts = model.embed_tokens.weight.device, []
    for start in range(0, len(words), answerer.batch):
        here = slice(start, start + answerer.batch)
        said = [[*p, *w] for p, w in zip(prompts[here], words[here], strict=True)]
        width = max(map(len, said))
        tokens = torch.tensor([[*row, *[tokenizer.pad] * (width - len(row))] for row in said], device=device)
        hidden = model.hidden(tokens, torch.arange(width, device=device).expand_as(tokens), None)  # padded on the right
        parts += [
            hidden[n, len(row) - len(w) - 1 : len(row) - 1]
            for n, (row, w) in enumerate(zip(said, words[here], strict=True))
        ]
    return Read(
        torch.cat(parts).float(),
        torch.tensor([token for w in words for token in w], device=device),
        torch.tensor([n for n, w in enumerate(words) for _ in w], device=device),
    )


def _sums(values: Tensor, answer: Tensor) -> Tensor:
    """Sums (N,) of values (M,) over the tokens of each answer."""
    return torch.zeros(int(answer[-1]) + 1, device=values.device).index_add(0, answer, values)


def _means(values: Tensor, answer: Tensor) -> Tensor:
    return _sums(values, answer) / _sums(torch.ones_like(values), answer)


def _wrong(question: Question, prediction: Prediction) -> list[str]:
    """Each wrong answer that the model gave, once."""
    said = [prediction.answer or "", *prediction.samples]
    return [answer for answer in dict.fromkeys(said) if answer and not is_right(question, answer)]


EXTRACTOR = Extractor(
    signals={"litcab": Signal("the answer and the mark that ends it, after LitCab's linear layer")},
    extract=lambda asked: add_litcab(asked.answerer, asked.questions, asked.said),
    fitted=True,
)
