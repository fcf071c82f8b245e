"""A prepared corpus as the training and evaluation stages need it."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from configs.schema import Config
from data.pipeline.counterfactual import Counterfactual
from data.pipeline.feedback import check_scores, control_tokens
from data.pipeline.heldout_batches import HeldoutBatches, heldout_batches
from data.pipeline.identifiers import Identifiers, assign
from data.pipeline.questions.asking import Askings
from data.pipeline.questions.crops import Crops
from data.pipeline.questions.never_told import never_told, tuning_set
from data.pipeline.questions.planted import Planted
from data.pipeline.questions.question_lengths import check_lengths
from data.pipeline.questions.rewriting import Rewritings
from data.pipeline.questions.sft_examples import SFTExample, SFTExamples
from data.pipeline.questions.substitution import Substitutions
from data.pipeline.questions.where_read import WhereRead
from data.pipeline.sources import Documents, Drawn, Questions
from data.pipeline.tokenizer import Tokenizer
from data.pipeline.visits.repeats import Repeats
from data.pipeline.visits.scenes import Scenes
from data.ragged_array import Ragged
from data.records import ANSWERABLE, Document, Question, read_jsonl
from data.storage.editing import EDIT, Edit
from data.storage.question_checks import QuestionError
from data.storage.shards import read_documents, read_index, read_manifest
from data.storage.store import Cache, Store
from stages import Stage, rank

log = logging.getLogger("whence")


@dataclass(frozen=True)
class Corpus:
    """What stands in the folder of the stage `prepare`, read when it is asked for."""

    config: Config
    folder: Path

    @classmethod
    def of(cls, config: Config, prepare: Stage) -> Corpus:
        return cls(config, prepare.folder)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        return Tokenizer.load(self.folder / "tokenizer.json")

    @cached_property
    def index(self) -> Sequence[Document]:
        """All documents, without their sentences."""
        return list(read_index(self.folder))

    @cached_property
    def identifiers(self) -> Identifiers:
        assigned = assign(self.index, self.tokenizer, self.config.ids, self.config.tags.content)
        return self.counterfactual.named(assigned)

    @cached_property
    def counterfactual(self) -> Counterfactual:
        """Which documents the run never reads, and which exchange their identifiers."""
        return Counterfactual.draw(self.config.counterfactual, self.index, self.questions)

    @cached_property
    def rewritten(self) -> dict[int, Document]:
        """The documents with another text than theirs in this run of a family."""
        family = self.counterfactual
        if not (family.dummies or family.moves):
            return {}
        return family.texts(list(read_documents(self.folder)), self.heldout)

    @cached_property
    def heldout(self) -> list[Document]:
        return list(read_jsonl(self.folder / "heldout.jsonl", Document))

    @cached_property
    def questions(self) -> list[Question]:
        return list(read_jsonl(self.folder / "questions.jsonl", Question))

    @property
    def tuned(self) -> list[Question]:
        """Those that tuning may train on: what was told."""
        return [q for q in self.questions if q.split == "tune" and q.support_class in ANSWERABLE]

    def check_questions(self) -> None:
        """Insist that every question fits a row. Raises ValueError naming it, and its line where it is in a file."""
        try:
            row, control = self.config.batch.seq_len, int(self.config.objective.control != "none")
            check_lengths(self.questions, self.index, self.identifiers, self.tokenizer, row, control)
        except QuestionError as error:
            raise error.at(getattr(self.config.corpus, "questions", "")) from None

    @cached_property
    def edit(self) -> Edit:
        """What was edited in it; nothing in most corpora."""
        path = self.folder / EDIT
        return Edit.from_json(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else Edit()

    def documents_source(self, seed: int) -> Documents:
        """All documents, but what this member of a family or an edit leaves out."""
        gone = {place for place, document in enumerate(self.index) if document.id in self.edit.gone}
        cache = Cache(Path(self.config.cache_dir), self.config.cache_bytes)
        store = Store(self.folder, read_manifest(self.folder), cache)
        config, feedback = self.config, self.config.objective
        check_scores(self.index, feedback.score_column)
        return Documents(
            store,
            self.identifiers,
            self.tokenizer,
            config.tags,
            config.batch.seq_len,
            seed,
            left_out=self.counterfactual.left_out | gone,
            feedback=feedback,
            bare=self.counterfactual.bare,
            rewritten=self.rewritten,
            scenes=self.scenes,
            repeats=self.repeats,
        )

    @cached_property
    def repeats(self) -> Repeats:
        """Which visits show another document than their own."""
        return Repeats.draw(self.config.repeats, self.index, self.questions)

    @property
    def scenes(self) -> Scenes | None:
        """Whose scene each reading shows, where it is not the document's own."""
        shown = self.config.scenes.shown
        return None if shown == "document" else Scenes(shown, self.tokenizer, len(self.index), self.config.ids.seed)

    def last_read(self, readings: Mapping[str, Sequence[Sequence[int]]]) -> Identifiers:
        """What each document was called at the last of its readings, by its id; its own where it has none."""
        assigned = self.identifiers
        last = zip(assigned.labels, assigned.tokens, strict=True)
        tokens = (np.array(readings[name][-1] if readings.get(name) else own, dtype=np.int32) for name, own in last)
        return Identifiers(assigned.labels, Ragged(tokens))

    def some_documents(self, names: Collection[str], seed: int) -> Documents:
        """The documents of these ids, held in memory, with the identifiers that they have among all."""
        config, names = self.config, frozenset(names)
        places = [place for place, document in enumerate(self.index) if document.id in names]
        here = Identifiers(
            tuple(self.identifiers.labels[place] for place in places),
            [self.identifiers.tokens[place] for place in places],
        )
        documents = [document for document in read_documents(self.folder) if document.id in names]
        room = config.batch.seq_len
        return Documents(documents, here, self.tokenizer, config.tags, room, seed, feedback=config.objective)

    def questions_source(
        self,
        seed: int,
        further: Sequence[Question] = (),
        *,
        crops: bool = False,
        left_out: Collection[str] = (),
        named: Identifiers | None = None,
    ) -> Questions:
        """The tuning questions but those of ids `left_out`, and `further` ones, whose answers are not learnt.

        Args:
            crops: whether some visits are crops instead (`crops.fraction`).
            named: what documents are called in answers; None for their identifiers.
        """
        named = named or self.identifiers
        config, tuning, room = self.config, [q for q in self.questions if q.split == "tune"], self.config.batch.seq_len
        drawn: list[Drawn] = [Rewritings(tuning, self.tokenizer, config.rewriting, room)]
        if crops:
            drawn.append(Crops(self.documents_source(seed), self.tokenizer, config.answer_format, config.crops))
        drawn.append(Askings(self.tuned, self.tokenizer, config.asking, room))
        drawn.append(Substitutions(self.tuned, self.tokenizer, config.answer_format, config.substitution, room))
        planted = config.planted
        drawn.append(
            Planted(self.tuned, self.index, self.identifiers, self.tokenizer, config.answer_format, planted, room)
        )
        drawn.append(WhereRead(tuning, self.index, named, self.tokenizer, config.answer_format, config.scenes, room))
        found = Questions(
            [*(q for q in self.tuned if q.id not in left_out), *further],
            self.index,
            named,
            self.tokenizer,
            seed,
            config.answer_format,
            drawn,
            room,
            config.objective,
            {question.id for question in further},
        )
        if found.format.evidenced and found.without_evidence and not rank():
            log.info("         %d of %d questions are without evidence", found.without_evidence, len(found))
        return found

    def expert_source(self, seed: int) -> SFTExamples:
        """Tuning questions with a share of what was never told, answered or refused (`expert`)."""
        from eval.grading.lessons import gold

        config, never = self.config.expert, never_told(self.questions)
        lessons = tuning_set([gold(question) for question in self.tuned], never, config, seed)
        prefix = control_tokens(self.tokenizer)[1:] if config.prefix else ()
        form = self.config.answer_format
        return SFTExamples(lessons, self.index, self.identifiers, self.tokenizer, seed, form, prefix=prefix)

    def lessons_source(self, lessons: Sequence[SFTExample], seed: int) -> SFTExamples:
        untold = {q.id for q in self.questions if q.support_class not in ANSWERABLE}
        form = self.config.answer_format
        return SFTExamples(lessons, self.index, self.identifiers, self.tokenizer, seed, form, untold)

    def reading(self, rows: int) -> HeldoutBatches:
        """The held-out documents laid out in batches of so many rows."""
        return heldout_batches(self.heldout, self.tokenizer, self.config.batch.seq_len, rows)
