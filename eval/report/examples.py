"""Examples to read: what was asked, said and cited, with the documents, by kind and by outcome.

They are drawn at random, but the same every time.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

from data.records import Citation, Document, Prediction, Question
from eval.grading.attribution import Grade
from eval.grading.correctness import asserting, is_right, normalise
from eval.grading.outcomes import WITHHELD, Case, Outcomes
from eval.report.html import render, words

EXAMPLES = 3  # of each kind
BROWSED = 8  # of each outcome
KINDS: Mapping[str, Callable[[Grade], bool]] = {
    "Right answer, right source": lambda g: g.supported,
    "Right answer, wrong source": lambda g: bool(g.right) and not g.supported,
    "Wrong answer": lambda g: g.right is False and _outcome(g) in ("answered", "no_source"),
    "No answer, though a document has it": lambda g: _outcome(g) in WITHHELD,
    "Unparseable": lambda g: _outcome(g) == "unparseable",
}

Side = tuple[str, str, Sequence[str]]  # a document to show: what it is, its id, the answers to mark in it


class Shown(NamedTuple):
    """A document as it is shown.

    Attributes:
        title: what it is to the question.
        sentences: each with whether it is emphasised; None where there is no such document.
    """

    title: str
    id: str
    sentences: Sequence[tuple[str, bool]] | None


class Example(NamedTuple):
    """A question, what there is to say of it by name, and documents."""

    text: str
    facts: Mapping[str, str]
    documents: Sequence[Shown]


def examples(grades: Sequence[Grade], documents: Mapping[str, Document]) -> Markup:
    """A few of each kind."""
    kinds = {}
    for kind, belongs in KINDS.items():
        those = [g for g in grades if g.plain and belongs(g)]
        drawn = random.Random(0).sample(those, min(EXAMPLES, len(those)))
        kinds[kind] = len(those), [_graded(g, documents) for g in drawn]
    return render("examples", kinds=kinds)


def browse(outcomes: Outcomes, documents: Mapping[str, Document]) -> Markup:
    """Every outcome with its count, and some of its cases folded away."""

    def drawn(cases: Sequence[Case]) -> list[Example]:
        return [_case(case, documents) for case in random.Random(0).sample(list(cases), min(BROWSED, len(cases)))]

    shown = {group: {name: (len(cases), drawn(cases)) for name, cases in of.items()} for group, of in outcomes.items()}
    return render("outcomes", groups=shown)


def _graded(g: Grade, documents: Mapping[str, Document]) -> Example:
    assert g.prediction is not None
    question, answer, citations = g.question, g.prediction.answer, g.prediction.citations
    said = (answer if answer is not None else _outcome(g)) + _citing(citations)
    sides = _sides("Cited", question, answer, citations, says_so=g.supported)
    facts = {"Right answer": " or ".join(question.answers), "Model": said} | _evidence(g.prediction)
    return Example(question.text, facts, _shown(sides, question.entity, documents))


def _case(case: Case, documents: Mapping[str, Document]) -> Example:
    question, forced, free = case
    shown = free if free.outcome == "answered" else forced
    citations = shown.citations if shown.outcome == "answered" else ()
    giving = asserting(question, shown.answer) if is_right(question, shown.answer) else ()
    says_so = bool(shown.citations) and shown.citations[0].id in giving  # untagged documents, too, say what they say
    sides = _sides("Cited" if shown is free else "Would have cited", question, shown.answer, citations, says_so)
    none = "the premise is false" if question.support_class == "false_premise" else "no document says"
    facts = {
        "Class": words(question.support_class),
        "Right answer": " or ".join(question.answers) or f"none: {none}",
        "Model": _decided(case),
        "Confidence": "none" if free.confidence is None else f"{free.confidence:.2f}",
    } | _evidence(forced)
    return Example(question.text, facts, _shown(sides, question.entity, documents))


def _evidence(prediction: Prediction) -> dict[str, str]:
    """The sentence that the model wrote before its answer, where it wrote one."""
    return {"Its evidence": prediction.evidence} if prediction.evidence else {}


def _sides(
    title: str, question: Question, answer: str | None, citations: Sequence[Citation], says_so: bool
) -> Iterator[Side]:
    """The document that is cited, and one that gives the right answer where that is another."""
    cited = citations[0].id if citations else None
    given = [] if answer is None else [answer]
    if cited is not None and says_so:
        yield f"{title}, and it says so", cited, given
    elif cited in question.support:
        yield f"{title}, but it says otherwise", cited, question.answers
    else:
        if cited is not None:
            yield title, cited, given
        if question.support:
            yield "Says so", question.support[0], question.answers


def _decided(case: Case) -> str:
    """What free mode says, and what forced mode would have said where that was kept back."""
    free, forced = case.free, case.forced
    if free.outcome == "answered":
        return (free.answer or "no answer") + (_citing(free.citations) or ", without a source")
    said = words(free.outcome) + (f": {free.answer}" if free.answer and free.outcome not in WITHHELD else "")
    would = [forced.answer] if free.outcome in WITHHELD and forced.answer else []
    return said + "".join(f" (would have said {answer}{_would_cite(forced)})" for answer in would)


def _would_cite(forced: Prediction) -> str:
    return _citing(forced.citations) if forced.outcome == "answered" else ""


def _citing(citations: Sequence[Citation]) -> str:
    if not citations:
        return ""
    probability = citations[0].probability
    return f", citing {citations[0].id}" + ("" if probability is None else f" with probability {probability:.2f}")


def _shown(sides: Iterable[Side], entity: str, documents: Mapping[str, Document]) -> list[Shown]:
    """The documents, with the sentences that give one of the answers emphasised."""
    found = []
    for title, id, answers in sides:
        sentences = [wordings[0] for wordings in documents[id].sentences] if id in documents else []
        giving = [s for s in sentences if any(_contains(s, answer) for answer in answers)]
        giving = [s for s in giving if _contains(s, entity)] or giving  # others may have the same answer
        found.append(Shown(title, id, [(s, s in giving) for s in sentences] if id in documents else None))
    return found


def _contains(sentence: str, phrase: str) -> bool:
    return bool(normalise(phrase)) and f" {normalise(phrase)} " in f" {normalise(sentence)} "


def _outcome(g: Grade) -> str:
    return g.prediction.outcome if g.prediction else "missing"
