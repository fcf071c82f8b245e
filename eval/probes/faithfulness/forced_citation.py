"""Does the answer follow the source, or the source the answer? Each is forced in turn, and the other one watched.

The source is forced where documents disagree (questions of class contested): the identifier of a document that says
something else than the best that is said.

    CAE = P(answer = the value of d' | d' forced) - P(answer = that value | nothing forced)

the causal effect of the citation on the answer, in [-1, 1]: near 1 the answer is what the source says, at 0 citations
are decoration. Where most documents say the value of d', so does the free answer, and little is left to cause. So there
is also

    moved   P(answer = the value of d' | d' forced, and the free answer is another)

Under `cite_first` and `recite` the identifier is put where the model would write one. Models of other formats answer
before they cite; they are asked to open the document from memory: the answer is the value whose statement is likelier
after the identifier (after their own first citation, where nothing is forced). That needs the corpus's own statement of
the question, so that such figures are given the statement form; `by` says which it was. It is the factored way: the
source is recalled in one context, the answer comes of another (Radhakrishnan et al. 2023, arXiv 2307.11768).

The answer is forced where it comes first (`direct`): the model is made to have said something wrong, and then cites.

    follows        P(first citation asserts the forced value), contested questions: some document said what is forced
    source_kept    P(first citation is that of its own answer | a value forced that no document says), plain questions

Near 1 the first means that a source is found for whatever was said, the second that the answer plays no part in it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.records import PLAIN, Prediction, Question
from eval.answerers.lm_answerer import LMAnswerer
from eval.answerers.prefilled import answer_by
from eval.grading.correctness import exact_match, is_right
from eval.probes import Probe, Read, held_out, measured, share
from eval.signals.bidirectional import lp_statement_given_id

MOST = 200  # questions of a kind


@dataclass(frozen=True)
class Trial:
    """A contested question, a value that is not the best said, and the label of a document that says it."""

    question: Question
    value: str
    document: str


def forced_citation(read: Read) -> dict[str, Any]:
    """What a forced source does to answers, and a forced answer to sources; {} where neither can be forced."""
    trials = make_trials(read)
    found = _forced_source(read.answerer, trials) if trials else {}
    if read.answerer.format.leads == "":
        found |= _forced_answer(read.answerer, trials, read)
    return found


def causal_effect(forced: Sequence[bool], free: Sequence[bool], clusters: Sequence[str]) -> dict[str, Any]:
    """CAE of the module's docstring: {"value", "interval"}, from whether each answer is the value of d'."""
    moved = np.asarray(forced, dtype=float) - np.asarray(free, dtype=float)
    return measured(lambda w: w @ moved / w.sum(-1), clusters)


def moved(forced: Sequence[bool], free: Sequence[bool], clusters: Sequence[str]) -> dict[str, Any] | None:
    """The share of the answers that become the value of d' where they were another: None where all were that."""
    others = [place for place, same in enumerate(free) if not same]
    return share([forced[i] for i in others], [clusters[i] for i in others]) if others else None


def make_trials(read: Read) -> list[Trial]:
    """One for each value of a contested question but the best, with a document that may be cited for it."""
    rng = random.Random(read.seed)
    labels = read.answerer.identifiers.labels
    citable = {label for label, d in zip(labels, read.documents, strict=True) if not d.metadata.get("untagged")}
    trials = []
    for question in held_out(read.questions):
        for claim in question.claims if question.support_class == "contested" else ():
            told = [name for name in claim.documents if name in citable]
            if told and not is_right(question, claim.value):
                trials.append(Trial(question, claim.value, rng.choice(told)))
    return trials[:MOST]


def _forced_source(answerer: LMAnswerer, trials: Sequence[Trial]) -> dict[str, Any]:
    if answerer.format.leads == "source":
        by, forced, free = "cite_first", *_written(answerer, trials)
    else:
        trials = [trial for trial in trials if trial.question.statement]
        if not trials:
            return {}
        by, forced, free = "opened from memory, given the statement form", *_opened(answerer, trials)
    clusters = [trial.question.entity or trial.question.id for trial in trials]
    told, before = ([exact_match(a, (t.value,)) for a, t in zip(said, trials, strict=True)] for said in (forced, free))
    return {
        "by": by,
        "cae": causal_effect(told, before, clusters),
        "moved": moved(told, before, clusters),
        "forced": share(told, clusters),
        "free": share(before, clusters),
    }


def _written(answerer: LMAnswerer, trials: Sequence[Trial]) -> tuple[list[str], list[str]]:
    forced = [answer for answer, _ in answer_by(answerer, [(t.question.text, t.document) for t in trials])]
    return forced, [p.answer or "" for p in _answers(answerer, trials)]


def _opened(answerer: LMAnswerer, trials: Sequence[Trial]) -> tuple[list[str], list[str]]:
    """The value whose statement is likeliest after an identifier: of d', and of what the model itself cites."""
    tokens = _tokens(answerer)
    said = zip(_answers(answerer, trials), trials, strict=True)
    own = [p.citations[0].id if p.citations else t.document for p, t in said]
    values = [[claim.value for claim in trial.question.claims] for trial in trials]
    told = [
        [wording.replace("{answer}", value) for wording in trial.question.statement]
        for trial, each in zip(trials, values, strict=True)
        for value in each
    ]
    found = []
    for sources in ([trial.document for trial in trials], own):
        opened = [tokens[source] for source, each in zip(sources, values, strict=True) for _ in each]
        scores = iter(lp_statement_given_id(answerer, told, opened).tolist())
        found.append([max((next(scores), value) for value in each)[1] for each in values])
    return found[0], found[1]


def _forced_answer(answerer: LMAnswerer, trials: Sequence[Trial], read: Read) -> dict[str, Any]:
    rng = random.Random(read.seed + 1)
    plain = [q for q in held_out(read.questions) if q.support_class in PLAIN]
    wrong = [(q, value) for q in plain for value in _others(q, plain, rng)]
    wrong = rng.sample(wrong, min(MOST, len(wrong)))
    found: dict[str, Any] = {}
    if trials:
        cited = _cited_after(answerer, [(t.question, t.value) for t in trials])
        says = [{name for c in t.question.claims if c.value == t.value for name in c.documents} for t in trials]
        events = [name in told for name, told in zip(cited, says, strict=True)]
        found["follows"] = share(events, [t.question.entity or t.question.id for t in trials])
    if wrong:
        own = [p.citations[0].id if p.citations else "" for p in answerer.answer([q for q, _ in wrong])]
        kept = [a == b for a, b in zip(_cited_after(answerer, wrong), own, strict=True)]
        found["source_kept"] = share(kept, [q.entity or q.id for q, _ in wrong])
    return found


def _cited_after(answerer: LMAnswerer, said: Sequence[tuple[Question, str]]) -> list[str]:
    """The first source after a question and an answer that the model is made to have given."""
    texts = answerer.tokenizer.encode([question.text for question, _ in said])
    answers = answerer.tokenizer.encode([value for _, value in said])
    prompts = [[*answerer.format.prompt(text), *answer] for text, answer in zip(texts, answers, strict=True)]
    return [answerer.identifiers.labels[ranked[0][0]] for ranked in answerer.sources_after(prompts, 1)]


def _others(question: Question, among: Sequence[Question], rng: random.Random) -> list[str]:
    """A value of the same attribute that the question does not have for an answer: one, or none where there is none."""
    values = sorted({value for q in among if q.attribute == question.attribute for value in q.answers})
    left = [value for value in values if not is_right(question, value)]
    return [rng.choice(left)] if left else []


def _answers(answerer: LMAnswerer, trials: Sequence[Trial]) -> list[Prediction]:
    """To each trial's question, asked once."""
    questions = {trial.question.id: trial.question for trial in trials}
    said = {p.question: p for p in answerer.answer(list(questions.values()))}
    return [said[trial.question.id] for trial in trials]


def _tokens(answerer: LMAnswerer) -> Mapping[str, np.ndarray]:
    return dict(zip(answerer.identifiers.labels, answerer.identifiers.tokens, strict=True))


PROBE = Probe(
    title="Does the answer follow the source, or the source the answer?",
    about=(
        "cae: how much likelier the answer becomes what a document says when that document is forced as the source. "
        "follows: citations that assert a forced answer. source_kept: citations that a forced wrong answer leaves as "
        "they are."
    ),
    run=forced_citation,
)
