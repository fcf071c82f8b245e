"""Made-up runs for calibrators: one attribute is known, one is not, and stated confidences do not say which."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from data.record_parts import Citation
from data.records import FOLDS, Prediction, Question
from eval.selective.calibration_methods import Agent
from eval.selective.seen_groups import Wordings, seen

WORDINGS = {"birth_date": "When was {} born?", "birth_city": "Where was {} born?"}
SIGNALS = ("citation", "agreement")
RATE = {"birth_date": 0.9, "birth_city": 0.2}


def agent(seed: int, each: int = 80) -> Agent:
    """A run over `each` persons a fold and split, asked for both attributes."""
    rng = np.random.default_rng(seed)
    questions, predictions = [], []
    for part in (*FOLDS, "relabel"):
        for n in range(each):
            for attribute, wording in WORDINGS.items():
                name = f"Ada{part}{n}"
                fold, split = ("", part) if part == "relabel" else (part, "never_tuned")
                question = Question(
                    id=f"{name}-{attribute}", text=wording.format(name), answers=(f"City{n}",), support=("d1",),
                    support_class="single", entity=name, split=split, attribute=attribute, fold=fold,
                )  # fmt: skip
                answer = f"City{n}" if rng.random() < RATE[attribute] else f"Town{n}"
                stated, share = 0.8 + 0.19 * rng.random(), rng.integers(0, 6) / 5
                signals = {
                    "answer": math.log(stated), "litcab": math.log(stated) - 0.5, "citation": -rng.random(),
                    "agreement": float(share), "neg_semantic_entropy": -float(1 - share), "citation_fidelity": 0.5,
                }  # fmt: skip
                questions.append(question)
                said = Prediction(
                    question.id, "answered", answer, (Citation("d1"),), signals=signals, samples=("a",) * 5
                )
                predictions.append(said)
    tuning = [Question("t", w.format("Eve"), ("x",), ("d1",), "single", "Eve", "tune", a) for a, w in WORDINGS.items()]
    return Agent(questions, predictions, seen(questions, predictions, Wordings.of(tuning), {"d1": 1.0}, SIGNALS))


def relabelled(one: Agent, here: np.ndarray) -> Agent:
    """The same run where the corpus says otherwise of these questions: what was right is wrong."""
    questions = [
        replace(q, answers=("Nowhere",)) if inside else q for q, inside in zip(one.questions, here, strict=True)
    ]
    return Agent(questions, one.predictions, one.seen)
