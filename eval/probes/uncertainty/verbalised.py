"""Which way of asking a model how sure it is tells right answers from wrong ones? Elicitation, sampling, aggregation.

The grid of Xiong et al. 2024 (arXiv 2306.13063) for a model whose words of confidence are a mark behind its answer and
source (abstention SFT teaches it, `LMAnswerer.stated`). Judged is one answer to each question of the test fold, the
likeliest that a beam finds, by the confidence of each cell. A cell is named sampling.elicitation.aggregation:

    once        the question alone
    samples     lists of answers drawn at temperature 1, the different ones of four in a list: random sampling
    draws       all that these lists were made of, one by one: consistency at equal cost
    wordings    the question in all wordings that tuning has for what it asks, found by its text alone: prompting
    hints       a document named in front of it that is said to say otherwise, the words of the probe planted_source;
                what it says is one of the model's own answers to other questions of its kind: misleading

    mark        the mark behind the first answer to each query: vanilla
    probed      the mark behind that answer when it is put behind the question alone, the query forgotten: self-probing.
                For `once` and `samples` these are the same tokens
    top         the marks behind each of the best answers to each query, in their order: top-k
    words       exp log P(answer), the model's inside: the white-box reference

    first, consistency, avg_conf, pair_rank    eval/selective/verbalised.py; avg_conf of one list of top answers is the
                first's share of their marks

    told        the same confidence for all, the share of these answers that is right: the floor

Of each: `auroc` of right answers over wrong ones, `change`, that less the AUROC of once.mark.first (paired),
`smooth_ece` and `aurc`. An answer that can't be parsed is wrong, and
its confidence the worst. `right` is the share of right answers, `wordings` the mean number of wordings.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import torch

from data.pipeline.answer_format import ANSWERED
from data.pipeline.questions.planted import Plants, planted_text
from data.records import Question
from eval.answerers.lm_answerer import LONGEST_ANSWER, LMAnswerer
from eval.answerers.writers.cloze import SIDE_BY_SIDE, WIDTH
from eval.answerers.writers.question_templates import QuestionTemplates
from eval.grading.agreement import Samples, agreement
from eval.grading.correctness import is_right, normalise
from eval.metrics.calibration import smooth_ece, worst_confidence
from eval.metrics.selective_prediction import aurc, auroc
from eval.metrics.statistics import Floats
from eval.probes import Probe, Read, held_out, mean, measured, share
from eval.probes.faithfulness.planted_source import STANCES
from eval.selective.verbalised import Guess, avg_conf, pair_rank
from eval.signals.self_consistency import draw_samples
from model.generate import beam_search

LISTS = 5  # of samples, and hints; each list of samples is of `WIDTH` draws
MEASURES: Mapping[str, Callable[..., Floats]] = {"auroc": auroc, "smooth_ece": smooth_ece, "aurc": aurc}
VANILLA, FLOOR = "once.mark.first", "told"
Prompts = Sequence[Sequence[int]]  # of the queries that one question is put as
Heard = Sequence[Sequence[Guess]]  # what was said to one question: the guesses of each query, the best first


def verbalised(read: Read) -> dict[str, Any]:
    """The figures of the module's docstring; {} where no mark was taught, or an answer does not come first."""
    answerer, asked = read.answerer, held_out(read.questions)
    if not asked or not answerer.marks or answerer.format.leads:
        return {}
    plain = prompts_of(answerer, [question.text for question in asked])
    best = likeliest(answerer, plain)
    said = [beam[0][0] if beam else "" for beam in best]
    templates = QuestionTemplates.of(read.tuning)
    worded = [prompts_of(answerer, templates.reworded(question.text)) for question in asked]
    once = marked(answerer, [[prompt] for prompt in plain], [[[answer for answer, _ in beam]] for beam in best])
    cells = {
        VANILLA: [guesses[0].confidence if guesses else 0.0 for (guesses,) in once],
        "once.top.avg_conf": [avg_conf(answer, guesses) for answer, (guesses,) in zip(said, once, strict=True)],
        "once.words.first": [min(1.0, math.exp(beam[0][1])) if beam else 0.0 for beam in best],
    }
    drawn = draw_samples(answerer, asked, LISTS * WIDTH, seed=read.seed)
    cells["draws.consistency"] = [agreement(samples, answer) for samples, answer in zip(drawn, said, strict=True)]
    again = {
        "samples": sampled(answerer, plain, drawn),
        "wordings": guessed(answerer, worded),
        "hints": guessed(answerer, hinted(read, asked, said, templates)),
    }
    for sampling, heard in again.items():
        cells |= {f"{sampling}.{cell}": found for cell, found in aggregated(said, heard).items()}
        if sampling != "samples":
            first = probed(answerer, plain, heard)
            cells[f"{sampling}.probed.avg_conf"] = [avg_conf(a, found) for a, found in zip(said, first, strict=True)]
    right = np.array([bool(answer) and is_right(q, answer) for q, answer in zip(asked, said, strict=True)])
    people = [question.entity or question.id for question in asked]
    found: dict[str, Any] = {"n": len(asked), "right": share(right, people)}
    found["wordings"] = mean(np.array([len(prompts) for prompts in worded], dtype=np.float64), people)
    judged = {
        cell: worst_confidence([c if answer else None for c, answer in zip(each, said, strict=True)], right)
        for cell, each in cells.items()
    } | {FLOOR: np.full(len(asked), right.mean())}
    for cell, confidences in judged.items():
        for name, measure in MEASURES.items():
            found[f"{cell}.{name}"] = measured(partial(measure, confidences, right), people)
        if cell != VANILLA:
            found[f"{cell}.change"] = measured(partial(_change, confidences, judged[VANILLA], right), people)
    return found


def _change(confidences: Floats, others: Floats, right: np.ndarray, weights: Floats) -> Floats:
    found: Floats = auroc(confidences, right, weights) - auroc(others, right, weights)
    return found


def aggregated(said: Sequence[str], heard: Sequence[Heard]) -> dict[str, list[float]]:
    """The confidence in each answer by each way of taking together what was said to its question, by the cell's end."""
    firsts = [[guesses[0] if guesses else Guess("", 0.0) for guesses in lists] for lists in heard]
    orders = [[[guess.answer for guess in guesses] for guesses in lists] for lists in heard]
    return {
        "consistency": [agreement(tuple(g.answer for g in first), a) for a, first in zip(said, firsts, strict=True)],
        "mark.avg_conf": [avg_conf(a, first) for a, first in zip(said, firsts, strict=True)],
        "top.avg_conf": [avg_conf(a, chain.from_iterable(lists)) for a, lists in zip(said, heard, strict=True)],
        "top.pair_rank": [pair_rank(a, lists) for a, lists in zip(said, orders, strict=True)],
    }


def prompts_of(answerer: LMAnswerer, texts: Sequence[str]) -> list[list[int]]:
    return [answerer.prompt(tokens) for tokens in answerer.tokenizer.encode(list(texts))]


@torch.inference_mode()
def likeliest(answerer: LMAnswerer, prompts: Prompts) -> list[list[tuple[str, float]]]:
    """The best answers to each prompt by a beam of `WIDTH`, with log-probabilities; of equal ones the likelier."""
    found: list[list[tuple[str, float]]] = [[] for _ in prompts]
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    for start in range(0, len(order), SIDE_BY_SIDE):
        chunk = order[start : start + SIDE_BY_SIDE]
        context, logits = answerer.read([prompts[i] for i in chunk])
        beams = beam_search(
            answerer.model, context, answerer.barred(logits), answerer.format.stops, LONGEST_ANSWER, WIDTH
        )
        for i, beam in zip(chunk, beams, strict=True):
            worded = [(t[:-1], score) for t, score in beam if answerer.format.parse(t[:-1], t[-1]) in ANSWERED]
            found[i] = distinct([(answerer.tokenizer.decode(tokens), score) for tokens, score in worded])
    return found


def distinct(answers: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """The first of those that are the same answer; none without words."""
    kept: dict[str, tuple[str, float]] = {}
    for answer, score in answers:
        if name := normalise(answer):
            kept.setdefault(name, (answer, score))
    return list(kept.values())


def guessed(answerer: LMAnswerer, queries: Sequence[Prompts]) -> list[Heard]:
    """The best answers to each query of each question, each with its mark."""
    flat = iter(likeliest(answerer, list(chain.from_iterable(queries))))
    return marked(answerer, queries, [[[answer for answer, _ in next(flat)] for _ in query] for query in queries])


def sampled(answerer: LMAnswerer, plain: Prompts, drawn: Sequence[Samples]) -> list[Heard]:
    """Lists of the different answers among each `WIDTH` that were drawn to a question, each with its mark."""
    lists = [[each[at : at + WIDTH] for at in range(0, len(each), WIDTH)] for each in drawn]
    answers = [[[a for a, _ in distinct([(answer, 0.0) for answer in one])] for one in each] for each in lists]
    return marked(answerer, [[prompt] * LISTS for prompt in plain], answers)


def probed(answerer: LMAnswerer, plain: Prompts, heard: Sequence[Heard]) -> list[list[Guess]]:
    """The first guess of each query with the mark that it has behind the question alone."""
    firsts = [[[guesses[0].answer] for guesses in lists if guesses] for lists in heard]
    again = marked(answerer, [[prompt] * len(first) for prompt, first in zip(plain, firsts, strict=True)], firsts)
    return [[guess for (guess,) in lists] for lists in again]


def marked(answerer: LMAnswerer, queries: Sequence[Prompts], answers: Sequence[Sequence[Sequence[str]]]) -> list[Heard]:
    """The answers to each query of each question with the mark of confidence behind them and the source they cite."""
    pairs = [
        (tuple(prompt), answer)
        for prompts, lists in zip(queries, answers, strict=True)
        for prompt, each in zip(prompts, lists, strict=True)
        for answer in each
    ]
    stated = dict(zip(unique := list(dict.fromkeys(pairs)), _stated(answerer, unique), strict=True))
    confidences = iter([stated[pair] for pair in pairs])
    return [[[Guess(answer, next(confidences)) for answer in each] for each in lists] for lists in answers]


@torch.inference_mode()
def _stated(answerer: LMAnswerer, pairs: Sequence[tuple[Sequence[int], str]]) -> list[float]:
    words = answerer.tokenizer.encode([answer for _, answer in pairs])
    prompts = [[*prompt, *map(int, answer)] for (prompt, _), answer in zip(pairs, words, strict=True)]
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    found: dict[int, float] = {}
    for start in range(0, len(order), answerer.batch):
        chunk = order[start : start + answerer.batch]
        context, _ = answerer.read([prompts[i] for i in chunk])
        sources = [ranked[0][0] for ranked in answerer.ranked(context, 1)]
        found.update(zip(chunk, answerer.stated(context, sources), strict=True))
    return [found[i] for i in range(len(prompts))]


def hinted(
    read: Read, asked: Sequence[Question], said: Sequence[str], templates: QuestionTemplates
) -> list[list[list[int]]]:
    """`LISTS` prompts for each question, with a document in front that is said to give another answer.

    That is one of the model's own to questions of the same kind, by their wording; its own again where it has no other.
    """
    rng, plants, answerer = random.Random(read.seed), Plants(read.answerer.identifiers), read.answerer
    kinds = [templates.understand(question.text).attribute for question in asked]
    known: dict[str, list[str]] = {}
    for kind, answer in zip(kinds, said, strict=True):
        known.setdefault(kind, []).append(answer)
    made = []
    for question, kind, answer in zip(asked, kinds, said, strict=True):
        others = [other for other in known[kind] if normalise(other) not in ("", normalise(answer))] or [answer]
        texts = [
            planted_text(
                answerer.tokenizer,
                STANCES["asserts"],
                plants.of("wrong", (), rng),
                rng.choice(others),
                question.text,
            )
            for _ in range(LISTS)
        ]
        made.append([answerer.prompt(text) for text in texts])
    return made


PROBE = Probe(
    title="Does it say rightly how sure it is, however it is asked?",
    about=(
        "sampling.elicitation.aggregation of the confidence that it states: once, samples, other wordings, misleading "
        "hints; the mark, the mark put behind the question alone, the marks of the best answers, P(answer); the first, "
        "consistency, average confidence, pair rank. told: one confidence for all, the floor."
    ),
    run=verbalised,
    after=("consistent", "graded", "judge"),
)
