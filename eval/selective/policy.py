"""From what a model shows of itself to two confidences, in the answer and in its source, and to a decision.

What the signals are stands in eval/signals. Three are made here (eval/selective/answer_selection.py) and not cached:
lp_asserted, log P(a document says so); premise_lp_asserted, the same of what the question presupposes; and lp_correct,
log P(a document says so and no better one denies it).

A `ConfidenceHead` weighs signals into a score, makes it a confidence by isotonic regression, both fitted on the
calibration fold, and has a threshold from the dev fold. A `Policy` has one head for the answer and one for the source,
and may choose among rival answers first. None of it ever sees the test fold, and no label of what the model does not
know is used but those of the calibration fold.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from data.records import Prediction, Question
from eval.grading.correctness import right, supported
from eval.metrics.logistic import fit_logistic
from eval.metrics.selective_prediction import threshold_at_equal_errors
from eval.metrics.statistics import Floats
from eval.selective.answer_selection import PREMISE, CandidateSelector
from eval.selective.calibrators import Isotonic, calibrator_from_json

Weights = Mapping[str, float]  # of signals in a score
Folded = tuple[Sequence[Question], Sequence[Prediction]]

SUM: Weights = dict.fromkeys(
    (
        "answer",
        "lp_id_given_statement",
        "lp_statement_given_id",
        "premise_lp_id_given_statement",
        "premise_lp_statement_given_id",
    ),
    1.0,
)
CHECKED = (
    "lp_id_given_statement",
    "lp_statement_given_id",
    "lp_statement",
    "nosrc_lp_id_given_statement",
    "nosrc_lp_statement_given_id",
)
LEARNT: Weights = dict.fromkeys(
    ("answer", *CHECKED, "premise_lp_id_given_statement", "premise_lp_statement_given_id"), 0.0
)
SELECTED: Weights = dict.fromkeys(("lp_correct", "premise_lp_asserted"), 1.0)
SELECTED_SOURCE: Weights = dict.fromkeys(("lp_correct", *CHECKED, "premise_lp_asserted"), 0.0)
OPTIONAL = (PREMISE, "nosrc_")  # signals that begin so are of questions that presuppose, and of models so trained
LOGPROB_CLIP = -25.0  # nats; what is less likely than that is no less a reason to doubt
LEAST = -1e6  # the score of what does not show every part: a missing one is no sign of certainty
RIDGE = 1.0  # pull of weights of standardised signals to 0, in items


@dataclass(frozen=True)
class ConfidenceHead:
    """A score of some signals, what it means, and the least at which it is good enough.

    Attributes:
        weights: of the signals, each at least `LOGPROB_CLIP`.
        imputed: of the signals of a premise, what stands in for them where a question presupposes nothing: their mean
            where the answer was right.
        calibrator: from the score to a probability.
        threshold: least score.
    """

    weights: Weights
    imputed: Weights
    calibrator: Isotonic
    threshold: float

    @classmethod
    def fit(
        cls,
        weights: Weights,
        calibration: tuple[Sequence[Prediction], np.ndarray],
        dev: tuple[Sequence[Prediction], np.ndarray],
        max_abstained: float,
    ) -> ConfidenceHead:
        """Fit on predictions of a model that always answers, with whether each is right.

        Args:
            weights: all 0 to have them learnt, by logistic regression.
            max_abstained: share of what is right on dev that may fall below the threshold; fewer do where fewer need
                to.
        """
        said, right = calibration
        weights = _known(weights, said)
        imputed = {name: _mean(name, said, right) for name in weights if name.startswith(PREMISE)}
        if not any(weights.values()):
            weights = _learnt(weights, imputed, said, right)
        calibrator = Isotonic.fit(_scores(said, weights, imputed), right)
        scores = _scores(dev[0], weights, imputed)
        # What shows no score is never answered, so it can't move the threshold.
        most = float(np.quantile(scores[dev[1] & (scores > LEAST)], max_abstained))
        return cls(weights, imputed, calibrator, min(most, threshold_at_equal_errors(scores, dev[1])))

    def scores(self, predictions: Sequence[Prediction]) -> Floats:
        """Float64 (N,), `LEAST` where a prediction lacks a signal that is not one of a premise."""
        return _scores(predictions, self.weights, self.imputed)

    def unpresuming(self, predictions: Sequence[Prediction]) -> Floats:
        """`scores`, as if what questions presuppose were beyond doubt."""
        plain = [{k: v for k, v in p.signals.items() if not k.startswith(PREMISE)} for p in predictions]
        return self.scores([replace(p, signals=s) for p, s in zip(predictions, plain, strict=True)])

    def confidences(self, predictions: Sequence[Prediction]) -> list[float | None]:
        """Probability of being right; None for what shows no score."""
        score = self.scores(predictions)
        return [float(c) if s > LEAST else None for c, s in zip(self.calibrator.apply(score), score, strict=True)]

    @classmethod
    def from_json(cls, value: Any) -> ConfidenceHead:
        """Inverse of `to_json`. Raises ValueError."""
        calibrator = calibrator_from_json(value["calibrator"])
        if not isinstance(calibrator, Isotonic):
            raise ValueError("the calibrator is not isotonic")
        weights, imputed = ({name: _finite(v) for name, v in value[key].items()} for key in ("weights", "imputed"))
        return cls(weights, imputed, calibrator, _finite(value["threshold"]))

    def to_json(self) -> dict[str, Any]:
        return {
            "weights": dict(self.weights),
            "imputed": dict(self.imputed),
            "calibrator": self.calibrator.to_json(),
            "threshold": self.threshold,
        }


@dataclass(frozen=True)
class Policy:
    """What to answer, whether to, and whether to name the source.

    Attributes:
        answer: is the answer right?
        source: is it, and does the first source say so? None to leave the source as it is.
        selector: chooses among the answer and its rivals; None for the answer as it is.
    """

    answer: ConfidenceHead
    source: ConfidenceHead | None = None
    selector: CandidateSelector | None = None

    @classmethod
    def fit(cls, weights: Weights, calibration: Folded, dev: Folded, max_abstained: float) -> Policy | None:
        """Both heads; that of the source only where some sources are right and some are not.

        None where the weights ask for weighing and nothing can be weighed, and where nothing on dev is right.
        """
        selector = None
        if "lp_correct" in weights:
            if (selector := CandidateSelector.fit(*calibration)) is None:
                return None
            calibration, dev = ((questions, selector.choose(said)) for questions, said in (calibration, dev))
        graded, tested = right(*calibration), right(*dev)
        scored = np.array(["lp_correct" in p.signals for p in dev[1]], dtype=bool) if selector else tested
        if not (tested & scored).any():
            return None
        answer = ConfidenceHead.fit(weights, (calibration[1], graded), (dev[1], tested), max_abstained)
        cited, sourced = graded & supported(*calibration), tested & supported(*dev)
        if not cited.any() or not sourced.any():
            return cls(answer, None, selector)
        weights = SELECTED_SOURCE if selector else weights
        return cls(
            answer, ConfidenceHead.fit(weights, (calibration[1], cited), (dev[1], sourced), max_abstained), selector
        )

    @property
    def signals(self) -> set[str]:
        """The names of all signals that it may go by."""
        heads = [head.weights for head in (self.answer, self.source) if head]
        return {name for weights in heads for name in weights} | set(self.selector.signals if self.selector else ())

    def chosen(self, predictions: Sequence[Prediction]) -> list[Prediction]:
        """What it would answer if it had to."""
        return self.selector.choose(predictions) if self.selector else list(predictions)

    def apply(self, predictions: Sequence[Prediction]) -> list[Prediction]:
        """With calibrated confidences, that of the source as its probability.

        What falls below the threshold of the answer becomes an abstention, or a false premise where that alone is what
        it falls for; what falls below that of the source is said without one. What can't be parsed is withheld. That
        and refusals of its own have confidence 0.
        """
        predictions = self.chosen(predictions)
        answers, unpresuming = self.answer.scores(predictions), self.answer.unpresuming(predictions)
        sure = self.answer.confidences(predictions)
        sourced = self.source.confidences(predictions) if self.source else [None] * len(predictions)
        named = self.source.scores(predictions) >= self.source.threshold if self.source else [True] * len(predictions)
        applied = []
        for p, score, without, confidence, source, keep in zip(
            predictions, answers, unpresuming, sure, sourced, named, strict=True
        ):
            outcome = p.outcome
            if outcome == "unparseable":
                outcome = "abstained"
            if outcome in ("abstained", "false_premise") or score <= LEAST:
                outcome, confidence = ("abstained" if score <= LEAST else outcome), 0.0
            elif outcome in ("answered", "no_source") and score < self.answer.threshold:
                outcome = "false_premise" if without >= self.answer.threshold else "abstained"
            elif outcome == "answered" and not keep:
                outcome = "no_source"
            citations = p.citations
            if citations and source is not None:
                citations = (replace(citations[0], probability=source), *citations[1:])
            applied.append(replace(p, confidence=confidence, outcome=outcome, citations=citations))
        return applied

    @classmethod
    def from_json(cls, value: Any) -> Policy:
        """Inverse of `to_json`. Raises ValueError."""
        return cls(
            ConfidenceHead.from_json(value["answer"]),
            value["source"] and ConfidenceHead.from_json(value["source"]),
            value["selector"] and CandidateSelector.from_json(value["selector"]),
        )

    def to_json(self) -> dict[str, Any]:
        parts = {"answer": self.answer, "source": self.source, "selector": self.selector}
        return {name: part and part.to_json() for name, part in parts.items()}


def refuses(prediction: Prediction) -> bool:
    """Whether a forced answer is one that the model would rather not give: its likeliest first word is a refusal."""
    signals = prediction.signals
    return "refusal" in signals and signals["refusal"] > signals["best_word"]


def decide(policy: Policy | None, prediction: Prediction) -> Prediction:
    """What to say to one question: by the policy, or, where none could be fitted, as the model itself decides."""
    if policy:
        return policy.apply([prediction])[0]
    return replace(prediction, outcome="abstained") if refuses(prediction) else prediction


def read_policies(path: Path) -> dict[str, Policy]:
    """The policies that a run left, by name, the best first; none when it has none. Raises ValueError."""
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if any("weigher" in value for value in found.values()):  # what `selector` was called
            raise ValueError("made before the renaming, signals by their old names")
        return {name: Policy.from_json(value) for name, value in found.items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not the policies of a run ({error}); the same run.py command writes them") from None


def _finite(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise ValueError(f"{value!r} is not a finite number")
    return float(value)


def signal(predictions: Sequence[Prediction], name: str) -> Floats:
    """Float64 (N,): a signal of each prediction, nan where it lacks it."""
    return np.array([p.signals.get(name, np.nan) for p in predictions])


def _known(weights: Weights, predictions: Sequence[Prediction]) -> Weights:
    """Without those that are optional and that nothing shows."""
    shown = {name for p in predictions for name in p.signals}
    return {name: weight for name, weight in weights.items() if name in shown or not name.startswith(OPTIONAL)}


def _mean(name: str, predictions: Sequence[Prediction], right: np.ndarray) -> float:
    values = np.maximum(signal(predictions, name), LOGPROB_CLIP)
    some = values[right & ~np.isnan(values)]
    return float(some.mean()) if len(some) else 0.0


def _design(predictions: Sequence[Prediction], weights: Weights, imputed: Weights) -> Floats:
    """Signals float64 (N, S), nan where one is missing."""
    columns = [np.maximum(signal(predictions, name), LOGPROB_CLIP) for name in weights]
    filled = [
        np.where(np.isnan(c), imputed[n], c) if n in imputed else c for n, c in zip(weights, columns, strict=True)
    ]
    return np.column_stack(filled)


def _scores(predictions: Sequence[Prediction], weights: Weights, imputed: Weights) -> Floats:
    if not len(predictions):
        return np.empty(0)
    score = _design(predictions, weights, imputed) @ np.array(list(weights.values()))
    return np.where(np.isnan(score), LEAST, score)


def _learnt(weights: Weights, imputed: Weights, predictions: Sequence[Prediction], right: np.ndarray) -> Weights:
    """Weights of a logistic regression on what shows all signals."""
    design = _design(predictions, weights, imputed)
    whole = ~np.isnan(design).any(1)
    if not whole.any():
        return dict.fromkeys(weights, 1.0)
    design, label = design[whole], right[whole].astype(np.float64)
    mean, scale = design.mean(0), design.std(0) + 1e-6
    standard = np.column_stack([(design - mean) / scale, np.ones(len(design))])
    found = fit_logistic(standard, label, np.zeros(standard.shape[1]), RIDGE)[:-1] / scale
    return {name: float(weight) for name, weight in zip(weights, found, strict=True)}
