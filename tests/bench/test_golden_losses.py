"""The first 100 losses of the demo's model are those on file, as closely as differing processors allow.

The demo on its own world in every respect but the tokens of a step, and the number of steps: see
`bench.golden_losses`. When the numbers are meant to change:  python -m bench.golden_losses tests/golden/demo.json
"""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from bench.golden_losses import GOLDEN, ROOT, trace

FILE = ROOT / "tests" / "golden" / "demo.json"
STEPS = 100

# (first step, last step, by how much, relatively, the mean loss over them may differ): several times what was measured
# between numbers of threads and instruction sets, down to SSE4 (LOG.md): 1e-7 by step 5, 2e-5 by 20, 4e-4 at the end.
TOLERANCES = (
    (1, 1, 1e-6),
    (2, 2, 1e-6),
    *((step, step, 2e-6) for step in range(3, 6)),
    *((step, step, 1e-5) for step in range(6, 11)),
    (11, 20, 1e-4),
    (21, 40, 1e-4),
    *((first, first + 19, 1e-3) for first in range(41, STEPS, 20)),
)


def test_every_step_is_compared_once():
    assert TOLERANCES[0][0] == 1
    assert TOLERANCES[-1][1] == STEPS
    assert all(before[1] + 1 == after[0] for before, after in pairwise(TOLERANCES))


def test_the_demos_model_has_its_golden_losses():
    golden = json.loads(FILE.read_text(encoding="utf-8"))
    assert tuple(golden["overrides"]) == GOLDEN, "write them anew: python -m bench.golden_losses tests/golden/demo.json"
    traced = trace(ROOT, GOLDEN)["pretrain"]
    assert len(traced.losses) == len(golden["loss"]) == STEPS
    assert set(traced.exact) == {"lr", "filled"}
    for name, values in traced.exact.items():
        assert list(values) == pytest.approx(golden[name], rel=1e-9), name
    for first, last, tolerance in TOLERANCES:
        mean, expected = (
            sum(losses[first - 1 : last]) / (last - first + 1) for losses in (traced.losses, golden["loss"])
        )
        assert mean == pytest.approx(expected, rel=tolerance), f"steps {first} to {last}"
