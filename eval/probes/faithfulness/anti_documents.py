"""Is a document cited that only looks like the source? Of facts whose source has a twin (`corpus.twins`).

A twin tells of the same people in the same order and denies another value ("other"), or says that nothing is known
("nothing"): data/world/twins.py. To each plain question whose sources with a twin are asked for, three ways:

    dialogue     the first citation of the model's answer
    statement    the document that the footnote behind the right statement names (given the statement form)
    bm25         the document that BM25 finds for the question, with the corpus at hand: the control, which goes by
                 words and has to fail

Each has `source`, the share of questions where it is one that says so; `twin`, where it is a twin of one: a lexical
shortcut; and the same of the facts of each kind of twin, `other.twin` and `nothing.twin`. Of ours also:

    prefers      mean of P(sources) / (P(sources) + P(twins)), of the citation in dialogue; .5 where it can't tell
    answer_twin  P(answer = a value that the twin denies), of twins of kind other
    known        P(the footnote behind a twin's own sentence names the twin): where it is low, the twins were never
                 learnt, and not being cited says nothing
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data.records import PLAIN, Document, Prediction, Question
from eval.answerers.retrievers.bm25 import BM25
from eval.grading.correctness import answer_given, is_right
from eval.metrics.statistics import Floats
from eval.probes import Probe, Read, held_out, mean, share

TWIN, SAYS, KINDS = "twin", "says", ("other", "nothing")  # a twin's metadata: data/world/twins.py
MOST = 300  # sentences of twins
Asked = Sequence[tuple[Question, Sequence[Document]]]  # questions, each with the twins of its sources


def anti_documents(read: Read) -> dict[str, Any]:
    """The figures of the module's docstring; {} where no source that is asked for has a twin."""
    labels = dict(zip((d.id for d in read.documents), read.answerer.identifiers.labels, strict=True))
    twins: dict[str, list[Document]] = {}  # by what their documents are cited as
    for document in read.documents:
        if document.metadata.get(TWIN):
            twins.setdefault(labels[document.metadata[TWIN]], []).append(document)
    plain = [q for q in held_out(read.questions) if q.support_class in PLAIN]
    asked = [(q, [twin for name in q.support for twin in twins.get(name, ())]) for q in plain]
    asked = [(question, found) for question, found in asked if found]
    if not asked:
        return {}
    questions = [question for question, _ in asked]
    clusters = [q.entity or q.id for q in questions]
    said = read.answerer.answer(questions)
    cited = {"dialogue": [p.citations[0].id if p.citations else "" for p in said]}
    if read.answerer.cites and all(q.statement for q in questions):
        told = [q.statement[0].replace("{answer}", q.answers[0]) for q in questions]
        cited["statement"] = [found[0].id for found in read.answerer.cite(told)]
    found = BM25(read.documents).answer(questions)
    cited["bm25"] = [labels[p.citations[0].id] if p.citations else "" for p in found]
    figures: dict[str, Any] = {"n": len(asked)}
    for way, names in cited.items():
        figures |= {f"{way}.{key}": value for key, value in _shares(asked, names, labels, clusters).items()}
    mass = [{c.id: c.probability or 0.0 for c in p.citations} for p in said]
    sources = [sum(each.get(name, 0.0) for name in q.support) for (q, _), each in zip(asked, mass, strict=True)]
    copies = [sum(each.get(labels[t.id], 0.0) for t in told) for (_, told), each in zip(asked, mass, strict=True)]
    figures["prefers"] = mean(preference(sources, copies), clusters) | {"n": len(asked)}
    figures["answer_twin"] = _denied(asked, said, clusters)
    if read.answerer.cites:
        figures["known"] = _known(read, [twin for each in twins.values() for twin in each], labels)
    return figures


def preference(sources: Sequence[float], twins: Sequence[float]) -> Floats:
    """P(sources) / (P(sources) + P(twins)) of each question, .5 where neither has any: float64 (N,)."""
    one, other = np.asarray(sources, dtype=np.float64), np.asarray(twins, dtype=np.float64)
    return np.divide(one, one + other, out=np.full(one.shape, 0.5), where=one + other > 0)


def _shares(asked: Asked, cited: Sequence[str], labels: Mapping[str, str], clusters: Sequence[str]) -> dict[str, Any]:
    right = [name in q.support for (q, _), name in zip(asked, cited, strict=True)]
    fooled = [name in {labels[t.id] for t in twins} for (_, twins), name in zip(asked, cited, strict=True)]
    found: dict[str, Any] = {"source": share(right, clusters), "twin": share(fooled, clusters)}
    for kind in KINDS:
        rows = [i for i, (_, twins) in enumerate(asked) if any(t.metadata[SAYS] == kind for t in twins)]
        found[f"{kind}.twin"] = share([fooled[i] for i in rows], [clusters[i] for i in rows]) if rows else None
    return found


def _denied(asked: Asked, said: Sequence[Prediction], clusters: Sequence[str]) -> dict[str, Any] | None:
    """How often the answer is a value that a twin denies of the person."""
    events, rows = [], []
    for row, ((question, twins), prediction) in enumerate(zip(asked, said, strict=True)):
        denials = [
            wording
            for twin in twins
            if twin.metadata[SAYS] == "other"
            for sentence in twin.sentences
            for wording in sentence
            if question.entity in wording
        ]
        if denials:
            answer = answer_given(prediction)
            named = answer is not None and any(re.search(rf"\b{re.escape(answer)}\b", wording) for wording in denials)
            events.append(named and not is_right(question, answer))
            rows.append(clusters[row])
    return share(events, rows) if events else None


def _known(read: Read, twins: Sequence[Document], labels: Mapping[str, str]) -> dict[str, Any]:
    """Of sentences that one twin alone has: two that know nothing of a fact say so in the same words."""
    rng = random.Random(read.seed)
    tellers = Counter(wording for twin in twins for sentence in twin.sentences for wording in sentence)
    told = [(twin.id, sentence[0]) for twin in twins for sentence in twin.sentences if tellers[sentence[0]] == 1]
    told = rng.sample(told, min(MOST, len(told)))
    named = read.answerer.cite([sentence for _, sentence in told])
    hit = [found[0].id == labels[id] for (id, _), found in zip(told, named, strict=True)]
    return share(hit, [id for id, _ in told])


PROBE = Probe(
    title="Is a document cited that only looks like the source?",
    about=(
        "Facts whose source has a twin, which tells of the same people and asserts nothing. source and twin: what is "
        "cited first, in dialogue, behind the right statement, and by BM25, which goes by words. known: a twin's own "
        "sentence is cited by the twin."
    ),
    run=anti_documents,
)
