"""A prepared corpus as the training and evaluation stages need it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from configs.schema import Config
from data.pipeline.feedback import check_scores
from data.pipeline.heldout_batches import HeldoutBatches, heldout_batches
from data.pipeline.identifiers import Identifiers, assign
from data.pipeline.questions.asking import Askings
from data.pipeline.questions.crops import Crops
from data.pipeline.questions.question_lengths import check_lengths
from data.pipeline.questions.rewriting import Rewritings
from data.pipeline.questions.sft_examples import SFTExample, SFTExamples
from data.pipeline.sources import Documents, Drawn, Questions
from data.pipeline.tokenizer import Tokenizer
from data.records import ANSWERABLE, Document, Question, read_jsonl
from data.storage.question_checks import QuestionError
from data.storage.shards import read_index, read_manifest
from data.storage.store import Cache, Store
from stages import Stage


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
        return assign(self.index, self.tokenizer, self.config.ids, self.config.tags.content)

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

    def documents_source(self, seed: int) -> Documents:
        cache = Cache(Path(self.config.cache_dir), self.config.cache_bytes)
        store = Store(self.folder, read_manifest(self.folder), cache)
        config, feedback = self.config, self.config.objective
        check_scores(self.index, feedback.score_column)
        room = config.batch.seq_len
        return Documents(store, self.identifiers, self.tokenizer, config.tags, room, seed, feedback=feedback)

    def questions_source(self, seed: int, further: Sequence[Question] = ()) -> Questions:
        """The tuning questions, and `further` ones, in the form that the run has them answered."""
        config, tuning, room = self.config, [q for q in self.questions if q.split == "tune"], self.config.batch.seq_len
        drawn: list[Drawn] = [
            Rewritings(tuning, self.tokenizer, config.rewriting, room),
            Crops(self.documents_source(seed), self.tokenizer, config.answer_format, config.crops),
            Askings(self.tuned, self.tokenizer, config.asking, room),
        ]
        return Questions(
            [*self.tuned, *further],
            self.index,
            self.identifiers,
            self.tokenizer,
            seed,
            config.answer_format,
            drawn,
            room,
            config.objective,
        )

    def lessons_source(self, lessons: Sequence[SFTExample], seed: int) -> SFTExamples:
        return SFTExamples(lessons, self.index, self.identifiers, self.tokenizer, seed, self.config.answer_format)

    def reading(self, rows: int) -> HeldoutBatches:
        """The held-out documents laid out in batches of so many rows."""
        return heldout_batches(self.heldout, self.tokenizer, self.config.batch.seq_len, rows)
