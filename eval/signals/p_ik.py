"""P(IK) and P(IC): does a model know beforehand that it knows, and that it can cite?

A linear probe on the hidden state at the last token of the question, before anything is answered: sigmoid(v . h),
fitted by cross-entropy on questions that no tuning saw (split "relabel"). The soft label of P(IK), "I know", is the
share of the samples that are right (Kadavath et al. 2022, arXiv 2207.05221), or whether the answer is where nothing was
sampled; that of P(IC), "I can cite", whether the answer is right and the first citation supports it.

Shape letters: N questions, C width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from data.records import Prediction, Question
from eval.answerers.lm_answerer import LMAnswerer
from eval.grading.correctness import answer_given, is_right, supported
from eval.metrics.logistic import fit_logistic
from eval.metrics.statistics import Floats
from eval.signals import Extractor, Signal

RIDGE = 10.0  # pull of the standardised weights to 0, in items


def add_probes(answerer: LMAnswerer, questions: Sequence[Question], said: Sequence[Prediction]) -> list[Prediction]:
    """The predictions with the probes' log-odds as signals `p_ik` and `p_ic`.

    Unchanged where there are no questions of split "relabel" to fit on, or all of them are alike.
    """
    fitting = np.array([question.split == "relabel" for question in questions])
    if not fitting.any():
        return list(said)
    states = question_states(answerer, questions)
    labels = {
        "p_ik": np.array([_known(q, p) for q, p in zip(questions, said, strict=True)]),
        "p_ic": supported(questions, said).astype(np.float64),
    }
    odds = {name: _probe(states, label, fitting) for name, label in labels.items() if np.ptp(label[fitting]) > 0}
    return [
        replace(p, signals={**p.signals, **{name: float(values[i]) for name, values in odds.items()}})
        for i, p in enumerate(said)
    ]


def question_states(answerer: LMAnswerer, questions: Sequence[Question]) -> Floats:
    """Hidden states (N, C) float64 at the last token of each question's prompt."""
    texts = answerer.tokenizer.encode([question.text for question in questions])
    order = sorted(range(len(questions)), key=lambda i: len(texts[i]))
    states = np.zeros((len(questions), answerer.model.config.dim))
    for start in range(0, len(order), answerer.batch):
        chunk = order[start : start + answerer.batch]
        states[chunk] = _states(answerer, [answerer.prompt(texts[i]) for i in chunk])
    return states


@torch.inference_mode()
def _states(answerer: LMAnswerer, prompts: Sequence[Sequence[int]]) -> np.ndarray:
    """One prompt a row, padded on the right, where causal attention never looks."""
    width = max(map(len, prompts))
    tokens = torch.tensor([[*prompt, *[answerer.tokenizer.pad] * (width - len(prompt))] for prompt in prompts])
    tokens = tokens.to(answerer.model.embed_tokens.weight.device)
    hidden = answerer.model.hidden(tokens, torch.arange(width, device=tokens.device).expand_as(tokens), None)
    ends = torch.tensor([len(prompt) - 1 for prompt in prompts], device=tokens.device)
    return hidden[torch.arange(len(prompts), device=tokens.device), ends].double().cpu().numpy()


def _known(question: Question, prediction: Prediction) -> float:
    if not prediction.samples:
        return float(is_right(question, answer_given(prediction)))
    return sum(is_right(question, sample) for sample in prediction.samples) / len(prediction.samples)


def _probe(states: Floats, labels: Floats, fitting: np.ndarray) -> Floats:
    """Log-odds (N,) of a probe fitted on some rows, whose states are standardised there."""
    mean, scale = states[fitting].mean(0), states[fitting].std(0) + 1e-6
    design = np.column_stack([(states - mean) / scale, np.ones(len(states))])
    return design @ fit_logistic(design[fitting], labels[fitting], np.zeros(design.shape[1]), RIDGE)


EXTRACTOR = Extractor(
    signals={
        "p_ik": Signal("a probe before the answer: I know it", "log-odds", system="p_ik"),
        "p_ic": Signal("a probe before the answer: I can cite it", "log-odds", system="p_ic"),
    },
    extract=lambda asked: add_probes(asked.answerer, asked.questions, asked.said),
    fitted=True,
)
