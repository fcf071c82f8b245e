"""The reader sees words and nothing else, and learns the accuracy of clusters."""

from __future__ import annotations

import numpy as np
import pytest

from eval.selective.reader import Reader, cluster_accuracy, words_of

TEXTS = [("When was Ada born?", "May")] * 30 + [("Where was Ada born?", "Oslo")] * 30
RIGHT = np.array([True] * 27 + [False] * 3 + [True] * 6 + [False] * 24)
CLUSTERS = ["date"] * 30 + ["city"] * 30


def test_by_hand() -> None:
    assert cluster_accuracy([1, 0, 1, 1], ["a", "a", "b", "b"]) == pytest.approx([0.5, 0.5, 1.0, 1.0])
    assert words_of(("Where is Oslo?", "Oslo 1")) == {"where", "is", "oslo", "= oslo", "= 1"}


def test_what_is_learnt_is_the_rate_of_the_kind() -> None:
    reader = Reader.fit(TEXTS, RIGHT, CLUSTERS)
    when, where = reader.apply([("When was Ben born?", "May"), ("Where was Ben born?", "Oslo")])
    assert 0.7 < when < 0.9 and 0.2 < where < 0.35  # pulled to the middle
    assert "ben" not in reader.words and "when" in reader.words


def test_clusters_that_do_not_differ_teach_nothing() -> None:
    reader = Reader.fit(TEXTS, RIGHT, ["one"] * 60)
    when, where = reader.apply([TEXTS[0], TEXTS[-1]])
    assert when == pytest.approx(where, abs=1e-6) and when == pytest.approx(0.55, abs=0.01)


def test_nothing_to_read_is_refused() -> None:
    with pytest.raises(ValueError, match="without a text"):
        Reader.fit([], [], [])
