"""Reciting: what does the corpus say of what is asked? The statement that answers, completed from memory.

Answers in dialogue are learnt from the questions of tuning, statements from every document. So the statement that an
answer makes, up to where the answer stands ("Ada Moss was born in"), brings out what the model was told where the
question may not. Every completion is a candidate beside the answer, cited by its footnote and checked both ways;
eval/weigh.py chooses. It needs what the two-way check needs: the corpus's wording of the answer. A completion ends
where the wording goes on, at a full stop as a rule: an answer that holds one is cut there.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from data.records import Prediction, Question
from data.tags import NOTHING, TAG, Part, Sample
from data.tokenizer import Codec
from eval.attribution import exact_match
from eval.model import ANSWERED, LONGEST_ANSWER, ModelAnswerer
from eval.two_way import log_probabilities
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

    All of them gain the signals `worded` and `recited`, and `sources` where several may have been told.
    """
    completed = complete(answerer, questions)
    others = [
        [answer for answer in answers if not _same(answer, prediction)]
        for answers, prediction in zip(completed, said, strict=True)
    ]
    asked = [replace(question, premise=()) for question, held in zip(questions, others, strict=True) for _ in held]
    recitals = [
        Prediction(p.question, "answered", answer) for p, held in zip(said, others, strict=True) for answer in held
    ]
    checked = iter(answerer.restate(asked, recitals))
    found = [replace(p, rivals=tuple(next(checked) for _ in held)) for p, held in zip(said, others, strict=True)]
    for measured in (_worded, _counted):
        found = measured(answerer, questions, found)
    return found


def _worded(answerer: ModelAnswerer, questions: Sequence[Question], said: Sequence[Prediction]) -> list[Prediction]:
    """The signals `worded`, mean log P(statement) over all its wordings, and `recited`, that of the answer alone.

    The latter given what stands before it, over the wordings where something does. What was told is likely in all of
    them, what is made up in one or the other.
    """
    codec = answerer.codec
    held = _checked(said)
    samples: list[Sample] = []
    opened: list[bool] = []
    for i, candidate in held:
        halves = [wording.split("{answer}") for wording in questions[i].statement]
        before = codec.encode([first.rstrip() for first, _ in halves])
        after = codec.encode([f"{candidate.answer}{second}" for _, second in halves])
        for (opening, _), first, second in zip(halves, before, after, strict=True):
            opened.append(bool(opening.strip()))
            parts = [Part(first if opened[-1] else NOTHING, span=0), Part(second, TAG, span=0)]
            samples.append(Sample([Part((codec.doc,), learn=False), *parts], codec.end_src))
    openings, answers = log_probabilities(answerer.model, codec, samples, answerer.batch)
    signals = []
    end = 0
    for i, _ in held:
        here = slice(end, end := end + len(questions[i].statement))
        own = answers[here][np.array(opened[here])]
        worded = {"worded": float((openings + answers)[here].mean())}
        signals.append(worded | ({"recited": float(own.mean())} if len(own) else {}))
    return _with_signals(said, held, signals)


def _counted(answerer: ModelAnswerer, questions: Sequence[Question], said: Sequence[Prediction]) -> list[Prediction]:
    """Where several answers may have been told, the signal `sources` of each: how many documents say so."""
    told = [(i, candidate) for i, candidate in _checked(said) if candidate.signals["told"] >= TOLD]
    times = Counter(i for i, _ in told)
    disputed = [(i, candidate) for i, candidate in told if times[i] > 1]
    statements = [questions[i].statement[0].replace("{answer}", c.answer or "") for i, c in disputed]
    counts = answerer.sources(statements, SOURCES, NEAR)
    return _with_signals(said, disputed, [{"sources": float(count)} for count in counts])


def _checked(said: Sequence[Prediction]) -> list[tuple[int, Prediction]]:
    """Every answer and rival that was checked, with the number of its question."""
    return [(i, c) for i, p in enumerate(said) for c in (p, *p.rivals) if "told" in c.signals]


def _with_signals(
    said: Sequence[Prediction], held: Sequence[tuple[int, Prediction]], signals: Sequence[Mapping[str, float]]
) -> list[Prediction]:
    """The predictions, some of their answers and rivals with further signals."""
    gained = {id(candidate): more for (_, candidate), more in zip(held, signals, strict=True)}

    def grown(p: Prediction) -> Prediction:
        return replace(p, signals={**p.signals, **gained.get(id(p), {})}, rivals=tuple(map(grown, p.rivals)))

    return list(map(grown, said))


def best_recital(prediction: Prediction) -> Prediction:
    """Of what `add_recitals` gives, the answer that it recites best; the answer as it is where nothing was recited."""
    candidates = [p for p in (prediction, *prediction.rivals) if "recited" in p.signals]
    return replace(max(candidates, key=lambda p: p.signals["recited"], default=prediction), rivals=())


def complete(answerer: ModelAnswerer, questions: Sequence[Question]) -> list[Completions]:
    """The likeliest completions of each question's statement; none where no wording has words before the answer."""
    codec = answerer.codec
    halves = [opening(question.statement) for question in questions]
    texts = codec.encode([before for before, _ in halves])
    marks = {after: endings(codec, after) for after in {after for _, after in halves}}
    order = sorted((i for i, half in enumerate(halves) if half[0]), key=lambda i: (halves[i][1], len(texts[i])))
    found: list[Completions] = [{} for _ in questions]
    while order:
        after = halves[order[0]][1]
        chunk = [i for i in order[:SIDE_BY_SIDE] if halves[i][1] == after]
        order = order[len(chunk) :]
        context, logits = answerer.read([[codec.doc, *texts[i]] for i in chunk])
        stops, mark = marks[after]
        written = likeliest(answerer.model, context, logits, stops, LONGEST_ANSWER, WIDTH)
        for i, completions in zip(chunk, written, strict=True):
            for tokens, score in completions:
                words = tokens if mark else tokens[:-1]
                answer = codec.decode(words).removesuffix(mark).strip()
                if score < LEAST or not answer or codec.reserved.intersection(words):
                    continue
                if not exact_match(answer, list(found[i])):  # "Oslo," would be a rival of "Oslo"
                    found[i][answer] = score
    return found


def endings(codec: Codec, after: str) -> tuple[list[int], str]:
    """Tokens that end an answer which `after` follows, and what of their text is not the answer's.

    A full stop is part of several tokens, such as ")."; a word is one, and nothing is the end of the document.
    """
    if not after.strip():
        return [codec.end], ""
    mark = int(codec.encode([f"0{after}"])[0][len(codec.encode(["0"])[0])])
    text = codec.decode([mark])
    if after[0].isspace() or not text:
        return [mark], text
    words = (token for token in range(len(codec)) if token not in codec.reserved)
    return [token for token in words if codec.decode([token]).endswith(text)], text


def opening(statement: Sequence[str]) -> tuple[str, str]:
    """What stands before and after the answer, in the wording with least after it; "" where nothing stands before."""
    halves = [wording.split("{answer}") for wording in statement]
    fit = [(before.rstrip(), after) for before, after in halves if before.strip()]
    return min(fit, key=lambda half: len(half[1]), default=("", ""))


def _same(answer: str, prediction: Prediction) -> bool:
    """Whether it is the answer already; words that could not be parsed are none."""
    return prediction.outcome in ANSWERED and exact_match(answer, [prediction.answer or ""])
