"""Bits per byte of plain text: a language-modelling loss that does not depend on the tokenizer or on tags."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from data.pipeline.heldout_batches import heldout_batches
from data.pipeline.tokenizer import Tokenizer
from data.records import Document
from model.attention import dense_mask
from model.loss import token_nll
from model.transformer import Transformer

ROWS_AT_ONCE = 16


@torch.inference_mode()
def bits_per_byte(
    model: Transformer,
    tokenizer: Tokenizer,
    documents: Sequence[Document],
    row: int,
    control: str = "none",
    good: bool = True,
) -> float | None:
    """Bits that the model needs for a byte of the documents; None when there are no documents.

    Args:
        row: tokens the model was trained to read at once; a longer document is read in pieces.
        control, good: the control tokens that it reads with the text, which are no part of it.
    """
    if not documents:
        return None
    device = model.embed_tokens.weight.device
    read = heldout_batches(documents, tokenizer, row, ROWS_AT_ONCE, control, good)
    nats = 0.0
    for batch in read.batches:
        here = batch.to(device)
        nll = token_nll(model, here.tokens, here.positions, here.targets, dense_mask(here.doc, here.span, here.note))
        nats += float(nll.double().sum())
    return nats / math.log(2) / read.bytes
