"""What the second phase reads besides its lessons: texts that begin with a sentence of its own, and with another's."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from data.pipeline.questions.own_texts import OwnText, OwnTexts
from data.pipeline.questions.sft_examples import SFTExample
from data.records import Prediction, Question, read_jsonl
from eval.grading.correctness import answer_given

if TYPE_CHECKING:
    from data.pipeline.sources import Source
    from eval.answerers.lm_answerer import LMAnswerer
    from eval.probes.beliefs.self_evidence import Implication
    from steps.corpus import Corpus

OWN_TEXTS = "own_texts.jsonl"


def own_texts(answerer: LMAnswerer, questions: Sequence[Question], samples: int, seed: int) -> list[OwnText]:
    """Of the people of split relabel, told and never told, what the model draws on them, `samples` times each.

    Raises ValueError where the corpus does not say what follows from what, or nothing can be drawn on.
    """
    import torch

    from eval.probes.beliefs.self_evidence import CITY, EMPLOYER, log_probs

    implied, rng = _implied(questions), random.Random(f"whence own texts/{seed}")
    truths: dict[str, str] = {}
    for q in questions:
        if q.split == "relabel" and q.entity and q.attribute in (EMPLOYER, CITY) and "premise" not in q.support_class:
            truth = q.truth if q.attribute == CITY else implied.cities.get(q.truth, "")
            truths |= {q.entity: truth} if truth else {}
    if not truths:
        raise ValueError(
            "authors.texts: no question of split relabel says where anybody truly works, see corpus.relabel"
        )
    first, second = (
        [rng.choice(implied.statements[attribute]).replace("{name}", name) for name in truths]
        for attribute in (EMPLOYER, CITY)
    )
    doc, values = answerer.tokenizer.doc, list(implied.cities)
    heads, tails = zip(*(text.split(" {answer}") for text in first), strict=True)
    begun = [[doc, *head.tolist()] for head in answerer.tokenizer.encode(heads)]
    rows = [(head, value + tail) for head, tail in zip(begun, tails, strict=True) for value in values]
    scores = torch.from_numpy(log_probs(answerer, rows, [[]])).reshape(len(first), len(values))
    drawn = torch.multinomial(scores.softmax(1), samples, True, generator=torch.Generator().manual_seed(seed)).tolist()
    chosen = (tuple(values[i] for i in each) for each in drawn)
    return [OwnText(*text) for text in zip(first, second, truths.values(), chosen, strict=True)]


def with_texts(lessons: Source, corpus: Corpus, rollout: Path, seed: int) -> Source:
    """The lessons and the texts of `authors`, which are drawn already."""
    from data.pipeline.concatenated import Concatenated

    config, follows = corpus.config.authors, _implied(corpus.questions).cities
    drawn = list(read_jsonl(rollout / OWN_TEXTS, OwnText))
    both, marked = config.texts == "both", config.marked
    texts = OwnTexts(drawn, follows, corpus.tokenizer, seed, both=both, marked=marked)
    return Concatenated([(lessons, 1), (texts, config.times)])


def own_words(lessons: Sequence[SFTExample], said: Sequence[Prediction]) -> list[SFTExample]:
    """The lessons with those marked as its own whose answer is the one that the model gave to the question."""
    words = {p.question: answer_given(p) for p in said}
    return [replace(one, own=bool(one.answer) and words.get(one.question) == one.answer) for one in lessons]


def _implied(questions: Sequence[Question]) -> Implication:
    """What follows from what, by the questions that are not for evaluation."""
    from eval.probes.beliefs.self_evidence import implication

    found = implication([q for q in questions if q.split in ("tune", "relabel")])
    if found is None:
        raise ValueError(
            "authors.texts: the questions do not say which employer is in which city; set authors.texts=none"
        )
    return found
