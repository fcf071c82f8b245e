"""One stream of tokens, whatever slices it, wherever it is entered."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from data.identifiers import Identifiers, IdsConfig, assign
from data.packing import Batch
from data.records import Document, Question
from data.sources import Documents, Questions
from data.stream import Cursor, Microbatch, Plan, Stream
from data.tags import IGNORE, TagsConfig
from data.tokenizer import Codec

ROW = 96
TAGGED = 10**6  # rows: more than there are
PLAN = Plan(row=ROW, rows=16, steps=7, share=0.3, block=9, seed=5)
Make = Callable[..., Stream]


@pytest.fixture(scope="module")
def identifiers(codec: Codec, documents: list[Document]) -> Identifiers:
    return assign(documents, codec, IdsConfig())


@pytest.fixture(scope="module")
def make(codec: Codec, documents: list[Document], identifiers: Identifiers) -> Make:
    told = Documents(documents, identifiers, codec, TagsConfig(placement="begin", dropout=0.0), ROW, seed=2)
    asked = [
        Question(f"q{n}", f"Where was {n} born?", ("Oslo", "Lima"), (f"doc-{n}",), "single", f"e{n}", "tune")
        for n in range(11)
    ]
    tuned = Questions(asked, [document.id for document in documents], identifiers, codec, seed=3)

    def make(plan: Plan = PLAN, **slicing: object) -> Stream:
        return Stream(told, tuned, plan, codec.pad, **slicing)

    return make


def steps(parts: Iterable[Microbatch]) -> list[list[Microbatch]]:
    """Microbatches by the step they belong to."""
    found: dict[int, list[Microbatch]] = defaultdict(list)
    for part in parts:
        found[part.cursor.step].append(part)
    return [found[step] for step in sorted(found)]


def assert_same(left: Batch, right: Batch) -> None:
    for name in Batch.__slots__:
        assert torch.equal(getattr(left, name), getattr(right, name)), name


def joined(parts: list[Microbatch]) -> Batch:
    return Batch(*(torch.cat([getattr(part.batch, name) for part in parts]) for name in Batch.__slots__))


@pytest.mark.parametrize("world", [1, 2, 4])
@pytest.mark.parametrize("accumulation", [1, 4])
@pytest.mark.parametrize("workers", [0, 2])
def test_ranks_workers_and_accumulation_only_slice(make: Make, world: int, accumulation: int, workers: int) -> None:
    whole = list(make())
    assert len(whole) == PLAN.steps
    ranks = [
        list(DataLoader(make(rank=rank, world=world, accumulation=accumulation), batch_size=None, num_workers=workers))
        for rank in range(world)
    ]
    assert {len(rank) for rank in ranks} == {PLAN.steps * accumulation}
    for step, expected in enumerate(whole):
        parts = [ranks[rank][step * accumulation + part] for part in range(accumulation) for rank in range(world)]
        assert_same(joined(parts), expected.batch)
        assert {part.cursor for part in parts} == {expected.cursor}
        assert {part.step_targets for part in parts} == {int((expected.batch.targets != IGNORE).sum())}


@pytest.mark.parametrize("cooldown", [0.0, 0.4])
def test_every_cursor_continues_the_stream_exactly(make: Make, cooldown: float) -> None:
    plan = Plan(row=ROW, rows=3, steps=30, share=0.3, cooldown=cooldown, block=9, seed=5)
    whole = list(make(plan))
    assert {micro.cursor.block for micro in whole} == {0, 1, 2, 3, 4}
    assert whole[-1].cursor.epoch >= 1
    for done, micro in enumerate(whole, start=1):
        rest = list(make(plan, start=micro.cursor))
        assert len(rest) == len(whole) - done
        for left, right in zip(rest, whole[done:], strict=True):
            assert_same(left.batch, right.batch)
            assert (left.cursor, left.step_targets) == (right.cursor, right.step_targets)


def test_a_cursor_continues_under_other_slicing(make: Make) -> None:
    middle = list(make())[3].cursor
    parts = steps(part for rank in range(4) for part in make(start=middle, rank=rank, world=4, accumulation=2))
    for step, expected in zip(parts, list(make())[4:], strict=True):
        by_rank = [step[rank * 2 + part] for part in range(2) for rank in range(4)]
        assert_same(joined(by_rank), expected.batch)


def cited(rows: list[list], codec: Codec) -> Counter[tuple[int, ...]]:
    """Identifiers of the documents in rows: what stands between <|src|> and <|/src|> behind a <|doc|>."""
    found: Counter[tuple[int, ...]] = Counter()
    for sample in (sample for row in rows for sample in row):
        tokens = sample.tokens.tolist()
        if tokens[0] == codec.doc:
            found[tuple(tokens[2 : tokens.index(codec.end_src)])] += 1
    return found


def test_every_document_once_an_epoch_in_another_order(make: Make, codec: Codec, identifiers: Identifiers) -> None:
    stream = make()
    everyone = Counter(tuple(tokens.tolist()) for tokens in identifiers.tokens)
    orders = []
    for epoch in range(3):
        blocks = [cited(stream.rows(epoch, block, TAGGED), codec) for block in range(5)]
        assert [sum(block.values()) for block in blocks] == [9, 9, 9, 9, 4]
        assert sum(blocks, Counter()) == everyone
        orders.append([frozenset(block) for block in blocks])
    assert orders[0] != orders[1] != orders[2]


def test_the_second_source_has_its_share_of_tokens(make: Make, codec: Codec) -> None:
    stream = make(Plan(row=ROW, rows=4, steps=1, share=0.3))
    samples = [sample for row in stream.rows(0, 0, TAGGED) for sample in row]
    second = sum(len(sample) for sample in samples if sample.tokens[0] == codec.ask)
    # Drawn until the share is reached, so over it by less than one question (about 30 tokens).
    total = sum(map(len, samples))
    assert 0.3 * total <= second < 0.3 * total + 30
    drawn = [sample.tokens.tolist() for sample in samples if sample.tokens[0] == codec.ask]
    asked = Counter(tuple(tokens[: tokens.index(codec.answer)]) for tokens in drawn)
    assert len(asked) == 11, "every question before any is drawn again"
    assert max(asked.values()) - min(asked.values()) <= 1
    assert len(set(map(tuple, drawn))) > 11, "turns draw other answers"


def test_no_second_source_without_a_share(make: Make, codec: Codec) -> None:
    rows = make(Plan(row=ROW, rows=4, steps=1)).rows(0, 0, TAGGED)
    assert {int(sample.tokens[0]) for row in rows for sample in row} == {codec.doc}


@pytest.mark.parametrize("block", [2, 9, 4096])
def test_cooldown_ends_the_run_without_tags(make: Make, codec: Codec, block: int) -> None:
    # Exactly the last quarter, also where one block (here: 20 rows of an epoch) covers the change or the whole run.
    for steps in (8, 40):
        plan = Plan(row=ROW, rows=2, steps=steps, cooldown=0.25, block=block)
        tagged = [bool((micro.batch.tokens == codec.src).any()) for micro in make(plan)]
        assert tagged == [True] * (3 * steps // 4) + [False] * (steps // 4)


def test_documents_of_a_half_cooled_block_are_neither_lost_nor_repeated(make: Make, codec: Codec) -> None:
    stream = make(Plan(row=ROW, rows=1, steps=1, share=0.3))
    tagged = stream.rows(0, 0, TAGGED)
    mixed = stream.rows(0, 0, 7)
    assert 7 < len(tagged) == len(mixed)
    for row, (before, after) in enumerate(zip(tagged, mixed, strict=True)):
        for left, right in zip(before, after, strict=True):
            cooled = row >= 7 and left.tokens[0] == codec.doc and codec.src in left.tokens
            start = left.tokens.tolist().index(codec.end_src) + 1 if cooled else 1
            assert right.tokens.tolist() == [left.tokens[0], *left.tokens[start:].tolist()]


@given(st.integers(0, 3), st.integers(0, 4), st.integers(-1, 5))
def test_rows_are_a_pure_function(make: Make, epoch: int, block: int, tagged: int) -> None:
    one, other = make().rows(epoch, block, tagged), make().rows(epoch, block, tagged)
    assert [[s.tokens.tolist() for s in row] for row in one] == [[s.tokens.tolist() for s in row] for row in other]


def test_another_seed_is_another_order(make: Make) -> None:
    plans = [Plan(row=ROW, rows=16, steps=1, seed=seed) for seed in (0, 1)]
    (one,), (other,) = make(plans[0]), make(plans[1])
    assert not torch.equal(one.batch.tokens, other.batch.tokens)


def test_a_microbatch_moves_whole(make: Make) -> None:
    micro = next(iter(make()))
    moved = micro.to(torch.device("meta"))
    assert {getattr(moved.batch, name).device.type for name in Batch.__slots__} == {"meta"}
    assert (moved.cursor, moved.step_targets) == (micro.cursor, micro.step_targets)


def test_bad_plans_are_refused(make: Make, codec: Codec, identifiers: Identifiers) -> None:
    with pytest.raises(ValueError, match="16 rows a step do not divide among 3 devices x 1 accumulation steps"):
        make(world=3)
    with pytest.raises(ValueError, match=r"the share of the second source is 1\.0"):
        Plan(row=ROW, rows=1, steps=1, share=1.0)
    nothing = Documents([], Identifiers((), ()), codec, TagsConfig(), ROW, seed=0)
    with pytest.raises(ValueError, match="a source is empty"):
        Stream(nothing, None, Plan(row=ROW, rows=1, steps=1), codec.pad)
    with pytest.raises(ValueError, match="a source is empty"):
        Stream(make().first, None, PLAN, codec.pad)


def test_a_new_run_starts_at_zero() -> None:
    assert Cursor() == (0, 0, 0, 0)
