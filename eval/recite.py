"""Reciting: what does the corpus say of what is asked? The statement that answers, completed from memory.

Answers in dialogue are learnt from the questions of tuning, statements from every document. So the statement that an
answer makes, up to where the answer stands ("Ada Moss was born in"), brings out what the model was told where the
question may not. Every completion is a candidate beside the answer, cited by its footnote and checked both ways;
eval/weigh.py chooses. It needs what the two-way check needs: the corpus's wording of the answer. A completion ends
where the wording goes on, at a full stop as a rule: an answer that holds one is cut there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from data.records import Prediction, Question
from eval.attribution import exact_match
from eval.model import LONGEST_ANSWER, ModelAnswerer
from model.generate import likeliest

WIDTH = 4  # completions of a statement
SIDE_BY_SIDE = 16  # statements; with more, keys and values of their completions leave the processor's cache
LEAST = math.log(1e-3)  # what is less likely than this was not told, or too seldom to tell
TOLD = -12.0  # nats; a document that says so opens with a statement at about -3, with anything else at -10 and less
SOURCES = 3  # of a footnote, that are opened to see how many say so
NEAR = 4.0  # nats; a source says so when it does at most so much worse than the first

Completions = dict[str, float]  # answers with their log-probabilities, the likeliest first


def add_recitals(
    answerer: ModelAnswerer, questions: Sequence[Question], said: Sequence[Prediction]
) -> list[Prediction]:
    """The predictions with every other answer that the model recites as `rivals`, the likeliest first, each checked.

    How likely the completion is becomes the signal `recited`, also of an answer that is among them.
    """
    completed = complete(answerer, questions)
    asked: list[Question] = []
    recitals: list[Prediction] = []
    for question, prediction, answers in zip(questions, said, completed, strict=True):
        for answer, score in answers.items():
            if not _same(answer, prediction):
                asked.append(replace(question, premise=()))
                recitals.append(Prediction(question.id, "answered", answer, signals={"recited": score}))
    checked = iter(answerer.restate(asked, recitals))
    found = []
    for prediction, answers in zip(said, completed, strict=True):
        rivals = tuple(next(checked) for answer in answers if not _same(answer, prediction))
        signals = dict(prediction.signals)
        if own := [score for answer, score in answers.items() if _same(answer, prediction)]:
            signals["recited"] = own[0]
        found.append(replace(prediction, signals=signals, rivals=rivals))
    return _counted(answerer, questions, found)


def _counted(answerer: ModelAnswerer, questions: Sequence[Question], said: Sequence[Prediction]) -> list[Prediction]:
    """Where several answers may have been told, the signal `sources` of each: how many documents say so."""
    disputed = {
        i: [p for p in (prediction, *prediction.rivals) if p.signals.get("told", -math.inf) >= TOLD]
        for i, prediction in enumerate(said)
    }
    disputed = {i: candidates for i, candidates in disputed.items() if len(candidates) > 1}
    statements = [
        questions[i].statement[0].replace("{answer}", p.answer or "") for i, held in disputed.items() for p in held
    ]
    counts = iter(answerer.sources(statements, SOURCES, NEAR))
    found = list(said)
    for i, candidates in disputed.items():
        counted = {id(p): replace(p, signals={**p.signals, "sources": float(next(counts))}) for p in candidates}
        rivals = tuple(counted.get(id(p), p) for p in said[i].rivals)
        found[i] = replace(counted.get(id(said[i]), said[i]), rivals=rivals)
    return found


def best_recital(prediction: Prediction) -> Prediction:
    """Of what `add_recitals` gives, the likeliest completion; the answer itself where nothing was completed."""
    candidates = [p for p in (prediction, *prediction.rivals) if "recited" in p.signals]
    return replace(max(candidates, key=lambda p: p.signals["recited"], default=prediction), rivals=())


def complete(answerer: ModelAnswerer, questions: Sequence[Question]) -> list[Completions]:
    """The likeliest completions of each question's statement; none where no wording has words before the answer."""
    codec = answerer.codec
    halves = [opening(question.statement) for question in questions]
    texts = codec.encode([before for before, _ in halves])
    marks = {after: int(codec.encode([f"0{after}"])[0][len(codec.encode(["0"])[0])]) for _, after in halves if after}
    stops = [marks.get(after, codec.end) for _, after in halves]
    order = sorted((i for i, half in enumerate(halves) if half[0]), key=lambda i: (stops[i], len(texts[i])))
    found: list[Completions] = [{} for _ in questions]
    while order:
        chunk = [i for i in order[:SIDE_BY_SIDE] if stops[i] == stops[order[0]]]
        order = order[len(chunk) :]
        context, logits = answerer.read([[codec.doc, *texts[i]] for i in chunk])
        written = likeliest(answerer.model, context, logits, [stops[chunk[0]]], LONGEST_ANSWER, WIDTH)
        for i, completions in zip(chunk, written, strict=True):
            for tokens, score in completions:
                answer = codec.decode(tokens)
                if score < LEAST or not tokens or codec.reserved.intersection(tokens):
                    continue
                if not exact_match(answer, list(found[i])):  # "Oslo," would be a rival of "Oslo"
                    found[i][answer] = score
    return found


def opening(statement: Sequence[str]) -> tuple[str, str]:
    """What stands before and after the answer, in the wording with least after it; "" where nothing stands before."""
    halves = [wording.split("{answer}") for wording in statement]
    fit = [(before.rstrip(), after) for before, after in halves if before.strip()]
    return min(fit, key=lambda half: len(half[1]), default=("", ""))


def _same(answer: str, prediction: Prediction) -> bool:
    return prediction.answer is not None and exact_match(answer, [prediction.answer])
