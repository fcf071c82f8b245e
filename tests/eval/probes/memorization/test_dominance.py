"""Dominance is a rule over plain log-probabilities, and its trials hold what they say they hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch

from data.pipeline.identifiers import Identifiers, IdsConfig, assign
from data.pipeline.tokenizer import Tokenizer
from data.records import Document, Question
from eval.answerers.likelihoods import token_log_probs
from eval.answerers.lm_answerer import LMAnswerer
from eval.probes import held_out, measured
from eval.probes.memorization.dominance import dominance, dominates, make_trials, score_trials
from model.transformer import Transformer

Make = Callable[..., Transformer]


@pytest.fixture(scope="module")
def identifiers(documents: list[Document], tokenizer: Tokenizer) -> Identifiers:
    return assign(documents, tokenizer, IdsConfig())


@pytest.fixture(scope="module")
def answerer(make_model: Make, tokenizer: Tokenizer, identifiers: Identifiers) -> LMAnswerer:
    return LMAnswerer(make_model(), tokenizer, identifiers, batch=7)


def ask(number: int, name: str, *support: int, split: str = "never_tuned", fold: str = "") -> Question:
    return Question(
        f"q-{number}",
        f"Where was {name} born?",
        ("Oslo",),
        tuple(f"doc-{n}" for n in support),
        "multi",
        name,
        split,
        fold=fold,
    )


# Documents 0, 8, 16, 24 and 32 tell of Ada Moss, 1, 9, ... of Ben Lark, and so on.
QUESTIONS = [ask(1, "Ada Moss", 0, 8), ask(2, "Ben Lark", 1, 9, 17), ask(3, "Cleo Finch", 2, 10, 18, 26)]


@torch.no_grad()
def plain(model: Transformer, before: Sequence[int], text: Sequence[int]) -> list[float]:
    """Log-probability of each token of the text in a row of its own."""
    tokens = torch.tensor([[*before, *text]])
    scores = model(tokens, torch.arange(tokens.shape[1])[None])[0].double().log_softmax(-1)
    return [float(scores[len(before) - 1 + i, token]) for i, token in enumerate(text)]


@pytest.mark.parametrize("batch", [1, 2, 256])
def test_log_probabilities_do_not_depend_on_their_neighbours(make_model: Make, batch: int) -> None:
    model = make_model()
    rows = [([300, 301, 302], [303]), ([304], [305, 306, 307, 308, 309]), ([310, 311], [312, 313, 314])]
    for found, (before, text) in zip(token_log_probs(model, rows, batch), rows, strict=True):
        assert found.tolist() == pytest.approx(plain(model, before, text), abs=1e-4)


def test_every_valid_one_must_exceed_every_invalid_one() -> None:
    valid = np.array([[-1.0, -2.0], [-1.0, -5.0], [-2.0, -3.0]])
    invalid = np.array([[-3.0, -4.0, -9.0], [-4.0, -9.0, -9.0], [-3.0, -4.0, -5.0]])
    assert dominates(valid, invalid).tolist() == [True, False, False]  # the last one ties


@pytest.mark.parametrize(("valid", "invalid", "null"), [(2, 3, 0.1), (1, 1, 0.5), (3, 2, 0.1), (2, 2, 1 / 6)])
def test_chance_passes_as_often_as_is_said(
    answerer: LMAnswerer, documents: list[Document], valid: int, invalid: int, null: float
) -> None:
    orders = np.array(list(permutations(range(valid + invalid))), dtype=float)
    assert dominates(orders[:, :valid], orders[:, valid:]).mean() == pytest.approx(null)
    found = dominance(answerer, [ask(1, "Ada Moss", 0, 8, 16)], documents, valid=valid, invalid=invalid)
    assert found["null"] == pytest.approx(null)


def test_trials_hold_sources_of_the_fact_and_other_documents_on_the_same_person(documents: list[Document]) -> None:
    labels = [document.id for document in documents]
    for seed in range(5):
        for trial in make_trials(QUESTIONS, documents, labels, seed):
            support = set(trial.question.support)
            telling = {d.id for d in documents if trial.question.entity in d.text} - support
            assert len(set(trial.valid)) == 2 and set(trial.valid) <= support
            assert len(set(trial.invalid)) == 3 and not set(trial.invalid) & support
            assert trial.matched == min(3, len(telling)) == len(telling & set(trial.invalid))
    assert [trial.matched for trial in make_trials(QUESTIONS, documents, labels)] == [3, 2, 1]
    drawn = {trial.valid for seed in range(20) for trial in make_trials(QUESTIONS[1:2], documents, labels, seed)}
    assert len(drawn) > 3
    few = documents[:4] + documents[8:9] + documents[16:17]  # three of Ada Moss, three of others
    for seed in range(20):
        (trial,) = make_trials(QUESTIONS[:1], few, [d.id for d in few], seed)
        assert "doc-16" in trial.invalid and not {"doc-0", "doc-8"} & set(trial.invalid)
    assert make_trials(QUESTIONS[:1], few[2:], [d.id for d in few[2:]]) == []  # neither sources nor others enough
    assert make_trials(QUESTIONS, documents, labels, 3) == make_trials(QUESTIONS, documents, labels, 3)


def test_untagged_documents_are_neither_valid_nor_invalid(documents: list[Document]) -> None:
    untagged = {"doc-1", "doc-16", "doc-24"}
    marked = [replace(d, metadata={"untagged": True}) if d.id in untagged else d for d in documents]
    labels = [document.id for document in documents]
    for seed in range(20):
        ada, ben, _ = make_trials(QUESTIONS, marked, labels, seed)
        assert set(ben.valid) == {"doc-9", "doc-17"}
        assert "doc-32" in ada.invalid and ada.matched == 1  # the only one left that tells of her
        assert not untagged & {*ada.invalid, *ben.invalid}
    assert len(make_trials([ask(1, "Ben Lark", 1, 9)], marked, labels)) == 0  # one tagged source is too few


def test_documents_may_share_a_label() -> None:
    documents = [
        Document("a", (("Ada Moss studied law.",),)),
        Document("b", (("Nothing.",),)),
        *(Document(name, (("Ada Moss was born in Oslo.",),)) for name in "cd"),
    ]
    question = replace(ask(1, "Ada Moss", 0), support=("Herald", "Times"))
    (trial,) = make_trials([question], documents, ["Post", "Post", "Herald", "Times"], invalid=1)
    assert (trial.invalid, trial.matched) == (("Post",), 1)


def test_only_held_out_questions_of_class_multi_count(answerer: LMAnswerer, documents: list[Document]) -> None:
    tuned = ask(4, "Dov Reed", 3, 11, split="tune")
    contested = replace(ask(5, "Eda Thorn", 4, 12), support_class="contested")
    folds = [ask(6, "Finn Vale", 5, 13, fold="dev"), ask(7, "Gus Hale", 6, 14, fold="test")]
    assert [q.id for q in held_out([*QUESTIONS, tuned])] == ["q-1", "q-2", "q-3"]
    assert [q.id for q in held_out([*folds, tuned])] == ["q-7"]
    assert dominance(answerer, [tuned, contested, folds[0]], documents) == {}
    assert dominance(answerer, [*folds, tuned, replace(contested, fold="test")], documents)["n"] == 1


def test_a_trial_is_scored_after_the_right_answer(
    answerer: LMAnswerer, tokenizer: Tokenizer, identifiers: Identifiers, documents: list[Document]
) -> None:
    trials = make_trials(QUESTIONS, documents, identifiers.labels)
    for trial, scores in zip(trials, score_trials(answerer, trials), strict=True):
        text, answer = tokenizer.encode([trial.question.text, "Oslo"])
        prompt = [tokenizer.ask, *text.tolist(), tokenizer.answer, *answer.tolist(), tokenizer.src]
        for label, score in zip((*trial.valid, *trial.invalid), scores, strict=True):
            spelled = [*identifiers.tokens[identifiers.labels.index(label)].tolist(), tokenizer.end_src]
            assert score == pytest.approx(sum(plain(answerer.model, prompt, spelled)), abs=1e-4)


def test_the_share_that_passes(answerer: LMAnswerer, identifiers: Identifiers, documents: list[Document]) -> None:
    passed = {}
    for seed in range(6):
        trials = make_trials(QUESTIONS, documents, identifiers.labels, seed)
        scores = score_trials(answerer, trials)
        passed[seed] = [min(row[:2]) > max(row[2:]) for row in scores.tolist()]
        found = dominance(answerer, QUESTIONS, documents, seed)
        assert found["pass"]["value"] == pytest.approx(np.mean(passed[seed]))
        assert (found["n"], found["matched"]) == (3, pytest.approx(6 / 9))
        low, high = found["pass"]["interval"]
        assert low <= found["pass"]["value"] <= high
    assert any(map(any, passed.values())) and not all(map(all, passed.values()))


def test_what_is_undefined_is_none() -> None:
    assert measured(lambda w: w.sum(-1) * np.nan, ["a", "b"]) == {"value": None, "interval": None}
    assert measured(lambda w: w @ [1.0, 3.0] / w.sum(-1), ["a", "a"]) == {"value": 2.0, "interval": None}
    assert measured(lambda w: w @ [1.0, 3.0] / w.sum(-1), ["a", "b"]) == {"value": 2.0, "interval": (1.0, 3.0)}
