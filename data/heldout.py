"""Documents kept from training, as a reader sees them: untagged, in their canonical order and wording.

Bytes are those of the UTF-8 text, with the space that precedes each sentence; `<|doc|>` and `<|end|>` are context, not
text, and are no targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from data.packing import Batch, collate, pack
from data.records import Document
from data.sources import tokenize
from data.tags import IGNORE, TagsConfig, plain
from data.tokenizer import Codec

AS_WRITTEN = TagsConfig(placement="none", recall=0.0, permute=False, reword=False)


@dataclass(frozen=True, slots=True)
class Reading:
    """Batches of rows to predict, and the bytes of text in them together."""

    batches: tuple[Batch, ...]
    bytes: int


def reading(documents: Sequence[Document], codec: Codec, row: int, rows: int) -> Reading:
    """Lay out documents in batches of `rows` rows of `row` tokens; a longer document is read in pieces."""
    samples = [s for sentences in tokenize(documents, codec) for s in plain(AS_WRITTEN, codec, sentences, 0, row)]
    packed = [[samples[i] for i in here] for here in pack([len(s) for s in samples], row)]
    packed += [[] for _ in range(-len(packed) % rows)]  # all batches have one shape, which compiled code wants
    batches = []
    for start in range(0, len(packed), rows):
        batch = collate(packed[start : start + rows], row, codec.pad)
        batches.append(replace(batch, targets=torch.where(batch.targets == codec.end, IGNORE, batch.targets)))
    size = sum(len(f" {wordings[0]}".encode()) for document in documents for wordings in document.sentences)
    return Reading(tuple(batches), size)
