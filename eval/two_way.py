"""The two-way check: having answered and cited, does the cited document, opened from memory, say so?

Pretraining shows documents in both directions: text to identifier (the footnote), identifier to text (recall). So after
question -> answer -> identifier the model can be asked for log P(statement | identifier), where the statement is the
answer in the corpus's own words. No label of what it does not know is needed. One forward pass over short rows.

Shape letters: N statements, T tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.special import logsumexp
from torch import Tensor

from data.tags import IGNORE
from data.tokenizer import Codec
from model.loss import token_nll
from model.transformer import Transformer


def log_told(
    model: Transformer,
    codec: Codec,
    statements: Sequence[Sequence[str]],
    sources: Sequence[np.ndarray | None],
    batch: int = 256,
) -> np.ndarray:
    """Log-probability that a document begins with the statement, in any of its wordings: float64 (N,), nats.

    Args:
        statements: for each item its wordings, at least one.
        sources: for each item the identifier of the document, without marks; None for a document without a tag.
    """
    flat = [(item, wording) for item, wordings in enumerate(statements) for wording in wordings]
    texts = codec.encode([wording for _, wording in flat])
    rows = [([codec.doc, *_tag(codec, sources[item])], text) for (item, _), text in zip(flat, texts, strict=True)]
    order = sorted(range(len(rows)), key=lambda i: len(rows[i][0]) + len(rows[i][1]))
    scores = np.empty(len(rows))
    for start in range(0, len(order), batch):
        chunk = order[start : start + batch]
        scores[chunk] = _log_probabilities(model, [rows[i] for i in chunk])
    items = np.array([item for item, _ in flat])
    return np.array([logsumexp(scores[items == item]) for item in range(len(statements))])


def _tag(codec: Codec, identifier: np.ndarray | None) -> list[int]:
    return [] if identifier is None else [codec.src, *identifier.tolist(), codec.end_src]


@torch.inference_mode()
def _log_probabilities(model: Transformer, rows: Sequence[tuple[Sequence[int], np.ndarray]]) -> np.ndarray:
    """Of each text after its prefix: float64 (N,). Rows are padded on the right, where causal attention never looks."""
    device = model.embed_tokens.weight.device
    width = max(len(prefix) + len(text) for prefix, text in rows)
    tokens = torch.zeros(len(rows), width, dtype=torch.long)
    targets = torch.full((len(rows), width), IGNORE)
    for row, (prefix, text) in enumerate(rows):
        end = len(prefix) + len(text)
        tokens[row, :end] = torch.as_tensor(np.array([*prefix, *text], dtype=np.int64))
        targets[row, len(prefix) - 1 : end - 1] = tokens[row, len(prefix) : end]
    positions: Tensor = torch.arange(width, device=device).expand(len(rows), width)
    nll = token_nll(model, tokens.to(device), positions, targets.to(device), None)
    return -nll.double().sum(1).cpu().numpy()
