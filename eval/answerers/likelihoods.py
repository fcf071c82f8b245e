"""How likely a model finds given text: log-probabilities, read side by side.

Shape letters: N samples, T tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from data.pipeline.packing import collate
from data.pipeline.sample import TAG, TEXT, Sample
from data.pipeline.tokenizer import Tokenizer
from eval.metrics.statistics import Floats
from model.attention import training_mask
from model.generate import Context, pad_left, read
from model.loss import token_nll
from model.transformer import Transformer

Tokens = Sequence[int] | np.ndarray
AT_ONCE = 2**28  # logits: a gibibyte of them


def side_by_side(lengths: Sequence[int], batch: int, vocabulary: int) -> Iterator[list[int]]:
    """Numbers of rows of similar lengths, the longest first: at most `batch`, and no more than memory has room for."""
    order = sorted(range(len(lengths)), key=lambda i: lengths[i])
    while order:
        size = max(1, min(batch, AT_ONCE // (vocabulary * max(1, lengths[order[-1]]))))
        yield order[-size:]
        del order[-size:]


@torch.inference_mode()
def log_probabilities(
    model: Transformer, tokenizer: Tokenizer, samples: Sequence[Sample], batch: int
) -> tuple[np.ndarray, np.ndarray]:
    """Of each sample's parts of kind `TEXT`, and of kind `TAG`: float64 (N,) each, nats.

    One sample a row, laid out as in training.
    """
    device = model.embed_tokens.weight.device
    found = np.zeros((2, len(samples)))
    for chunk in side_by_side([len(sample) for sample in samples], batch, model.config.vocab_size):
        width = len(samples[chunk[-1]])
        rows = collate([[samples[i]] for i in chunk], width, tokenizer.pad).to(device)
        mask = training_mask(rows.doc, rows.span, rows.note)
        nll = token_nll(model, rows.tokens, rows.positions, rows.targets, mask).double()
        for place, kind in enumerate((TEXT, TAG)):
            found[place, chunk] = -(nll * (rows.kind == kind)).sum(1).cpu().numpy()
    return found[0], found[1]


def token_log_probs(
    model: Transformer,
    rows: Sequence[tuple[Tokens, Tokens]],
    batch: int = 256,
    own: Sequence[Sequence[bool]] | None = None,
) -> list[Floats]:
    """Log-probabilities of each text's tokens after its prefix, neither of them empty: float64 (T,) each, nats.

    Args:
        rows: (prefix, text) token lists; similar lengths are read side by side.
        own: of the first tokens of each row, which the model wrote itself; what it does not say of is not; None for
            none.
    """
    device = model.embed_tokens.weight.device
    lengths = [len(prefix) + len(text) for prefix, text in rows]
    found: list[Floats] = [np.empty(0)] * len(rows)
    for chunk in side_by_side(lengths, batch, model.config.vocab_size):
        tokens, present = pad_left([[*rows[i][0], *rows[i][1]] for i in chunk], device)
        mine = None
        if own is not None:
            rest = (len(rows[i][0]) + len(rows[i][1]) - len(own[i]) for i in chunk)
            mine = pad_left([[*own[i], *[False] * more] for i, more in zip(chunk, rest, strict=True)], device)[0].bool()
        log_probs = read(model, Context.empty(model, len(chunk)), tokens, present, mine).log_softmax(-1)
        scores = log_probs[:, :-1].gather(-1, tokens[:, 1:, None])[..., 0].double().cpu().numpy()
        for i, score in zip(chunk, scores, strict=True):
            found[i] = score[len(score) - len(rows[i][1]) :]  # all end together
    return found
