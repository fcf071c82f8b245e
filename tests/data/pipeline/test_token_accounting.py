"""Every token is counted: what comes in is trained on, or reported as not reached; no place of a row is unaccounted."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.pipeline.identifiers import Identifiers, IdsConfig, assign
from data.pipeline.packing import collate
from data.pipeline.placement import LOSSES, PLACEMENTS, TagsConfig, plain, tag
from data.pipeline.sample import IGNORE, Part, Sample
from data.pipeline.sources import Documents, Questions
from data.pipeline.stream import Cursor, Microbatch, Plan, Stream
from data.pipeline.token_accounting import Tally
from data.pipeline.tokenizer import Tokenizer, TokenizerConfig, build_tokenizer
from data.records import Document, Question
from data.world.world import WorldCorpus, build_world

ROW = 64
LENGTHS = st.lists(st.lists(st.integers(1, 150), min_size=1, max_size=3), min_size=1, max_size=6)
POLICIES = st.builds(
    lambda placement, recall, loss, dropout: TagsConfig(
        placement, 0.0 if placement == "none" else recall, "id", loss, dropout
    ),
    st.sampled_from(list(PLACEMENTS)),
    st.sampled_from((0.0, 0.5, 1.0)),
    st.sampled_from(LOSSES),
    st.sampled_from((0.0, 0.5)),
)


def numbered(lengths: list[list[int]]) -> list[list[np.ndarray]]:
    """Sentences with wordings of these lengths, no token twice, none below 10,000."""
    begin = 10_000
    sentences = []
    for options in lengths:
        sentences.append([])
        for length in options:
            sentences[-1].append(np.arange(begin, begin + length, dtype=np.int32))
            begin += length
    return sentences


@given(POLICIES, LENGTHS, st.integers(1, 6), st.integers(0, 2**63), st.booleans())
def test_no_token_of_a_document_is_cropped_or_invented(
    tokenizer: Tokenizer, policy: TagsConfig, lengths: list[list[int]], name: int, key: int, cooldown: bool
) -> None:
    sentences, identifier = numbered(lengths), tokenizer.codes[:name]
    if cooldown:
        samples = plain(policy, tokenizer, sentences, key, ROW, identifier)
    else:
        samples = tag(policy, tokenizer, sentences, identifier, key, ROW)
    assert all(len(sample) <= ROW for sample in samples)
    words = [token for sample in samples for token in sample.tokens.tolist() if token >= 10_000]
    assert len(words) == len(set(words)), "no token twice"
    for options in sentences:
        chosen = [option for option in options if set(option.tolist()) & set(words)]
        assert len(chosen) == 1, "of every sentence one wording"
        assert set(chosen[0].tolist()) <= set(words), "all of it"
    # Besides the words: <|doc|> and <|end|> of each piece, and whole tags.
    text, tagged, answer, question = (sum(column) for column in zip(*(s.kinds for s in samples), strict=True))
    assert text == len(words) + 2 * len(samples)
    assert (answer, question) == (0, 0)
    assert tagged == sum(len(sample) for sample in samples) - text
    assert tagged % (name + 1) == 0 or tagged % (name + 2) == 0


@given(POLICIES, LENGTHS, st.integers(1, 6), st.integers(0, 2**63))
def test_counts_of_a_sample_are_those_of_its_arrays(
    tokenizer: Tokenizer, policy: TagsConfig, lengths: list[list[int]], name: int, key: int
) -> None:
    for sample in tag(policy, tokenizer, numbered(lengths), tokenizer.codes[:name], key, ROW):
        marks = {tokenizer.src, tokenizer.end_src, *tokenizer.codes.tolist()}
        assert sample.total_weight == int((sample.targets != IGNORE).sum())
        assert len(sample) == len(sample.tokens) == sum(sample.kinds)
        assert sample.kinds[1] == sum(token in marks for token in sample.tokens.tolist())


PARTS = st.lists(
    st.builds(
        Part,
        st.lists(st.integers(0, 99), max_size=4),
        st.integers(0, 3),
        st.booleans(),
        st.booleans(),
        st.integers(-1, 9),
        st.sampled_from([0.0, 0.25, 1.0, 4.0]),  # exact in binary, so that sums are
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=6,
)


@given(PARTS)
def test_weight_and_label_are_those_of_the_token_that_is_the_target(parts: list[Part]) -> None:
    """Of each target, found by giving every token a number of its own."""
    numbers = iter(range(100, 1000))
    own = [part._replace(tokens=[next(numbers) for _ in part.tokens]) for part in (Part((1,)), *parts)]
    laid = Sample(own, 7).laid
    nature = {token: (part.weight, part.objective) for part in own for token in part.tokens}
    for token, target, weight, label in zip(laid.tokens, laid.targets, laid.weight, laid.objective, strict=True):
        if target == IGNORE:
            assert (weight, label) == (0, 0)
        else:  # the mark that closes a footnote is no input: its nature is that of the footnote
            assert (weight, label) == nature[int(token) if target == 7 else int(target)]


@given(st.lists(st.lists(PARTS, min_size=1, max_size=3), min_size=1, max_size=3))
def test_samples_laid_together_are_as_laid_alone(rows: list[list[list[Part]]]) -> None:
    samples = [[Sample([Part((1,)), *parts], 7) for parts in row] for row in rows]
    length = max(sum(map(len, row)) for row in samples) + 1
    batch = collate(samples, length, pad=5)
    for number, row in enumerate(samples):
        for name in ("tokens", "targets", "positions", "span", "note", "kind", "weight", "objective"):
            alone = np.concatenate([getattr(sample.laid, name) for sample in row])
            assert getattr(batch, name)[number, : len(alone)].tolist() == alone.tolist(), name
        assert [sample.total_weight for sample in row] == [float(sample.laid.weight.sum()) for sample in row]
        assert Counter(batch.doc[number].tolist()) == {
            **{place: len(sample) for place, sample in enumerate(row)},
            -1: length - sum(map(len, row)),
        }


@pytest.fixture(scope="module")
def sources(tokenizer: Tokenizer, documents: list[Document]) -> tuple[Documents, Questions]:
    identifiers: Identifiers = assign(documents, tokenizer, IdsConfig())
    asked = [
        Question(f"q{n}", f"Where was {n} born?", ("Oslo", "Lima"), (f"doc-{n}",), "single", f"e{n}", "tune")
        for n in range(11)
    ]
    told = Documents(documents, identifiers, tokenizer, TagsConfig(dropout=0.1), ROW, seed=2)
    return told, Questions(asked, documents, identifiers, tokenizer, seed=3)


def held(parts: Sequence[Microbatch]) -> tuple[int, int]:
    """Filled and all token positions of batches."""
    return sum(int((part.batch.doc >= 0).sum()) for part in parts), sum(part.batch.doc.numel() for part in parts)


def by_hand(rows: Sequence[Sequence[Sample]], tokenizer: Tokenizer, row: int) -> Counter[str]:
    """A second count, from tokens: what stands behind <|ask|> or <|src|> is known by the marks around it."""
    count: Counter[str] = Counter(padding=len(rows) * row)
    for sample in (sample for held in rows for sample in held):
        part = "text" if sample.tokens[0] == tokenizer.doc else "question"
        for token in sample.tokens.tolist():
            asked = sample.tokens[0] == tokenizer.ask
            tagged = token in tokenizer.codes or token == tokenizer.end_src or (token == tokenizer.src and not asked)
            count["tag" if tagged else part] += 1
            count["padding"] -= 1
            if token == tokenizer.answer:
                part = "answer"
    return count


@pytest.mark.parametrize("cooldown", [False, True])
def test_every_sample_of_every_document_is_in_the_rows_of_an_epoch_once(tokenizer: Tokenizer, cooldown: bool) -> None:
    long = [Document(f"d{n}", tuple((f"Number {n} {s} " * (n % 4 + 1),) for s in range(n))) for n in range(1, 30)]
    source = Documents(long, assign(long, tokenizer, IdsConfig()), tokenizer, TagsConfig(), ROW, seed=0)
    stream = Stream(source, None, Plan(seq_len=ROW, sequences=1, steps=1, block=9), tokenizer.pad)
    expected = [sample for index in range(len(long)) for sample in source.render(index, 1, cooldown)]
    assert len(expected) > 2 * len(long), "most are longer than a row"
    blocks = [stream.rows(1, block, 0 if cooldown else 10**6) for block in range(stream.blocks.count(1))]
    found = [sample for rows in blocks for row in rows for sample in row]
    assert Counter(tuple(s.tokens.tolist()) for s in found) == Counter(tuple(s.tokens.tolist()) for s in expected)


@given(
    st.integers(1, 6), st.integers(1, 40), st.sampled_from((0.0, 0.3, 0.7)), st.sampled_from((0.0, 0.4)), st.booleans()
)
def test_tokens_in_are_tokens_trained_and_tokens_reported(
    tokenizer: Tokenizer,
    sources: tuple[Documents, Questions],
    rows: int,
    steps: int,
    share: float,
    cooldown: float,
    swap: bool,
) -> None:
    plan = Plan(seq_len=ROW, sequences=rows, steps=steps, share=share, cooldown=cooldown, block=9, seed=4)
    first, second = sources[::-1] if swap else sources
    stream = Stream(first, second, plan, tokenizer.pad)
    parts = list(stream)
    account = stream.account(parts[-1].cursor, *held(parts))
    assert account["places"] == steps * rows * ROW
    assert account["places"] == sum(account[kind] for kind in ("text", "tag", "question", "answer", "padding"))
    assert account["rendered"] == account["trained"] + account["unreached"]
    assert account["padding"] == sum(int((part.batch.doc < 0).sum()) for part in parts)
    # A run that was stopped half-way and continued has the same account.
    middle = parts[len(parts) // 2].cursor
    rest = list(Stream(first, second, plan, tokenizer.pad, start=middle))
    if rest:
        assert rest[-1].cursor == parts[-1].cursor
        done = len(parts) // 2 + 1
        assert stream.account(rest[-1].cursor, *held([*parts[:done], *rest])) == account


def test_kinds_are_those_of_a_count_by_hand(tokenizer: Tokenizer, sources: tuple[Documents, Questions]) -> None:
    stream = Stream(*sources, Plan(seq_len=ROW, sequences=4, steps=1, share=0.3, block=9), tokenizer.pad)
    rows = stream.rows(0, 0, 10**6)
    tally = Tally().begin(rows).train(rows, ROW)
    expected = by_hand(rows, tokenizer, ROW)
    assert {kind: getattr(tally, kind) for kind in ("text", "tag", "question", "answer", "padding")} == expected
    assert tally.rendered == tally.trained == sum(expected.values()) - expected["padding"]


def test_an_account_that_does_not_add_up_is_an_error(
    tokenizer: Tokenizer, sources: tuple[Documents, Questions]
) -> None:
    stream = Stream(*sources, Plan(seq_len=ROW, sequences=4, steps=3, share=0.3, block=9), tokenizer.pad)
    parts = list(stream)
    cursor, (trained, places) = parts[-1].cursor, held(parts)
    stream.account(cursor, trained, places)
    assert stream.account(Cursor(), 0, 0)["places"] == 0
    for counted in ((trained - 1, places), (trained, places - ROW), held(parts[:2])):
        with pytest.raises(RuntimeError, match=rf"the plan has {trained} tokens in {places} places"):
            stream.account(cursor, *counted)
    for field in Tally._fields:
        tally = cursor.tally._replace(**{field: getattr(cursor.tally, field) + 1})
        counted = (trained + (field not in ("rendered", "padding")), places)
        with pytest.raises(RuntimeError, match="tokens are missing"):
            stream.account(cursor._replace(tally=tally), *counted)


def test_packing_wastes_at_most_3_percent_on_the_demos_world() -> None:
    world = build_world(WorldCorpus())
    asked = [question for question in world.questions if question.answers and question.split == "tune"]
    texts = [document.text for document in world.documents] + [question.text for question in asked]
    tokenizer = build_tokenizer(TokenizerConfig(), texts)
    identifiers = assign(world.documents, tokenizer, IdsConfig())
    told = Documents(world.documents, identifiers, tokenizer, TagsConfig(), 128, seed=0)
    tuned = Questions(asked, world.documents, identifiers, tokenizer, seed=0)
    # The demo's plans: documents with 30% questions, then questions with 50% documents.
    for first, second, share in ((told, tuned, 0.3), (tuned, told, 0.5)):
        stream = Stream(first, second, Plan(seq_len=128, sequences=16, steps=40, share=share), tokenizer.pad)
        parts = list(stream)
        account = stream.account(parts[-1].cursor, *held(parts))
        assert account["padding"] <= 0.03 * account["places"]
