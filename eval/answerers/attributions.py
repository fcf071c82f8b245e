"""Scores of attribution: of each question and document, how much the document has to do with the answer.

Each is float64 (Q, D), higher for more, from a model that read all D documents, or from their texts:

    cited        P(cites d | the question, its right answer), in dialogue
    footnote     P(d | the right statement), by the footnote behind it (given the statement form)
    two_way      P(statement | d opened from memory), divided by its sum over the documents (given the statement form)
    tail_patch   the rise of log P(right answer | question) by one step of gradient descent on d alone (Chang et al.
                 2024, arXiv 2410.17413, TrackStar's measure)
    bm25         BM25 of the question and the text
    random       uniform numbers: what knows nothing

Shape letters: Q questions, D documents.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from data.pipeline.heldout_batches import heldout_batches
from data.records import Document, Question
from eval.answerers.likelihoods import token_log_probs
from eval.answerers.lm_answerer import LMAnswerer
from eval.answerers.retrievers.bm25 import BM25
from eval.metrics.statistics import Floats
from model.attention import training_mask
from model.loss import token_nll

RATE = 0.02  # of the step on a document, with its gradient scaled to length 1


def answer_log_probs(answerer: LMAnswerer, questions: Sequence[Question]) -> Floats:
    """log P(right answer and the mark of its source | question), in dialogue: float64 (Q,), nats.

    Of several right answers the first. For a format that answers before it cites.
    """
    form = answerer.format
    rows = [
        (form.prompt(text), [*map(int, answer), form.opening])
        for text, answer in zip(*_said(answerer, questions), strict=True)
    ]
    return np.array([found.sum() for found in token_log_probs(answerer.model, rows, answerer.batch)])


def cited(answerer: LMAnswerer, questions: Sequence[Question], documents: int) -> Floats:
    """See the module's docstring; the first `documents` labels are the documents."""
    form = answerer.format
    prompts = [[*form.prompt(x), *map(int, a)] for x, a in zip(*_said(answerer, questions), strict=True)]
    return _spread(answerer.sources_after(prompts, documents), documents)


def footnote(answerer: LMAnswerer, questions: Sequence[Question], documents: int) -> Floats:
    """See the module's docstring."""
    return _spread(answerer.ranked_sources([_stated(q) for q in questions], documents), documents)


def two_way(answerer: LMAnswerer, questions: Sequence[Question], documents: int) -> Floats:
    """See the module's docstring."""
    tokenizer, tags = answerer.tokenizer, answerer.identifiers.tokens
    opened = [[tokenizer.doc, tokenizer.src, *map(int, tags[d]), tokenizer.end_src] for d in range(documents)]
    said = []
    for text in tokenizer.encode([_stated(question) for question in questions]):
        rows = [(before, text.tolist()) for before in opened]
        said.append([found.sum() for found in token_log_probs(answerer.model, rows, answerer.batch)])
    scores = np.array(said)
    weights = np.exp(scores - scores.max(1, keepdims=True))
    found: Floats = weights / weights.sum(1, keepdims=True)
    return found


def tail_patch(
    answerer: LMAnswerer, questions: Sequence[Question], documents: Sequence[Document], rate: float = RATE
) -> Floats:
    """See the module's docstring. The model ends as it was."""
    model = answerer.model
    before = answer_log_probs(answerer, questions)
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
    kept = [parameter.detach().clone() for parameter in weights]
    columns = []
    for document in documents:
        gradients = torch.autograd.grad(_nll(answerer, document), weights, allow_unused=True)
        there = [(p, g) for p, g in zip(weights, gradients, strict=True) if g is not None]
        length = torch.sqrt(sum((g.double() ** 2).sum() for _, g in there)).item()  # type: ignore[arg-type]
        with torch.no_grad():
            for parameter, gradient in there:
                parameter.sub_(gradient, alpha=rate / max(length, 1e-12))
            columns.append(answer_log_probs(answerer, questions) - before)
            for parameter, value in zip(weights, kept, strict=True):
                parameter.copy_(value)
    return np.array(columns).T


def bm25(questions: Sequence[Question], documents: Sequence[Document]) -> Floats:
    """See the module's docstring."""
    return BM25(documents).scores([question.text for question in questions])


def _nll(answerer: LMAnswerer, document: Document) -> torch.Tensor:
    """Mean nats of the tokens of its text."""
    longest = min(answerer.longest, 2048)
    total, count = torch.zeros(()), 0
    for batch in heldout_batches([document], answerer.tokenizer, longest, 1).batches:
        rows = batch.to(answerer.model.embed_tokens.weight.device)
        mask = training_mask(rows.doc, rows.span, rows.note)
        nll = token_nll(answerer.model, rows.tokens, rows.positions, rows.targets, mask)
        total, count = total.to(nll.device) + nll.sum(), count + int((rows.targets >= 0).sum())
    return total / max(count, 1)


def _said(answerer: LMAnswerer, questions: Sequence[Question]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    encode = answerer.tokenizer.encode
    return encode([question.text for question in questions]), encode([question.answers[0] for question in questions])


def _stated(question: Question) -> str:
    return question.statement[0].replace("{answer}", question.answers[0])


def _spread(ranked: Sequence[Sequence[tuple[int, float]]], documents: int) -> Floats:
    """Probabilities by place, 0 for what is negligible."""
    found = np.zeros((len(ranked), documents))
    for row, each in enumerate(ranked):
        for place, log_prob in each:
            found[row, place] = np.exp(log_prob)
    return found
