"""The three records that cross the rooms: Document, Question and Prediction, with their JSONL form.

Nothing else is passed between rooms. All three are frozen; each has a validating ``from_json`` and a ``to_json`` that
are inverse to each other. `read_jsonl` turns the first bad line into a `RecordError` that names file and line.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from configs.renamed import SPLITS as RENAMED_SPLITS
from data import fields
from data.atomic import atomic_file
from data.fetch import open_text
from data.fields import RecordError
from data.record_parts import Citation, Claim, Evidence

SUPPORT_CLASSES = (
    "single",  # one document asserts the answer
    "multi",  # several documents assert it
    "contested",  # documents disagree; the answers are the best of what they say
    "untagged",  # told, but only in documents that never carry a tag: known, not from where
    "low_reliability",  # told, but only by sources of low known reliability
    "true_premise",  # the question presupposes what documents say, and they answer it
    "absent_attribute",  # the entity is known, this attribute of it was never said
    "absent_entity",  # nothing was ever said of the entity
    "false_premise",  # the question presupposes what no document says
    "withheld",  # a document answers it that was kept from training
    "unanswerable",  # its document was told, and says nothing that answers it
)
ANSWERABLE = SUPPORT_CLASSES[:6]  # those with an answer and documents that assert it
NEVER = ("absent_attribute", "absent_entity", "withheld", "unanswerable")  # those of which nothing was told
PLAIN = ("single", "multi")  # the plain ones among them: attribution is measured on these
SPLITS = (
    "tune",  # trained on, by tuning
    "relabel",  # the second phase of tuning draws the model's own answers to these; nothing else is tuned on them
    "in_domain",  # never trained on, but other questions on the same documents are
    "never_tuned",  # none of the corpus's questions on its documents or its entity is tuned on
    "reworded",  # those of never_tuned once more, in words that no tuning question has
)
FOLDS = ("calibration", "dev", "test")  # parts of never_tuned that share no entity: fit on, choose on, report on
DOCUMENT = "document"  # in the metadata of a passage: the id of the document that it is of
OUTCOMES = ("answered", "abstained", "no_source", "false_premise", "unparseable")


class Record(Protocol):
    """What `read_jsonl` and `write_jsonl` need of a record."""

    @classmethod
    def from_json(cls, value: Any) -> Self: ...

    def to_json(self) -> dict[str, Any]: ...


R = TypeVar("R", bound=Record)


def joined(texts: Iterable[str], joiner: str) -> str:
    """Texts one after the other, with the joiner between two of which neither brings white space of its own."""
    parts: list[str] = []
    for text in texts:
        if parts and not (parts[-1][-1:].isspace() or text[:1].isspace()):
            parts.append(joiner)
        parts.append(text)
    return "".join(parts)


@dataclass(frozen=True, slots=True)
class Document:
    """One source: an identifier and its sentences, each with one or more wordings that say the same.

    Attributes:
        id: unique in its corpus.
        sentences: for each sentence its wordings; the first is the canonical one.
        source: who published it (an outlet, a site), "" when unknown.
        metadata: plain JSON values: url, a string; reliability, in [0, 1]; untagged, true for a document that never
            carries a tag; document, of a passage the id of the document that it is of (data/storage/passages.py);
            and whatever else the corpus carries.
        joiner: what stands between two sentences of which neither brings white space of its own.
    """

    id: str
    sentences: tuple[tuple[str, ...], ...]
    source: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    joiner: str = " "

    def __post_init__(self) -> None:
        if not self.metadata:
            return
        untagged, url = self.metadata.get("untagged"), self.metadata.get("url")
        try:
            fields.share(self.metadata, "reliability")
            if not isinstance(untagged, bool | None):
                raise RecordError(f'"untagged" must be true or false, not {fields.shown(untagged)}')
            if not isinstance(url, str | None):
                raise RecordError(f'"url" must be a string, not {fields.shown(url)}')
        except RecordError as error:
            raise RecordError(f"document {self.id!r}: {error}") from None

    @property
    def text(self) -> str:
        """The canonical wording of all sentences: the document as it was written."""
        return joined((wordings[0] for wordings in self.sentences), self.joiner)

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Inverse of `to_json`; a sentence may also be a plain string. Raises RecordError."""
        fields.known(value, {"id", "sentences", "source", "metadata", "joiner"})
        sentences = value.get("sentences")
        if not isinstance(sentences, list):
            raise RecordError(f'"sentences" must be a list, not {fields.shown(sentences)}')
        wordings = []
        for sentence in sentences:
            options = [sentence] if isinstance(sentence, str) else sentence
            if not (isinstance(options, list) and options and all(isinstance(o, str) and o.strip() for o in options)):
                raise RecordError('each of "sentences" must be a non-empty string or a list of them')
            wordings.append(tuple(options))
        metadata = value.get("metadata", {})
        if not isinstance(metadata, dict):
            raise RecordError(f'"metadata" must be an object, not {fields.shown(metadata)}')
        source, joiner = fields.text(value, "source", ""), fields.text(value, "joiner", " ")
        return cls(fields.name(value, "id"), tuple(wordings), source, metadata, joiner)

    def to_json(self) -> dict[str, Any]:
        plain = {
            "id": self.id,
            "sentences": [list(w) for w in self.sentences],
            "source": self.source,
            "metadata": dict(self.metadata),
        }
        return plain if self.joiner == " " else plain | {"joiner": self.joiner}


@dataclass(frozen=True, slots=True)
class Question:
    """A question with everything needed to grade an answer to it.

    Attributes:
        answers: every accepted answer; empty exactly when the right behaviour is to abstain.
        support: ids of *every* document that asserts one of `answers`; empty exactly when `answers` is.
        support_class: one of `SUPPORT_CLASSES`.
        entity: whom or what it is about; intervals resample entities.
        split: one of `SPLITS`.
        attribute: the relation asked for, "" when unknown.
        paraphrases: other wordings of `text`, as tuning uses them.
        fold: one of `FOLDS` for a question of split never_tuned, "" where a corpus has no folds.
        variant: the kind within its support class, "" for none: how sources disagree, how a premise is false, which
            names an absent entity has.
        pair: the name of a minimal set, whose questions differ in their premise only; "" for none.
        truth: what is true in the world, whatever was said; "" when unknown.
        claims: all that was said, best first: of the fact asked for when contested, of a contradicted premise's fact
            when false_premise. Says which document goes with which answer.
        statement: the answer in the corpus's own wordings: sentences that hold "{answer}" where it stands.
        premise: what the question presupposes, in the corpus's own wordings; empty when nothing.
        new_paraphrases, new_statement: wordings that no tuning question and no document of the corpus uses.
        evidence: sentences of the support that give the answer, one a document; found where none is given
            (data/storage/evidence.py).
    """

    id: str
    text: str
    answers: tuple[str, ...]
    support: tuple[str, ...]
    support_class: str
    entity: str
    split: str
    attribute: str = ""
    paraphrases: tuple[str, ...] = ()
    fold: str = ""
    variant: str = ""
    pair: str = ""
    truth: str = ""
    claims: tuple[Claim, ...] = ()
    statement: tuple[str, ...] = ()
    premise: tuple[str, ...] = ()
    new_paraphrases: tuple[str, ...] = ()
    new_statement: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()

    def __post_init__(self) -> None:
        if self.support_class not in SUPPORT_CLASSES:
            raise RecordError(f'"support_class" is {self.support_class!r}, not one of {", ".join(SUPPORT_CLASSES)}')
        if new := RENAMED_SPLITS.get(self.split):
            raise RecordError(f'"split" is {self.split!r}; it is {new!r} now')
        if self.split not in SPLITS:
            raise RecordError(f'"split" is {self.split!r}, not one of {", ".join(SPLITS)}')
        if self.fold and (self.fold not in FOLDS or self.split != "never_tuned"):
            raise RecordError(f'"fold" is {self.fold!r}; it is one of {", ".join(FOLDS)}, and of split never_tuned')
        for template in (*self.statement, *self.new_statement):
            if template.count("{answer}") != 1:
                raise RecordError(f'a "statement" holds "{{answer}}" exactly once, not {template!r}')
        told = self.support_class in ANSWERABLE
        if bool(self.answers) != told or bool(self.support) != told:
            raise RecordError(
                f'support class "{self.support_class}" needs '
                + ('"answers" and "support"' if told else 'empty "answers" and "support"')
            )

    @property
    def documents(self) -> tuple[str, ...]:
        """Every document named: the support, and whatever else was said of the fact."""
        claimed = (document for claim in self.claims for document in claim.documents)
        return tuple(dict.fromkeys((*self.support, *claimed)))

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Inverse of `to_json`. Raises RecordError."""
        fields.known(value, set(cls.__slots__))
        answers, support = fields.texts(value, "answers"), fields.names(value, "support")
        if bool(answers) != bool(support) and "support_class" not in value:
            raise RecordError(
                '"answers" without "support": name the documents that give them, or leave both empty where none does'
                if answers
                else '"support" without "answers": say what these documents answer, or leave both empty'
            )
        default = "absent_entity" if not support else "single" if len(support) == 1 else "multi"
        return cls(
            id=fields.name(value, "id"),
            text=fields.text(value, "text"),
            answers=answers,
            support=support,
            support_class=fields.text(value, "support_class", default),
            entity=fields.text(value, "entity", ""),
            split=fields.text(value, "split"),
            attribute=fields.text(value, "attribute", ""),
            paraphrases=fields.texts(value, "paraphrases", ()),
            fold=fields.text(value, "fold", ""),
            variant=fields.text(value, "variant", ""),
            pair=fields.text(value, "pair", ""),
            truth=fields.text(value, "truth", ""),
            claims=tuple(Claim.from_json(claim) for claim in fields.items(value, "claims")),
            statement=fields.texts(value, "statement", ()),
            premise=fields.texts(value, "premise", ()),
            new_paraphrases=fields.texts(value, "new_paraphrases", ()),
            new_statement=fields.texts(value, "new_statement", ()),
            evidence=tuple(Evidence.from_json(item) for item in fields.items(value, "evidence")),
        )

    def to_json(self) -> dict[str, Any]:
        plain = {name: _plain(getattr(self, name)) for name in self.__slots__}
        rows = {"claims": [c.to_json() for c in self.claims], "evidence": [e.to_json() for e in self.evidence]}
        return plain | rows


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a system said to one question.

    Attributes:
        question: the id of the `Question`.
        outcome: one of `OUTCOMES`.
        answer: None when the system gives no answer in words (a retriever, a floor), or none could be parsed.
        citations: best first.
        confidence: in [0, 1] that the answer is right, None when the system gives none.
        valid: whether the citation decoded *without* constraint names a document of the corpus; None if not tried.
        signals: what the system shows of itself beside the answer, by name; see eval/selective/policy.py.
        samples: further answers of the system to the same question, drawn at random; "" for one not well formed.
        rivals: other answers to the same question that the system considered.
        evidence: the sentence that the system wrote before its answer, "" for none.
    """

    question: str
    outcome: str
    answer: str | None = None
    citations: tuple[Citation, ...] = ()
    confidence: float | None = None
    valid: bool | None = None
    signals: Mapping[str, float] = field(default_factory=dict)
    samples: tuple[str, ...] = ()
    rivals: tuple[Prediction, ...] = ()
    evidence: str = ""

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES:
            raise RecordError(f'"outcome" is {self.outcome!r}, not one of {", ".join(OUTCOMES)}')
        for probability in (self.confidence, *(c.probability for c in self.citations)):
            if probability is not None and not 0.0 <= probability <= 1.0:
                raise RecordError(f"a probability or confidence is {probability}, outside [0, 1]")

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Inverse of `to_json`; a citation may also be a plain document id. Raises RecordError."""
        fields.known(value, set(cls.__slots__))
        citations = []
        for item in fields.items(value, "citations"):
            item = {"id": item} if isinstance(item, str | int) else item
            fields.known(item, {"id", "probability"})
            citations.append(Citation(fields.name(item, "id"), fields.number(item, "probability")))
        valid = value.get("valid")
        if not (valid is None or isinstance(valid, bool)):
            raise RecordError(f'"valid" must be true, false or null, not {fields.shown(valid)}')
        signals = value.get("signals", {})
        if not isinstance(signals, Mapping):
            raise RecordError(f'"signals" must be an object, not {fields.shown(signals)}')
        samples = fields.items(value, "samples")
        if not all(isinstance(sample, str) for sample in samples):
            raise RecordError(f'"samples" must be a list of strings, not {fields.shown(samples)}')
        answer = value.get("answer")
        if not (answer is None or isinstance(answer, str)):
            raise RecordError(f'"answer" must be a string or null, not {fields.shown(answer)}')
        return cls(
            question=fields.name(value, "question"),
            outcome=fields.text(value, "outcome", "answered"),
            answer=answer,
            citations=tuple(citations),
            confidence=fields.number(value, "confidence"),
            valid=valid,
            signals={signal: _finite(signals, signal) for signal in signals},
            samples=tuple(samples),
            rivals=tuple(cls.from_json(rival) for rival in fields.items(value, "rivals")),
            evidence=fields.text(value, "evidence", ""),
        )

    def to_json(self) -> dict[str, Any]:
        plain = {name: getattr(self, name) for name in self.__slots__}
        return plain | {
            "citations": [{"id": c.id, "probability": c.probability} for c in self.citations],
            "samples": list(self.samples),
            "rivals": [rival.to_json() for rival in self.rivals],
        }


def read_jsonl(path: str | os.PathLike[str], record: type[R]) -> Iterator[R]:
    """Yield the records of a JSONL file in order; blank lines are skipped. It may be compressed: see `open_text`.

    Raises:
        RecordError: names the file and the line that is malformed, and what is wrong with it.
        FileNotFoundError: there is no such file.
    """
    return (found for _, found in read_numbered(path, record))


def read_numbered(path: str | os.PathLike[str], record: type[R]) -> Iterator[tuple[int, R]]:
    """`read_jsonl`, with the line that each record stands on, from 1."""
    with open_text(path) as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                found = record.from_json(json.loads(line))
            except json.JSONDecodeError as error:
                raise RecordError(f"{path}, line {number}: not JSON ({error.msg}: character {error.pos + 1})") from None
            except RecursionError:
                raise RecordError(f"{path}, line {number}: lists or objects are nested too deep") from None
            except ValueError as error:  # a record without the documented shape, or a number of thousands of digits
                raise RecordError(f"{path}, line {number}: {error}") from None
            yield number, found


def write_jsonl(path: str | os.PathLike[str], records: Iterable[Record]) -> int:
    """Write records one a line, whole or not at all; returns how many."""
    count = 0
    with atomic_file(Path(path)) as file:
        for record in records:
            file.write(json.dumps(record.to_json(), ensure_ascii=False) + "\n")
            count += 1
    return count


def _finite(value: Mapping[str, Any], key: str) -> float:
    if (found := fields.number(value, key)) is None:
        raise RecordError(f'"{key}" must be a finite number, not missing')
    return found


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
