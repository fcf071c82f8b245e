"""A sequence of arrays in one array behaves as a list of them, and costs its bytes."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import data.ragged_array
from data.ragged_array import Ragged

ARRAYS = st.lists(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=6), max_size=20)


@given(ARRAYS, st.integers(0, 21), st.integers(0, 21), st.integers(1, 5))
def test_it_is_the_list(values: list[list[int]], start: int, stop: int, chunk: int) -> None:
    data.ragged_array.CHUNK, before = chunk, data.ragged_array.CHUNK
    try:
        ragged = Ragged(np.array(value, dtype=np.int32) for value in values)
    finally:
        data.ragged_array.CHUNK = before
    assert len(ragged) == len(values)
    assert [array.tolist() for array in ragged] == values
    assert [ragged[i].tolist() for i in range(-len(values), len(values))] == values * 2
    assert [array.tolist() for array in ragged[start:stop]] == values[start:stop]
    assert {array.dtype for array in ragged} <= {np.dtype(np.int32)}
    with pytest.raises(IndexError):
        ragged[len(values)]


def test_a_hundred_thousand_cost_their_bytes() -> None:
    ragged = Ragged(np.arange(3, dtype=np.int32) for _ in range(100_000))
    assert ragged.nbytes == 100_000 * (3 * 4 + 8) + 8
    assert sys.getsizeof(np.arange(3, dtype=np.int32)) > 100, "what one array costs"
