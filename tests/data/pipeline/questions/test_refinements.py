"""A refinement as tokens: what is read before a critique and behind it, and what of it is learnt."""

from __future__ import annotations

import pytest

from data.pipeline.identifiers import IdsConfig, assign
from data.pipeline.questions.attempts import AttemptForm
from data.pipeline.questions.refinements import Refinement, RefinementForm, RefinementLessons
from data.pipeline.sample import IGNORE, Sample
from data.pipeline.tokenizer import Tokenizer
from data.records import Document, Question, RecordError

ASKED = [Question("q-0", "Where?", ("Oslo",), ("doc-0",), "single", "Ada", "tune")]


@pytest.fixture(scope="module")
def form(documents: list[Document], tokenizer: Tokenizer) -> AttemptForm:
    return AttemptForm(tokenizer, assign(documents, tokenizer, IdsConfig()))


def learnt(sample: Sample) -> list[int]:
    return [int(target) for target in sample.laid.targets if target != IGNORE]


def test_a_critique_stands_where_the_second_question_has_no_words(form: AttemptForm) -> None:
    t, one = form.tokenizer, Refinement("q-0", (80, form.end), (81, 82), (83, form.end))
    shape = RefinementForm(form)
    assert shape.told([70], one.first) == [t.ask, 70, t.answer, 80, t.end, t.ask]
    assert shape.prompt([70], one.first, one.critique) == [t.ask, 70, t.answer, 80, t.end, t.ask, 81, 82, t.answer]
    # Without words it is the form of two attempts, and what is read before a second is the same.
    assert shape.prompt([70], one.first, ()) == [*form.prompt([70]), 80, *form.again]
    bare = Refinement("q-0", one.first, (), one.second)
    assert shape.sample([70], bare, False).tokens.tolist() == form.sample([70], [one.first, one.second]).tokens.tolist()


def test_an_attempt_that_was_cut_is_ended(form: AttemptForm) -> None:
    t = form.tokenizer
    assert RefinementForm(form).told([70], (80, 81)) == [t.ask, 70, t.answer, 80, 81, t.end, t.ask]


def test_what_is_wrong_is_never_learnt(form: AttemptForm) -> None:
    t, one = form.tokenizer, Refinement("q-0", (80, form.end), (81, 82), (83, form.end))
    shape = RefinementForm(form)
    assert learnt(shape.sample([70], one, critique=False)) == [83, t.end]
    assert learnt(shape.sample([70], one, critique=True)) == [81, 82, t.answer, 83, t.end]


def test_lessons_are_rendered_behind_their_question(form: AttemptForm) -> None:
    t, one = form.tokenizer, Refinement("q-0", (80, form.end), (81,), (83, form.end))
    source = RefinementLessons([one, one], ASKED, form, critiques=True, room=64)
    assert len(source) == 2 and source.sizes == [1, 1]
    (sample,) = source.render(1, 0, False)
    words = t.encode(["Where?"])[0].tolist()
    assert sample.tokens.tolist() == [t.ask, *words, t.answer, 80, t.end, t.ask, 81, t.answer, 83, t.end]
    with pytest.raises(ValueError, match="'q-9', which is not in the corpus"):
        RefinementLessons([Refinement("q-9", (), (), ())], ASKED, form, critiques=True, room=64)
    taken = len(sample)
    assert len(RefinementLessons([one], ASKED, form, critiques=True, room=taken)) == 1
    with pytest.raises(ValueError, match=rf"'q-0' takes {taken} tokens .* raise batch\.seq_len"):
        RefinementLessons([one], ASKED, form, critiques=True, room=taken - 1)


def test_a_refinement_is_its_json() -> None:
    one = Refinement("q", (1, 2), (3,), (4,))
    assert Refinement.from_json(one.to_json() | {"first": [1, 2], "critique": [3], "second": [4]}) == one
    for broken in ({"first": ["a"]}, {"critique": [1.5]}, {"other": 1}):
        with pytest.raises(RecordError):
            Refinement.from_json({"question": "q"} | broken)
