"""Logistic regression with a quadratic pull, by Newton's method: for calibrators, policies and probes alike."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from eval.metrics.statistics import Floats

CONVERGED = 1e-12  # twice what another Newton step would take off the mean loss: far above rounding, below notice


def fit_logistic(design: Floats, correct: Floats, centre: Floats, ridge: float) -> Floats:
    """Parameters [P] that minimise the mean log loss on design [N, P] plus ridge / 2N |parameters - centre|^2.

    `correct` [N] is in [0, 1]; shares are soft labels. The loss is strictly convex: a step halved until the loss falls
    always leads to its one minimum.
    """
    ridge = ridge / len(correct)

    def loss(parameters: Floats) -> float:
        z, pull = design @ parameters, parameters - centre
        return float(np.mean(np.logaddexp(0, z) - correct * z) + ridge / 2 * pull @ pull)

    parameters = centre
    while True:
        p = expit(design @ parameters)
        gradient = design.T @ (p - correct) / len(correct) + ridge * (parameters - centre)
        curvature = design.T @ (design * (p * (1 - p))[:, None]) / len(correct) + ridge * np.eye(len(centre))
        step = np.linalg.solve(curvature, gradient)
        if gradient @ step < CONVERGED:
            return parameters - step
        while loss(parameters - step) > loss(parameters):
            step = step / 2
        parameters = parameters - step
