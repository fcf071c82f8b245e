"""What can be trained on: tagged documents and tuning questions, rendered anew at each visit.

Documents are tokenised a shard at a time and kept up to a limit, so a corpus within it is tokenised once and a larger
one needs no more memory.
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Protocol

import numpy as np

from data.pipeline.answer_format import FORMATS
from data.pipeline.feedback import Feedback, FeedbackConfig, scores
from data.pipeline.identifiers import Identifiers
from data.pipeline.placement import Judged, TagsConfig, check_room, plain, tag
from data.pipeline.sample import Sample, Tokens
from data.pipeline.tokenizer import Tokenizer
from data.pipeline.visits.repeats import Repeats, Visit
from data.pipeline.visits.scenes import Reading, Scenes
from data.ragged_array import Ragged
from data.record_parts import Evidence
from data.records import Document, Question
from data.stateless_rng import hash_key, uniform

KEPT = 2**29  # bytes of tokenised documents in each process: 100 million tokens and more

Cited = tuple[Tokens | None, Tokens | None]  # an identifier, and the sentence of its document that gives the answer
MARKS = 10  # at most, of a question that is answered


class Drawn(Protocol):
    """What takes the place of some visits of tuning questions."""

    def draw(self, key: int) -> Sample | None:
        """A sample, or None for the question itself: a pure function of the key of the visit."""
        ...


class Source(Protocol):
    """Items that become samples."""

    @property
    def sizes(self) -> Sequence[int]:
        """Items in each of its shards; items of one shard cost less one after the other."""
        ...

    def __len__(self) -> int: ...

    def render(self, index: int, epoch: int, cooldown: bool, judged: bool = True) -> list[Sample]:
        """The samples of one item's visit in an epoch: a pure function of its arguments.

        With `cooldown` they are the same samples, but none is longer and none of a document has a tag. Where they are
        not `judged`, the feedback (data/pipeline/feedback.py) has not begun: they are as many, each of the same
        sentences, of which the feedback may leave out some or all.
        """
        ...


class Shards(Protocol):
    """Documents that are read a shard at a time, such as `data.storage.store.Store`."""

    @property
    def sizes(self) -> Sequence[int]: ...

    def read(self, index: int) -> Sequence[Document]: ...


@dataclass(frozen=True)
class InMemory:
    """Documents at hand, as shards of one."""

    documents: Sequence[Document]

    @property
    def sizes(self) -> Sequence[int]:
        return [1] * len(self.documents)

    def read(self, index: int) -> Sequence[Document]:
        return [self.documents[index]]


class Documents:
    """Documents with their identifiers under a tag policy.

    Those marked `untagged` in their metadata never have an identifier; `tags.untagged` says what they have.

    Args:
        room: tokens in a row; a longer document becomes several samples.
        seed: draws order, wording, direction and dropout of each visit.
        kept: bytes of tokenised shards to keep at most; the latest is always kept.
        left_out: places of documents that are never shown: a visit of theirs has no sample.
        feedback: how their sentences are judged.
        bare: places of documents that are shown without their tags.
        rewritten: documents with another text than theirs, by place.
        scenes: in which scene each reading is, where it is not in the document's own.
        repeats: which visits show another document than their own.
    """

    def __init__(
        self,
        documents: Sequence[Document] | Shards,
        identifiers: Identifiers,
        tokenizer: Tokenizer,
        tags: TagsConfig,
        room: int,
        seed: int,
        kept: int = KEPT,
        left_out: Set[int] = frozenset(),
        feedback: FeedbackConfig | None = None,
        bare: Set[int] = frozenset(),
        rewritten: Mapping[int, Document] | None = None,
        scenes: Scenes | None = None,
        repeats: Repeats | None = None,
    ) -> None:
        tags.check()
        self.feedback = Feedback.of(feedback or FeedbackConfig(), tokenizer)
        self.shards = InMemory(documents) if isinstance(documents, Sequence) else documents
        self.tokenizer, self.tags, self.room, self.seed, self.kept = tokenizer, tags, room, seed, kept
        self.identifiers, self.left_out, self.scenes = identifiers, left_out, scenes
        self.bare, self.place_rewritten = bare, {index: place for place, index in enumerate(rewritten or ())}
        self.rewritten = Tokenized(list((rewritten or {}).values()), tokenizer, self.feedback.config.score_column)
        self.repeats = repeats or Repeats()
        self.tags_of_repeats = self.repeats.tags(tags)
        self.nosrc = np.array([tokenizer.nosrc], dtype=np.int32)
        self.sizes = self.shards.sizes
        self.begins = [0, *accumulate(self.sizes)]  # of the shards, and the end
        if len(self) != len(identifiers.labels):
            raise ValueError(f"there are {len(self)} documents and {len(identifiers.labels)} identifiers for them")
        control = self.feedback.a_piece + self.feedback.a_sentence
        check_room(room, max(map(len, identifiers.tokens), default=0), control)
        self.tokenized: OrderedDict[int, Tokenized] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        return self.begins[-1]

    def render(self, index: int, epoch: int, cooldown: bool, judged: bool = True) -> list[Sample]:
        if index in self.left_out:
            return []
        visit = self.repeats.visits.get(index, Visit(index, index))
        tags = self.tags_of_repeats if index in self.repeats.visits else self.tags
        shard, place = self._at(visit.text)
        sentences = shard.sentences(place)
        how = Judged(shard.scores_of(place), self.feedback, judged, not cooldown)
        key, identifier = int(hash_key(self.seed, epoch, index)), self.identifiers.tokens[visit.named]
        bare = index in self.bare or place in shard.untagged
        if bare and tags.untagged == "nosrc":
            bare, identifier = False, self.nosrc
        if cooldown or bare:
            return plain(tags, self.tokenizer, sentences, key, self.room, identifier, how)
        samples = tag(tags, self.tokenizer, sentences, identifier, key, self.room, how)
        return [Reading(s.parts, s.end_src, index, self.scenes) for s in samples] if self.scenes else samples

    def document(self, index: int) -> tuple[list[list[Tokens]], Tokens | None]:
        """The wordings of each sentence of a document, and what may be cited for it: None where it never has a tag."""
        visit = self.repeats.visits.get(index, Visit(index, index))
        shard, place = self._at(visit.text)
        bare = index in self.bare or place in shard.untagged
        return shard.sentences(place), None if bare else self.identifiers.tokens[visit.named]

    def _at(self, index: int) -> tuple[Tokenized, int]:
        """The tokens that a document stands in, and its place there."""
        if index in self.place_rewritten:
            return self.rewritten, self.place_rewritten[index]
        number = bisect_right(self.begins, index) - 1
        return self._shard(number), index - self.begins[number]

    def _shard(self, shard: int) -> Tokenized:
        if found := self.tokenized.get(shard):
            self.tokenized.move_to_end(shard)
            return found
        read = Tokenized(self.shards.read(shard), self.tokenizer, self.feedback.config.score_column)
        self.tokenized[shard] = read
        self.bytes += read.nbytes
        while self.bytes > self.kept and len(self.tokenized) > 1:
            self.bytes -= self.tokenized.popitem(last=False)[1].nbytes
        return read


class Tokenized:
    """The documents of a shard as tokens, in a few flat arrays, with the score of each sentence."""

    def __init__(self, documents: Sequence[Document], tokenizer: Tokenizer, score_column: str = "") -> None:
        wordings = [wordings for document in documents for wordings in document.sentences]
        self.tokens = Ragged(tokenizer.encode([text for options in wordings for text in options]))
        self.options = np.cumsum([0, *map(len, wordings)], dtype=np.int32)  # where each sentence's wordings begin
        self.begins = np.cumsum([0, *(len(document.sentences) for document in documents)], dtype=np.int32)
        each = [score for document in documents for score in scores(document, score_column, len(document.sentences))]
        self.scores = np.array(each)
        # What only these say is known, but not from where.
        self.untagged = frozenset(i for i, document in enumerate(documents) if document.metadata.get("untagged"))

    @property
    def nbytes(self) -> int:
        return self.tokens.nbytes + self.options.nbytes + self.begins.nbytes + self.scores.nbytes

    def scores_of(self, index: int) -> list[float]:
        """Of each sentence of a document."""
        begin, end = self.begins[index : index + 2].tolist()
        found: list[float] = self.scores[begin:end].tolist()
        return found

    def sentences(self, index: int) -> list[list[Tokens]]:
        """The wordings of each sentence of a document: views."""
        begin, end = self.begins[index : index + 2].tolist()
        options = self.options[begin : end + 1].tolist()
        tokens = self.tokens[options[0] : options[-1]]
        return [tokens[a - options[0] : b - options[0]] for a, b in pairwise(options)]


class Questions:
    """Tuning questions, each with its answer and one of its supporting documents as the citation.

    A visit draws one wording of the question, one of the accepted answers and one of the documents that give it. What
    only untagged documents say is answered without a source.

    Under conditional training (data/pipeline/feedback.py) a visit has, but for those that are dropped, a control token
    before the question: that of whoever says what is answered, which then may be any of its claims. A visit without one
    is answered as ever.

    Args:
        documents: of the whole corpus, in order; their sentences are not looked at.
        drawn: what takes the place of some visits, asked in their order.
        room: tokens in a row; evidence that does not fit beside its question is left out.
        feedback: how documents are judged.
        unlearnt: ids of questions whose answers are read, not learnt: what is learnt is what supports them.

    Raises ValueError when a question has nothing to answer, or none of its documents is in the corpus.
    """

    def __init__(
        self,
        questions: Sequence[Question],
        documents: Iterable[Document],
        identifiers: Identifiers,
        tokenizer: Tokenizer,
        seed: int,
        answer_format: str = "direct",
        drawn: Sequence[Drawn] = (),
        room: int = sys.maxsize,
        feedback: FeedbackConfig | None = None,
        unlearnt: Collection[str] = (),
    ) -> None:
        self.unlearnt = {place for place, question in enumerate(questions) if question.id in unlearnt}
        self.format, self.seed, self.drawn = FORMATS[answer_format](tokenizer), seed, drawn
        self.feedback = Feedback.of(feedback or FeedbackConfig(), tokenizer)
        controlled = self.feedback.config.control != "none"
        index = list(documents) if controlled else documents
        tags = tags_of({name for item in questions for name in item.documents}, index, identifiers)
        self.texts: list[list[Tokens]] = []
        self.answers: list[list[tuple[Tokens, list[Cited]]]] = []  # with what may be cited for each
        for item in questions:
            missing = [name for name in item.support if name not in tags]
            if missing or not item.answers:
                raise ValueError(
                    f"question {item.id!r} " + (f"cites unknown {missing[0]!r}" if missing else "has no answer")
                )
            said = {claim.value: claim.documents for claim in item.claims}
            self.texts.append(tokenizer.encode((item.text, *item.paraphrases)))
            answers = tokenizer.encode(item.answers)
            taken = max(map(len, self.texts[-1])) + max(map(len, answers)) + MARKS + controlled
            evidence = item.evidence if self.format.evidenced else ()
            sentences = list(zip(evidence, tokenizer.encode([e.text for e in evidence]), strict=True))
            cited = [
                citable(
                    [
                        (tags[name], _giving(sentences, name, answer, room - taken - 2 * _size(tags[name])))
                        for name in said.get(answer, item.support)
                    ]
                )
                for answer in item.answers
            ]
            self.answers.append(list(zip(answers, cited, strict=True)))
        self.controlled = self._controlled(questions, index, tags, tokenizer) if controlled else []
        self.sizes = [1] * len(self.texts)

    @property
    def without_evidence(self) -> int:
        """How many are answered directly, since no sentence of their documents is at hand or has room."""
        return sum(not any(found is not None for _, cited in answers for _, found in cited) for answers in self.answers)

    def __len__(self) -> int:
        return len(self.texts)

    def render(self, index: int, epoch: int, cooldown: bool, judged: bool = True) -> list[Sample]:
        drawn = int(hash_key(self.seed, epoch, index))
        for one in self.drawn:
            if sample := one.draw(drawn):
                return [sample]
        controlled = self.controlled and judged and not cooldown and uniform(drawn, 8) >= self.feedback.config.dropout
        drawn, text = divmod(drawn, len(self.texts[index]))
        asked, said = self.texts[index][text], self.controlled[index] if controlled else self.answers[index]
        drawn, choice = divmod(drawn, len(said))
        *mark, answer, cited = said[choice]
        identifier, evidence = cited[drawn % len(cited)]
        if mark:
            asked = np.array([*mark, *asked], dtype=np.int32)
        sample = self.format.answered(asked, answer, identifier, evidence=evidence)
        if index in self.unlearnt:
            parts = [part._replace(learn=part.learn and part.tokens is not answer) for part in sample.parts]
            sample = replace(sample, parts=parts)
        return [sample]

    def _controlled(
        self,
        questions: Sequence[Question],
        documents: Iterable[Document],
        tags: Mapping[str, Tokens | None],
        tokenizer: Tokenizer,
    ) -> list[list[tuple[int, Tokens, list[Cited]]]]:
        """What may be answered to each question: the control token of who says so, the answer, what may be cited.

        Of what a column scores sentence by sentence the accepted answers count as 1, other claims as 0.
        """
        column = self.feedback.config.score_column
        said = {document.id: document.metadata.get(column) for document in documents if document.id in tags}
        found: list[list[tuple[int, Tokens, list[Cited]]]] = []
        for item, answers in zip(questions, self.answers, strict=True):
            known = dict(zip(item.answers, answers, strict=True))
            others = [claim for claim in item.claims if claim.value not in known]
            told = dict(zip(item.answers, [item.support] * len(known), strict=True))
            told |= {claim.value: claim.documents for claim in item.claims}
            for claim, tokens in zip(others, tokenizer.encode([claim.value for claim in others]), strict=True):
                known[claim.value] = tokens, citable([(tags[name], None) for name in claim.documents])
            found.append([])
            for value, (answer, cited) in known.items():
                each = [said[name] for name in told[value]]
                whole = [float(score) for score in each if isinstance(score, int | float)]
                score = max(whole) if len(whole) == len(each) else float(value in item.answers)
                found[-1].append((self.feedback.mark(score), answer, cited))
        return found


def tags_of(names: Set[str], documents: Iterable[Document], identifiers: Identifiers) -> dict[str, Tokens | None]:
    """The identifier of each document named, None for one that never has a tag; only of those in the corpus."""
    return {
        document.id: None if document.metadata.get("untagged") else identifiers.tokens[index]
        for index, document in enumerate(documents)
        if document.id in names
    }


def tagged(names: Iterable[str], tags: Mapping[str, Tokens | None]) -> list[tuple[str, Tokens]]:
    """Those of the documents named that have a tag, each with its identifier."""
    return [(name, tag) for name in names if (tag := tags[name]) is not None]


def fits(tokens: int, room: int) -> bool:
    """Whether a question of so many tokens stands in a row of `room`, whatever marks it is answered with."""
    return tokens + MARKS <= room


def citable(cited: Sequence[Cited]) -> list[Cited]:
    """Those with a tag; no source where none has one, with its evidence."""
    return [one for one in cited if one[0] is not None] or list(cited[:1])


def _giving(sentences: Sequence[tuple[Evidence, Tokens]], document: str, answer: str, room: int) -> Tokens | None:
    """The first sentence of a document that holds this very answer, of at most so many tokens."""
    for evidence, tokens in sentences:
        if evidence.document == document and answer.casefold() in evidence.text.casefold() and len(tokens) <= room:
            return tokens
    return None


def _size(tag: Tokens | None) -> int:
    return 0 if tag is None else len(tag)


def tokenize(documents: Sequence[Document], tokenizer: Tokenizer) -> list[list[list[Tokens]]]:
    """Every wording of every sentence of every document."""
    flat = iter(tokenizer.encode([w for document in documents for wordings in document.sentences for w in wordings]))
    return [[[next(flat) for _ in wordings] for wordings in document.sentences] for document in documents]
