"""What the data makes of scores: filtered, controlled, labelled; and where in a run that begins, to the row."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.pipeline.feedback import CONTROLS, Feedback, FeedbackConfig, check_scores, control_tokens, scores
from data.pipeline.identifiers import IdsConfig, assign
from data.pipeline.placement import PLACEMENTS, Judged, TagsConfig, tag
from data.pipeline.sample import IGNORE, JUDGED, Sample
from data.pipeline.sources import Documents, Questions
from data.pipeline.stream import Plan, Stream
from data.pipeline.tokenizer import Tokenizer
from data.record_parts import Claim
from data.records import Document, Question

ROW = 96
RELIABLE = FeedbackConfig(score_column="reliability", dropout=0.0)
TAGS = TagsConfig(placement="footnote", id_to_text=0.0)


def rated(documents: list[Document]) -> list[Document]:
    """Every third is of a source of low reliability."""
    return [
        replace(d, metadata={**d.metadata, "reliability": 0.95 if n % 3 else 0.55}) for n, d in enumerate(documents)
    ]


def source(documents: list[Document], tokenizer: Tokenizer, feedback: FeedbackConfig) -> Documents:
    told = rated(documents)
    return Documents(told, assign(told, tokenizer, IdsConfig()), tokenizer, TAGS, ROW, seed=2, feedback=feedback)


def tokens(samples: list[Sample]) -> list[list[int]]:
    return [sample.tokens.tolist() for sample in samples if len(sample)]


def test_filtering_leaves_out_what_is_below_the_threshold(documents: list[Document], tokenizer: Tokenizer) -> None:
    plain, filtered = (source(documents, tokenizer, f) for f in (RELIABLE, replace(RELIABLE, filter=True)))
    for index in range(len(documents)):
        assert tokens(filtered.render(index, 1, False)) == (tokens(plain.render(index, 1, False)) if index % 3 else [])
        assert tokens(filtered.render(index, 1, False, judged=False)) == tokens(plain.render(index, 1, False))


def test_a_control_token_stands_behind_the_opening_and_is_never_learnt_nor_seen_by_a_footnote(
    documents: list[Document], tokenizer: Tokenizer
) -> None:
    low, high = control_tokens(tokenizer)
    controlled = source(documents, tokenizer, replace(RELIABLE, control="document"))
    plain = source(documents, tokenizer, RELIABLE)
    for index in range(len(documents)):
        (sample,), (bare,) = controlled.render(index, 1, False), plain.render(index, 1, False)
        at = sample.tokens.tolist()
        assert at[:2] == [tokenizer.doc, high if index % 3 else low]
        assert [at[0], *at[2:]] == bare.tokens.tolist()
        assert not {low, high} & set(sample.targets.tolist())
        assert sample.span[1] == -1
        assert sample.total_weight == (sample.targets != IGNORE).sum() == bare.total_weight
        assert tokens(controlled.render(index, 1, cooldown=True)) == tokens(plain.render(index, 1, cooldown=True))


def test_each_sentence_has_its_own_control_token_and_some_are_dropped(
    documents: list[Document], tokenizer: Tokenizer
) -> None:
    each = [replace(d, metadata={"good": [n % 2 for n in range(len(d.sentences))]}) for d in documents]
    config = FeedbackConfig(score_column="good", control="sentence", dropout=0.25)
    told = Documents(each, assign(each, tokenizer, IdsConfig()), tokenizer, TAGS, ROW, seed=2, feedback=config)
    marks, sentences = 0, 0
    for epoch in range(200):
        (sample,) = told.render(3, epoch, False)  # four sentences
        found = np.isin(sample.tokens, control_tokens(tokenizer))
        for place in np.flatnonzero(found).tolist():
            following = next(part for part in _behind(sample, place) if part.objective == JUDGED)
            assert sample.tokens[place] == control_tokens(tokenizer)[following.score == 1.0]
        marks, sentences = marks + int(found.sum()), sentences + 4
    assert 0.7 < marks / sentences < 0.8


def _behind(sample: Sample, place: int) -> list:
    begin, found = 0, []
    for part in sample.parts:
        if begin >= place:
            found.append(part)
        begin += len(part.tokens)
    return found


@given(
    st.sampled_from(list(PLACEMENTS)),
    st.sampled_from(CONTROLS),
    st.lists(st.tuples(st.integers(1, 90), st.floats(0, 1)), min_size=1, max_size=8),
    st.integers(0, 2**63),
    st.booleans(),
)
def test_any_document_fits_its_rows_and_loses_only_what_is_filtered(
    tokenizer: Tokenizer, placement: str, control: str, told: list[tuple[int, float]], key: int, drop: bool
) -> None:
    begins = np.cumsum([10_000, *(size for size, _ in told)])
    sentences = [[np.arange(a, b, dtype=np.int32)] for a, b in pairwise(begins)]
    feedback = Feedback.of(FeedbackConfig(score_column="x", control=control, filter=drop), tokenizer)
    forms = [
        tag(
            TagsConfig(placement, 0.0),
            tokenizer,
            sentences,
            tokenizer.codes[:2],
            key,
            64,
            Judged([score for _, score in told], feedback, begun),
        )
        for begun in (False, True)
    ]
    assert len(forms[0]) == len(forms[1])
    words = [[t for s in form if len(s) for t in s.tokens.tolist() if t >= 10_000] for form in forms]
    good = {int(t) for (s,), (_, score) in zip(sentences, told, strict=True) if score >= 0.9 for t in s}
    assert sorted(words[0]) == list(range(10_000, int(begins[-1])))
    assert words[1] == [token for token in words[0] if not drop or token in good]
    assert all(len(sample) <= 64 for form in forms for sample in form)


def test_control_tokens_have_their_room_among_many_short_sentences(tokenizer: Tokenizer) -> None:
    sentences = [[np.array([10_000 + n], dtype=np.int32)] for n in range(40)]
    feedback = Feedback.of(FeedbackConfig(score_column="x", control="sentence", dropout=0.0), tokenizer)
    judged = Judged([1.0] * 40, feedback)
    found = tag(TagsConfig("repeat", 0.0), tokenizer, sentences, tokenizer.codes[:1], 0, 64, judged)
    assert len(found) > 1 and all(len(sample) <= 64 for sample in found)
    assert sum(sample.tokens.tolist().count(control_tokens(tokenizer)[1]) for sample in found) == 40


CLAIMS = (Claim("Oslo", ("doc-1",), 0.95), Claim("Lima", ("doc-0", "doc-3"), 0.55))


@pytest.mark.parametrize("dropout", [0.0, 0.5, 1.0])
def test_a_question_is_answered_as_those_say_whom_its_control_token_names(
    documents: list[Document], tokenizer: Tokenizer, dropout: float
) -> None:
    told = rated(documents)
    asked = Question("q", "Where was Ada born?", ("Oslo",), ("doc-1",), "contested", "Ada", "tune", claims=CLAIMS)
    names = assign(told, tokenizer, IdsConfig())
    config = replace(RELIABLE, control="document", dropout=dropout)
    questions = Questions([asked], told, names, tokenizer, seed=0, feedback=config)
    low, high = control_tokens(tokenizer)
    oslo, lima = (t.tolist() for t in tokenizer.encode(["Oslo", "Lima"]))
    seen = {low: 0, high: 0, 0: 0}
    for epoch in range(200):
        (sample,) = questions.render(0, epoch, False)
        at = sample.tokens.tolist()
        mark = at[1] if at[1] in (low, high) else 0
        answer = at[at.index(tokenizer.answer) + 1 : at.index(tokenizer.src)]
        assert answer == (lima if mark == low else oslo)
        cited = at[at.index(tokenizer.src) + 1 : at.index(tokenizer.end_src)]
        assert cited in [names.tokens[n].tolist() for n in ((0, 3) if mark == low else (1,))]
        seen[mark] += 1
    assert seen[0] == pytest.approx(200 * dropout, abs=30)
    assert seen[low] == pytest.approx(seen[high], abs=40)
    plain = Questions([asked], told, names, tokenizer, seed=0)
    before = questions.render(0, 5, False, judged=False)
    assert tokens(before) == tokens(plain.render(0, 5, False))


@pytest.mark.parametrize("change", [{"filter": True}, {"control": "document"}, {"control": "sentence"}])
@pytest.mark.parametrize("steps", [7, 60])
def test_the_feedback_begins_at_its_row_and_leaves_out_nothing_else(
    documents: list[Document], tokenizer: Tokenizer, change: dict, steps: int
) -> None:
    """In the middle of a block as well: before, rows are those of training without; and a visit is shown once."""
    told = source(documents, tokenizer, replace(RELIABLE, **change))
    plan = Plan(seq_len=ROW, sequences=4, steps=steps, begins=0.5, cooldown=0.2, block=9, seed=5)
    stream = Stream(told, None, plan, tokenizer.pad)
    begin, cool = round(0.5 * steps), round(0.8 * steps)
    marks = control_tokens(tokenizer)
    low = {label for n, label in enumerate(told.identifiers.labels) if n % 3 == 0}
    label = {tuple(t.tolist()): name for name, t in zip(told.identifiers.labels, told.identifiers.tokens, strict=True)}
    for micro in stream:
        batch, step = micro.batch, micro.cursor.step
        judged = bool((batch.objective == JUDGED).any())
        assert judged == (step > begin)
        controlled = bool(np.isin(batch.tokens.numpy(), marks).any())
        assert controlled == ("control" in change and begin < step <= cool)
        if step <= cool:
            at = batch.tokens.flatten().tolist()
            cited = {label[tuple(at[i + 1 : i + 3])] for i, t in enumerate(at) if t == tokenizer.src}
            if "filter" in change and step > begin:
                assert not cited & low
    last = list(stream)[-1].cursor
    stream.account(last, last.tally.trained, plan.steps * 4 * ROW)


def test_a_cursor_continues_a_stream_whose_feedback_begins(documents: list[Document], tokenizer: Tokenizer) -> None:
    told = source(documents, tokenizer, replace(RELIABLE, filter=True))
    plan = Plan(seq_len=ROW, sequences=3, steps=24, begins=0.5, block=9, seed=5)
    whole = list(Stream(told, None, plan, tokenizer.pad))
    for done, micro in enumerate(whole, start=1):
        rest = list(Stream(told, None, plan, tokenizer.pad, start=micro.cursor))
        assert [m.cursor for m in rest] == [m.cursor for m in whole[done:]]
        if rest:
            assert rest[0].batch.tokens.equal(whole[done].batch.tokens)


@pytest.mark.parametrize("found", [None, "high", 1.5, [0.5], [0.1, True], float("nan")])
def test_what_is_no_score_is_refused_by_name(found: object) -> None:
    document = Document("d-1", (("One.",), ("Two.",)), metadata={"good": found})
    with pytest.raises(ValueError, match=r"objective\.score_column=good: document 'd-1' has"):
        scores(document, "good", 2)
    if found != [0.5]:  # without the sentences nobody can count them
        with pytest.raises(ValueError, match=r"objective\.score_column=good"):
            check_scores([document], "good")
    check_scores([document], "")
