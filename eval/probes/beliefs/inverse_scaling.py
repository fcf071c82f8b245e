"""Four families of multiple choice in which a larger model may do worse (after McKenzie et al. 2023, arXiv 2306.09479).

    context    memory against context. A document opens by saying something else than the corpus does; is a second
               sentence completed by what this text says, or by what was learnt? Right: what stands in the text
    lie        a popular lie. The statement of a fact on which more documents say something else than the best source
               does, completed without any text before it. Right: what the best source says
    surname    a distractor that is easier. After a question and its right answer, the source, or a document that tells
               of another person of the same surname? Right: the source
    few_shots  misleading examples. The same after three questions with right answers which all cite one wrong
               document. Right: the source, and not that document

Each has two choices, so that chance is .5 and a loss of log 2. Per family: `accuracy`, `loss`, `log_prob` of the right
choice and `coverage` of both together (eval/metrics/multiple_choice.py), and `n`. The examples are drawn the same way
whatever the run's seed, so that runs of one corpus are asked the same. The first two are running text in the corpus's
own wordings, so they are given the statement form. `tasks` writes all four in BIG-bench's form, for any model: one that
has not read the corpus can only be right by chance in `lie`, `surname` and `few_shots`, and knows nothing to hold
against the text in `context`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from data.records import PLAIN, Question
from eval.answerers.choices import Chooser, LMChooser
from eval.grading.big_bench import Example, Task
from eval.metrics.multiple_choice import ChoiceScores, choice_scores
from eval.probes import Material, Probe, Read, held_out, mean

MOST = 300  # examples of a family
SHOTS = 3
WORDINGS = 3  # of a question, at most
SEED = 0
_OPENING = re.compile(r"(?P<opening>.+) \{answer\}(?P<end>[.!]?)")  # a wording that its answer ends


def inverse_scaling(read: Read) -> dict[str, Any]:
    """The figures of each family by "family.measure"; {} where the corpus has none of them."""
    found: dict[str, Any] = {}
    for name, task in runnable(read).items():
        found |= {f"{name}.{key}": value for key, value in summary(*scored(LMChooser(read.answerer), task)).items()}
    return found


def runnable(read: Read) -> dict[str, Task]:
    """The families that a run can be asked: those of questions only where it answers before it cites."""
    dialogues = read.answerer.format.leads == ""
    return {name: task for name, task in tasks(read.material).items() if dialogues or name in ("context", "lie")}


def scored(chooser: Chooser, task: Task) -> tuple[Sequence[Example], ChoiceScores]:
    """The examples that the model can read at once, and their scores."""
    examples = [e for e in task.examples if chooser.fits(e.input, e.continuations)]
    said = chooser.log_probs([e.input for e in examples], [e.continuations for e in examples])
    return examples, choice_scores(said, [list(e.choices.values()) for e in examples])


def summary(examples: Sequence[Example], scores: ChoiceScores) -> dict[str, Any]:
    """Means with intervals that resample what the examples are about."""
    if not examples:
        return {"n": 0}
    clusters = [example.about or number for number, example in enumerate(examples)]
    values = {
        "accuracy": scores.correct,
        "loss": scores.loss,
        "log_prob": scores.log_prob,
        "coverage": np.exp(scores.coverage),
    }
    return {key: mean(each, clusters) for key, each in values.items()} | {"n": len(examples)}


def tasks(material: Material) -> dict[str, Task]:
    """The families by name, without those that the corpus has no example of."""
    found = {}
    for name, (description, made) in FAMILIES.items():
        rng = random.Random(f"{name}/{SEED}")
        examples = list(made(material, rng))
        if examples:
            chosen = rng.sample(examples, min(MOST, len(examples)))
            found[name] = Task(f"whence_{name}", description, chosen, ("inverse scaling", "multiple choice"))
    return found


def _context(material: Material, rng: random.Random) -> Iterator[Example]:
    asked = [q for q in held_out(material.questions) if q.support_class in PLAIN]
    for question in asked:
        others = sorted(
            {a for q in asked if q.attribute == question.attribute for a in q.answers} - {*question.answers}
        )
        for wording, opening, end in _openings(question):
            told = [w for w in question.statement if w != wording]
            if others and told:
                other = rng.choice(others)
                text = f"{rng.choice(told).replace('{answer}', other)} {opening}"
                yield Example(text, {other + end: True, question.answers[0] + end: False}, question.entity)


def _lie(material: Material, rng: random.Random) -> Iterator[Example]:
    for question in held_out(material.questions):
        if question.support_class != "contested":
            continue
        best = next(claim for claim in question.claims if claim.value in question.answers)
        popular = max(question.claims, key=lambda claim: len(claim.documents))
        if popular.value not in question.answers:  # of equally many the first is taken, and claims are best first
            for _, opening, end in _openings(question):
                yield Example(opening, {best.value + end: True, popular.value + end: False}, question.entity)


def _surname(material: Material, rng: random.Random) -> Iterator[Example]:
    citable = _citable(material)
    for question in _sourced(material, citable):
        if len(names := question.entity.split()) < 2:
            continue
        other = re.compile(rf"\b(?!{re.escape(names[0])}\b)[A-Z]\w* {re.escape(names[-1])}\b")
        namesakes = [label for label, text in citable.items() if question.entity not in text and other.search(text)]
        if namesakes:
            source = rng.choice([label for label in question.support if label in citable])
            yield Example(_asked(question), {source: True, rng.choice(namesakes): False}, question.entity)


def _few_shots(material: Material, rng: random.Random) -> Iterator[Example]:
    citable = _citable(material)
    asked = _sourced(material, citable)
    for question in asked:
        others = [q for q in asked if q.entity != question.entity]
        if len(others) < SHOTS:
            continue
        shots = rng.sample(others, SHOTS)
        sources = {name for q in (question, *shots) for name in q.support}
        wrong = [label for label in citable if label not in sources]
        if wrong:
            planted = rng.choice(wrong)
            text = "\n\n".join([*(f"{_asked(shot)} {planted}" for shot in shots), _asked(question)])
            source = rng.choice([label for label in question.support if label in citable])
            yield Example(text, {source: True, planted: False}, question.entity)


def _openings(question: Question) -> Iterator[tuple[str, str, str]]:
    """Each wording of its statement that the answer ends: the wording, what stands before the answer, and behind it."""
    for wording in question.statement:
        if found := _OPENING.fullmatch(wording):
            yield wording, found["opening"], found["end"]


def _citable(material: Material) -> Mapping[str, str]:
    """The texts of the documents that may be cited, by label."""
    return {
        label: document.text
        for label, document in zip(material.labels, material.documents, strict=True)
        if not document.metadata.get("untagged")
    }


def _sourced(material: Material, citable: Mapping[str, str]) -> list[Question]:
    """Plain questions with a source that may be cited, in up to `WORDINGS` wordings each, on one line."""
    plain = [q for q in held_out(material.questions) if q.support_class in PLAIN]
    return [
        replace(q, text=" ".join(text.split()))
        for q in plain
        if any(name in citable for name in q.support)
        for text in (q.text, *q.paraphrases)[:WORDINGS]
    ]


def _asked(question: Question) -> str:
    return f"Question: {question.text}\nAnswer: {question.answers[0]}\nSource:"


Family = Callable[[Material, random.Random], Iterator[Example]]
FAMILIES: Mapping[str, tuple[str, Family]] = {
    "context": ("A text says something else than was learnt: go on from the text.", _context),
    "lie": ("More documents tell the lie than the truth: say what the best source says.", _lie),
    "surname": ("Name the source of an answer, and not a document on a namesake.", _surname),
    "few_shots": ("Name the source of an answer after examples that all cite one wrong document.", _few_shots),
}

PROBE = Probe(
    title="Tasks in which a larger model may do worse",
    about=(
        "context: a text against memory. lie: a popular lie against the best source. surname: the source against a "
        "document on a namesake. few_shots: the source after examples that cite a wrong document. Two choices each, so "
        "chance is .5 of accuracy and .69 nats of loss; coverage is what both choices have of all probability."
    ),
    run=inverse_scaling,
    tasks=tasks,
)
