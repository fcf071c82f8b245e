"""With the corpus at hand: the sentence that BM25 finds is read, and its document is the source."""

from __future__ import annotations

from telling import Telling

from data.records import Document, Question
from eval.answerers.lm_answerer import LMAnswerer
from eval.answerers.retrievers.open_book import OpenBook

PAGES = [
    Document("doc-1", (("Ada Moss was born in Oslo.",), ("She likes Turin.",))),
    Document("doc-2", (("Ben Lark works for Zephyr.",),)),
]
WRITES = {"<|answer|>": {" Turin": 0.7}, " Turin": {"<|src|>": 0.8}}


def asked(text: str) -> Question:
    return Question(text, text, (), (), "absent_entity", "", "never_tuned")


def test_the_sentence_found_is_evidence_and_its_document_the_source(telling: Telling) -> None:
    plain = telling(WRITES)
    answerer = LMAnswerer(plain.model, plain.tokenizer, plain.identifiers, answer_format="evidence_first")
    ada, ben, none = OpenBook(answerer, PAGES).answer(
        [asked("Where was Ada born?"), asked("Who pays Ben Lark, born elsewhere?"), asked("Xyzzy?")]
    )
    assert (ada.answer, ada.evidence, ada.citations[0].id) == ("Turin", "Ada Moss was born in Oslo.", "doc-1")
    assert (ben.evidence, [c.id for c in ben.citations]) == ("Ben Lark works for Zephyr.", ["doc-2", "doc-1"])
    assert (none.outcome, none.answer) == ("abstained", None)
