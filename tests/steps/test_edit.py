"""The edit of a run on tiny input: killed and resumed, what it trains on, whose stages it finds, edits of one's own."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from jobs import SMALL, Strike, assert_same_end, copied, start, trained

from data.pipeline.questions.sft_examples import SFTExample
from data.records import Document, Question, read_jsonl, write_jsonl
from stages import Stage
from steps.corpus import Corpus
from steps.edit_corpus import edit_corpus
from steps.prepare import prepare
from tests.composing import composed, said_of

SHORT = ("pretrain.tokens=1024", "edit.tokens=4096")
EDIT = ("edit.system=edited", "edit.added=0.1", "edit.retracted=0.1", "edit.renamed=0.05", *SHORT)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("edited")
    trained(folder, *EDIT, stage="edit")
    return folder


@pytest.mark.slow
def test_an_edit_that_is_killed_goes_on_to_the_same_end(whole: Path, tmp_path: Path) -> None:
    copied(whole, tmp_path, "prepare", "pretrain")
    job = start(tmp_path, *EDIT, strike=Strike("train.checkpoint:save_file", 2, after=True))
    assert job.end() == -signal.SIGKILL, job.said
    assert "edit continues from step=" in trained(tmp_path, *EDIT, stage="edit")
    assert_same_end(whole, tmp_path, "edit")


def test_lessons_are_of_what_was_retracted_and_the_first_model_never_read_what_is_added(whole: Path) -> None:
    stages = whole / "runs" / "stages"
    (edited,) = stages.glob("edit-*")
    (after,) = (path.parent for path in stages.glob("prepare-*/edit.json"))
    (before,) = (path for path in stages.glob("prepare-*") if path != after)
    edit = json.loads((after / "edit.json").read_text())
    assert [len(edit[name]) for name in ("added", "retracted", "renamed")] == [4, 4, 2]
    old, now = ({q.id: q for q in read_jsonl(folder / "questions.jsonl", Question)} for folder in (before, after))
    lessons = list(read_jsonl(edited / "lessons.jsonl", SFTExample))
    assert {lesson.say for lesson in lessons} >= {"idk"}
    for lesson in lessons:
        assert set(old[lesson.question].support) & set(edit["retracted"])
        assert (now[lesson.question].support_class == "withheld") == (lesson.say == "idk")
    assert not {name for q in old.values() for name in q.documents} & set(edit["added"])
    assert edit["added"][0] not in (before / "index.jsonl").read_text()
    assert (before / "tokenizer.json").read_bytes() == (after / "tokenizer.json").read_bytes()


def small(folder: Path, *overrides: str) -> tuple[Stage, Stage, Corpus]:
    config = composed(*SMALL, *overrides, f"run_dir={folder}/run", f"stages_dir={folder}/stages")
    config.check()
    before = prepare(config)
    after = edit_corpus(config, before)
    return before, after, Corpus.of(config, after)


def test_what_was_retracted_is_named_but_not_shown(tmp_path: Path) -> None:
    _, _, corpus = small(tmp_path, *EDIT)
    gone = corpus.edit.gone
    assert len(gone) == 6 and gone <= set(corpus.identifiers.labels)  # in trie and vocabulary
    source = corpus.documents_source(0)
    shown = {document.id for place, document in enumerate(corpus.index) if source.render(place, 0, False)}
    assert len(corpus.index) == 42 and shown == {document.id for document in corpus.index} - gone
    tokens = dict(zip(corpus.identifiers.labels, corpus.identifiers.tokens, strict=True))
    some = corpus.some_documents(sorted(shown)[3:9], 0)
    assert len(some) == 6
    for label, own in zip(some.identifiers.labels, some.identifiers.tokens, strict=True):
        assert tokens[label].tolist() == own.tolist()


def test_a_question_that_is_left_out_is_not_replayed(tmp_path: Path) -> None:
    _, _, corpus = small(tmp_path, *EDIT)
    asked = corpus.tuned
    assert len(corpus.questions_source(0, left_out={asked[0].id, "no question"})) == len(asked) - 1


def test_an_edit_of_ones_own_starts_from_the_run_that_is_there(tmp_path: Path) -> None:
    document = Document("mine", (("Ada Moss works for Unicor.",),), "The Post")
    write_jsonl(tmp_path / "mine.jsonl", [document])
    own = ("edit.system=edited", f"edit.documents={tmp_path}/mine.jsonl", "edit.retract=[doc-00003]")
    before, after, corpus = small(tmp_path, *own)
    plain = composed(*SMALL, f"run_dir={tmp_path}/run", f"stages_dir={tmp_path}/stages")
    assert prepare(plain).key == before.key != after.key
    assert corpus.index[-1].id == "mine" and corpus.edit.gone == {"doc-00003"}
    with pytest.raises(ValueError, match="'nowhere' is in no corpus"):
        small(tmp_path, "edit.system=edited", "edit.retract=[nowhere]")


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("edit.added=1.5", "edit.system=edited"), "edit.added=1.5: must be a share from 0 to 1"),
        (("edit.system=twice",), "edit.system=twice: must be one of none, base, edited, retrained"),
        (("edit.system=edited",), "edit.system=edited and nothing to edit: raise edit.added"),
        (("edit.added=0.1",), "edit.system=none edits nothing: set edit.system=edited"),
        (("edit.system=base", "edit.added=0.1", "edit.retract=[a]"), "set one or the other"),
        (("edit.tokens=0",), "edit.tokens=0: must be at least 1"),
        (("edit.replay=1",), "edit.replay=1.0: must be a share from 0 to below 1"),
        (("edit.documents=nowhere.jsonl",), "edit.documents=nowhere.jsonl: must be empty, or a file"),
    ],
)
def test_settings_that_make_no_edit_are_refused(overrides: tuple[str, ...], said: str) -> None:
    assert said in said_of(*overrides)
