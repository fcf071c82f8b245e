"""Documents kept from training, as a reader sees them: untagged, in their canonical order and wording.

Bytes are those of the UTF-8 text, with the space that precedes each sentence; `<|doc|>` and `<|end|>` are context, not
text, and are no targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from data.pipeline.feedback import Feedback, FeedbackConfig, control_tokens
from data.pipeline.packing import Batch, collate, pack
from data.pipeline.placement import Judged, TagsConfig, plain
from data.pipeline.sample import IGNORE
from data.pipeline.sources import tokenize
from data.pipeline.tokenizer import Tokenizer
from data.records import Document

AS_WRITTEN = TagsConfig(placement="none", id_to_text=0.0, permute=False, reword=False)


@dataclass(frozen=True, slots=True)
class HeldoutBatches:
    """Batches of rows to predict, and the bytes of text in them together."""

    batches: tuple[Batch, ...]
    bytes: int


def heldout_batches(
    documents: Sequence[Document],
    tokenizer: Tokenizer,
    row: int,
    rows: int,
    control: str = "none",
    good: bool = True,
) -> HeldoutBatches:
    """Lay out documents in batches of `rows` rows of `row` tokens; a longer document is read in pieces.

    Args:
        control: what has a control token (data/pipeline/feedback.py), which is no target: none, document or sentence.
        good: whether it is that of a good source.
    """
    feedback = Feedback(FeedbackConfig(control=control, dropout=0.0), control_tokens(tokenizer))
    samples = [
        sample
        for sentences in tokenize(documents, tokenizer)
        for sample in plain(
            AS_WRITTEN, tokenizer, sentences, 0, row, judged=Judged([float(good)] * len(sentences), feedback)
        )
    ]
    packed = [[samples[i] for i in here] for here in pack([len(s) for s in samples], row)]
    packed += [[] for _ in range(-len(packed) % rows)]  # all batches have one shape, which compiled code wants
    batches = []
    for start in range(0, len(packed), rows):
        batch = collate(packed[start : start + rows], row, tokenizer.pad)
        batches.append(replace(batch, targets=torch.where(batch.targets == tokenizer.end, IGNORE, batch.targets)))
    size = sum(len(f" {wordings[0]}".encode()) for document in documents for wordings in document.sentences)
    return HeldoutBatches(tuple(batches), size)
