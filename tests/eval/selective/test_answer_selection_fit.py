"""What the choice among answers is fitted on, and how it is written and read."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from data.records import FOLDS, Citation, Claim
from eval.grading.correctness import asserting
from eval.selective.answer_selection import PRESUMED, CandidateSelector
from eval.selective.monotone_gam import MonotoneGAM
from tests.eval.selective.test_answer_selection import WEIGHER, ask, disputes, statement


def test_it_is_said_if_any_document_gives_it_be_it_the_best_or_not() -> None:
    claims = Claim("Oslo", ("doc",), 0.9), Claim("Lima", ("other",), 0.3)
    contested = ask("q", "contested", ("Oslo", "the city of Oslo"), claims=claims)
    given = {"oslo.": "doc", "city of Oslo": "doc", "Lima": "other", "Quito": "", "": "", None: ""}
    assert {answer: "".join(asserting(contested, answer)) for answer in given} == given
    # The claims of a contradicted premise are about another fact; of what was never told there are none.
    assert not asserting(ask("q", "false_premise", claims=claims), "Lima")
    assert not asserting(ask("q", "absent_entity"), "Lima")
    assert [asserting(ask("q", "single", ("Oslo",)), answer) for answer in ("Oslo", "Lima")] == [("doc",), ()]


def test_further_sources_are_judged_by_whether_they_say_what_is_said() -> None:
    questions, said = disputes(30)
    plain = CandidateSelector.fit(questions, said)
    assert plain is not None and plain.sources is None  # none was opened
    rng = np.random.default_rng(1)
    opened, shown, says = [], [], []
    for question, prediction in zip(questions, said, strict=True):
        grown = []
        for c in (prediction, *prediction.rivals):
            place = int(rng.integers(2, 4))
            also = bool(rng.random() < 0.4)
            more = {
                f"lp_statement_given_id_{place}": -3 - rng.random() - 7 * (not also),
                f"lp_id_given_statement_{place}": -1 - rng.random(),
            }
            documents = asserting(question, c.answer)
            names = ["first", "x", "y"]
            names[place - 1] = documents[0] if documents and also else "another"
            grown.append(replace(c, citations=tuple(map(Citation, names)), signals={**c.signals, **more}, rivals=()))
            if documents:
                shown.append(
                    {
                        "lp_statement_given_id": more[f"lp_statement_given_id_{place}"],
                        "lp_id_given_statement": more[f"lp_id_given_statement_{place}"],
                    }
                )
                says.append(also)
        opened.append(replace(grown[0], rivals=tuple(grown[1:])))
    weigher = CandidateSelector.fit(questions, opened)
    assert weigher is not None and weigher.answers == plain.answers
    assert weigher.sources == MonotoneGAM.fit(("lp_statement_given_id", "lp_id_given_statement"), shown, says)
    assert ((weigher.sources.log_odds(shown) > 0) == says).all()


def test_what_is_never_told_and_what_is_denied_teach_it_what_is_said() -> None:
    fold = [(q, p) for q, p in zip(*disputes(), strict=True) if q.fold == FOLDS[0]]
    weigher = CandidateSelector.fit([q for q, _ in fold], [p for _, p in fold])
    assert weigher is not None and weigher.premises is None
    signals, said = [], []
    for question, prediction in fold:
        for candidate in (prediction, *prediction.rivals):
            signals.append(candidate.signals)
            said.append(
                candidate.answer in {"contested": ("yes", "no"), "single": ("yes",)}.get(question.support_class, ())
            )
    assert weigher.answers == MonotoneGAM.fit(
        ("lp_statement_given_id", "lp_id_given_statement", "lp_statement_mean", "lp_answer_given_opening"),
        signals,
        said,
    )
    assert ((weigher.answers.log_odds(signals) > 0) == said).all()


@pytest.mark.parametrize(
    "name",
    [
        "lp_statement_given_id",
        "lp_answer_given_id",
        "lp_id_given_statement",
        "lp_statement_mean",
        "lp_answer_given_opening",
        "nosrc_lp_statement_given_id",
        "nosrc_lp_id_given_statement",
    ],
)
def test_every_signal_of_a_recited_statement_may_tell_what_is_said(name: str) -> None:
    questions, said = disputes(9)
    told = [q.support_class == "single" for q in questions]
    alike = [
        replace(p, signals={"lp_statement_given_id": -5.0, name: -1.0 - 8 * (not t)})
        for p, t in zip(said, told, strict=True)
    ]
    alike = [replace(p, rivals=()) for p in alike]
    kept = [i for i, question in enumerate(questions) if question.support_class != "contested"]
    weigher = CandidateSelector.fit([questions[i] for i in kept], [alike[i] for i in kept])
    assert weigher is not None
    odds = weigher.answers.log_odds(
        [{"lp_statement_given_id": -5.0, name: -1.0}, {"lp_statement_given_id": -5.0, name: -9.0}]
    )
    assert odds[0] > 1 and odds[1] < -1


def test_answers_under_a_false_premise_teach_nothing_and_their_premises_do() -> None:
    questions, said = disputes(9)
    plain = CandidateSelector.fit(questions, said)
    firm = {"premise_lp_statement_given_id": -3.0, "premise_lp_id_given_statement": -1.0, "premise_lp_statement": -9.0}
    doubtful = {name: value - 9 for name, value in firm.items()}
    asked = [ask(f"false{i}", "false_premise") for i in range(5)]
    asked += [ask(f"true{i}", "true_premise", ("yes",)) for i in range(5)]
    # What is answered under a false premise looks like what is told, and counts neither as said nor as not said.
    presumed = [replace(statement("yes", 0.99), question=q.id) for q in asked]
    presumed = [replace(p, signals={**p.signals, **doubtful}) for p in presumed]
    false = CandidateSelector.fit([*questions, *asked[:5]], [*said, *presumed[:5]])
    assert plain is not None and false is not None
    assert (false.answers, false.premises) == (plain.answers, None)  # all premises are false
    presumed[5:] = [replace(p, signals={**p.signals, **firm}) for p in presumed[5:]]
    both = CandidateSelector.fit([*questions, *asked], [*said, *presumed])
    assert both is not None and both.premises is not None
    assert both.answers != plain.answers  # those under a true premise count
    assert tuple(both.premises.curves) == PRESUMED
    assert (both.premises.log_odds([doubtful, firm]) > 0).tolist() == [False, True]


def test_nothing_is_fitted_where_nothing_can_be_told_apart() -> None:
    questions, said = disputes(9)
    unchecked = [replace(p, signals={}, rivals=()) for p in said]
    assert CandidateSelector.fit(questions, unchecked) is None
    told = [i for i, q in enumerate(questions) if q.support_class == "contested"]
    assert (
        CandidateSelector.fit([questions[i] for i in told], [said[i] for i in told]) is None
    )  # all that is answered is said
    absent = [i for i, q in enumerate(questions) if q.support_class == "absent_attribute"]
    assert CandidateSelector.fit([questions[i] for i in absent], [said[i] for i in absent]) is None
    assert CandidateSelector.fit([], []) is None


# JSON


def test_it_is_read_as_it_was_written() -> None:
    fitted = CandidateSelector.fit(*disputes(9))
    assert fitted is not None
    for weigher in (fitted, WEIGHER, replace(WEIGHER, premises=None), replace(WEIGHER, sources=None)):
        assert CandidateSelector.from_json(json.loads(json.dumps(weigher.to_json()))) == weigher


@pytest.mark.parametrize(
    "change",
    [
        {"bias": math.nan},
        {"bias": "much"},
        {"curves": ["lp_statement_given_id"]},
        {"curves": {"lp_statement_given_id": 3}},
        {"curves": {"lp_statement_given_id": {"value": [], "rise": []}}},
        {"curves": {"lp_statement_given_id": {"value": [0.0, 1.0], "rise": [0.0]}}},
        {"curves": {"lp_statement_given_id": {"value": [0.0, 1.0], "rise": [0.0, math.inf]}}},
        {"curves": {"lp_statement_given_id": {"value": [0.0, math.nan], "rise": [0.0, 1.0]}}},
        {"curves": {"lp_statement_given_id": {"value": [0.0, 0.0], "rise": [0.0, 1.0]}}},
        {"curves": {"lp_statement_given_id": {"value": [0.0, 1.0], "rise": [1.0, 0.0]}}},
    ],
)
@pytest.mark.parametrize("part", ["answers", "premises", "sources"])
def test_other_shapes_are_refused(change: dict[str, Any], part: str) -> None:
    value = WEIGHER.to_json()
    with pytest.raises((TypeError, ValueError)):
        CandidateSelector.from_json(value | {part: value[part] | change})
