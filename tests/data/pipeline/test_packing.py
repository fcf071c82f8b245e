"""Rows hold every sample exactly once, whole, and are nearly full."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from data.pipeline.identifiers import IdsConfig, assign
from data.pipeline.packing import Batch, collate, pack
from data.pipeline.placement import TagsConfig
from data.pipeline.sample import IGNORE
from data.pipeline.sources import Documents
from data.pipeline.tokenizer import Tokenizer
from data.records import Document


@given(st.integers(1, 64).flatmap(lambda row: st.tuples(st.lists(st.integers(1, row), max_size=60), st.just(row))))
def test_every_sample_once_and_no_row_over(case: tuple[list[int], int]) -> None:
    lengths, row = case
    rows = pack(lengths, row)
    assert sorted(index for held in rows for index in held) == list(range(len(lengths)))
    fill = [sum(lengths[index] for index in held) for held in rows]
    assert all(0 < used <= row for used in fill)
    # Best-fit never opens a row for what would have fitted: no two rows could be one.
    assert all(a + b > row for n, a in enumerate(fill) for b in fill[:n])
    assert pack(list(lengths), row) == rows


def test_best_fit_decreasing_by_hand() -> None:
    # 7 opens row 0 (3 left), 5 row 1 (5 left), 4 fits 1 (1 left), 3 fills 0, 2 opens 2, 1 fits 1 best.
    assert pack([2, 7, 1, 3, 5, 4], 10) == [[1, 3], [4, 5, 2], [0]]


def test_a_sample_longer_than_a_row_is_refused() -> None:
    with pytest.raises(ValueError, match="a sample of 11 tokens does not fit a row of 10"):
        pack([3, 11], 10)


def test_rows_lie_side_by_side_and_padding_is_marked(tokenizer: Tokenizer, documents: list[Document]) -> None:
    source = Documents(
        documents, assign(documents, tokenizer, IdsConfig()), tokenizer, TagsConfig(id_to_text=0.0), 128, seed=0
    )
    a, b, c = (source.render(index, 0, False)[0] for index in (1, 4, 8))
    length = len(a) + len(b) + 5
    batch = collate([[a, b], [c]], length, tokenizer.pad)
    kinds = (
        *[torch.int64] * 3,
        *[torch.int32] * 2,
        torch.bool,
        torch.int8,
        torch.float32,
        torch.int8,
        torch.float32,
        torch.bool,
    )
    for name, kind in zip(Batch.__slots__, kinds, strict=True):
        held = getattr(batch, name)
        assert (held.dtype, tuple(held.shape)) == (kind, (2, length))
        if name != "doc":
            np.testing.assert_array_equal(held[0, : len(a)], getattr(a.laid, name))
            np.testing.assert_array_equal(held[0, len(a) : len(a) + len(b)], getattr(b.laid, name))
            np.testing.assert_array_equal(held[1, : len(c)], getattr(c.laid, name))
    assert batch.doc[0].tolist() == [0] * len(a) + [1] * len(b) + [-1] * 5
    for row, end in ((0, len(a) + len(b)), (1, len(c))):
        assert set(batch.tokens[row, end:].tolist()) == {tokenizer.pad}
        assert set(batch.targets[row, end:].tolist()) == {IGNORE}
        assert set(batch.doc[row, end:].tolist()) == {-1}
        assert not batch.note[row, end:].any()
