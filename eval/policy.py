"""From what a model shows of itself to a confidence and a decision: answer, or say that one does not know.

Signals of a prediction, all log-probabilities in nats:

    answer     of the answer and the mark that ends it
    least      of its least likely token
    citation   of the identifier of the first source cited
    told       of the statement in the cited document, opened from memory: the two-way check (eval/two_way.py)

The score is answer + citation + told. Isotonic regression, fitted on the calibration fold, makes it a confidence; the
threshold below which nothing is answered is chosen on the dev fold. Neither ever sees the test fold, and no label of
what the model does not know is used but those of the calibration fold.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from data.records import TOLD, Prediction, Question
from eval.attribution import exact_match
from eval.calibrators import Isotonic, calibrator_from_json

PARTS = ("answer", "citation", "told")


@dataclass(frozen=True)
class Policy:
    """A fitted calibrator and the least score at which an answer is given."""

    calibrator: Isotonic
    threshold: float

    @classmethod
    def fit(
        cls,
        calibration: tuple[Sequence[Question], Sequence[Prediction]],
        dev: tuple[Sequence[Question], Sequence[Prediction]],
        refused: float,
    ) -> Policy:
        """Fit on predictions of a model that always answers.

        Args:
            refused: share of dev's right answers to told questions that may be withheld.
        """
        calibrator = Isotonic.fit(scores(calibration[1]), right(*calibration))
        return cls(calibrator, float(np.quantile(scores(dev[1])[right(*dev)], refused)))

    def apply(self, predictions: Sequence[Prediction]) -> list[Prediction]:
        """With calibrated confidences; answers below the threshold become abstentions."""
        score = scores(predictions)
        confidence = self.calibrator.apply(score)
        return [
            replace(
                p,
                confidence=float(c) if p.signals else None,
                outcome="abstained" if p.outcome == "answered" and s < self.threshold else p.outcome,
            )
            for p, s, c in zip(predictions, score, confidence, strict=True)
        ]

    def to_json(self) -> dict[str, Any]:
        return {"calibrator": self.calibrator.to_json(), "threshold": self.threshold}

    @classmethod
    def read(cls, path: Path) -> Policy | None:
        """The policy that a run left, None when it has none."""
        if not path.exists():
            return None
        value = json.loads(path.read_text(encoding="utf-8"))
        calibrator = calibrator_from_json(value["calibrator"])
        if not isinstance(calibrator, Isotonic):
            raise ValueError(f"{path}: the calibrator is not isotonic")
        return cls(calibrator, float(value["threshold"]))


def scores(predictions: Sequence[Prediction]) -> np.ndarray:
    """Float64 (N,); the least of all where a prediction shows nothing of itself."""
    found = np.array([sum(p.signals.get(part, 0.0) for part in PARTS) if p.signals else np.nan for p in predictions])
    least = np.nanmin(found, initial=0.0) if len(found) else 0.0
    return np.where(np.isnan(found), least - 1.0, found)


def right(questions: Sequence[Question], predictions: Sequence[Prediction]) -> np.ndarray:
    """Whether the answer is one the corpus gives: bool (N,). On what was never told no answer is right."""
    return np.array(
        [
            q.support_class in TOLD and p.answer is not None and exact_match(p.answer, q.answers)
            for q, p in zip(questions, predictions, strict=True)
        ],
        dtype=bool,
    )
