"""Of rival answers the best is chosen: probabilities by hand and by a plain reference, properties on drawn rivals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.special import expit, logit

from data.records import FOLDS, Citation, Claim, Prediction, Question
from eval.answerers.candidates import candidates
from eval.selective.answer_selection import PRESUMED, CandidateSelector
from eval.selective.monotone_gam import Curve, MonotoneGAM

SAME = Curve((-40.0, 40.0), (0.0, 80.0))
PLAIN = MonotoneGAM(-40.0, {"lp_statement_given_id": SAME})  # the signal is the log-odds
WEIGHER = CandidateSelector(PLAIN, MonotoneGAM(-40.0, {"premise_lp_statement_given_id": SAME}), PLAIN)


def statement(answer: str, said: float, **more: float) -> Prediction:
    """An answer that some document gives with this probability, as `PLAIN` reads it, and so do `second` and `third`."""
    places = {"second": 2, "third": 3}
    opened = {
        f"lp_statement_given_id_{place}": float(logit(more.pop(name))) for name, place in places.items() if name in more
    }
    signals = {"lp_statement_given_id": float(logit(said)), **more, **opened} | dict.fromkeys(
        (f"lp_id_given_statement_{name[-1]}" for name in opened), -1.0
    )
    return Prediction("q", "answered", answer, tuple(map(Citation, (f"of {answer}", "x", "y"))), signals=signals)


def ask(name: str, support_class: str, answers: tuple[str, ...] = (), **more: Any) -> Question:
    support = ("doc",) if answers else ()
    return Question(name, "?", answers, support, support_class, name, "never_tuned", **more)


def disputes(n: int = 45) -> tuple[list[Question], list[Prediction]]:
    """By fold: a third disputed, a third told by one document, a third never told; two answers to each question.

    The first answer to what is disputed is that of the less reliable document. The second answer to the others cites a
    very reliable document, which says no such thing.
    """
    rng = np.random.default_rng(0)
    questions, said = [], []

    def answered(name: str, answer: str, source: str, reliability: float, told: bool) -> Prediction:
        low, noise = 0.0 if told else 1.0, rng.random(4)
        signals = {
            "answer": -0.1 - noise[0],
            "lp_statement_given_id": -3 - noise[1] - 8 * low,
            "lp_id_given_statement": -1 - noise[2] - 5 * low,
            "lp_statement": -12 - noise[3] - 4 * low,
            "lp_statement_mean": -13 - noise[3] - 5 * low,
            "reliability": reliability,
        }
        return Prediction(name, "answered", answer, (Citation(source, 0.5), Citation("x")), 0.5, signals=signals)

    for fold in FOLDS:
        for i in range(n):
            name, kind = f"{fold}{i}", ("contested", "single", "absent_attribute")[i % 3]
            claims = (Claim("yes", ("doc",), 0.9), Claim("no", ("worse",), 0.3)) if kind == "contested" else ()
            questions.append(ask(name, kind, () if kind == "absent_attribute" else ("yes",), fold=fold, claims=claims))
            if kind == "contested":
                first, second = answered(name, "no", "worse", 0.3, True), answered(name, "yes", "doc", 0.9, True)
            else:
                first = answered(name, "yes", "doc", 0.3, kind == "single")
                second = answered(name, "no", "worse", 0.9, False)
            said.append(replace(first, rivals=(second,)))
    return questions, said


# P(right) = P(said) * product over rivals: 1 - P(said) P(more weight)


@pytest.mark.parametrize(
    ("marked", "chosen", "right"),
    [
        (0.5, "marked", 0.5),  # three: .8 (1 - .5) = .4; one: .9 (1 - .5) (1 - .8 .96) = .10
        (0.1, "three", 0.72),  # .8 (1 - .1); one: .9 (1 - .1) (1 - .8 .96) = .19
    ],
)
def test_reliability_counts_before_the_number_of_sources(marked: float, chosen: str, right: float) -> None:
    one = statement("one", 0.9, reliability=0.3)
    three = statement("three", 0.8, reliability=0.3, second=0.8, third=0.8)
    (found,) = WEIGHER.choose([replace(one, rivals=(three, statement("marked", marked, reliability=0.9)))])
    assert (found.answer, found.citations[0]) == (chosen, Citation(f"of {chosen}"))
    assert math.exp(found.signals["lp_correct"]) == pytest.approx(right)


def test_who_says_the_same_from_elsewhere_denies_nothing() -> None:
    one, sure = statement("Oslo", 0.6, reliability=0.3), statement("oslo.", 0.5, reliability=0.9)
    (found,) = WEIGHER.choose([replace(one, rivals=(sure,))])
    assert (found.answer, math.exp(found.signals["lp_correct"])) == ("Oslo", pytest.approx(0.6))


def test_a_rival_of_no_more_weight_takes_nothing_away() -> None:
    for weight in ({}, {"reliability": 0.3}, {"reliability": 0.3, "second": 1 - 1e-12}):
        (found,) = WEIGHER.choose([replace(statement("a", 0.6, **weight), rivals=(statement("b", 0.7, **weight),))])
        assert (found.answer, math.exp(found.signals["lp_correct"])) == ("b", pytest.approx(0.7))


def test_a_rival_takes_away_as_much_as_it_may_have_more_sources() -> None:
    """By hand: a has a second source with .5, b a second with .6 and a third with .5."""
    a, b = statement("a", 0.9, second=0.5), statement("b", 0.8, second=0.6, third=0.5)
    # b has 1, 2, 3 sources with .2, .5, .3, a 1, 2 with .5, .5: b has more with .5 (.5 + .3) + .5 .3 = .55.
    (found,) = WEIGHER.choose([replace(a, rivals=(b,))])
    # a has more with .5 .2 = .1, so that b is right with .8 (1 - .9 .1) and a with .9 (1 - .8 .55).
    assert (found.answer, math.exp(found.signals["lp_correct"])) == ("b", pytest.approx(0.8 * 0.91))
    (sure,) = WEIGHER.choose(
        [replace(a, rivals=(replace(b, signals={**b.signals, "lp_statement_given_id": float(logit(0.1))}),))]
    )
    assert (sure.answer, math.exp(sure.signals["lp_correct"])) == ("a", pytest.approx(0.9 * (1 - 0.1 * 0.55)))
    (blind,) = replace(WEIGHER, sources=None).choose([replace(a, rivals=(b,))])  # none was opened when fitting
    assert (blind.answer, math.exp(blind.signals["lp_correct"])) == ("a", pytest.approx(0.9))


def test_without_marks_every_source_is_as_reliable_and_there_is_one() -> None:
    marks = {"reliability": 0.0, "second": 1e-12}
    for likely, other in ({}, marks), (marks, {}):  # they tie, so neither takes anything from the other
        (found,) = WEIGHER.choose([replace(statement("a", 0.9, **likely), rivals=(statement("b", 0.6, **other),))])
        assert (found.answer, math.exp(found.signals["lp_correct"])) == ("a", pytest.approx(0.9))
    (two,) = WEIGHER.choose([replace(statement("a", 0.6), rivals=(statement("b", 0.5, second=1 - 1e-12),))])
    assert (two.answer, math.exp(two.signals["lp_correct"])) == ("b", pytest.approx(0.5))  # a: .6 (1 - .5)


def test_a_single_answer_is_as_right_as_it_is_said() -> None:
    alone = statement("a", 0.2, reliability=0.3, second=0.4)
    (found,) = WEIGHER.choose([alone])
    assert found.signals["lp_correct"] == pytest.approx(math.log(0.2))
    gained = {"lp_correct": found.signals["lp_correct"], "lp_asserted": found.signals["lp_asserted"]}
    assert gained["lp_asserted"] == gained["lp_correct"]
    assert found == replace(alone, signals={**alone.signals, **gained})


def test_of_equals_the_answer_itself_stays() -> None:
    equal = tuple(statement(answer, 0.6) for answer in "bc")
    (found,) = WEIGHER.choose([replace(statement("a", 0.6), rivals=equal)])
    assert (found.answer, [rival.answer for rival in found.rivals]) == ("a", ["b", "c"])
    assert [math.exp(rival.signals["lp_asserted"]) for rival in found.rivals] == pytest.approx([0.6, 0.6])


# Of any rivals

marks = st.fixed_dictionaries(
    {}, optional={"reliability": st.sampled_from([0.3, 0.9]), "second": st.floats(0.01, 0.99), "third": st.just(0.4)}
)
checked = st.builds(lambda p, more: statement("", p, **more), st.floats(0.01, 0.99), marks)
unchecked = st.builds(lambda more: Prediction("q", "answered", signals=more), marks)


@st.composite
def disputed(draw: st.DrawFn) -> Prediction:
    """An answer with up to five rivals, all told apart by their words and by samples of their own."""
    held = draw(st.lists(checked | unchecked, min_size=1, max_size=6))
    first, *rivals = [replace(p, answer=str(i), samples=(f"sample of {i}",)) for i, p in enumerate(held)]
    premises = draw(st.dictionaries(st.sampled_from(PRESUMED), st.floats(-30, 5)))
    return replace(first, signals={**first.signals, **premises}, rivals=tuple(rivals))


def slow_more(other: Mapping[str, float], one: Mapping[str, float]) -> float:
    """P(the other has more further sources), case by case."""
    sources = [
        (side, expit(s[f"lp_statement_given_id_{n}"]))
        for side, s in ((1, other), (-1, one))
        for n in (2, 3)
        if f"lp_statement_given_id_{n}" in s
    ]
    total = 0.0
    for case in product((0, 1), repeat=len(sources)):
        if sum(side * says for (side, _), says in zip(sources, case, strict=True)) > 0:
            total += math.prod(p if says else 1 - p for (_, p), says in zip(sources, case, strict=True))
    return total


def slow_scores(prediction: Prediction) -> dict[str, float]:
    """P(right) of each candidate, rival by rival."""
    found = {}
    held = [p for p in (prediction, *prediction.rivals) if "lp_statement_given_id" in p.signals]
    for one in held:
        score = expit(one.signals["lp_statement_given_id"])
        for other in held:
            reliable, than = (p.signals.get("reliability", 0.0) for p in (other, one))
            if reliable > than:
                score *= 1 - expit(other.signals["lp_statement_given_id"])
            elif reliable == than and other is not one:
                score *= 1 - expit(other.signals["lp_statement_given_id"]) * slow_more(other.signals, one.signals)
        found[str(one.answer)] = float(score)
    return found


@given(disputed())
def test_the_chosen_answer_has_the_greatest_score(prediction: Prediction) -> None:
    scores = slow_scores(prediction)
    assume(scores)
    (found,) = WEIGHER.choose([prediction])
    assert math.exp(found.signals["lp_correct"]) == pytest.approx(max(scores.values()))
    assert scores[str(found.answer)] == pytest.approx(max(scores.values()))


@given(disputed(), st.data())
def test_the_order_of_rivals_chooses_nothing(prediction: Prediction, data: st.DataObject) -> None:
    scores = sorted(slow_scores(prediction).values(), reverse=True)
    assume(len(scores) < 2 or scores[0] > scores[1] * (1 + 1e-9))
    shuffled = replace(prediction, rivals=tuple(data.draw(st.permutations(prediction.rivals))))
    (one,), (other,) = WEIGHER.choose([prediction]), WEIGHER.choose([shuffled])
    assert (one.answer, one.citations) == (other.answer, other.citations)


@given(disputed())
def test_nothing_is_lost(prediction: Prediction) -> None:
    held = candidates(prediction)
    assert held == [p for p in (prediction, *prediction.rivals) if "lp_statement_given_id" in p.signals]
    assume(held)
    (found,) = WEIGHER.choose([prediction])
    (best,) = [p for p in held if p.answer == found.answer]
    bare = [replace(p, signals={n: v for n, v in p.signals.items() if n != "lp_asserted"}) for p in found.rivals]
    assert bare == [replace(p, rivals=()) for p in held if p is not best]
    odds = WEIGHER.answers.log_odds([p.signals for p in found.rivals])
    assert [p.signals["lp_asserted"] for p in found.rivals] == pytest.approx((-np.logaddexp(0, -odds)).tolist())
    assert best.signals.items() <= found.signals.items()
    assert (found.citations, found.outcome, found.question) == (best.citations, "answered", "q")


@given(disputed())
def test_what_is_presupposed_follows_the_question(prediction: Prediction) -> None:
    """And so do the samples."""
    assume(candidates(prediction))
    (found,) = WEIGHER.choose([prediction])
    premises = {name: value for name, value in prediction.signals.items() if name.startswith("premise_")}
    kept = {name: value for name, value in found.signals.items() if name.startswith("premise_")}
    assert found.samples == prediction.samples
    if not premises:
        assert kept == {}
        return
    told = expit(prediction.signals.get("premise_lp_statement_given_id", -40.0))
    assert math.exp(kept.pop("premise_lp_asserted")) == pytest.approx(told)
    assert kept == premises
    (blind,) = replace(WEIGHER, premises=None).choose([prediction])  # no question presupposed anything when fitting
    assert "premise_lp_asserted" not in blind.signals and premises.items() <= blind.signals.items()


@given(disputed())
def test_to_choose_again_changes_nothing(prediction: Prediction) -> None:
    scores = sorted(slow_scores(prediction).values(), reverse=True)
    assume(len(scores) < 2 or scores[0] > scores[1] * (1 + 1e-9))
    once = WEIGHER.choose([prediction])
    assert [p.answer for p in WEIGHER.choose(once)] == [p.answer for p in once]
    assert WEIGHER.choose(once)[0].signals == pytest.approx(once[0].signals)


def test_where_nothing_was_checked_nothing_changes() -> None:
    rival = Prediction("q", "answered", "b", signals={"lp_answer_given_opening": -1.0, "reliability": 0.9})
    plain = Prediction(
        "q", "answered", "a", (Citation("d"),), 0.5, signals={"premise_lp_statement_given_id": -1.0}, rivals=(rival,)
    )
    for prediction in (plain, Prediction("q", "abstained")):
        assert candidates(prediction) == []
        assert WEIGHER.choose([prediction]) == [prediction]
    assert WEIGHER.choose([]) == []


# Fitting
