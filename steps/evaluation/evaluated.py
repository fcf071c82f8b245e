"""What the stages of evaluation share: the model, the questions that it was never trained on, and parts of the key."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.schema import Config
from data.pipeline.feedback import GIVEN
from data.records import PLAIN
from stages import Stage
from stages.code import code_digest

if TYPE_CHECKING:
    from data.records import Document, Prediction, Question
    from eval.answerers.lm_answerer import LMAnswerer
    from steps.corpus import Corpus


@dataclass(frozen=True)
class Evaluated:
    """A trained model and its corpus, each read when a stage that is not done yet asks for it, and once for all."""

    config: Config
    prepare: Stage
    trained: Stage

    @property
    def expert(self) -> bool:
        """Whether nothing taught the model to abstain: such a one is judged by all that can be read off it.

        The systems that an edit is judged beside are judged as the edited one.
        """
        config = self.config
        taught = config.abstention_sft.method, config.edit.system, config.self_correction.method
        return taught == ("none", "none", "none")

    @property
    def controlled(self) -> bool:
        """Whether it was trained with control tokens, so that it can be asked with one."""
        return self.config.objective.control != "none"

    @property
    def fed(self) -> bool:
        """Whether its own surprisal is fed back to it, so that it can be asked without, and with another's."""
        surprisal = self.config.surprisal
        taught = self.config.abstention_sft.method != "none"
        return surprisal.source == "own" and surprisal.fed("abstention_sft" if taught else "pretrain")

    @property
    def backtracks(self) -> bool:
        """Whether it was taught to write that it is not sure before an answer."""
        from eval.grading.methods import NONE, method

        name = self.config.abstention_sft.method
        return name != NONE and method(name).backtracks

    @cached_property
    def corpus(self) -> Corpus:
        from steps.corpus import Corpus

        return Corpus.of(self.config, self.prepare)

    @cached_property
    def documents(self) -> list[Document]:
        from data.storage.shards import read_documents

        return list(read_documents(self.prepare.folder))

    @cached_property
    def questions(self) -> list[Question]:
        """The questions never trained on, with what tags carry as support; of those of no fold the plain ones.

        Those of split relabel, too, where signals are to be fitted on them, and those of the test fold once more in
        wordings that the corpus never used, where they bring some.
        """
        corpus = self.corpus
        label = dict(zip((d.id for d in corpus.index), corpus.identifiers.labels, strict=True))

        def named(documents: Sequence[str]) -> tuple[str, ...]:
            return tuple(dict.fromkeys(label[name] for name in documents))

        found = [
            replace(
                question,
                support=named(question.support),
                claims=tuple(replace(claim, documents=named(claim.documents)) for claim in question.claims),
            )
            for question in corpus.repeats.asked(corpus.counterfactual.asked(corpus.questions))
            if question.split in ("in_domain", "never_tuned", *(("relabel",) if self.expert else ()))
            and (question.support_class in PLAIN or question.fold or question.split == "relabel")
        ]
        return [*found, *(_reworded(q) for q in found if q.new_paraphrases and q.split == "never_tuned" and _tested(q))]

    def understood(self, said: Sequence[Prediction]) -> list[Question]:
        """The questions with the statements and premises that their text alone brings, and the model's answers."""
        from eval.answerers.writers.statements import statements

        tuning = [q for q in self.corpus.questions if q.split == "tune"]
        rewritten = bool(self.config.rewriting.fraction)
        return statements(self.answerer, tuning, rewritten).write(self.questions, said)

    @cached_property
    def answerer(self) -> LMAnswerer:
        from eval.answerers.lm_answerer import LMAnswerer
        from model.hf import load_model

        answerer = LMAnswerer(
            load_model(self.trained.folder / "model"),
            self.corpus.tokenizer,
            self.corpus.identifiers,
            most=self.config.eval.citations,
            batch=self.config.eval.batch,
            validity=self.expert,
            forced=True,
            marks=self.config.abstention_sft.method != "none",
            backtracks=self.backtracks,
            nosrc=self.config.tags.untagged == "nosrc",
            answer_format=self.config.answer_format,
            placement=self.config.tags.placement,
        )
        return answerer.under(GIVEN[-1], answerer.name) if self.config.expert.prefix else answerer  # as it was tuned

    def stage(self, name: str, modules: Sequence[str], settings: dict[str, Any]) -> Stage:
        """A stage keyed by the model, the corpus, the code of `modules` and what they import, and `settings`."""
        here = {
            "prepare": self.prepare.key,
            "trained": self.trained.key,
            "ids": asdict(self.config.ids),
            "expert": self.expert,
            "answer_format": self.config.answer_format,
            "batch": self.config.eval.batch,
            "code": code_digest([__name__, *modules]),
        }
        return Stage(name, here | settings, Path(self.config.stages_dir), Path(self.config.run_dir))


def is_plain(question: Question) -> bool:
    """Whether it is asked for attribution: of what was told, and no sign of it fitted on the question."""
    return question.support_class in PLAIN and question.split != "relabel"


def _tested(question: Question) -> bool:
    return question.fold in ("", "test")


def _reworded(question: Question) -> Question:
    """The question in one of the wordings that the corpus never used; which one goes by its id."""
    wordings = question.new_paraphrases
    text = wordings[zlib.crc32(question.id.encode()) % len(wordings)]
    return replace(question, id=f"{question.id}~reworded", text=text, paraphrases=(), split="reworded", fold="")
