"""Question sets as people have them, each question with the text that it is asked of: SQuAD's JSON, or rows.

    python run.py corpus=qa corpus.path=new_wiki_v1.0.json

The texts are the documents. On some, questions are tuned on; some are withheld, so that their questions have an answer
that no document told; the rest are for evaluation. So any question set is a test of attribution and of abstention.
Which text is which goes by a hash of seed and id alone; near copies of one text are on one side. Other texts of the
same title may be on another, and may then tell what a withheld one told, too; `split_by=title` keeps them together.

Rows are mapped by the names of their columns: `passages.0.text` is the key text of the first item of passages. The
unanswerable (SQuAD 2.0's `is_impossible`, rows without an answer) are a class of their own.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

from configs.keys import GIVEN, SEED, SHARE, Section, at_least, key, one_of, shown
from data.readers.corpus import PASSAGE_WORDS, Corpus, Reader
from data.readers.files import LANGUAGE
from data.readers.folders import find_files
from data.readers.near_copies import near_copies
from data.readers.rows import read_file
from data.readers.sentences import Split, split_sentences
from data.readers.tables import Records, read_hub
from data.record_parts import Evidence
from data.records import FOLDS, Document, Question

log = logging.getLogger("whence")

FOLD_OF = (FOLDS[0], FOLDS[1], FOLDS[2], FOLDS[2])  # a quarter to fit on, a quarter to choose on, half to report on
WITHHELD, TUNED, EVALUATED = "withheld", "tuned", "evaluated"  # the sides
SLUG = re.compile(r"[^\w.,()'-]+")


@dataclass
class QACorpus(Section):
    """A question set over texts."""

    section: ClassVar[str] = "corpus"

    kind: str = key("qa", "of corpus", one_of("qa"))
    path: str = key(
        "", "a file, folder or pattern: SQuAD's JSON, or rows in .jsonl, .json, .csv, .tsv, .parquet or a saved dataset"
    )
    dataset: str = key("", "instead of the path, a dataset of the Hugging Face hub, such as rajpurkar/squad_v2")
    dataset_config: str = key("", "its configuration")
    dataset_split: str = key("validation", "its split", GIVEN)
    revision: str = key("main", "its revision", GIVEN)
    question_column: str = key("question", "the question", GIVEN)
    context_column: str = key("context", "the text it is asked of: a string, or a list of sentences", GIVEN)
    answers_column: str = key(
        "answers",
        "a string, a list of accepted ones, or SQuAD's {text: [...]}; whole numbers are places in a list of sentences",
        GIVEN,
    )
    evidence_column: str = key("", "sentences that give the answer, or their places; empty to find them")
    title_column: str = key("title", "what names the text, several texts may share it; empty for none")
    id_column: str = key("id", "what names the question; empty to number them")
    language: str = key("en", "ISO 639 code, for splitting sentences", LANGUAGE)
    passage_words: int = key(0, PASSAGE_WORDS, at_least(0))
    documents: int = key(0, "how many of the texts are taken, 0 for all", at_least(0))
    tuned: float = key(0.5, "share of them whose questions are tuned on", SHARE)
    withheld: float = key(0.1, "share of them that is kept from training: their questions are never told", SHARE)
    split_by: str = key("text", "what is never on two sides: a text, or all texts of a title", one_of("text", "title"))
    seed: int = key(0, "of the hash that draws and splits them", SEED)

    def contradictions(self, path: str) -> Iterator[str]:
        if bool(self.path) == bool(self.dataset):
            yield f"{path}.path={shown(self.path)} and {path}.dataset={shown(self.dataset)}: give one of the two"
        if self.tuned + self.withheld >= 1:
            yield f"{path}.tuned={self.tuned} and {path}.withheld={self.withheld} leave no texts for evaluation"

    def inputs(self) -> list[Path]:
        """The files that it is read from."""
        return [Path(self.path)] if self.path else []


@dataclass
class Text:
    """A text with the questions asked of it, as they were read."""

    title: str
    sentences: Split
    asked: list[Question]


def open_qa(config: QACorpus) -> Corpus:
    """Open the question set. Raises ValueError naming the file, the row and the column at fault, or the key."""
    config.check()
    texts = _named(_texts(config))
    order = sorted(texts, key=lambda id: hashlib.sha256(f"{config.seed}/{id}".encode()).digest())
    taken = order[: config.documents or None]
    if len(taken) < config.documents:
        raise ValueError(f"corpus.documents={config.documents}: there are only {len(taken)} texts; lower it")
    copies = near_copies({id: texts[id].sentences.joiner.join(texts[id].sentences.sentences) for id in taken})
    together = [*copies, *(_of_one_title(taken, texts) if config.split_by == "title" else ())]
    sides = _sides(_groups(taken, together), config, len(taken))
    questions = [_asked(asked, id, *sides[id]) for id, text in texts.items() if id in sides for asked in text.asked]
    kept = [question for question in questions if question is not None]
    documents = {id: _document(id, text) for id, text in texts.items() if id in sides}
    withheld = [id for id in documents if sides[id][0] == WITHHELD]
    _say(len(documents), len(withheld), copies, kept)
    return Corpus(
        [document for id, document in documents.items() if id not in {*withheld}],
        tuple(kept),
        tuple(documents[id] for id in sorted(withheld)),
        outcomes={"unanswerable_on_withheld_texts": len(questions) - len(kept), "near_copies": len(copies)},
        passage_words=config.passage_words,
    )


def _document(id: str, text: Text) -> Document:
    sentences = tuple((sentence,) for sentence in text.sentences.sentences)
    return Document(id, sentences, metadata={"title": text.title} if text.title else {}, joiner=text.sentences.joiner)


def _of_one_title(taken: list[str], texts: dict[str, Text]) -> list[tuple[str, str]]:
    first: dict[str, str] = {}
    return [(first.setdefault(texts[id].title, id), id) for id in taken if texts[id].title]


def _groups(taken: list[str], together: list[tuple[str, str]]) -> list[list[str]]:
    """The texts in their order, those that belong together in one group."""
    head = {id: id for id in taken}

    def of(id: str) -> str:
        while head[id] != id:
            id = head[id]
        return id

    for one, other in together:
        head[of(other)] = of(one)
    groups: dict[str, list[str]] = {}
    for id in taken:
        groups.setdefault(of(id), []).append(id)
    return list(groups.values())


def _sides(groups: list[list[str]], config: QACorpus, texts: int) -> dict[str, tuple[str, str]]:
    """The side of each text, and its fold where it is not tuned: first those withheld, then the tuned ones."""
    found: dict[str, tuple[str, str]] = {}
    count: Counter[str] = Counter()
    folded = evaluated = 0
    for group in groups:
        side = next(
            (
                side
                for side, share in ((WITHHELD, config.withheld), (TUNED, config.tuned))
                if count[side] < round(share * texts)
            ),
            EVALUATED,
        )
        count[side] += len(group)
        fold = "" if side == TUNED else FOLD_OF[folded % len(FOLD_OF)]
        folded += side != TUNED
        evaluated += side == EVALUATED
        found |= dict.fromkeys(group, (side, fold))
    if evaluated < len(FOLD_OF):
        raise ValueError(
            f"corpus.tuned={config.tuned} and corpus.withheld={config.withheld} of {texts} texts leave {evaluated} for "
            f"evaluation, and its folds need {len(FOLD_OF)}: lower them, or take more texts (corpus.documents). What "
            f"stays together: {sum(len(group) > 1 for group in groups)} groups of near copies"
            + (" or of a title" if config.split_by == "title" else "")
        )
    return found


def _asked(asked: Question, document: str, side: str, fold: str) -> Question | None:
    """The question as it is asked: with its support where it has one, and on its side.

    None where its document was told to be without an answer, and was never told.
    """
    split = "tune" if side == TUNED else "never_tuned"
    found = replace(asked, entity=document, split=split, fold=fold)
    if not asked.answers:
        return None if side == WITHHELD else replace(found, support_class="unanswerable")
    if side == WITHHELD:
        truth = asked.answers[0]
        return replace(found, answers=(), support=(), support_class="withheld", truth=truth, evidence=())
    evidence = tuple(replace(e, document=document) for e in asked.evidence)
    return replace(found, support=(document,), support_class="single", evidence=evidence)


def _say(texts: int, withheld: int, copies: list[tuple[str, str]], questions: list[Question]) -> None:
    if copies:
        some = "; ".join(f"{one} and {other}" for one, other in copies[:3])
        log.warning("corpus: %d pairs of texts are nearly the same, and on one side: %s", len(copies), some)
    counts = Counter((q.split, q.support_class) for q in questions)
    log.info(
        "corpus: %d texts, %d of them withheld; %s",
        texts,
        withheld,
        ", ".join(f"{n} questions {split}/{kind}" for (split, kind), n in sorted(counts.items())),
    )


def _named(texts: list[Text]) -> dict[str, Text]:
    """Texts by id: their title with a number where several share it."""
    titles = [SLUG.sub("_", text.title.strip()) or "text" for text in texts]
    several = Counter(titles)
    numbers: Counter[str] = Counter()
    found: dict[str, Text] = {}
    for title, text in zip(titles, texts, strict=True):
        numbers[title] += 1
        name = f"{title}-{numbers[title]}" if several[title] > 1 else title
        while name in found or (name != title and name in several):
            name += "~"
        found[name] = text
    return found


def _texts(config: QACorpus) -> list[Text]:
    """The different texts in the order in which they come, with all their questions."""
    found: dict[str, Text] = {}
    ids: set[str] = set()
    for where, row in _rows(config):
        context = _value(row, config.context_column, where)
        sentences = _sentences(context, config, where)
        places = context if isinstance(context, list) else None
        text = sentences.joiner.join(sentences.sentences)
        if not text.strip():
            raise ValueError(f"{where}: column {config.context_column!r} holds no text")
        title = _value(row, config.title_column, where) if config.title_column else ""
        if not isinstance(title, str):
            raise ValueError(f"{where}: column {config.title_column!r} must be a string, not {title!r:.60}")
        held = found.setdefault(text, Text(title, sentences, []))
        id = str(_value(row, config.id_column, where)) if config.id_column else f"q-{len(ids) + 1:06}"
        if id in ids:
            raise ValueError(
                f"{where}: question id {id!r} comes twice; set corpus.id_column='' to have questions numbered"
            )
        ids.add(id)
        held.asked.append(_question(row, id, places, config, where))
    if not found:
        raise ValueError(f"{config.path or config.dataset} holds no questions")
    return list(found.values())


def _question(row: dict[str, Any], id: str, sentences: list[str] | None, config: QACorpus, where: str) -> Question:
    """The question without its side: with answers, and evidence of no document yet."""
    text = _value(row, config.question_column, where)
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"{where}: column {config.question_column!r} must be a question, not {text!r:.60}")
    impossible = str(row.get("is_impossible", "")).lower() in ("true", "1")  # in CSV all is text
    answers = () if impossible else _said(_value(row, config.answers_column, where), sentences, where)
    evidence: tuple[str, ...] = ()
    if config.evidence_column and answers:
        evidence = _said(_value(row, config.evidence_column, where), sentences, where)[:1]
    return Question(
        id, " ".join(text.split()), answers, ("",) if answers else (), "single" if answers else "unanswerable", "",
        "tune", evidence=tuple(Evidence("", said) for said in evidence),
    )  # fmt: skip


def _said(value: Any, sentences: list[str] | None, where: str) -> tuple[str, ...]:
    """Accepted answers, or sentences of evidence, in any of the forms that people have; `sentences` None in a text."""
    if isinstance(value, dict):
        value = value.get("text", [])
    items = value if isinstance(value, list) else [] if value is None else [value]
    found = []
    for item in items:
        said = item.get("text") if isinstance(item, dict) else item
        if isinstance(said, int) and not isinstance(said, bool):
            if sentences is None:  # we cut the text, so no number can mean a sentence; it is a year or a count
                raise ValueError(
                    f"{where}: the answer {said} is a whole number, which is the place of a sentence where the context "
                    f'is a list of them, and here it is a text; write "{said}" in quotes'
                )
            if not 0 <= said < len(sentences):
                raise ValueError(f"{where}: there is no sentence {said} among {len(sentences)}")
            said = sentences[said]
        if not isinstance(said, str):
            raise ValueError(f"{where}: an answer must be a string or the place of a sentence, not {said!r:.60}")
        if said.strip():
            found.append(" ".join(said.split()))
    return tuple(dict.fromkeys(found))


def _sentences(context: Any, config: QACorpus, where: str) -> Split:
    if isinstance(context, str):
        return split_sentences(context.strip(), config.language)
    if isinstance(context, list) and all(isinstance(sentence, str) for sentence in context):
        return Split(tuple(" ".join(sentence.split()) for sentence in context if sentence.strip()), " ")
    raise ValueError(
        f"{where}: column {config.context_column!r} must be a text or a list of sentences, not {context!r:.60}"
    )


def _value(row: dict[str, Any], path: str, where: str) -> Any:
    """The value of a column; `a.0.b` is b of the first item of a. Raises ValueError where there is none."""
    if path in row:
        return row[path]
    found: Any = row
    for part in path.split("."):
        if isinstance(found, list) and part.isdigit() and int(part) < len(found):
            found = found[int(part)]
        elif isinstance(found, dict) and part in found:
            found = found[part]
        else:
            raise ValueError(
                f"{where}: there is no column {path!r}; the columns are {', '.join(map(repr, row))} "
                "(corpus.context_column and the like say which to take; title_column and id_column may be empty)"
            )
    return found


def _rows(config: QACorpus) -> Iterator[tuple[str, dict[str, Any]]]:
    """One row a question; SQuAD's nested JSON is unfolded into the rows that the hub has of it."""
    for where, record in _records(config):
        if isinstance(record.get("data"), list):
            for number, article in enumerate(record["data"], 1):
                yield from _unfolded(article, f"{where}, article {number}")
        elif isinstance(record.get("paragraphs"), list):
            yield from _unfolded(record, where)
        else:
            yield where, record


def _records(config: QACorpus) -> Records:
    if config.dataset:
        return read_hub(config.dataset, config.dataset_config, config.dataset_split, config.revision)
    return chain.from_iterable(read_file(file, config.dataset_split) for file in find_files(config.path)[0])


def _unfolded(article: Any, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Raises ValueError naming the paragraph that is not in SQuAD's form."""
    try:
        for number, paragraph in enumerate(article["paragraphs"], 1):
            here = f"{where}, paragraph {number}"
            for asked in paragraph["qas"]:
                yield here, {"title": article.get("title", ""), "context": paragraph["context"], **asked}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{where}: not in SQuAD's form ({type(error).__name__}: {error})") from None


READER = Reader(QACorpus, open_qa)
