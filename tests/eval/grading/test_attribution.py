from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.record_parts import Claim
from data.records import Citation, Prediction, Question
from eval.grading.attribution import METRICS, PASSAGE_METRICS, grade, margin, measured, summarise
from eval.report.attribution import attribution
from eval.results.results import attribution_results
from eval.score import table


def question(id, support=("d1",), entity=None, split="never_tuned", attribute="city", answers=("Oslo",)):
    kind = "single" if len(support) == 1 else "multi" if support else "absent_attribute"
    return Question(
        id,
        f"{id}?",
        answers if support else (),
        tuple(support),
        kind,
        id if entity is None else entity,
        split,
        attribute,
    )


def answered(id, answer, *cited, valid=None):
    return Prediction(id, "answered", answer, tuple(Citation(c) for c in cited), valid=valid)


def test_every_metric_on_a_worked_example():
    questions = [question(f"q{i}") for i in range(6)] + [question("m", ("d1", "d2")), question("absent", ())]
    predictions = [
        answered("q0", "oslo", "d1", valid=True),  # right, right source
        answered("q1", "Oslo", "d9", "d1", valid=True),  # right, its second source is right
        answered("q2", "Oslo", "d9", valid=False),  # right, no source is
        answered("q3", "Rome", "d1", valid=True),  # wrong, with a source for the right answer
        Prediction("q4", "unparseable"),
        # q5 is missing
        answered("m", "Oslo", "d2", "d9", "d1", valid=True),  # one of two among the first two
        answered("absent", "Oslo", "d1", valid=True),
    ]
    summary = summarise(grade(questions, predictions))
    assert summary["n"] == 7
    assert summary["n_absent"] == 1
    assert summary["missing"] == 1
    assert summary["outcomes"] == {
        "answered": 6, "abstained": 0, "no_source": 0, "false_premise": 0, "unparseable": 1,
    }  # fmt: skip
    expected = {
        "joint": 2 / 7,  # q0, m
        "answer_em": 4 / 7,  # q0, q1, q2, m
        "citation": 2 / 4,
        "hits10": 3 / 4,
        "cited": 3 / 7,  # q0, q3, m
        "cited10": 4 / 7,
        "valid_unconstrained": 4 / 7,  # q2, the unparseable one and the missing one are not
        "set_recall": 1 / 2,
    }
    assert {name: summary[name] for name in METRICS} == pytest.approx(expected)
    low, high = summary["intervals"]["joint"]
    assert 0 <= low < 2 / 7 < high <= 1


def test_citations_beyond_the_tenth_do_not_count():
    fillers = [f"x{i}" for i in range(10)]
    tenth, eleventh = grade(
        [question("a"), question("b")],
        [answered("a", "Oslo", *fillers[:9], "d1"), answered("b", "Oslo", *fillers, "d1")],
    )
    assert tenth.cited10 and not eleventh.cited10


@pytest.mark.parametrize("outcome", ["abstained", "false_premise", "unparseable"])
def test_what_is_not_answered_earns_nothing_even_with_the_right_words(outcome):
    prediction = Prediction("q", outcome, "Oslo", (Citation("d1"),))
    (graded,) = grade([question("q")], [prediction])
    assert (graded.right, graded.cited, graded.cited10) == (False, False, False)


def test_no_source_earns_the_answer_but_no_citation():
    (graded,) = grade([question("q")], [Prediction("q", "no_source", "Oslo", (Citation("d1"),))])
    assert (graded.right, graded.cited) == (True, False)


def test_retrievers_have_no_answer_metrics():
    summary = summarise(grade([question("q"), question("r")], [answered("q", None, "d1"), answered("r", None)]))
    assert [summary[name] for name in ("joint", "answer_em", "citation", "hits10")] == [None] * 4
    assert summary["cited"] == 0.5
    assert summary["intervals"]["joint"] is None


@pytest.mark.parametrize("outcome", ["abstained", "unparseable", None])
def test_a_system_that_fails_throughout_is_wrong_and_not_exempt(outcome):
    predictions = [Prediction("q", outcome)] if outcome else []
    summary = summarise(grade([question("q")], predictions))
    assert summary["joint"] == summary["answer_em"] == summary["cited"] == 0.0
    assert summary["citation"] is None  # no right answer to condition on


def test_nothing_asked_has_no_metrics():
    summary = summarise([])
    assert summary["n"] == 0
    assert {summary[name] for name in METRICS} == {None} == set(summary["intervals"].values())


def test_validity_is_undefined_when_never_tried():
    assert summarise(grade([question("q")], [answered("q", "Oslo", "d1")]))["valid_unconstrained"] is None


FAILURES = st.sampled_from(["missing", "unparseable", "abstained"])


@given(
    st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=12),
    st.data(),
    FAILURES,
)
def test_no_unconditional_metric_improves_when_a_prediction_fails(items, data, failure):
    questions = [question(f"q{i}", ("d1", "d2")) for i in range(len(items))]
    predictions = [
        answered(f"q{i}", "Oslo" if right else "Rome", "d1" if cited else "d9", valid=valid)
        for i, (right, cited, valid) in enumerate(items)
    ]
    broken = data.draw(st.integers(0, len(items) - 1))
    worse = [p for i, p in enumerate(predictions) if i != broken]
    if failure != "missing":
        worse.append(Prediction(f"q{broken}", failure))
    before, after = (summarise(grade(questions, p)) for p in (predictions, worse))
    for metric in ("joint", "answer_em", "cited", "cited10", "set_recall"):
        assert after[metric] <= before[metric]
    if failure != "abstained" and after["valid_unconstrained"] is not None:
        assert after["valid_unconstrained"] <= before["valid_unconstrained"]


@pytest.mark.parametrize(
    ("questions", "predictions", "message"),
    [
        ([question("q")], [answered("q", "x"), answered("q", "y")], '"q" has more than one prediction'),
        ([question("q")], [answered("other", "x")], '"other", which is not in the question set'),
        ([question("q"), question("q")], [], '"q" is there 2 times'),
    ],
)
def test_duplicates_and_unknown_questions_are_refused(questions, predictions, message):
    with pytest.raises(ValueError, match=message):
        grade(questions, predictions)


def test_questions_without_an_entity_are_their_own_clusters():
    questions = [question(f"q{i}", entity="") for i in range(20)]
    predictions = [answered(f"q{i}", "Oslo" if i % 2 else "Rome", "d1") for i in range(20)]
    low, high = summarise(grade(questions, predictions))["intervals"]["answer_em"]
    assert low < 0.5 < high
    one_entity = [question(f"q{i}", entity="Ada") for i in range(20)]
    assert summarise(grade(one_entity, predictions))["intervals"]["answer_em"] is None


def test_margin_is_the_difference_on_the_same_questions():
    questions = [question(f"q{i}") for i in range(4)]
    mine = grade(questions, [answered(q.id, "Oslo", "d1") for q in questions])
    theirs = grade(questions, [answered("q0", None, "d1")])
    assert margin(mine, theirs)["value"] == 0.75
    assert margin(mine, mine) == {"value": 0.0, "interval": [0.0, 0.0]}


def test_results_keep_splits_apart_and_break_them_down():
    questions = [
        question("a", attribute="city"),
        question("b", attribute=""),
        question("c", ("d1", "d2"), attribute="city"),
        question("d", (), attribute="city"),
        question("e", split="in_domain"),
    ]
    right = [answered(q.id, "Oslo", "d1") for q in questions]
    results = attribution_results(questions, {"whence": right, "bm25": [answered("a", None, "d9")]})
    assert list(results) == ["in_domain", "never_tuned"]
    part = results["never_tuned"]
    assert (part["n"], part["joint"]) == (3, 1.0)
    assert {name: group["n"] for name, group in part["by_attribute"].items()} == {"city": 2, "unknown": 1}
    assert {name: (group["n"], group["n_absent"]) for name, group in part["by_support_class"].items()} == {
        "single": (2, 0), "multi": (1, 0), "absent_attribute": (0, 1),
    }  # fmt: skip
    assert part["floors"]["bm25"]["missing"] == 3
    assert part["floors"]["bm25"]["margin"]["value"] == 1.0


def test_results_name_the_system_whose_predictions_do_not_fit():
    with pytest.raises(ValueError, match=r'predictions of bm25: .*"zz"'):
        attribution_results([question("q")], {"whence": [], "bm25": [answered("zz", None)]})
    with pytest.raises(ValueError, match='no predictions of "whence"'):
        attribution_results([question("q")], {"bm25": []})


PASSAGES = {f"{document}#{n}": document for document in ("a", "b") for n in (1, 2, 3)}


def test_passages_are_graded_by_their_document_too():
    questions = [question(f"q{i}", ("a#1",)) for i in range(5)] + [question("whole", ("d",))]
    predictions = [
        answered("q0", "Oslo", "a#1"),  # the passage
        answered("q1", "Oslo", "a#2", "a#1"),  # another of its document
        answered("q2", "Oslo", "b#1", "a#1"),  # another document first
        answered("q3", "Rome", "a#3"),  # a wrong answer
        Prediction("q4", "no_source", "Oslo"),
        answered("whole", "Oslo", "d"),  # a document that was not cut
    ]
    summary = summarise(grade(questions, predictions, PASSAGES))
    assert (summary["cited"], summary["joint"]) == (2 / 6, 2 / 6)
    assert (summary["cited_document"], summary["joint_document"]) == (4 / 6, 3 / 6)
    low, high = summary["intervals"]["joint_document"]
    assert 0 <= low < 1 / 2 < high <= 1
    retrieved = summarise(grade(questions[:1], [answered("q0", None, "a#2")], PASSAGES))
    assert (retrieved["cited_document"], retrieved["joint_document"]) == (1, None)


def test_a_document_supports_the_answer_that_one_of_its_passages_gives():
    """By the claims: what another document says is no support, and an untagged one can't be cited."""
    claims = (Claim("Oslo", ("a#1",)), Claim("Rome", ("b#1",)))
    asked = replace(question("q", ("a#1", "b#1"), answers=("Oslo", "Rome")), claims=claims)
    right, crossed = (grade([asked], [answered("q", said, "b#2")], PASSAGES)[0] for said in ("Rome", "Oslo"))
    assert right.cited_document and right.supported_document and not right.supported
    assert crossed.cited_document and not crossed.supported_document
    (untagged,) = grade([replace(asked, support_class="untagged")], [answered("q", "Rome", "b#2")], PASSAGES)
    assert not untagged.supported_document


def test_a_corpus_without_passages_has_no_measure_of_them():
    questions, predictions = [question("q")], {"whence": [answered("q", "Oslo", "d1")], "bm25": []}
    plain, cut = (
        attribution_results(questions, predictions),
        attribution_results(questions, predictions, whole=PASSAGES),
    )
    part, other = plain["never_tuned"], cut["never_tuned"]
    assert set(measured(part)) == set(METRICS) == set(part["intervals"])
    assert other.keys() - part.keys() == set(PASSAGE_METRICS) == set(measured(other)) - set(METRICS)
    assert set(PASSAGE_METRICS) <= other["floors"]["bm25"].keys() & other["by_attribute"]["city"].keys()
    assert {name: other[name] for name in METRICS} == {name: part[name] for name in METRICS}
    for shown in (plain, cut):
        page = attribution(shown["never_tuned"])
        assert ("Joint, document" in page) == ("joint_document" in table(shown, "whence")) == (shown is cut)
