"""Do errors compound when a model writes on? Whole biographies, claim by claim.

What documents say of a person is written in a row, "Ada Moss was born in ... Ada Moss works for ...". The statements
are the corpus's up to where an answer stands, so that figures are given the statement form; the answers are drawn from
the model's own probabilities, `TIMES` for each person. Three ways: after what it wrote itself (`chain`), after the
right answers (`corrected`), and each statement alone (`alone`). `chain` against `corrected` tells an error that brings
the next from a person about whom little is known.

    claims.N         P(the first N claims are right), what independent claims would give, and the difference `excess`
                     (eval/metrics/compounding.py); law: (1 - e)^N with e the share wrong of all claims
    snowball         P(right after a wrong claim) - P(right after none), in the chain; snowball_corrected where the same
                     claims had the right answers before them, which is what persons alone account for
    right            share of claims right, each way

Whole biographies have a confidence, the mean of the claims' P(answer), and are right to a degree, the share of claims
(eval/metrics/long_form.py): ece_m, selective_f1 at 1/2 and correlation; `claim_ece` is the smooth ECE claim by claim.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch

from data.records import ANSWERABLE, Question
from eval.answerers.lm_answerer import LONGEST_ANSWER, LMAnswerer
from eval.answerers.writers.cloze import endings, opening
from eval.grading.correctness import is_right
from eval.metrics.calibration import equal_mass_bins, ratio, smooth_ece
from eval.metrics.compounding import compounding, snowball
from eval.metrics.long_form import correlation, ece_m, selective_f1
from eval.metrics.statistics import Floats
from eval.probes import Probe, Read, held_out, measured
from model.generate import generate

CLASSES = tuple(
    name for name in ANSWERABLE if name not in ("contested", "true_premise")
)  # one answer, nothing presumed
LONGEST = 5  # claims of a biography
TIMES = 4  # biographies of a person
FEWEST = 20  # biographies that a number of claims is reported for
BINS = 5
WAYS = ("chain", "corrected", "alone")


class Claim(NamedTuple):
    """What was written of one claim: the answer, its probability, and whether it is right."""

    answer: str
    probability: float
    right: bool


def biographies(read: Read) -> dict[str, Any]:
    """See the module docstring; {} where no person has two statements to write."""
    persons = outline(read.questions, read.seed)
    if not persons:
        return {}
    persons = [each for each in persons for _ in range(TIMES)]
    written = {way: write(read.answerer, persons, way, seed=read.seed) for way in WAYS}
    return figures([each[0].entity for each in persons], written)


def outline(questions: Sequence[Question], seed: int) -> list[list[Question]]:
    """Of each person the told questions that have a statement with words before the answer, in random order."""
    of: dict[str, list[Question]] = {}
    for question in held_out(questions):
        if question.support_class in CLASSES and question.entity and opening(question.statement)[0]:
            of.setdefault(question.entity, []).append(question)
    rng = random.Random(seed)
    shuffled = [rng.sample(each, len(each))[:LONGEST] for _, each in sorted(of.items())]
    return [each for each in shuffled if len(each) > 1]


def write(
    answerer: LMAnswerer, persons: Sequence[Sequence[Question]], way: str, *, temperature: float = 1.0, seed: int = 0
) -> list[list[Claim]]:
    """What the model writes of each person, claim by claim; `way` is one of `WAYS`."""
    generator = torch.Generator(answerer.model.embed_tokens.weight.device).manual_seed(seed)
    before = ["" for _ in persons]
    found: list[list[Claim]] = [[] for _ in persons]
    for place in range(max(map(len, persons))):
        here = [n for n, each in enumerate(persons) if len(each) > place]
        halves = [opening(persons[n][place].statement) for n in here]
        texts = [(before[n] + half[0], half[1]) for n, half in zip(here, halves, strict=True)]
        said = _completed(answerer, texts, temperature, generator)
        for n, (opened, after), (answer, probability) in zip(here, halves, said, strict=True):
            question = persons[n][place]
            found[n].append(Claim(answer, probability, is_right(question, answer)))
            told = {"chain": answer, "corrected": question.answers[0], "alone": ""}[way]
            before[n] += f"{opened} {told}{after} " if told else ""
    return found


def figures(entities: Sequence[str], written: dict[str, list[list[Claim]]]) -> dict[str, Any]:
    """All measures, persons resampled."""
    right = {way: [[claim.right for claim in text] for text in texts] for way, texts in written.items()}
    counts = np.array([len(text) for text in right["chain"]], dtype=np.float64)
    found: dict[str, Any] = {"n": len(entities), "by": "given the statement form"}
    for way, texts in right.items():
        hits = np.array([sum(text) for text in texts], dtype=np.float64)
        found[f"right.{way}"] = measured(partial(_share, hits, counts), entities)
    for n in range(2, LONGEST + 1):
        long = [text for text in right["chain"] if len(text) >= n]
        if len(long) < FEWEST:
            break
        of = [entity for entity, text in zip(entities, right["chain"], strict=True) if len(text) >= n]
        for key in ("observed", "independent", "excess"):
            made = partial(_compounded, long, n, key)
            found[f"claims.{n}.{key}"] = measured(made, of) | {"n": len(long)}
        found[f"claims.{n}.law"] = {"value": found["right.chain"]["value"] ** n, "interval": None}
    found["snowball"] = measured(lambda w: snowball(right["chain"], w), entities)
    found["snowball_corrected"] = measured(lambda w: _as_if(right["chain"], right["corrected"], w), entities)
    confidence = [np.array([claim.probability for claim in text]) for text in written["chain"]]
    whole = np.array([each.mean() for each in confidence])
    share = np.array([np.mean(text) for text in right["chain"]])
    bins = equal_mass_bins(whole, BINS)
    found["ece_m"] = measured(lambda w: ece_m(whole, share, bins, w), entities)
    found["selective_f1"] = measured(lambda w: selective_f1(whole, share, 0.5, w), entities)
    found["correlation"] = measured(lambda w: correlation(whole, share, w), entities)
    of = [entity for entity, each in zip(entities, confidence, strict=True) for _ in each]
    claims, truths = np.concatenate(confidence), np.array([r for text in right["chain"] for r in text], dtype=bool)
    found["claim_ece"] = measured(lambda w: smooth_ece(claims, truths, w), of)
    return found


def _share(hits: Floats, counts: Floats, weights: Floats) -> Floats:
    return ratio(weights @ hits, weights @ counts)


def _compounded(texts: Sequence[Sequence[bool]], n: int, key: str, weights: Floats) -> Floats:
    return compounding(texts, n, weights)._asdict()[key]


def _as_if(chain: Sequence[Sequence[bool]], corrected: Sequence[Sequence[bool]], weights: Floats) -> Floats:
    """`snowball` of claims written after right answers, with before each the errors that the chain had there."""
    hits, times = np.zeros((2, 2, len(chain)))
    for place, (own, mended) in enumerate(zip(chain, corrected, strict=True)):
        for i in range(1, len(own)):
            after = int(all(own[:i]))
            hits[after, place] += mended[i]
            times[after, place] += 1
    return _share(hits[0], times[0], weights) - _share(hits[1], times[1], weights)


def _completed(
    answerer: LMAnswerer, halves: Sequence[tuple[str, str]], temperature: float, generator: torch.Generator
) -> list[tuple[str, float]]:
    """An answer between each two halves of a text, and its probability; "" and 0 where it never ends."""
    tokenizer = answerer.tokenizer
    texts = tokenizer.encode([before for before, _ in halves])
    found = [("", 0.0)] * len(halves)
    for after in sorted({after for _, after in halves}):
        stops, mark = endings(tokenizer, after)
        here = [i for i, half in enumerate(halves) if half[1] == after and len(texts[i]) < answerer.longest]
        for start in range(0, len(here), answerer.batch):
            chunk = here[start : start + answerer.batch]
            context, logits = answerer.read([[tokenizer.doc, *texts[i]] for i in chunk])
            said = generate(answerer.model, context, logits, stops, LONGEST_ANSWER, temperature, generator, last=True)
            for i, tokens, stop, scores in zip(chunk, said.tokens, said.stops, said.log_probs, strict=True):
                if stop is None or tokenizer.reserved.intersection(tokens):
                    continue
                words = tokenizer.decode([*tokens, stop] if mark else tokens).removesuffix(mark).strip()
                found[i] = words, min(1.0, math.exp(float(scores.sum())))
    return found


PROBE = Probe(
    title="Do errors compound in whole biographies?",
    about=(
        "claims.N: P(the first N claims of a biography are right) and what independent claims would give; excess above "
        "0: errors keep company. snowball: P(right after a wrong claim) less P(right after none); snowball_corrected: "
        "the same claims after right answers. ece_m, selective_f1, correlation: of whole biographies."
    ),
    run=biographies,
)
