"""Any causal language model of transformers as a `Chooser`: texts are read as they stand, a question at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from eval.answerers.choices import split
from eval.answerers.prompted.hf import HFModel
from eval.metrics.statistics import Floats


class HFChooser:
    """Scores choices by the model's own probabilities.

    Args:
        batch: choices side by side.
    """

    def __init__(self, model: HFModel, batch: int = 16) -> None:
        self.model, self.batch = model, batch

    def fits(self, text: str, choices: Sequence[str]) -> bool:
        longest = getattr(self.model.model.config, "max_position_embeddings", None)
        return not longest or all(len(self._encode(text + choice)) <= longest for choice in choices)

    @torch.inference_mode()
    def log_probs(self, texts: Sequence[str], choices: Sequence[Sequence[str]]) -> list[Floats]:
        """See `Chooser`. Raises ValueError for a text longer than the model reads."""
        rows = [
            split(self._encode(text), self._encode(text + choice))
            for text, each in zip(texts, choices, strict=True)
            for choice in each
        ]
        scores = np.empty(len(rows))
        order = sorted(range(len(rows)), key=lambda i: len(rows[i][0]) + len(rows[i][1]))
        for start in range(0, len(order), self.batch):
            chunk = order[start : start + self.batch]
            scores[chunk] = self._score([rows[i] for i in chunk])
        left = iter(scores)
        return [np.array([float(next(left)) for _ in each]) for each in choices]

    def _score(self, rows: Sequence[tuple[list[int], list[int]]]) -> Floats:
        """Of each choice after its text, (B,): rows are filled up behind, where a causal model does not look."""
        width = max(len(text) + len(choice) for text, choice in rows)
        self.model.check_length(width)
        tokens, seen = np.zeros((len(rows), width), dtype=np.int64), np.zeros((len(rows), width), dtype=np.int64)
        for row, (text, choice) in enumerate(rows):
            tokens[row, : len(text) + len(choice)] = [*text, *choice]
            seen[row, : len(text) + len(choice)] = 1
        laid, mask = (torch.from_numpy(array).to(self.model.device) for array in (tokens, seen))
        log_probs = self.model.model(input_ids=laid, attention_mask=mask).logits.double().log_softmax(-1)
        following = log_probs[:, :-1].gather(-1, laid[:, 1:, None])[..., 0].cpu().numpy()  # (B, T - 1)
        spans = [(len(text) - 1, len(text) + len(choice) - 1) for text, choice in rows]
        return np.array([following[row, start:end].sum() for row, (start, end) in enumerate(spans)])

    def _encode(self, text: str) -> list[int]:
        tokens: list[int] = self.model.tokenizer(text)["input_ids"]
        return tokens
