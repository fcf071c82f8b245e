"""Fidelity of a citation: with the document it names banned, does the model own that it has no other source?

After the fidelity of Zhang et al. 2024 (arXiv 2404.02655), who take the chosen option of a multiple-choice question
away and see whether the model holds to it: one that does says that all other options are wrong. Here the option is the
document cited, whose identifier is banned from the trie, and "all others are wrong" is `<|nosrc|>`. After the answer
stands either that mark or a citation; what the citation of d had goes to no other document, so that

    fidelity = P(nosrc) / (P(nosrc) + P(src) (1 - P(d | src)))

is the share of the mass left that says "no source", 1 where no mass is left for another document. Its product with
1 - normalised entropy of the samples is the confidence that they propose (`uncertainty_fidelity`).
An answer that comes with `<|nosrc|>` of its own has nothing to ban, and a fidelity of 1. `lp_next_citation` is the
log-probability of the document that is cited in place of the banned one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from data.records import Prediction, Question
from eval.answerers.lm_answerer import LMAnswerer
from eval.metrics.statistics import Floats
from eval.signals import Asked, Extractor, Signal


def fidelity(nosrc: ArrayLike, src: ArrayLike, cited: ArrayLike) -> Floats:
    """The formula above, [N] in [0, 1].

    Args:
        nosrc, src: log-probability of either mark after the answer.
        cited: log-probability of the first citation after the mark `src`.
    """
    none = np.exp(np.asarray(nosrc, dtype=np.float64))
    other = np.exp(np.asarray(src, dtype=np.float64)) * -np.expm1(np.minimum(cited, 0.0))
    return np.where(none + other > 0, none / np.where(none + other > 0, none + other, 1.0), 1.0)


def uncertainty_fidelity(prediction: Prediction) -> float | None:
    """(1 - entropy of the K samples / log K) x fidelity, in [0, 1]; None where either was not measured, or K is 1."""
    signals, most = prediction.signals, math.log(max(1, len(prediction.samples)))
    if not most or "citation_fidelity" not in signals or "neg_semantic_entropy" not in signals:
        return None
    return min(1.0, max(0.0, 1 + signals["neg_semantic_entropy"] / most)) * signals["citation_fidelity"]


def add_fidelity(answerer: LMAnswerer, questions: Sequence[Question], said: Sequence[Prediction]) -> list[Prediction]:
    """The predictions with the signals where an answer has a citation; unchanged where sources come before answers."""
    if answerer.format.leads:
        return list(said)
    own = {i: {**p.signals, "citation_fidelity": 1.0} for i, p in enumerate(said) if p.outcome == "no_source"}
    tokenizer, found = answerer.tokenizer, [replace(p, signals=own.get(i, p.signals)) for i, p in enumerate(said)]
    here = [i for i, p in enumerate(said) if p.citations and p.answer]
    texts = tokenizer.encode([questions[i].text for i in here])
    answers = tokenizer.encode([said[i].answer or "" for i in here])
    prompts = [[*answerer.prompt(text), *map(int, answer)] for text, answer in zip(texts, answers, strict=True)]
    order = sorted(range(len(here)), key=lambda n: len(prompts[n]))
    for start in range(0, len(order), answerer.batch):
        chunk = order[start : start + answerer.batch]
        _, logits = answerer.read([prompts[n] for n in chunk])
        marks = logits.double().log_softmax(-1)[:, [tokenizer.nosrc, tokenizer.src]].cpu().numpy()
        ranked = answerer.sources_after([prompts[n] for n in chunk], 2)
        shares = fidelity(marks[:, 0], marks[:, 1], [sources[0][1] for sources in ranked])
        for n, share, sources in zip(chunk, shares.tolist(), ranked, strict=True):
            signals = {"citation_fidelity": share, "lp_next_citation": sources[1][1] if len(sources) > 1 else -math.inf}
            shown = {name: value for name, value in signals.items() if math.isfinite(value)}
            found[here[n]] = replace(said[here[n]], signals={**said[here[n]].signals, **shown})
    return found


def _extract(asked: Asked) -> list[Prediction]:
    return add_fidelity(asked.answerer, asked.questions, asked.said)


EXTRACTOR = Extractor(
    signals={
        "citation_fidelity": Signal("mass left for no source where the first source is banned", "share"),
        "lp_next_citation": Signal("the identifier of the source cited where the first is banned"),
    },
    extract=_extract,
)
