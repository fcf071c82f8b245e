"""One stream of tokens, whatever slices it, wherever it is entered."""

import json
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from data.pipeline.identifiers import Identifiers, IdsConfig, assign
from data.pipeline.packing import Batch
from data.pipeline.placement import TagsConfig
from data.pipeline.sample import IGNORE
from data.pipeline.sources import Documents, Questions
from data.pipeline.stream import Cursor, Microbatch, Plan, Stream
from data.pipeline.tokenizer import Tokenizer
from data.records import Document, Question
from data.storage.shards import ShardError, read_manifest, write_shards
from data.storage.store import Store

ROW = 96
TAGGED = 10**6  # rows: more than there are
PLAN = Plan(seq_len=ROW, sequences=16, steps=7, share=0.3, block=9, seed=5)
Make = Callable[..., Stream]


@pytest.fixture(scope="module")
def identifiers(tokenizer: Tokenizer, documents: list[Document]) -> Identifiers:
    return assign(documents, tokenizer, IdsConfig())


@pytest.fixture(scope="module", params=["memory", "shards"])
def make(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    tokenizer: Tokenizer,
    documents: list[Document],
    identifiers: Identifiers,
) -> Make:
    """Streams of 40 documents in four blocks of 10: from memory, or from shards of 5 of which few are kept."""
    source: list[Document] | Store = documents
    if request.param == "shards":
        folder = tmp_path_factory.mktemp("shards")
        source = Store(folder, write_shards(documents, folder, 5))
    tags = TagsConfig(placement="begin", dropout=0.0)
    told = Documents(source, identifiers, tokenizer, tags, ROW, seed=2, kept=6000)
    asked = [
        Question(f"q{n}", f"Where was {n} born?", ("Oslo", "Lima"), (f"doc-{n}",), "single", f"e{n}", "tune")
        for n in range(11)
    ]
    tuned = Questions(asked, documents, identifiers, tokenizer, seed=3)

    def make(plan: Plan = PLAN, swap: bool = False, **slicing: object) -> Stream:
        first, second = (tuned, told) if swap else (told, tuned)
        return Stream(first, second, plan, tokenizer.pad, **slicing)

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
        assert {part.step_weight for part in parts} == {int((expected.batch.targets != IGNORE).sum())}


@pytest.mark.parametrize("cooldown", [0.0, 0.4])
def test_every_cursor_continues_the_stream_exactly(make: Make, cooldown: float) -> None:
    plan = Plan(seq_len=ROW, sequences=3, steps=30, share=0.3, cooldown=cooldown, block=9, seed=5)
    whole = list(make(plan))
    assert {micro.cursor.block for micro in whole} == {0, 1, 2, 3}
    assert whole[-1].cursor.epoch >= 1
    for done, micro in enumerate(whole, start=1):
        saved = json.loads(json.dumps(list(micro.cursor)))  # as a checkpoint keeps it
        rest = list(make(plan, start=Cursor(*saved)))
        assert len(rest) == len(whole) - done
        for left, right in zip(rest, whole[done:], strict=True):
            assert_same(left.batch, right.batch)
            assert (left.cursor, left.step_weight) == (right.cursor, right.step_weight)


def test_a_cursor_continues_under_other_slicing(make: Make) -> None:
    middle = list(make())[3].cursor
    parts = steps(part for rank in range(4) for part in make(start=middle, rank=rank, world=4, accumulation=2))
    for step, expected in zip(parts, list(make())[4:], strict=True):
        by_rank = [step[rank * 2 + part] for part in range(2) for rank in range(4)]
        assert_same(joined(by_rank), expected.batch)


def cited(rows: list[list], tokenizer: Tokenizer) -> Counter[tuple[int, ...]]:
    """Identifiers of the documents in rows: what stands between <|src|> and <|/src|> behind a <|doc|>."""
    found: Counter[tuple[int, ...]] = Counter()
    for sample in (sample for row in rows for sample in row):
        tokens = sample.tokens.tolist()
        if tokens[0] == tokenizer.doc:
            found[tuple(tokens[2 : tokens.index(tokenizer.end_src)])] += 1
    return found


def test_every_document_once_an_epoch_in_another_order(
    make: Make, tokenizer: Tokenizer, identifiers: Identifiers
) -> None:
    stream = make()
    everyone = Counter(tuple(tokens.tolist()) for tokens in identifiers.tokens)
    orders = []
    for epoch in range(3):
        blocks = [cited(stream.rows(epoch, block, TAGGED), tokenizer) for block in range(4)]
        assert [sum(block.values()) for block in blocks] == [10, 10, 10, 10]
        assert sum(blocks, Counter()) == everyone
        orders.append([frozenset(block) for block in blocks])
    assert orders[0] != orders[1] != orders[2]


def test_the_second_source_has_its_share_of_tokens(make: Make, tokenizer: Tokenizer) -> None:
    stream = make(Plan(seq_len=ROW, sequences=4, steps=1, share=0.3))
    samples = [sample for row in stream.rows(0, 0, TAGGED) for sample in row]
    second = sum(len(sample) for sample in samples if sample.tokens[0] == tokenizer.ask)
    # Drawn until the share is reached, so over it by less than one question (about 30 tokens).
    total = sum(map(len, samples))
    assert 0.3 * total <= second < 0.3 * total + 30
    drawn = [sample.tokens.tolist() for sample in samples if sample.tokens[0] == tokenizer.ask]
    asked = Counter(tuple(tokens[: tokens.index(tokenizer.answer)]) for tokens in drawn)
    assert len(asked) == 11, "every question before any is drawn again"
    assert max(asked.values()) - min(asked.values()) <= 1
    assert len(set(map(tuple, drawn))) > 11, "turns draw other answers"


def test_no_second_source_without_a_share(make: Make, tokenizer: Tokenizer) -> None:
    rows = make(Plan(seq_len=ROW, sequences=4, steps=1)).rows(0, 0, TAGGED)
    assert {int(sample.tokens[0]) for row in rows for sample in row} == {tokenizer.doc}


@pytest.mark.parametrize("block", [2, 9, 4096])
def test_cooldown_ends_the_run_without_tags(make: Make, tokenizer: Tokenizer, block: int) -> None:
    # Exactly the last quarter, also where one block (here: 20 rows of an epoch) covers the change or the whole run.
    for steps in (8, 40):
        plan = Plan(seq_len=ROW, sequences=2, steps=steps, cooldown=0.25, block=block)
        tagged = [bool((micro.batch.tokens == tokenizer.src).any()) for micro in make(plan)]
        assert tagged == [True] * (3 * steps // 4) + [False] * (steps // 4)


def test_documents_of_a_half_cooled_block_are_neither_lost_nor_repeated(make: Make, tokenizer: Tokenizer) -> None:
    stream = make(Plan(seq_len=ROW, sequences=1, steps=1, share=0.3))
    tagged = stream.rows(0, 0, TAGGED)
    mixed = stream.rows(0, 0, 7)
    assert 7 < len(tagged) == len(mixed)
    for row, (before, after) in enumerate(zip(tagged, mixed, strict=True)):
        for left, right in zip(before, after, strict=True):
            cooled = row >= 7 and left.tokens[0] == tokenizer.doc and tokenizer.src in left.tokens
            start = left.tokens.tolist().index(tokenizer.end_src) + 1 if cooled else 1
            assert right.tokens.tolist() == [left.tokens[0], *left.tokens[start:].tolist()]


@given(st.integers(0, 3), st.integers(0, 3), st.integers(-1, 5))
def test_rows_are_a_pure_function(make: Make, epoch: int, block: int, tagged: int) -> None:
    one, other = make().rows(epoch, block, tagged), make().rows(epoch, block, tagged)
    assert [[s.tokens.tolist() for s in row] for row in one] == [[s.tokens.tolist() for s in row] for row in other]


def test_another_seed_is_another_order(make: Make) -> None:
    plans = [Plan(seq_len=ROW, sequences=16, steps=1, seed=seed) for seed in (0, 1)]
    (one,), (other,) = make(plans[0]), make(plans[1])
    assert not torch.equal(one.batch.tokens, other.batch.tokens)


def test_a_microbatch_moves_whole(make: Make) -> None:
    micro = next(iter(make()))
    moved = micro.to(torch.device("meta"))
    assert {getattr(moved.batch, name).device.type for name in Batch.__slots__} == {"meta"}
    assert (moved.cursor, moved.step_weight) == (micro.cursor, micro.step_weight)


def test_bad_plans_are_refused(make: Make, tokenizer: Tokenizer, identifiers: Identifiers) -> None:
    with pytest.raises(ValueError, match="16 rows a step do not divide among 3 devices x 1 accumulation steps"):
        make(world=3)
    with pytest.raises(ValueError, match=r"the share of the second source is 1\.0"):
        Plan(seq_len=ROW, sequences=1, steps=1, share=1.0)
    for less in ({"seq_len": 0}, {"sequences": -8}, {"steps": 0}):  # which never ended
        with pytest.raises(ValueError, match="each must be at least 1"):
            Plan(**{"seq_len": ROW, "sequences": 1, "steps": 1} | less)
    with pytest.raises(ValueError, match="do not divide among"):
        make(PLAN, accumulation=-2)
    nothing = Documents([], Identifiers((), ()), tokenizer, TagsConfig(), ROW, seed=0)
    with pytest.raises(ValueError, match="a source is empty"):
        Stream(nothing, None, Plan(seq_len=ROW, sequences=1, steps=1), tokenizer.pad)
    with pytest.raises(ValueError, match="a source is empty"):
        Stream(make().first, None, PLAN, tokenizer.pad)


class Barren:
    """Items without a token."""

    sizes = (1, 1, 1)

    def __len__(self) -> int:
        return 3

    def render(self, index: int, epoch: int, cooldown: bool, judged: bool = True) -> list:
        return []


def test_sources_without_a_token_are_refused_and_not_searched_for_ever(make: Make, tokenizer: Tokenizer) -> None:
    for first, second, which in ((Barren(), None, "first"), (make().first, Barren(), "second")):
        plan = Plan(seq_len=ROW, sequences=2, steps=3, share=0.3 if second else 0.0, block=2)
        with pytest.raises(ValueError, match=f"no item of the {which} source has a token"):
            list(Stream(first, second, plan, tokenizer.pad))


def test_a_new_run_starts_at_zero() -> None:
    assert Cursor() == (0, 0, 0, 0, (0, 0, 0, 0, 0, 0))


def test_replayed_documents_come_once_before_any_comes_twice(make: Make, tokenizer: Tokenizer) -> None:
    stream = make(Plan(seq_len=ROW, sequences=4, steps=1, share=0.9, block=9), swap=True)
    seen = cited(stream.rows(0, 0, TAGGED), tokenizer)
    assert len(seen) == 40 or max(seen.values()) == 1
    assert max(seen.values()) - min(seen.values()) <= 1


class Slow:
    """Documents that take their time, and say who asks for them."""

    def __init__(self, source: Documents, fail_at: int = 10**9) -> None:
        self.source, self.sizes, self.fail_at = source, source.sizes, fail_at
        self.rendered: list[str] = []

    def __len__(self) -> int:
        return len(self.source)

    def render(self, index: int, epoch: int, cooldown: bool, judged: bool = True) -> list:
        self.rendered.append(threading.current_thread().name)
        if len(self.rendered) > self.fail_at:
            raise ShardError("shard-00007.tar: gone")
        return self.source.render(index, epoch, cooldown, judged)


def test_the_next_block_is_made_meanwhile_by_one_thread(make: Make, tokenizer: Tokenizer) -> None:
    threads = threading.active_count()
    source = Slow(make().first)
    parts = iter(Stream(source, None, Plan(seq_len=ROW, sequences=1, steps=1000, block=10), tokenizer.pad))
    first = next(parts)
    assert first.cursor.block == 0
    deadline = time.monotonic() + 10
    while len(source.rendered) < 20 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert len(source.rendered) == 20, "this block and the next, no more"
    assert threading.current_thread().name not in source.rendered
    parts.close()
    assert threading.active_count() == threads, "the thread ends with the stream"


def test_a_failure_in_the_thread_is_the_trainers(make: Make, tokenizer: Tokenizer) -> None:
    stream = Stream(
        Slow(make().first, fail_at=15), None, Plan(seq_len=ROW, sequences=1, steps=1000, block=10), tokenizer.pad
    )
    parts = iter(stream)
    assert next(parts).cursor.block == 0
    with pytest.raises(ShardError, match="gone"):
        list(parts)


def test_nothing_is_read_beyond_the_plan(make: Make, tokenizer: Tokenizer) -> None:
    source = Slow(make().first)
    assert len(list(Stream(source, None, Plan(seq_len=ROW, sequences=1, steps=2, block=10), tokenizer.pad))) == 2
    assert len(source.rendered) == 10


def test_a_block_reads_its_shards_only_and_each_once(
    tmp_path: Path,
    tokenizer: Tokenizer,
    documents: list[Document],
    identifiers: Identifiers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = Store(tmp_path, write_shards(documents, tmp_path, 5))
    told = Documents(store, identifiers, tokenizer, TagsConfig(), ROW, seed=2, kept=1)  # the latest shard only
    stream = Stream(told, None, Plan(seq_len=ROW, sequences=1, steps=1, block=10), tokenizer.pad)
    read: list[int] = []
    monkeypatch.setattr(store, "read", lambda index: (read.append(index), Store.read(store, index))[1])
    for epoch in range(2):
        for block in range(4):
            stream.rows(epoch, block, TAGGED)
            assert read == stream.blocks.shards(epoch, block).tolist()
            assert len(read) == 2
            read.clear()


def test_documents_that_fit_are_tokenised_once_and_others_are_let_go(
    tmp_path: Path,
    tokenizer: Tokenizer,
    documents: list[Document],
    identifiers: Identifiers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = Store(tmp_path, write_shards(documents, tmp_path, 5))
    read: list[int] = []
    monkeypatch.setattr(store, "read", lambda index: (read.append(index), Store.read(store, index))[1])
    whole = Documents(store, identifiers, tokenizer, TagsConfig(), ROW, seed=2)
    for index in range(40):
        whole.render(index, 0, False)
    limit = whole.bytes // 2
    bounded = Documents(store, identifiers, tokenizer, TagsConfig(), ROW, seed=2, kept=limit)
    assert len(read) == 8
    for source, most in ((whole, 0), (bounded, 24)):
        read.clear()
        for epoch in range(3):
            for index in range(40):
                source.render(index, epoch, False)
                assert source.bytes == sum(shard.nbytes for shard in source.tokenized.values())
        assert len(read) == most
    assert bounded.bytes <= limit
    assert 2 <= len(bounded.tokenized) < 8


def test_a_damaged_shard_stops_the_training_before_it_is_used(
    tmp_path: Path, tokenizer: Tokenizer, documents: list[Document], identifiers: Identifiers
) -> None:
    write_shards(documents, tmp_path, 5)
    victim = tmp_path / "shard-00003.tar"
    content = bytearray(victim.read_bytes())
    content[600] ^= 1
    victim.write_bytes(content)
    told = Documents(Store(tmp_path, read_manifest(tmp_path)), identifiers, tokenizer, TagsConfig(), ROW, seed=2)
    stream = Stream(told, None, Plan(seq_len=ROW, sequences=1, steps=100, block=10), tokenizer.pad)
    bad = [3 in stream.blocks.shards(0, block) for block in range(4)].index(True)
    seen = set()

    def train() -> None:
        for micro in stream:
            seen.add(micro.cursor.block)

    with pytest.raises(ShardError, match=r"shard-00003\.tar: sha256"):
        train()
    assert seen == set(range(bad)), "all blocks before its own"


def test_documents_and_identifiers_must_match(
    tokenizer: Tokenizer, documents: list[Document], identifiers: Identifiers
) -> None:
    with pytest.raises(ValueError, match="there are 39 documents and 40 identifiers"):
        Documents(documents[1:], identifiers, tokenizer, TagsConfig(), ROW, seed=2)
