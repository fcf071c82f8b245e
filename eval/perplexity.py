"""Bits per byte of plain text: a language-modelling loss that does not depend on the tokenizer or on tags.

Documents are read untagged, in their canonical order and wording. Bytes are those of the UTF-8 text, with the space
that precedes each sentence; `<|doc|>` and `<|end|>` are context, not text, and count on neither side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from data.packing import collate, pack
from data.records import Document
from data.sources import tokenize
from data.tags import IGNORE, TagsConfig, plain
from data.tokenizer import Codec
from model.attention import dense_mask
from model.loss import token_nll
from model.transformer import Transformer

AS_WRITTEN = TagsConfig(placement="none", recall=0.0, permute=False, reword=False)
ROWS_AT_ONCE = 16


@torch.inference_mode()
def bits_per_byte(model: Transformer, codec: Codec, documents: Sequence[Document], row: int) -> float | None:
    """Bits that the model needs for a byte of the documents; None when there are no documents.

    Args:
        row: tokens the model was trained to read at once; a longer document is read in pieces.
    """
    if not documents:
        return None
    device = model.embed_tokens.weight.device
    samples = [s for sentences in tokenize(documents, codec) for s in plain(AS_WRITTEN, codec, sentences, 0, row)]
    rows = [[samples[i] for i in packed] for packed in pack([len(s) for s in samples], row)]
    nats = 0.0
    for start in range(0, len(rows), ROWS_AT_ONCE):
        batch = collate(rows[start : start + ROWS_AT_ONCE], row, codec.pad)
        targets = torch.where(batch.targets == codec.end, IGNORE, batch.targets).to(device)
        mask = dense_mask(batch.doc.to(device), batch.span.to(device), batch.note.to(device))
        nll = token_nll(model, batch.tokens.to(device), batch.positions.to(device), targets, mask)
        nats += float(nll.double().sum())
    size = sum(len(f" {wordings[0]}".encode()) for document in documents for wordings in document.sentences)
    return nats / math.log(2) / size
