"""Blocks of whole shards: each item once an epoch, in an order that nothing but the keys decides."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.pipeline.shuffle_blocks import Blocks
from data.pipeline.stream import Plan

SIZES = st.lists(st.integers(1, 12), min_size=1, max_size=40)


@given(SIZES, st.integers(1, 60), st.integers(0, 2**63), st.integers(0, 2**63))
def test_every_item_is_in_one_block_of_every_epoch(sizes: list[int], block: int, seed: int, epoch: int) -> None:
    blocks = Blocks(sizes, block, seed)
    items = [blocks.items(epoch, number) for number in range(blocks.count(epoch))]
    assert sorted(np.concatenate(items).tolist()) == list(range(sum(sizes)))
    assert all(len(here) for here in items)


@given(SIZES, st.integers(1, 60), st.integers(0, 2**63), st.integers(0, 2**63))
def test_a_block_is_whole_shards_of_about_its_size(sizes: list[int], block: int, seed: int, epoch: int) -> None:
    blocks = Blocks(sizes, block, seed)
    shard_of = np.repeat(np.arange(len(sizes)), sizes)
    for number in range(blocks.count(epoch)):
        items = blocks.items(epoch, number)
        here = blocks.shards(epoch, number)
        assert np.array_equal(items, np.flatnonzero(np.isin(shard_of, here))), "no item of another shard, ascending"
        assert len(items) < 1.5 * block + max(sizes)


@given(SIZES, st.integers(1, 60), st.integers(0, 9), st.lists(st.integers(0, 5), max_size=6))
def test_no_state(sizes: list[int], block: int, seed: int, before: list[int]) -> None:
    used, fresh = Blocks(sizes, block, seed), Blocks(sizes, block, seed)
    for epoch in before:
        used.items(epoch, 0)
    for number in range(fresh.count(3)):
        assert np.array_equal(used.items(3, number), fresh.items(3, number))


def test_a_million_documents_make_244_blocks_of_eight_shards() -> None:
    blocks = Blocks([512] * 1953 + [64], Plan(seq_len=1, sequences=1, steps=1).block, seed=0)
    assert blocks.count(0) == blocks.count(7) == 244  # 1,000,000 / 4096 = 244.1
    sizes = [len(blocks.shards(0, number)) for number in range(244)]
    assert set(sizes) <= {7, 8, 9}
    # A shard meets others in another epoch: of 8 shards, hardly two are together again.
    first, again = ([set(blocks.shards(e, n).tolist()) for n in range(244)] for e in (0, 1))
    assert max(len(a & b) for a in first for b in again) <= 4


def test_what_fits_in_a_block_is_one_block() -> None:
    assert Blocks([400], 4096, seed=0).count(0) == 1
    assert Blocks([512] * 8, 4096, seed=0).count(0) == 1
    assert Blocks([9000, 1], 4096, seed=1).count(0) in (1, 2), "a shard is never cut"


@pytest.mark.parametrize(("seed", "epoch"), [(1, 0), (0, 1)])
def test_seed_and_epoch_change_the_order(seed: int, epoch: int) -> None:
    assert Blocks([1] * 100, 10, 0).shards(0, 0).tolist() != Blocks([1] * 100, 10, seed).shards(epoch, 0).tolist()
