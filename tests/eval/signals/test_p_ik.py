"""Hidden states are those of each question read alone; a probe finds what can be read off them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from data.pipeline.identifiers import IdsConfig, assign
from data.records import Citation, Prediction, Question
from eval.answerers.lm_answerer import LMAnswerer
from eval.grading.correctness import supported
from eval.metrics.selective_prediction import auroc
from eval.signals.p_ik import add_probes, question_states


@pytest.fixture
def answerer(make_model, tokenizer, documents) -> LMAnswerer:
    return LMAnswerer(make_model(), tokenizer, assign(documents, tokenizer, IdsConfig()), batch=3)


def asked(n: int) -> list[Question]:
    told = {"answers": ("Oslo",), "support": ("doc-1",), "support_class": "single"}
    absent = {"answers": (), "support": (), "support_class": "absent_entity"}
    return [
        Question(
            id=f"q{i}",
            text=f"{'Where' if i % 2 else 'In which city of this wide world'} was Ada {i} born?",
            entity=f"e{i}",
            split="relabel" if i < n // 2 else "never_tuned",
            **(told if i % 2 else absent),
        )
        for i in range(n)
    ]


def test_states_are_those_of_each_question_alone(answerer: LMAnswerer) -> None:
    questions = asked(7)
    states = question_states(answerer, questions)
    for question, state in zip(questions, states, strict=True):
        (text,) = answerer.tokenizer.encode([question.text])
        tokens = torch.tensor([[answerer.tokenizer.ask, *text.tolist(), answerer.tokenizer.answer]])
        with torch.no_grad():
            alone = answerer.model.hidden(tokens, torch.arange(tokens.shape[1])[None])[0, -1]
        assert state == pytest.approx(alone.double().numpy(), abs=1e-4)


def test_a_probe_tells_what_its_label_says(answerer: LMAnswerer) -> None:
    questions = asked(60)
    cited = (Citation("doc-1", 0.5),)
    said = [Prediction(q.id, "answered", "Oslo", cited, signals={"answer": -1.0}) for q in questions]
    found = add_probes(answerer, questions, said)
    told = np.array([bool(q.answers) for q in questions])
    fresh = np.array([q.split == "never_tuned" for q in questions])
    for name in ("p_ik", "p_ic"):
        score = np.array([p.signals[name] for p in found])
        assert auroc(score[fresh], told[fresh]) == 1.0  # the label is in the wording, here
    assert all(p.signals["answer"] == -1.0 for p in found)


def test_soft_labels_are_shares_of_the_samples(answerer: LMAnswerer) -> None:
    questions = asked(60)
    half = [Prediction(q.id, "answered", "Lima", samples=("Oslo", "Lima")) for q in questions]
    found = add_probes(answerer, questions, half)
    odds = np.array([p.signals["p_ik"] for p, q in zip(found, questions, strict=True) if q.answers])
    assert abs(odds).max() < 1.0  # half of what was told was right, none of the rest
    assert "p_ic" not in found[0].signals  # nothing was cited: all alike


def test_to_be_able_to_cite_is_to_cite_for_a_right_answer(answerer: LMAnswerer, monkeypatch) -> None:
    questions = asked(60)
    cited = (Citation("doc-1", 0.5),)
    said = [Prediction(q.id, "answered", ("Oslo", "Lima")[i % 4 == 1], cited) for i, q in enumerate(questions)]
    labels: list[np.ndarray] = []

    def probe(states: np.ndarray, label: np.ndarray, fitting: np.ndarray) -> np.ndarray:
        labels.append(label)
        return label

    monkeypatch.setattr("eval.signals.p_ik._probe", probe)
    add_probes(answerer, questions, said)
    assert labels[1].tolist() == supported(questions, said).tolist()
    assert labels[1].sum() == 15  # of 30 told, all of which cite their document, half are answered


def test_without_questions_to_fit_on_nothing_is_added(answerer: LMAnswerer) -> None:
    questions = [replace(q, split="never_tuned") for q in asked(6)]
    said = [Prediction(q.id, "answered", "Oslo") for q in questions]
    assert add_probes(answerer, questions, said) == said
