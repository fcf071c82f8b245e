"""The fitted parameters are the minimum: no library and no direction finds a lower loss."""

import numpy as np
import pytest
from scipy.optimize import minimize

from eval.metrics.logistic import fit_logistic


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("ridge", [1e-3, 1.0, 50.0])
def test_it_finds_the_minimum(soft: bool, ridge: float) -> None:
    rng = np.random.default_rng(0)
    design = np.column_stack([rng.normal(size=(300, 3)), np.ones(300)])
    share = 1 / (1 + np.exp(-(design @ [2.0, -1.0, 0.0, 0.5])))
    label = share if soft else (rng.random(300) < share).astype(float)
    centre = np.array([0.0, 0.0, 1.0, 0.0])

    def loss(w: np.ndarray) -> float:
        z = design @ w
        return np.sum(np.logaddexp(0, z) - label * z) + ridge / 2 * np.sum((w - centre) ** 2)

    found = fit_logistic(design, label, centre, ridge)
    assert found == pytest.approx(minimize(loss, centre, tol=1e-12).x, abs=1e-4)


def test_what_can_be_separated_stays_finite() -> None:
    design = np.array([[-1.0], [1.0]])
    assert np.isfinite(fit_logistic(design, np.array([0.0, 1.0]), np.zeros(1), 1e-3)).all()
