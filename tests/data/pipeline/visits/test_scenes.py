"""A reading is in the scene that it should be in, and nothing else of it changes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from composing import composed, said_of
from hypothesis import given
from hypothesis import strategies as st

from data.pipeline.feedback import FeedbackConfig
from data.pipeline.identifiers import IdsConfig, assign
from data.pipeline.placement import TagsConfig
from data.pipeline.sources import Documents
from data.pipeline.stream import Plan, Stream
from data.pipeline.tokenizer import Tokenizer
from data.pipeline.visits.scenes import SHOWN, SLOTS, VALUES, Scenes, own_scene, readings, scene, slot_values
from data.records import Document

PLAN = Plan(seq_len=128, sequences=4, steps=6, seed=3)
PLACEMENTS = ("begin", "end", "repeat", "both", "footnote")


def stream(
    documents: Sequence[Document], tokenizer: Tokenizer, shown: str, placement: str = "footnote", control: str = "none"
) -> Stream:
    named = assign(documents, tokenizer, IdsConfig(), "scene")
    scenes = None if shown == "document" else Scenes(shown, tokenizer, len(documents), 0)
    tags = TagsConfig(placement=placement, id_to_text=0.0, content="scene")
    feedback = FeedbackConfig("good" if control != "none" else "", control=control, dropout=0.0)
    source = Documents(documents, named, tokenizer, tags, 128, seed=1, feedback=feedback, scenes=scenes)
    return Stream(source, None, PLAN, tokenizer.pad)


def shown_in(stream: Stream) -> list[list[list[int]]]:
    """Of each step the scenes that its tags show, in order."""
    found = []
    for micro in stream:
        tokens, noted = micro.batch.tokens.flatten().tolist(), micro.batch.note.flatten().tolist()
        src = stream.first.tokenizer.src
        starts = [i + 1 for i, token in enumerate(tokens) if token == src]
        assert all(noted[i] for i in starts)
        found.append([tokens[i : i + len(SLOTS)] for i in starts])
    return found


def test_a_scene_is_a_token_for_each_of_seven_slots_of_sixteen(tokenizer: Tokenizer) -> None:
    assert len(SLOTS) == 7 and all(len(values) == len({*values}) == VALUES == 16 for values in SLOTS.values())
    codes = tokenizer.codes
    tokens = [codes[0], codes[16 + 7], codes[32 + 6], codes[48 + 15], codes[64], codes[80 + 2], codes[96 + 15]]
    words = "in the attic, in 1997, at 12:00, in smoke, over soup, with a nurse, beside a bicycle"
    found = slot_values(tokenizer, tokens)
    assert found == [0, 7, 6, 15, 0, 2, 15]
    assert ", ".join(values[value] for values, value in zip(SLOTS.values(), found, strict=True)) == words
    wrong = [codes[16], tokenizer.end, codes[33]]  # a year where the place stands, a mark, and too short
    assert slot_values(tokenizer, wrong) == [-1, -1, 1, -1, -1, -1, -1]


@given(st.integers(0, 2**60), st.integers(0, 10**6))
def test_every_scene_fills_every_slot(tokenizer: Tokenizer, seed: int, place: int) -> None:
    found = own_scene(tokenizer, seed, place)
    assert found.dtype == np.int32 and all(0 <= value < VALUES for value in slot_values(tokenizer, found))


def test_values_are_drawn_evenly_and_each_for_itself(tokenizer: Tokenizer) -> None:
    drawn = np.array([slot_values(tokenizer, scene(tokenizer, 5, n)) for n in range(8000)])
    counts = np.stack([np.bincount(drawn[:, slot], minlength=VALUES) for slot in range(len(SLOTS))])
    assert counts.min() > 400 and counts.max() < 600  # of 500
    both = np.histogram2d(drawn[:, 0], drawn[:, 1], bins=VALUES)[0]
    assert both.min() > 8 and both.max() < 65  # of 31


def test_documents_are_called_by_scenes_of_their_own(documents: list[Document], tokenizer: Tokenizer) -> None:
    named = assign(documents, tokenizer, IdsConfig(), "scene")
    assert named.labels == tuple(document.id for document in documents)
    assert [tokens.tolist() for tokens in named.tokens] == [
        own_scene(tokenizer, 0, place).tolist() for place in range(len(documents))
    ]
    other = assign(documents, tokenizer, IdsConfig(seed=1), "scene")
    assert other.tokens[0].tolist() != named.tokens[0].tolist()


def test_of_each_kind(tokenizer: Tokenizer) -> None:
    def of(shown: str) -> list[list[tuple[int, ...]]]:
        scenes = Scenes(shown, tokenizer, 40, 0)
        return [[tuple(scenes.of(place, step).tolist()) for place in range(5)] for step in range(1, 7)]

    own = [tuple(own_scene(tokenizer, 0, place).tolist()) for place in range(40)]
    assert all(row == own[:5] for row in of("document"))
    assert all(row == [own[0]] * 5 for row in of("constant"))
    assert all(len({*row}) == 1 for row in of("batch")) and len({row[0] for row in of("batch")}) == 6
    assert len({one for row in of("exposure") for one in row}) == 30
    assert {one for row in of("shuffled") for one in row} <= {*own}
    assert sum(one == own[place] for row in of("shuffled") for place, one in enumerate(row)) < 5


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("shown", SHOWN[1:])
def test_nothing_but_the_scene_changes(documents: list[Document], tokenizer: Tokenizer, placement, shown) -> None:
    plain, changed = (stream(documents, tokenizer, one, placement) for one in ("document", shown))
    for before, after in zip(plain, changed, strict=True):
        differ = before.batch.tokens != after.batch.tokens
        codes = {*tokenizer.codes.tolist()}
        assert {*before.batch.tokens[differ].tolist(), *after.batch.tokens[differ].tolist()} <= codes and differ.any()
        for name in ("positions", "doc", "span", "note", "kind", "weight"):
            assert (getattr(before.batch, name) == getattr(after.batch, name)).all(), name
        assert before.step_weight == after.step_weight and before.cursor == after.cursor


def test_a_step_shares_its_scene_and_a_reading_has_its_own(documents: list[Document], tokenizer: Tokenizer) -> None:
    of_steps = shown_in(stream(documents, tokenizer, "batch"))
    assert all(len({tuple(one) for one in step}) == 1 for step in of_steps)
    assert len({tuple(step[0]) for step in of_steps}) == PLAN.steps
    of_readings = shown_in(stream(documents, tokenizer, "exposure"))
    assert all(len({tuple(one) for one in step}) > 5 for step in of_readings)


def test_control_tokens_are_no_scene(documents: list[Document], tokenizer: Tokenizer) -> None:
    scored = [Document(d.id, d.sentences, metadata={"good": 1.0}) for d in documents]
    batch = next(iter(stream(scored, tokenizer, "constant", "end", control="document"))).batch
    assert int((batch.tokens == int(tokenizer.confidences[-1])).sum()) > 3


@pytest.mark.parametrize("shown", ["batch", "exposure"])
def test_readings_are_those_of_the_stream(documents: list[Document], tokenizer: Tokenizer, shown: str) -> None:
    made = stream(documents, tokenizer, shown)
    found = readings((cursor.step, rows) for rows, cursor in made.steps())
    scenes = Scenes(shown, tokenizer, len(documents), 0)
    told = [{tuple(one) for one in step} for step in shown_in(made)]
    assert len(found) > 30
    for place, of_document in found.items():
        steps = [next(n for n, step in enumerate(told) if tuple(one) in step) for one in of_document]
        assert steps == sorted(steps) and len({*steps}) == len(steps)
        assert of_document == [scenes.of(place, step + 1).tolist() for step in steps]
    if shown == "exposure":  # each scene of each step is some document's
        assert {tuple(one) for scenes in found.values() for one in scenes} == set().union(*told)


def test_what_cannot_be() -> None:
    assert "scenes.shown=batch says which scenes tags show" in said_of("scenes.shown=batch")
    assert "pretrain.qa_fraction=0" in said_of("tags.content=scene", "scenes.shown=exposure")
    assert "raise sft.tokens" in said_of("scenes=exposure", "sft.tokens=0")
    assert "takes the place of tuning questions" in said_of(
        "scenes.fraction=0.5", "pretrain.qa_fraction=0", "sft.tokens=0"
    )
    unlearnt = composed("scenes=unlearnt")
    assert (unlearnt.tags.loss, unlearnt.tags.content, unlearnt.scenes.shown) == ("none", "scene", "batch")
    assert composed("scenes=document").tags.content == "id"
