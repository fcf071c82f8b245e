"""The stage of evaluation: never-tuned questions are asked again without a word, and what changes is measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages import Stage, announced, write_json
from steps.evaluation.evaluated import Evaluated
from steps.evaluation.probes import FILE, PREFIX

if TYPE_CHECKING:
    from data.records import Prediction, Question

NAME = "self_correction"
QUESTIONS, ATTEMPTS = "questions.jsonl", "attempt_{}.jsonl"


def attempt_answers(evaluated: Evaluated) -> Stage:
    """The stage: questions.jsonl, attempt_1.jsonl (predictions, `answer` their log-probability) and attempt_2.jsonl."""
    part = evaluated.config.self_correction
    modules = [__name__, "eval.grading.attempt_measures", "eval.answerers.likelihoods"]
    stage = evaluated.stage(PREFIX + NAME, modules, {"attempts": part.attempts, "target": part.target})
    announced(stage, stage.whole, lambda folder: _answers(evaluated, folder))
    return stage


def _answers(evaluated: Evaluated, folder: Path) -> dict[str, Any]:
    from data.records import write_jsonl
    from eval.grading.attempt_measures import attempt_results, tried_of

    part = evaluated.config.self_correction
    asked = [q for q in evaluated.corpus.questions if q.split == "never_tuned"]
    if not asked:
        raise ValueError("the corpus has no question of split never_tuned, on which second attempts are measured")
    attempts = _tried(evaluated, asked)
    write_jsonl(folder / QUESTIONS, asked)
    for number, said in enumerate(attempts, start=1):
        write_jsonl(folder / ATTEMPTS.format(number), said)
    tested = [one for one in tried_of(asked, attempts) if one[0].fold in ("", "test")]
    write_json(folder / FILE, attempt_results(tested, part.target))
    return {"questions": len(asked)}


def _tried(evaluated: Evaluated, asked: list[Question]) -> list[list[Prediction]]:
    """For each attempt, greedy, what was said to each question."""
    from data.pipeline.questions.attempts import LONGEST, AttemptForm
    from eval.answerers.likelihoods import token_log_probs
    from model.generate import generate_attempts

    corpus, model, count = evaluated.corpus, evaluated.answerer.model, evaluated.config.self_correction.attempts
    form, batch = AttemptForm(corpus.tokenizer, corpus.identifiers), evaluated.config.eval.batch
    prompts = [form.prompt(text) for text in corpus.tokenizer.encode([q.text for q in asked])]
    said: list[list[Prediction]] = [[] for _ in range(count)]
    for start in range(0, len(asked), batch):
        here = slice(start, start + batch)
        drawn = generate_attempts(model, prompts[here], form.again, form.end, LONGEST, count)
        scores = token_log_probs(model, list(zip(prompts[here], [form.words(one[0]) for one in drawn], strict=True)))
        for question, one, score in zip(asked[here], drawn, scores, strict=True):
            for number, attempt in enumerate(one):
                parsed = form.parse(question.id, attempt)
                signals = {} if number else {"answer": float(score.sum())}
                said[number].append(replace(parsed, signals=signals))
    return said
