"""Every way to decide, on answers made up here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from data.records import FOLDS, Citation, Prediction, Question
from eval.grading.correctness import right, supported
from eval.results.abstention_report import AbstentionReport
from eval.selective.policy import LEARNT, OPTIONAL, Policy
from eval.selective.selective_baselines import decide, fit_policies, fit_policy, in_fold
from tests.eval.selective.test_answer_selection import disputes


def everything(n: int = 60) -> tuple[list[Question], list[Prediction]]:
    """By fold: a third told, tagged; a third told, untagged; a third never told. Signals say which, with noise."""
    rng = np.random.default_rng(0)
    questions, said = [], []
    for fold in FOLDS:
        for i in range(n):
            kind = ("single", "untagged", "absent_attribute")[i % 3]
            answers, support = ((), ()) if kind == "absent_attribute" else (("yes",), ("doc",))
            questions.append(
                Question(f"{fold}{i}", "?", answers, support, kind, f"{fold}{i}", "never_tuned", fold=fold)
            )
            signals = {
                "answer": -0.1 - rng.random() - (kind == "absent_attribute") * rng.random(),
                "citation": -1.0,
                "lp_id_given_statement": -rng.random() - 6 * (kind != "single"),
                "lp_statement_given_id": -3 - rng.random() - 8 * (kind != "single"),
                "lp_statement": -12 - rng.random() - 5 * (kind == "absent_attribute"),
                "refusal": -1.0 if i % 5 else -0.1,
                "best_word": -0.5,
            }
            said.append(
                Prediction(
                    f"{fold}{i}", "answered", "yes", (Citation("doc", 0.5), Citation("x", 0.1)), 0.5, signals=signals
                )
            )
    return questions, said


def test_bounds_and_own_decisions() -> None:
    questions, said = everything()
    systems = decide(questions, said, fit_policies(questions, said, 0.02))
    assert {p.outcome for p in systems["never"].free} == {"abstained"}
    assert {p.outcome for p in systems["always"].free} == {"answered"}
    rate = right(*in_fold(questions, said, "calibration")).mean()
    assert {p.confidence for p in systems["always"].free} == {rate}
    for question, free in zip(questions, systems["oracle"].free, strict=True):
        assert (free.outcome, free.confidence) == (("answered", 1.0) if question.answers else ("abstained", 0.0))
    assert [p.outcome == "abstained" for p in systems["own"].free] == [p.signals["refusal"] > -0.5 for p in said]
    assert "agreement" not in systems  # nothing was sampled


def test_learnt_weights_tell_the_untagged_from_the_never_told() -> None:
    questions, said = everything()
    systems = decide(questions, said, fit_policies(questions, said, 0.02))
    classes = [q.support_class for q in in_fold(questions, said, "test")[0]]
    outcomes = [p.outcome for p in in_fold(questions, systems["bidirectional"].free, "test")[1]]
    assert dict(zip(classes, outcomes, strict=True)) == {
        "single": "answered",
        "untagged": "no_source",
        "absent_attribute": "abstained",
    }
    agreed = np.mean(
        [
            {"single": "answered", "untagged": "no_source"}.get(c, "abstained") == o
            for c, o in zip(classes, outcomes, strict=True)
        ]
    )
    assert agreed > 0.95
    added = in_fold(questions, systems["bidirectional_sum"].free, "test")[1]
    assert [p.outcome for p in added].count("abstained") < 20  # the sum alone can't see why the untagged are told


def test_the_probability_of_a_source_is_that_it_is_right() -> None:
    questions, said = everything()
    policy = fit_policy(questions, said, 0.02)
    assert policy is not None
    free = policy.apply(said)
    tagged = np.array([q.support_class == "single" for q in questions])
    source = np.array([p.citations[0].probability for p in free])
    assert source[tagged].mean() > 0.9 > 0.1 > source[~tagged].mean()
    assert all(p.citations[1] == Citation("x", 0.1) for p in free)
    assert supported(questions, said).tolist() == tagged.tolist()


def test_a_claim_is_supported_by_the_documents_of_its_own_value() -> None:
    from data.records import Claim

    claims = (Claim("yes", ("a",), 0.9), Claim("no", ("b",), 0.9))
    tied = Question("q", "?", ("yes", "no"), ("a", "b"), "contested", "e", "never_tuned", claims=claims)
    for answer, source, expected in (("yes", "a", True), ("yes", "b", False), ("no", "b", True)):
        assert supported([tied], [Prediction("q", "answered", answer, (Citation(source),))]).tolist() == [expected]


def test_signals_that_right_answers_lack_fit_nothing() -> None:
    questions, said = everything()
    lacking = [replace(p, signals={k: v for k, v in p.signals.items() if k != "lp_statement_given_id"}) for p in said]
    assert fit_policy(questions, lacking, 0.02) is None
    assert fit_policy(questions, lacking, 0.02, "log_probability") is not None


def test_the_check_against_no_source_is_weighed_where_a_model_shows_it() -> None:
    questions, said = everything()
    plain = fit_policy(questions, said, 0.02)
    shown = [
        replace(
            p,
            signals=p.signals
            | {
                "nosrc_lp_statement_given_id": -20.0,
                "nosrc_lp_id_given_statement": 0.0 if q.support_class == "untagged" else -9.0,
            },
        )
        for q, p in zip(questions, said, strict=True)
    ]
    policy = fit_policy(questions, shown, 0.02)
    assert plain is not None and policy is not None and policy.source is not None
    assert set(policy.answer.weights) - set(plain.answer.weights) == {
        "nosrc_lp_statement_given_id",
        "nosrc_lp_id_given_statement",
    }
    assert policy.source.weights["nosrc_lp_id_given_statement"] < 0  # where it has none, no source is named


def test_weights_are_learnt_from_the_calibration_fold_alone() -> None:
    questions, said = everything()
    spoilt = [
        replace(p, signals={**p.signals, "lp_statement_given_id": 0.0, "lp_id_given_statement": 0.0})
        if q.fold == "test"
        else p
        for q, p in zip(questions, said, strict=True)
    ]
    policies = [fit_policy(questions, predictions, 0.02) for predictions in (said, spoilt)]
    assert policies[0] == policies[1]
    assert isinstance(policies[0], Policy)
    assert set(policies[0].answer.weights) == {name for name in LEARNT if not name.startswith(OPTIONAL)}
    assert policies[0].answer.weights["lp_statement_given_id"] > 0


@pytest.mark.parametrize("max_abstained", [0.0, 0.1])
def test_thresholds_come_from_dev(max_abstained: float) -> None:
    questions, said = everything()
    policy = fit_policy(questions, said, max_abstained, "log_probability")
    assert policy is not None
    dev = in_fold(questions, said, "dev")
    kept = policy.answer.scores(dev[1]) >= policy.answer.threshold
    assert np.mean(~kept[right(*dev)]) == pytest.approx(max_abstained, abs=0.03)


def test_weighing_has_answers_of_its_own() -> None:
    questions, said = disputes()
    systems = decide(questions, said, fit_policies(questions, said, 0.02))
    weighed = systems["selected"]
    told = np.array([bool(q.answers) for q in questions])
    assert right(questions, said)[told].mean() == pytest.approx(1 / 2)
    assert right(questions, weighed.forced)[told].all()
    assert [p.answer for p in weighed.forced] == [p.answer for p in weighed.free]
    assert weighed.score == pytest.approx([p.signals["lp_correct"] for p in weighed.forced])
    assert all(decided.forced == said for name, decided in systems.items() if name not in ("selected", "oracle"))
    assert systems["oracle"].forced == weighed.forced  # or it would bound nothing
    assert {p.outcome for p, t in zip(systems["oracle"].free, told, strict=True) if t} == {"answered"}
    assert {p.outcome for p, t in zip(weighed.free, told, strict=True) if not t} == {"abstained"}


def test_the_answers_of_weighing_are_judged() -> None:
    questions, said = disputes(30)
    knowing = AbstentionReport.of(questions, said, 0.02)
    assert knowing is not None and knowing.main == "selected"
    tested, forced = in_fold(questions, said, "test")
    found = knowing.by_fold()["test"]
    assert (
        found["accuracy_forced"]["value"] == found["joint_forced"]["value"] == 1.0
    )  # half of the answers as they were
    signals = knowing.by_signal()
    assert "difference" not in signals["selected"]
    # All that weighing answers to what was told is right, so there is nothing to tell apart; half of the answers are.
    assert np.isnan(signals["selected"]["right"]["value"])
    assert signals["lp_statement_given_id"]["right"]["value"] == pytest.approx(
        auroc_of(tested, forced, "lp_statement_given_id")
    )
    assert signals["selected"]["answerable"]["value"] > 0.99


def auroc_of(questions: Sequence[Question], said: Sequence[Prediction], name: str) -> float:
    """Of a signal among told questions, pair by pair: is a right answer's above a wrong one's?"""
    scores: dict[bool, list[float]] = {True: [], False: []}
    for question, prediction, correct in zip(questions, said, right(questions, said), strict=True):
        if question.answers:
            scores[bool(correct)].append(prediction.signals[name])
    return float(np.mean([(a > b) + (a == b) / 2 for a in scores[True] for b in scores[False]]))


def test_without_rivals_there_is_nothing_to_weigh() -> None:
    questions, said = disputes()
    alone = [replace(p, rivals=()) for p in said]
    assert fit_policy(questions, alone, 0.02, "selected") is None
    assert "selected" not in decide(questions, alone, fit_policies(questions, alone, 0.02))
    tested = [p if q.fold == "test" else replace(p, rivals=()) for q, p in zip(questions, said, strict=True)]
    assert fit_policy(questions, tested, 0.02, "selected") is None  # none on the calibration fold
