"""An edit of a corpus: what it draws, what it leaves, and what it makes of questions, all counted by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from data.readers.corpus import Corpus
from data.record_parts import Claim, Evidence
from data.records import Document, Question
from data.storage.editing import Edit, corpus_after, corpus_before, draw_edit, group, without

EDIT = Edit(added=("new",), retracted=("old",), renamed={"plain": "plain-renamed"})


def document(name: str) -> Document:
    return Document(name, ((f"{name} says so.",),))


def asked(*support: str, split: str = "never_tuned", **more: object) -> Question:
    name = "+".join(support)
    kind = "single" if len(support) == 1 else "multi"
    return replace(Question(name, f"{name}?", ("so",), support, kind, name, split), **more)  # type: ignore[arg-type]


def test_each_question_is_of_the_group_that_its_support_says() -> None:
    groups = {
        ("new",): "new",
        ("old",): "retracted",
        ("old", "other"): "rerouted",
        ("old", "plain"): "rerouted",
        ("plain",): "renamed",
        ("other",): "kept",
        ("new", "other"): "",
    }
    assert {support: group(asked(*support), EDIT) for support in groups} == groups
    contested = asked("old", support_class="contested", claims=(Claim("so", ("old",)),))
    assert group(contested, EDIT) == ""


def test_a_question_keeps_the_support_that_is_left() -> None:
    gone, renamed = frozenset(EDIT.retracted), EDIT.renamed
    left = without(asked("old", "other", evidence=(Evidence("old", "a"), Evidence("other", "b"))), gone, renamed)
    assert left is not None and (left.support, left.support_class) == (("other",), "single")
    assert left.evidence == (Evidence("other", "b"),)
    never = without(asked("old"), gone, renamed)
    assert never is not None and (never.support, never.answers, never.support_class) == ((), (), "withheld")
    called = without(asked("plain", evidence=(Evidence("plain", "a"),)), gone, renamed)
    assert called is not None and called.support == ("plain-renamed",) == (called.evidence[0].document,)
    assert without(asked("other"), gone, renamed) == asked("other")
    assert without(asked("old", support_class="contested", claims=(Claim("so", ("old",)),)), gone) is None


def test_before_an_edit_nothing_that_is_added_is_told_or_asked() -> None:
    names = ("new", "old", "plain", "other")
    corpus = Corpus([document(n) for n in names], (asked("new"), asked("new", "other"), asked("old")))
    before = corpus_before(corpus, EDIT)
    assert [d.id for d in before.documents] == ["old", "plain", "other"]
    assert [(q.id, q.support) for q in before.questions] == [("new+other", ("other",)), ("old", ("old",))]


def test_after_an_edit_documents_of_before_keep_their_places_and_new_names_come_last() -> None:
    told, questions = corpus_after(
        [document(n) for n in ("old", "plain", "other")], [document("new")], [asked("plain"), asked("old")], EDIT
    )
    assert [d.id for d in told] == ["old", "plain", "other", "new", "plain-renamed"]
    assert told[4].sentences == told[1].sentences
    assert [q.support for q in questions] == [("plain-renamed",), ()]


@pytest.mark.parametrize(
    ("edit", "said"),
    [(Edit(retracted=("nowhere",)), "'nowhere' is in no corpus"), (Edit(added=("old",)), "'old' is there already")],
)
def test_an_edit_that_does_not_fit_is_named(edit: Edit, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        corpus_after([document("old")], [document(name) for name in edit.added], [], edit)


def test_what_is_drawn_is_disjoint_and_a_pure_function_of_the_seed() -> None:
    names = [f"d{i}" for i in range(40)]
    tuned = [asked(name, split="tune") for name in names[:20]]
    edit = draw_edit(names, tuned, 0.1, 0.2, 0.05, seed=3)
    assert (len(edit.added), len(edit.retracted), len(edit.renamed)) == (4, 8, 2)
    assert len({*edit.added, *edit.retracted, *edit.renamed}) == 14
    assert not {*edit.added, *edit.renamed} & set(names[:20])  # of what is tuned on
    assert set(edit.retracted) & set(names[:20]) and set(edit.retracted) - set(names[:20])
    assert draw_edit(names, tuned, 0.1, 0.2, 0.05, seed=3) == edit != draw_edit(names, tuned, 0.1, 0.2, 0.05, seed=4)
    assert draw_edit(names, tuned, 0.1, 0.0, 0.0, seed=3).added == edit.added  # as the corpus of before needs it
    assert Edit.from_json(edit.to_json()) == edit
    with pytest.raises(ValueError, match=r"edit\.added=0\.6"):
        draw_edit(names, tuned, 0.6, 0.0, 0.0, seed=3)
