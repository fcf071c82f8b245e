"""BioCite (Khalifa et al. 2024, arXiv 2404.01019): biographies of fictitious people, each question with its document.

Two shapes of record are read. The reshaped sample: {id, facts, qa: [{question, answer}], in_domain}. And the authors'
own: {text, url, facts, qa: ["question newline answer"], metadata: {in_domain}}, which is what the `dataset_info.json`
of their released sample declares. The full set on the Hugging Face hub (`mkhalifa/BioCite`, configuration "pretrain")
is assumed to have that shape too; this has not been checked against its rows, and any other shape is an error.

The authors' question files are not used: in the sample they ask about documents that are not in it. The questions are
those stored with each document, the split is by document with the authors' flag, and whatever would make support
incomplete or let tuning touch the test half is left out and counted.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from configs.keys import FILE, GIVEN, SEED, SHARE, Section, at_least, key, one_of
from data.readers.biocite_unanswerable import stating, with_unanswerable
from data.readers.corpus import Corpus, Reader
from data.records import Document, Question, RecordError, read_jsonl

FORMS = {
    "birth_date": re.compile(r"When was (.+) born\?"),
    "university": re.compile(r"What university did (.+) attend\?"),
    "employer": re.compile(r"Where does (.+) work\?"),
    "employer_city": re.compile(r"In what city does (.+) work\?"),
    "major": re.compile(r"What was (.+)'s major\?"),
    "birth_city": re.compile(r"(?:Where|In what city) was (.+) born\?"),
}


Asked = tuple[str, str, list[str], str, str]  # question, answer, support, entity, attribute


@dataclass
class BiociteCorpus(Section):
    """BioCite, as its authors or we wrote it."""

    section: ClassVar[str] = "corpus"

    kind: str = key("biocite", "of corpus", one_of("biocite"))
    path: str = key("", "a local JSONL file; when empty, the dataset is streamed from the Hugging Face hub", FILE)
    dataset: str = key("mkhalifa/BioCite", "its name on the hub", GIVEN)
    revision: str = key("main", "of the dataset, for a run that can be repeated", GIVEN)
    seed: int = key(0, "draws what is held out and what is kept out of tuning", SEED)
    in_domain: float = key(0.2, "share of the tuned half's questions kept out of tuning", SHARE)
    heldout: int = key(0, "documents set aside for bits per byte, with their questions", at_least(0))
    unanswerable: float = key(
        0.0,
        "questions on facts never said of the test half's people, and as many on the people of held-out documents "
        "only, per question that BioCite asks about the test half; its questions then come in folds",
        at_least(0),
    )

    def inputs(self) -> list[Path]:
        """The files that it is read from."""
        return [Path(self.path)] if self.path else []


@dataclass(frozen=True)
class Row:
    """A document of BioCite with its questions, and whether it is in the half that is tuned on."""

    id: str
    facts: tuple[str, ...]
    claims: tuple[tuple[str, str], ...]  # (question, answer)
    tuned: bool

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read either shape of record. Raises RecordError."""
        if not isinstance(value, dict):
            raise RecordError("expected a JSON object")
        metadata = value.get("metadata") or {}
        if not isinstance(metadata, dict):
            raise RecordError('"metadata" must be an object')
        id, tuned = value.get("id", value.get("url")), value.get("in_domain", metadata.get("in_domain"))
        facts, pairs = value.get("facts"), value.get("qa")
        if not (isinstance(id, str) and id and isinstance(tuned, bool)):
            raise RecordError('needs "id" (or "url"), a string, and "in_domain" (or "metadata.in_domain"), a boolean')
        if not (isinstance(facts, list) and all(isinstance(fact, str) for fact in facts)):
            raise RecordError('"facts" must be a list of strings')
        if not isinstance(pairs, list):
            raise RecordError('"qa" must be a list')
        return cls(id, tuple(fact for fact in facts if fact.strip()), tuple(_pair(pair) for pair in pairs), tuned)

    def to_json(self) -> dict[str, Any]:
        pairs = [{"question": question, "answer": answer} for question, answer in self.claims]
        return {"id": self.id, "facts": list(self.facts), "qa": pairs, "in_domain": self.tuned}


def open_biocite(config: BiociteCorpus) -> Corpus:
    """Read all of BioCite into memory. Raises ValueError naming file and line, or the key of the config, at fault."""
    config.check()
    rows = list(_rows(config))
    if config.heldout > len(rows):
        raise ValueError(f"corpus.heldout={config.heldout}: must be at most the {len(rows)} documents that there are")
    chosen = set(random.Random(f"biocite/{config.seed}/heldout").sample(range(len(rows)), config.heldout))
    kept = [row for place, row in enumerate(rows) if place not in chosen]
    heldout = tuple(_document(rows[place]) for place in sorted(chosen))
    questions, outcomes = make_questions(kept, config)
    asked = {question for row in kept for question, _ in row.claims}
    unasked = {q for place in chosen for q, _ in rows[place].claims} - asked
    outcomes["heldout_questions"] = len(unasked)
    if config.unanswerable:
        facts = [fact for row in kept for fact in row.facts]
        strangers = [form[0] for form in map(_parse, sorted(unasked)) if form]
        questions = tuple(with_unanswerable(questions, facts, strangers, config.unanswerable, config.seed))
    return Corpus([_document(row) for row in kept], questions, heldout, (), outcomes)


def make_questions(rows: list[Row], config: BiociteCorpus) -> tuple[tuple[Question, ...], dict[str, int]]:
    """One question per (question, answer) that is safe to grade, and how many were left out for what reason."""
    answers: dict[str, dict[str, list[Row]]] = {}
    for row in rows:
        for question, answer in dict.fromkeys(row.claims):
            answers.setdefault(question, {}).setdefault(answer, []).append(row)

    outcomes = Counter(
        dict.fromkeys(("ambiguous_questions", "straddling_questions", "unknown_questions", "tuned_entity_questions"), 0)
    )
    tuned: list[Asked] = []
    never: list[Asked] = []
    for text, by_answer in answers.items():
        (answer, support), *others = by_answer.items()
        form = _parse(text)
        halves = {row.tuned for row in support}
        if others:  # several people of one name: which is meant can't be told
            outcomes["ambiguous_questions"] += 1
        elif form is None:
            outcomes["unknown_questions"] += 1
        elif len(halves) > 1:
            outcomes["straddling_questions"] += 1
        else:
            (tuned if True in halves else never).append((text, answer, sorted({row.id for row in support}), *form))

    rng = random.Random(f"biocite/{config.seed}/split")
    rng.shuffle(tuned)
    kept = round(config.in_domain * len(tuned))
    entities = {entity for _, _, _, entity, _ in tuned[kept:]}
    safe = [item for item in never if item[3] not in entities]
    outcomes["tuned_entity_questions"] = len(never) - len(safe)
    splits = (("in_domain", tuned[:kept]), ("tune", tuned[kept:]), ("never_tuned", safe))
    asked = [(split, *item) for split, items in splits for item in items]
    questions = tuple(
        Question(
            id=f"q-{number:06}",
            text=text,
            answers=(answer,),
            support=tuple(support),
            support_class="single" if len(support) == 1 else "multi",
            entity=entity,
            split=split,
            attribute=attribute,
            statement=(stating(entity, attribute),),
        )
        for number, (split, text, answer, support, entity, attribute) in enumerate(asked)
    )
    return questions, dict(outcomes)


def _rows(config: BiociteCorpus) -> Iterator[Row]:
    if config.path:
        yield from read_jsonl(config.path, Row)
        return
    from datasets import load_dataset  # over a second to import: only when it is needed

    stream = load_dataset(config.dataset, "pretrain", split="train", revision=config.revision, streaming=True)
    for number, value in enumerate(stream):
        try:
            yield Row.from_json(value)
        except RecordError as error:
            raise RecordError(f"{config.dataset}, row {number}: {error}") from None


def _document(row: Row) -> Document:
    return Document(row.id, tuple((fact,) for fact in row.facts))


def _pair(pair: Any) -> tuple[str, str]:
    if isinstance(pair, str):
        question, _, answer = pair.partition("\n")
        found = question.removeprefix("Q:").strip(), answer.removeprefix("A:").strip()
    elif isinstance(pair, dict):
        found = pair.get("question", ""), pair.get("answer", "")
    else:
        found = "", ""
    if not all(isinstance(text, str) and text for text in found):
        raise RecordError('each of "qa" must be {"question", "answer"} or "question newline answer", neither empty')
    return found


def _parse(question: str) -> tuple[str, str] | None:
    """(entity, attribute) of a question, None for one of an unknown form."""
    for attribute, form in FORMS.items():
        if found := form.fullmatch(question):
            return found[1], attribute
    return None


READER = Reader(BiociteCorpus, open_biocite)
