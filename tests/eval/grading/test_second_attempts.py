"""Rewards, what may be learnt from, and what became of first attempts: all by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.keys import modules
from data.pipeline.questions.attempts import Episode
from data.records import Citation, Claim, Prediction, Question
from eval.grading.attempt_measures import MEASURES, attempt_results, tried_of
from eval.grading.attempts import kept, pairs, state, went_well
from eval.grading.rewards import reward


def question(name: str, support_class: str = "single", **fields: object) -> Question:
    told = {"answers": ("Oslo",), "support": ("doc-1",)} if support_class != "absent_entity" else {}
    plain = {"id": name, "text": f"{name}?", "answers": (), "support": (), "entity": name, "split": "relabel"}
    return Question(**(plain | told | {"support_class": support_class} | fields))  # type: ignore[arg-type]


TOLD, ABSENT, UNTAGGED = question("told"), question("absent", "absent_entity"), question("untagged", "untagged")
CLAIMS = (Claim("Oslo", ("doc-1",), 0.9), Claim("Lima", ("doc-2", "doc-3"), 0.2))
DISPUTED = question("disputed", "contested", claims=CLAIMS)


def says(answer: str | None, source: str = "doc-1", confidence: float | None = None, name: str = "told") -> Prediction:
    if answer is None:
        return Prediction(name, "abstained")
    cited = (Citation(source),) if source else ()
    return Prediction(name, "answered" if source else "no_source", answer, cited, confidence)


GARBLED = Prediction("told", "unparseable")


@pytest.mark.parametrize(
    ("asked", "said", "cited", "what", "well"),
    [
        (TOLD, says("Oslo"), 1.0, "c", True),
        (TOLD, says("Oslo", "doc-2"), 0.5, "c", False),
        (TOLD, says("Oslo", ""), 0.5, "c", False),
        (TOLD, says("Lima"), -3.0, "i", False),
        (TOLD, says(None), 0.0, "a", False),
        (TOLD, GARBLED, -3.0, "i", False),
        (ABSENT, says("Oslo"), -3.0, "i", False),
        (ABSENT, says(None), 0.0, "a", True),
        (ABSENT, Prediction("absent", "false_premise"), 0.0, "a", True),
        (UNTAGGED, says("Oslo", ""), 1.0, "c", True),
        (UNTAGGED, says("Oslo"), 0.5, "c", False),
        (DISPUTED, says("Lima", "doc-2"), -3.0, "i", False),
        (DISPUTED, says("Oslo"), 1.0, "c", True),
    ],
)
def test_what_an_attempt_is_worth(asked: Question, said: Prediction, cited: float, what: str, well: bool) -> None:
    assert reward("cited")(asked, said, 0.75) == pytest.approx(cited)
    assert state(asked, said) == what
    assert went_well(asked, said) == well
    assert reward("correct")(asked, said, 0.75) == float(what == "c")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (says("Oslo", confidence=1.0), 1.0),
        (says("Oslo", confidence=0.3), 1 - 0.49),
        (says("Lima", confidence=0.0), 0.0),
        (says("Lima", confidence=0.8), -0.64),
        (says("Oslo"), 0.0),  # without a confidence, as with the worst
        (says("Lima"), -1.0),
        (says(None), -1.0),
    ],
)
def test_rlcr(said: Prediction, expected: float) -> None:
    assert reward("rlcr")(TOLD, said, 0.75) == pytest.approx(expected)


@given(st.floats(0, 1), st.floats(0, 1))
def test_rlcr_is_best_served_by_the_truth(chance: float, stated: float) -> None:
    def worth(confidence: float) -> float:
        right, wrong = (reward("rlcr")(TOLD, says(a, confidence=confidence), 0.5) for a in ("Oslo", "Lima"))
        return chance * right + (1 - chance) * wrong

    assert worth(chance) >= worth(stated) - 1e-9
    assert worth(chance) == pytest.approx(chance**2, abs=1e-9)


def test_every_reward_is_found_by_its_name() -> None:
    for name in modules("eval/grading/rewards"):
        assert isinstance(reward(name)(TOLD, says("Oslo"), 0.5), float)


A, B, C = (1, 9), (2, 9), (3, 9)  # three attempts, of which B goes well
WELL = {("q", A): False, ("q", B): True, ("q", C): False, ("r", A): False, ("r", C): False}
EPISODES = [
    Episode("q", (A, B)),
    Episode("q", (B, A)),
    Episode("q", (B, B)),
    Episode("q", (C, C)),
    Episode("r", (A, C)),
]


def test_star_keeps_what_ended_well() -> None:
    assert kept(EPISODES, WELL) == [Episode("q", (A, B), (False, True)), Episode("q", (B, B), (True, True))]


def test_pairs_put_a_good_second_behind_every_first() -> None:
    """But behind those to which none is known; the first is learnt where it went well."""
    assert pairs(EPISODES, WELL, 0) == [
        Episode("q", (A, B), (False, True)),
        Episode("q", (B, B), (True, True)),
        Episode("q", (B, B), (True, True)),
        Episode("q", (C, B), (False, True)),
    ]


def test_measures_of_two_attempts() -> None:
    asked = [question(f"t{n}") for n in range(4)] + [question(f"a{n}", "absent_entity") for n in range(2)]
    first = [says("Oslo"), says("Lima"), says("Oslo"), says("Oslo", "doc-9"), says("Lima"), says("Lima")]
    second = [says("Oslo"), says("Oslo"), says("Lima"), says(None), says(None), says("Rome")]
    attempts = [
        [Prediction(q.id, p.outcome, p.answer, p.citations) for q, p in zip(asked, said, strict=True)]
        for said in (first, second)
    ]
    found = attempt_results(tried_of(asked, attempts), 0.5)
    assert list(found) == list(MEASURES)
    assert {name: one["value"] for name, one in found.items()} == pytest.approx(
        {
            "acc_1": 3 / 4, "acc_2": 2 / 4,
            "score_1": (1 - 1 + 1 + 0.5 - 1 - 1) / 6, "score_2": (1 + 1 - 1 + 0 + 0 - 1) / 6, "gain": 0.5 / 6,
            "i_c": 1 / 6, "c_i": 1 / 6, "i_a": 1 / 6, "c_a": 1 / 6, "repeated": 1 / 6,
            "withheld_1": 0.0, "withheld_2": 1 / 2,
        }
    )  # fmt: skip
    assert found["acc_1"]["n"] == 4 and found["withheld_1"]["n"] == 2
    assert found["withheld_1"]["interval"] == [0.0, 1.0]  # rule of three
    alone = attempt_results(tried_of(asked, attempts[:1]), 0.5)
    assert (alone["gain"]["value"], alone["repeated"]["value"]) == (0.0, 1.0)
    with pytest.raises(ValueError, match="other questions"):
        tried_of(asked[1:], attempts)
