"""Evidence that has to be a sentence of the corpus is one, and the likeliest token by token."""

from __future__ import annotations

import torch
from telling import Make, Telling

from data.records import Document, Question
from eval.answerers.lm_answerer import LMAnswerer
from eval.answerers.retrievers.sentence_trie import SentenceTrie

PAGES = [
    Document("doc-1", (("in Oslo",), ("in Lima",))),
    Document("doc-2", (("in Lima",), ("Ben Lark works for Zephyr.",))),
]
WRITES = {
    "<|doc|>": {" Turin": 0.6, " in": 0.3},
    " in": {" Accra": 0.5, " Lima": 0.3, " Oslo": 0.1},
    "<|answer|>": {" Turin": 0.7},
    " Turin": {"<|src|>": 0.8},
}


def evidence_first(answerer: LMAnswerer, model: torch.nn.Module | None = None) -> LMAnswerer:
    return LMAnswerer(model or answerer.model, answerer.tokenizer, answerer.identifiers, answer_format="evidence_first")  # type: ignore[arg-type]


def asked(text: str) -> Question:
    return Question(text, text, (), (), "absent_entity", "", "never_tuned")


def test_it_is_the_likeliest_that_the_corpus_has(telling: Telling) -> None:
    (said,) = SentenceTrie(evidence_first(telling(WRITES)), PAGES).answer([asked("Where?")])
    assert (said.evidence, said.answer, said.outcome) == ("in Lima", "Turin", "answered")
    assert [citation.id for citation in said.citations] == ["doc-1", "doc-2"]


def test_whoever_is_asked_beside(make_model: Make, telling: Telling) -> None:
    system = SentenceTrie(evidence_first(telling(WRITES), make_model()), PAGES)
    questions = [asked("Where?"), asked("Who works for whom, and where, and since when?"), asked("Why?")]
    together = system.answer(questions)
    sentences = {wordings[0] for page in PAGES for wordings in page.sentences}
    for question, said in zip(questions, together, strict=True):
        assert said.evidence in sentences
        assert system.answer([question])[0].evidence == said.evidence
