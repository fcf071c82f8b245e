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
LEAST = -1e6  # the score of what does not show every part: a missing one is no sign of certainty


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
        """With calibrated confidences; answers below the threshold become abstentions.

        An abstention of its own has confidence 0; what shows no score has none.
        """
        score = scores(predictions)
        applied = []
        for p, s, c in zip(predictions, score, self.calibrator.apply(score), strict=True):
            confidence = 0.0 if p.outcome == "abstained" else float(c) if s > LEAST else None
            outcome = "abstained" if p.outcome == "answered" and s < self.threshold else p.outcome
            applied.append(replace(p, confidence=confidence, outcome=outcome))
        return applied

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
    """Float64 (N,): the sum of the parts, `LEAST` where a prediction lacks one."""
    whole = [all(part in p.signals for part in PARTS) for p in predictions]
    return np.array(
        [sum(p.signals[part] for part in PARTS) if w else LEAST for p, w in zip(predictions, whole, strict=True)]
    )


def right(questions: Sequence[Question], predictions: Sequence[Prediction]) -> np.ndarray:
    """Whether the answer is one the corpus gives: bool (N,); never where nothing was told, or nothing can be parsed."""
    return np.array(
        [
            q.support_class in TOLD
            and p.outcome in ("answered", "no_source")
            and p.answer is not None
            and exact_match(p.answer, q.answers)
            for q, p in zip(questions, predictions, strict=True)
        ],
        dtype=bool,
    )
