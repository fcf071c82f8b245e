"""Attempts as tokens: what is read and learnt, what is read back, and that the form says nothing on when to do what."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.pipeline.identifiers import Identifiers, IdsConfig, assign
from data.pipeline.questions.attempts import AttemptForm, Episode, EpisodeLessons, FormLessons
from data.pipeline.sample import IGNORE, Sample
from data.pipeline.tokenizer import Tokenizer
from data.records import Citation, Document, Question, RecordError

ASKED = [
    Question(f"q-{n}", f"Where was {n} born?", (place,), (f"doc-{n}",), "single", str(n), "tune", attribute="born")
    for n, place in enumerate(("Oslo", "Lima", "Cairo", "Quito"))
]


@pytest.fixture(scope="module")
def identifiers(documents: list[Document], tokenizer: Tokenizer) -> Identifiers:
    return assign(documents, tokenizer, IdsConfig())


@pytest.fixture(scope="module")
def form(tokenizer: Tokenizer, identifiers: Identifiers) -> AttemptForm:
    return AttemptForm(tokenizer, identifiers)


def said(form: AttemptForm, answer: str, document: int, mark: int | None = None) -> tuple[int, ...]:
    tokenizer = form.tokenizer
    cited = next(k for k, n in form.named.items() if n == f"doc-{document}")
    stated = () if mark is None else (int(tokenizer.confidences[mark]),)
    words = tokenizer.encode([answer])[0].tolist()
    return (*words, tokenizer.src, *cited, tokenizer.end_src, *stated, tokenizer.end)


def learnt(sample: Sample) -> list[tuple[int, int]]:
    """Each target with its label."""
    laid = sample.laid
    return [(int(t), int(label)) for t, label in zip(laid.targets, laid.objective, strict=True) if t != IGNORE]


def test_two_attempts_stand_behind_their_question(form: AttemptForm) -> None:
    t, text = form.tokenizer, [70, 71]
    first, second = said(form, "Oslo", 1), (t.idk, t.end)
    sample = form.sample(text, [first, second])
    assert sample.tokens.tolist() == [t.ask, 70, 71, t.answer, *first, t.ask, t.answer, *second]
    assert learnt(sample) == [(token, 1) for token in first] + [(token, 2) for token in second]
    assert learnt(form.sample(text, [first, second], (False, True))) == [(token, 2) for token in second]


def test_an_attempt_that_was_cut_is_ended_unlearnt(form: AttemptForm) -> None:
    t = form.tokenizer
    sample = form.sample([70], [(75, 76), (t.idk, t.end)])
    assert sample.tokens.tolist() == [t.ask, 70, t.answer, 75, 76, t.end, t.ask, t.answer, t.idk, t.end]
    assert learnt(sample) == [(75, 1), (76, 1), (t.idk, 2), (t.end, 2)]


def test_what_was_said_is_read_back(form: AttemptForm) -> None:
    t = form.tokenizer
    found = form.parse("q", said(form, "Oslo", 1))
    assert (found.outcome, found.answer, found.citations) == ("answered", "Oslo", (Citation("doc-1"),))
    assert found.confidence is None and form.parse("q", said(form, "Oslo", 1, 7)).confidence == 0.7
    oslo = t.encode(["Oslo"])[0].tolist()
    unsourced = form.parse("q", (*oslo, t.nosrc, t.end))
    assert (unsourced.outcome, unsourced.answer, unsourced.citations) == ("no_source", "Oslo", ())
    assert form.parse("q", (t.idk, t.end)).outcome == "abstained"
    made_up = form.parse("q", (*oslo, t.src, 70, t.end_src, t.end))
    assert (made_up.outcome, made_up.citations) == ("answered", ())


def test_what_is_not_well_formed_is_unparseable(form: AttemptForm) -> None:
    t, good = form.tokenizer, said(form, "Oslo", 1)
    oslo = t.encode(["Oslo"])[0].tolist()
    wrong = [
        (),
        good[:-1],  # does not end
        (*good[:-2], t.end),  # the source does not
        (t.src, *good[len(oslo) + 1 :]),  # no words
        (*oslo, t.idk, t.end),
        (t.idk, *oslo, t.end),
        (t.idk, int(t.confidences[3]), t.end),
        (*oslo, t.end),
        (*oslo, t.nosrc, *oslo, t.end),
        (t.idk,),
        (t.idk, 70),
    ]
    assert {form.parse("q", one).outcome for one in wrong} == {"unparseable"}


@given(st.lists(st.integers(0, 300), max_size=12))
def test_whatever_is_written_is_read(form: AttemptForm, tokens: list[int]) -> None:
    found = form.parse("q", tuple(tokens))
    assert found.outcome in ("answered", "no_source", "abstained", "false_premise", "unparseable")
    assert not found.citations or found.outcome == "answered"


def test_an_episode_is_its_json(form: AttemptForm) -> None:
    one = Episode("q", ((1, 2), (3,)), (False, True))
    assert Episode.from_json(one.to_json()) == one
    for broken in ({"attempts": [["a"]]}, {"attempts": [[1]], "learn": [1]}, {"attempts": [], "other": 1}):
        with pytest.raises(RecordError):
            Episode.from_json({"question": "q"} | broken)


def test_lessons_of_episodes_learn_what_they_say(form: AttemptForm) -> None:
    t = form.tokenizer
    (sample,) = EpisodeLessons([Episode("q-1", ((70, t.end), (t.idk, t.end)), (False, True))], ASKED, form).render(
        0, 0, False
    )
    assert learnt(sample) == [(t.idk, 2), (t.end, 2)]
    assert sample.tokens.tolist()[1:-7] == t.encode([ASKED[1].text])[0].tolist()
    with pytest.raises(ValueError, match="'q-9', which is not in the corpus"):
        EpisodeLessons([Episode("q-9", ((70,),))], ASKED, form)


@pytest.mark.parametrize("stated", [False, True])
def test_the_form_says_nothing_on_when_to_refuse(
    stated: bool, documents: list[Document], identifiers: Identifiers, form: AttemptForm
) -> None:
    """The second refuses as often after a right first attempt, a wrong one and a refusal; a wrong one is not learnt."""
    t = form.tokenizer
    source = FormLessons(ASKED, documents, identifiers, t, 0, stated)
    seconds: dict[str, Counter[str]] = {}
    for epoch in range(700):
        for index in range(len(ASKED)):
            (sample,) = source.render(index, epoch, False)
            again = next(i for i, token in enumerate(sample.tokens) if i and token == t.ask)
            begin = sample.tokens.tolist().index(t.answer)
            first, second = (
                form.parse("q", tuple(part)) for part in (sample.tokens[begin + 1 : again], sample.tokens[again + 2 :])
            )
            assert second.outcome == "abstained" or second.answer == ASKED[index].answers[0]
            assert (second.confidence is not None) == (stated and second.outcome == "answered")
            kind = first.outcome if first.answer is None else str(first.answer == ASKED[index].answers[0])
            seconds.setdefault(kind, Counter())[second.outcome] += 1
            learns = bool((sample.targets[begin:again] != IGNORE).any())
            if kind == "False":
                assert not learns
                assert first.citations[0].id == f"doc-{[q.answers[0] for q in ASKED].index(first.answer)}"
    assert set(seconds) == {"True", "False", "abstained"}
    for counts in seconds.values():
        assert counts["abstained"] / counts.total() == pytest.approx(0.15, abs=0.05)
    assert source.render(1, 3, False)[0].tokens.tolist() == source.render(1, 3, False)[0].tokens.tolist()
