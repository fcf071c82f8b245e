"""The corpus at hand: BM25 finds a sentence, and our model reads the answer in it.

What a user would build instead of citing from memory. It needs every sentence at question time, so it is no rival under
the same terms, but it says how much of a score is finding the sentence and how much is reading it. The sentence stands
where the model's own evidence would (data/pipeline/answer_format.py); the source is the document that it is from.
"""

from __future__ import annotations

from collections.abc import Sequence

from data.pipeline.sample import Tokens
from data.records import Citation, Document, Prediction, Question
from eval.answerers.lm_answerer import LONGEST_EVIDENCE, LMAnswerer
from eval.answerers.prefilled import answer_from
from eval.answerers.retrievers.bm25 import BM25, text_bytes


class OpenBook:
    """Answers from the sentence that scores best; withholds where no sentence shares a word with the question.

    Sentences longer than those of evidence may be (tables, code) are not looked at.

    Args:
        answerer: of a format that shows evidence.
        documents: under the names that are cited.
    """

    name = "open_book"

    def __init__(self, answerer: LMAnswerer, documents: Sequence[Document]) -> None:
        self.answerer = answerer
        self.sentences = [(name, text) for name, text, _ in short_sentences(answerer, documents)]
        self.nbytes = answerer.nbytes + text_bytes(documents)
        self.index = BM25([Document(str(i), ((text,),)) for i, (_, text) in enumerate(self.sentences)])

    def answer(self, questions: Sequence[Question]) -> list[Prediction]:
        found = [
            [self.sentences[int(citation.id)] for citation in said.citations] for said in self.index.answer(questions)
        ]
        asked = [(q.text, *f[0]) for q, f in zip(questions, found, strict=True) if f]
        sources = [name for _, name, _ in asked]
        read = iter(answer_from(self.answerer, [(text, sentence) for text, _, sentence in asked], sources))
        return [
            self._said(question, held, *next(read)) if held else Prediction(question.id, "abstained")
            for question, held in zip(questions, found, strict=True)
        ]

    def _said(self, question: Question, held: Sequence[tuple[str, str]], answer: str, log_prob: float) -> Prediction:
        if not answer:
            return Prediction(question.id, "unparseable")
        cited = tuple(Citation(name) for name in dict.fromkeys(name for name, _ in held))
        return Prediction(question.id, "answered", answer, cited, signals={"answer": log_prob}, evidence=held[0][1])


def short_sentences(answerer: LMAnswerer, documents: Sequence[Document]) -> list[tuple[str, str, Tokens]]:
    """The name, text and tokens of every sentence that is no longer than evidence may be."""
    every = [(document.id, wordings[0].strip()) for document in documents for wordings in document.sentences]
    tokens = answerer.tokenizer.encode([text for _, text in every])
    return [(name, text, t) for (name, text), t in zip(every, tokens, strict=True) if len(t) <= LONGEST_EVIDENCE]
