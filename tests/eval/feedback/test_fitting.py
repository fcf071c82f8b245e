"""What is taught about critiques, which refinements are learnt, and the weights beside plain float64."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.pipeline.identifiers import IdsConfig, assign
from data.pipeline.questions.attempts import AttemptForm
from data.pipeline.questions.refinements import Refinement
from data.pipeline.tokenizer import Tokenizer
from data.records import Claim, Document, Question
from eval.feedback.constitution import KEPT, SENTENCES, verdict
from eval.feedback.critics import Critic
from eval.feedback.refinements import EACH, Judged, best_fitting, by_outcome, fit, lessons

REWARDS = st.lists(st.sampled_from([-1.0, -0.3, 0.0, 0.5, 1.0]), min_size=1, max_size=12)


@given(REWARDS, st.floats(0, 5))
def test_weights_are_those_of_the_formula(rewards: list[float], beta: float) -> None:
    """exp(beta R) 1[R >= 0] over its sum, in plain float64, one by one."""
    plain = [math.exp(beta * reward) if reward >= 0 else 0.0 for reward in rewards]
    wanted = [weight / sum(plain) for weight in plain] if any(plain) else [0.0] * len(rewards)
    assert fit(np.array(rewards), beta) == pytest.approx(wanted)


def test_with_rewards_of_0_and_1_the_weights_are_those_of_passing_ones() -> None:
    """Chen et al.'s case: what fails has a reward below 0 here."""
    assert fit(np.array([1.0, -1.0, 1.0]), 3.0).tolist() == [0.5, 0.0, 0.5]


def test_refinements_are_drawn_by_their_weights() -> None:
    written = [Refinement(name, (), (), (second,)) for name, second in (("q", 1), ("q", 2), ("q", 3), ("r", 4))]
    found = best_fitting(written, np.array([1.0, 0.0, -1.0, -1.0]), 2.0, 4000, 0)
    counts = Counter(one.attempts for one in found)
    assert {one.question for one in found} == {"q"}  # to the other nothing fits
    assert set(counts) == {((1,),), ((2,),)} and len(found) == 4000
    assert counts[((1,),)] / 4000 == pytest.approx(math.exp(2) / (math.exp(2) + 1), abs=0.02)
    assert all(one.learn == (True,) for one in found)
    assert found == best_fitting(written, np.array([1.0, 0.0, -1.0, -1.0]), 2.0, 4000, 0)


def test_by_outcome_an_answer_is_learnt_where_it_was_right_often_enough() -> None:
    firsts = [("q", (1,)), ("q", (2,)), ("r", (3,)), ("r", (4,)), ("r", (5,))]
    found = by_outcome(firsts, np.array([1.0, -1.0, 1.0, -1.0, 0.0]), 0.5, 2, (9,), 0)
    assert [(one.question, one.attempts) for one in found] == [("q", ((1,),))] * 2 + [("r", ((9,),))] * 2
    assert by_outcome(firsts[:2], np.zeros(2), 0.0, 1, (9,), 0)[0].attempts == ((9,),)  # nothing right to say


@pytest.fixture(scope="module")
def form(documents: list[Document], tokenizer: Tokenizer) -> AttemptForm:
    return AttemptForm(tokenizer, assign(documents, tokenizer, IdsConfig()))


def asked(number: int, support_class: str = "single", claims: tuple[Claim, ...] = ()) -> Question:
    place = ("Oslo", "Lima", "Cairo", "Quito")[number]
    support = ("doc-0", "doc-1") if support_class == "multi" else (f"doc-{number}",)
    given = ((place,), support) if support_class != "absent_attribute" else ((), ())
    return Question(f"q-{number}", "?", *given, support_class, str(number), "tune", attribute="born", claims=claims)


def test_a_critique_is_taught_by_what_is_right(form: AttemptForm) -> None:
    """What was said is what the ledger says of the first answer; what is kept stays, and all else becomes right."""
    claims = (Claim("Cairo", ("doc-2",), 0.9), Claim("Rome", ("doc-7",), 0.1))
    questions = [asked(0, "multi"), asked(1), asked(2, "contested", claims), asked(3, "absent_attribute")] * 40
    critic = Critic(form, "oracle")

    def judge(question: Question, attempt: tuple[int, ...]) -> str:
        return verdict(question, form.parse(question.id, attempt))

    found = lessons(questions, questions[:3], critic, judge, 0)
    assert len(found) == EACH * len(questions)
    by_id = {question.id: question for question in questions}
    verdicts: Counter[str] = Counter()
    for one in found:
        question, name = by_id[one.question], judge(by_id[one.question], one.first)
        verdicts[name] += 1
        assert one.critique == critic.says(question, name)
        assert one.second == one.first if name in KEPT else one.second == critic.gold(question)
        assert judge(question, one.second) in KEPT
    assert set(verdicts) == set(SENTENCES)  # each of them is taught
    others = [one for one in found if judge(by_id[one.question], one.first) == "supported"]
    assert any(one.second != critic.gold(by_id[one.question]) for one in others)  # another source is as good
    assert found == lessons(questions, questions[:3], critic, judge, 0)
    with_answers = lessons(questions, questions[:3], Critic(form, "answer"), judge, 0)
    assert [one.first for one in with_answers] == [one.first for one in found]  # the same firsts, other words


def test_what_was_judged_is_its_json() -> None:
    one = Judged("q", "", "wrong", "", "supported")
    assert Judged.from_json(one.to_json()) == one
