import pytest
from foreign import QUESTIONS

from eval.answerers.prompted.prompt import INSTRUCTION, FewShot, parse

IDS = frozenset({"doc-1", "doc-2", "Oslo, a history", "A. B. [1]"})


def test_shots_are_tuning_questions_one_of_them_unanswerable():
    for count in (2, 4, 6):
        shots = FewShot.of(QUESTIONS, count).shots
        assert len(set(shots)) == count and {q.split for q in shots} == {"tune"}
        assert sum(not q.answers for q in shots) == 1
    assert FewShot.of(QUESTIONS, 0).shots == ()
    assert FewShot.of(QUESTIONS, 1).shots[0].answers
    assert FewShot.of(QUESTIONS, 4) == FewShot.of(QUESTIONS, 4)


def test_too_few_questions_to_show_is_said():
    with pytest.raises(ValueError, match="7 examples are asked for, and 6 questions of split tune can be shown"):
        FewShot.of(QUESTIONS, 7)


def test_the_prompt_shows_the_form_and_tells_the_question_only():
    told, silent = next(q for q in QUESTIONS[6:] if q.answers), QUESTIONS[-1]
    shots = FewShot((told, silent))
    assert shots.text("Where?") == (
        f"{INSTRUCTION}\n\nQuestion: {told.text}\nAnswer: {told.answers[0]}\nSource: {told.support[0]}\n\n"
        f"Question: {silent.text}\nAnswer: I do not know.\n\nQuestion: Where?\nAnswer:"
    )
    assert shots.turns("Where?")[1:3] == [
        {"role": "user", "content": f"Question: {told.text}"},
        {"role": "assistant", "content": f"Answer: {told.answers[0]}\nSource: {told.support[0]}"},
    ]
    assert shots.turns("Where?")[-1] == {"role": "user", "content": "Question: Where?"}


@pytest.mark.parametrize(
    ("written", "outcome", "answer", "sources"),
    [
        (" Zenith\nSource: doc-1\n\nQuestion: Who?", "answered", "Zenith", ("doc-1",)),
        ("Answer: Zenith\nSource: doc-1", "answered", "Zenith", ("doc-1",)),
        ("\n\nAnswer: Zenith  \n\tSource: doc-1.", "answered", "Zenith", ("doc-1",)),
        (" Zenith\nSource: [doc-2], doc-1", "answered", "Zenith", ("doc-2", "doc-1")),
        (" Zenith\nSource: [doc-2][doc-2]", "answered", "Zenith", ("doc-2",)),
        (" Zenith\nSource: Oslo, a history", "answered", "Zenith", ("Oslo, a history",)),
        (" Zenith\nSource: A. B. [1]", "answered", "Zenith", ("A. B. [1]",)),
        (" Zenith\nSource: the web", "answered", "Zenith", ("the web",)),
        (" Zenith\nSource:", "no_source", "Zenith", ()),
        (" Zenith", "no_source", "Zenith", ()),
        (" Zenith\n\nSource: doc-1", "no_source", "Zenith", ()),
        (" Zenith\nQuestion: Who?\nAnswer: Ada\nSource: doc-1", "no_source", "Zenith", ()),
        (" Zenith\nSource: doc-1\nQuestion: Who?", "answered", "Zenith", ("doc-1",)),
        (" I do not know.\nSource: doc-1", "abstained", None, ()),
        (" I don't know where.", "abstained", None, ()),
        (" Unknown", "abstained", None, ()),
        ("", "unparseable", None, ()),
        (" \n\n", "unparseable", None, ()),
        ("\nSource: doc-1", "unparseable", None, ()),
        ("\nQuestion: Who?", "unparseable", None, ()),
    ],
)
def test_what_is_written_is_understood(written, outcome, answer, sources):
    found = parse(written, IDS)
    assert found[:3] == (outcome, answer, sources)
    if answer:
        assert written[slice(*found.span)] == answer
