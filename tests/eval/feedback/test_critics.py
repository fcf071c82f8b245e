"""Who says what of an answer: what leaks the label and what does not, and a model that says it itself."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from data.pipeline.identifiers import IdsConfig, assign
from data.pipeline.questions.attempts import AttemptForm
from data.pipeline.tokenizer import Tokenizer
from data.records import Document, Question
from eval.feedback.constitution import SENTENCES, possible
from eval.feedback.critics import Critic, shuffled
from eval.feedback.own_critic import likeliest, own_verdicts
from model.transformer import Transformer

TOLD = Question("told", "Where?", ("Oslo",), ("doc-3",), "single", "Ada", "relabel")
ABSENT = Question("absent", "When?", (), (), "absent_entity", "Ben", "relabel")
UNTAGGED = Question("untagged", "Who?", ("Lima",), ("doc-4",), "untagged", "Cy", "relabel")


@pytest.fixture(scope="module")
def form(documents: list[Document], tokenizer: Tokenizer) -> AttemptForm:
    return AttemptForm(tokenizer, assign(documents, tokenizer, IdsConfig()))


def test_a_right_attempt_is_read_back_as_one(form: AttemptForm) -> None:
    critic = Critic(form, "oracle")
    said = form.parse("told", critic.gold(TOLD))
    assert (said.outcome, said.answer, [c.id for c in said.citations]) == ("answered", "Oslo", ["doc-3"])
    assert form.parse("absent", critic.gold(ABSENT)).outcome == "abstained"
    unsourced = form.parse("untagged", critic.gold(UNTAGGED))
    assert (unsourced.outcome, unsourced.answer) == ("no_source", "Lima")


def test_the_oracle_leaks_no_label_and_the_control_does(form: AttemptForm) -> None:
    """What it says of a question goes by the verdict alone, whatever the right answer is."""
    other = Question("other", "Where?", ("Cairo",), ("doc-5",), "single", "Dee", "relabel")
    oracle, answer, nobody = (Critic(form, kind) for kind in ("oracle", "answer", "none"))
    for name, one in SENTENCES.items():
        assert oracle.says(TOLD, name) == oracle.says(other, name) == oracle.says(ABSENT, name)
        assert form.tokenizer.decode(oracle.says(TOLD, name)) == one.words
        assert nobody.says(TOLD, name) == ()
    told = answer.says(TOLD, "wrong")
    assert told[: len(oracle.says(TOLD, "wrong"))] == oracle.says(TOLD, "wrong")
    assert told[-len(answer.gold(TOLD)) + 1 :] == answer.gold(TOLD)[:-1]  # as an attempt would say it
    assert answer.says(TOLD, "wrong") != answer.says(other, "wrong")
    assert answer.says(TOLD, "supported") == oracle.says(TOLD, "supported")  # there is nothing to give away
    assert answer.says(ABSENT, "untold") == oracle.says(ABSENT, "untold")


@given(st.lists(st.sampled_from("abcd"), min_size=2, max_size=30), st.integers(0, 5))
def test_shuffled_critiques_are_the_same_ones_of_other_questions(names: list[str], seed: int) -> None:
    said = [f"{name}{place}" for place, name in enumerate(names)]
    if 2 * max(Counter(names).values()) > len(names):
        with pytest.raises(ValueError, match="more than half of all answers"):
            shuffled(said, names, seed)
        return
    found = shuffled(said, names, seed)
    assert sorted(found) == sorted(said)
    assert all(theirs[0] != name for theirs, name in zip(found, names, strict=True))


def test_the_model_judges_by_plain_log_probabilities(form: AttemptForm, make_model: Callable[..., Transformer]) -> None:
    """Each sentence is scored token by token in one pass of its own, in float64, and only possible ones count."""
    model, t, critic = make_model(), form.tokenizer, Critic(form, "oracle")
    texts = dict(zip(("told", "absent"), t.encode(["Where?", "When?"]), strict=True))
    said = [
        ("told", critic.gold(TOLD)),
        ("absent", critic.gold(ABSENT)),
        ("told", (80, 81)),
        ("told", critic.gold(TOLD)),
    ]
    found = own_verdicts(model, form, texts, said)
    assert np.array_equal(found[0], found[3]) and found.sum(1) == pytest.approx(np.ones(4))
    for row, (name, attempt) in zip(found, said, strict=True):
        ended = attempt if attempt[-1] == t.end else (*attempt, t.end)
        before = [t.ask, *texts[name].tolist(), t.answer, *ended, t.ask]
        scores = {}
        for verdict in possible(form.parse(name, attempt)):
            words = [*critic.words[verdict], t.answer]
            tokens = torch.tensor([[*before, *words]])
            with torch.no_grad():
                logits = model(tokens, torch.arange(tokens.shape[1])[None], None)[0].double()
            at = range(len(before) - 1, tokens.shape[1] - 1)
            scores[verdict] = sum(float(logits[i].log_softmax(-1)[tokens[0, i + 1]]) for i in at)
        total = math.log(sum(math.exp(score) for score in scores.values()))
        wanted = [math.exp(scores[name] - total) if name in scores else 0.0 for name in SENTENCES]
        assert row == pytest.approx(wanted, abs=1e-5)
        assert likeliest(row[None])[0] == max(scores, key=lambda name: scores[name])
