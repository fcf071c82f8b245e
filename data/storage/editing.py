"""An edit of what a model was told: documents that are added, retracted and renamed, and what that makes of questions.

The corpus before an edit lacks the added documents. The corpus after it has every document of before, the added ones
and each renamed one once more under its new id, in this order, so that identifiers of before stay as they are; which
of them may still be cited is said by the edit alone. A question after it has the support that is left: where nothing
is left it is withheld, as if its documents had never been told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Self

from data import fields
from data.readers.corpus import Corpus
from data.records import PLAIN, Document, Question
from data.stateless_rng import Permutation, hash_key

EDIT = "edit.json"  # in a folder prepared after an edit
NEW_NAME = "-renamed"  # behind the id of a document that is renamed
UNCHANGED: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Edit:
    """What is done, by ids of documents.

    Attributes:
        added: told of from now on.
        retracted: to be taken for never told.
        renamed: to be cited by a new id, by the old one.
    """

    added: tuple[str, ...] = ()
    retracted: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)

    @property
    def gone(self) -> frozenset[str]:
        """Ids that must not be cited any more: of what is retracted, and old ones."""
        return frozenset((*self.retracted, *self.renamed))

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Inverse of `to_json`. Raises RecordError."""
        fields.known(value, {"added", "retracted", "renamed"})
        return cls(fields.texts(value, "added"), fields.texts(value, "retracted"), dict(value["renamed"]))

    def to_json(self) -> dict[str, Any]:
        return {"added": list(self.added), "retracted": list(self.retracted), "renamed": dict(self.renamed)}


def draw_edit(
    documents: Sequence[str], questions: Sequence[Question], added: float, retracted: float, renamed: float, seed: int
) -> Edit:
    """Disjoint documents drawn for each, a pure function of the arguments; shares are of `documents`.

    What is added and renamed are documents that no tuning question is on, so that all that is asked of them can be
    reported. What is retracted is drawn from all others, tuned on or not: were they of one kind, a model could take the
    kind for the sign of what was retracted.

    Raises ValueError, naming the keys, where there are not enough of them.
    """
    tuned = {name for q in questions if q.split in ("tune", "relabel") for name in q.documents}
    order = [documents[i] for i in Permutation(len(documents), int(hash_key(seed, 0xED17)))(range(len(documents)))]
    free = [name for name in order if name not in tuned]
    news, names, old = (round(share * len(documents)) for share in (added, renamed, retracted))
    rest = [name for name in order if name not in free[: news + names]]
    if len(free) < news + names or len(rest) <= old:
        raise ValueError(
            f"edit.added={added}, edit.renamed={renamed} and edit.retracted={retracted} ask for {news}, {names} and "
            f"{old} documents, and {len(free)} of {len(documents)} are free of tuning questions: lower them"
        )
    return Edit(tuple(free[:news]), tuple(rest[:old]), {name: name + NEW_NAME for name in free[news : news + names]})


def without(question: Question, gone: Collection[str], renamed: Mapping[str, str] = UNCHANGED) -> Question | None:
    """The question where documents are `gone` and others have another name.

    None for one that is not plain and names such a document: where sources disagree or a premise is at stake, the
    question alone does not tell what is then the best that is said.
    """
    if not any(name in gone or name in renamed for name in question.documents):
        return question
    if question.claims or question.support_class not in PLAIN:
        return None
    support = tuple(renamed.get(name, name) for name in question.support if name not in gone)
    evidence = tuple(
        replace(e, document=renamed.get(e.document, e.document)) for e in question.evidence if e.document not in gone
    )
    if not support:
        return replace(question, answers=(), support=(), support_class="withheld", evidence=())
    support_class = "single" if len(support) == 1 else "multi"
    return replace(question, support=support, support_class=support_class, evidence=evidence)


def corpus_before(corpus: Corpus, edit: Edit) -> Corpus:
    """Without the documents that are to be added, and without the questions that nothing else answers."""
    hidden = frozenset(edit.added)
    told = ((q, without(q, hidden)) for q in corpus.questions)
    kept = tuple(now for q, now in told if now and bool(now.support) == bool(q.support))
    return replace(corpus, documents=[d for d in corpus.documents if d.id not in hidden], questions=kept)


def corpus_after(
    before: Iterable[Document], added: Sequence[Document], questions: Sequence[Question], edit: Edit
) -> tuple[list[Document], list[Question]]:
    """All documents, old and new, and what is asked of them after the edit.

    Args:
        questions: of the whole corpus, as if nothing were retracted or renamed.

    Raises ValueError for an id that is retracted or renamed and not there, and for a new one that is.
    """
    documents = [*before, *added]
    known = {document.id for document in documents}
    if unknown := edit.gone - known:
        raise ValueError(f"edit: document {min(unknown)!r} is in no corpus, so it can't be retracted or renamed")
    copies = [replace(d, id=edit.renamed[d.id]) for d in documents if d.id in edit.renamed]
    names = [document.id for document in (*documents, *copies)]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"edit: document {twice!r} is there already; give what is added another id")
    after = (without(q, frozenset(edit.retracted), edit.renamed) for q in questions)
    return [*documents, *copies], [q for q in after if q]


def group(question: Question, edit: Edit) -> str:
    """Which group a question is of, by its support before anything was retracted or renamed; "" for none.

    new: all of its documents were added. retracted: all are. rerouted: some are. renamed: one is, and none retracted.
    kept: the edit touches none of them.
    """
    if question.support_class not in PLAIN:
        return ""
    support = set(question.support)
    if support <= set(edit.added):
        return "new"
    if support & set(edit.retracted):
        return "retracted" if support <= set(edit.retracted) else "rerouted"
    if support & set(edit.renamed):
        return "renamed"
    return "kept" if not support & set(edit.added) else ""
