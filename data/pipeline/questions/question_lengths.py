"""Questions must fit into what a model reads at once: checked before any training, naming the question."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from data.pipeline.identifiers import Identifiers
from data.pipeline.tokenizer import Tokenizer
from data.records import Document, Question
from data.storage.question_checks import QuestionError

MARKS = 6  # <|ask|> <|answer|> <|src|> <|/src|> <|end|>, and a mark of confidence where one is taught


def check_lengths(
    questions: Sequence[Question],
    documents: Iterable[Document],
    identifiers: Identifiers,
    tokenizer: Tokenizer,
    row: int,
    control: int = 0,
) -> None:
    """Insist that each question, with all that stands beside it in training and evaluation, fits a row of tokens.

    A question of split tune or relabel is trained on with its answer and the identifier of a document; of the others an
    answer is only compared. Statements and premises are read with an identifier.

    Args:
        documents: of the whole corpus, in order; their sentences are not looked at.
        row: tokens in a row.
        control: control tokens before a question.

    Raises:
        QuestionError: names the question and how long it is.
    """
    named = {name for question in questions for name in question.support}
    sizes = {
        document.id: len(tokens)
        for document, tokens in zip(documents, identifiers.tokens, strict=True)
        if document.id in named
    }
    asked = _longest(tokenizer, [[q.text, *q.paraphrases] for q in questions])
    answered = _longest(tokenizer, [q.answers for q in questions])
    stated = _longest(tokenizer, [[*map(_without_answer, q.statement), *q.premise] for q in questions])
    for question, text, answer, statement in zip(questions, asked, answered, stated, strict=True):
        text += control
        source = max((sizes.get(name, 0) for name in question.support), default=0)
        _check_fits(question, f"{text} tokens", text + MARKS, row)
        if question.split in ("tune", "relabel"):
            _check_fits(question, f"{text} tokens and an answer of {answer}", text + answer + source + MARKS, row)
        _check_fits(question, f"a statement or premise of {statement} tokens", statement + source + MARKS, row)


def _check_fits(question: Question, what: str, size: int, row: int) -> None:
    if size > row:
        raise QuestionError(
            f"question {question.id!r} has {what}: {size} with marks and source, more than a row of {row}; shorten it "
            "or raise batch.seq_len",
            question.id,
        )


def _without_answer(statement: str) -> str:
    return statement.replace("{answer}", "")


def _longest(tokenizer: Tokenizer, texts: Sequence[Sequence[str]]) -> list[int]:
    """Tokens of the longest of each group of texts, 0 for none."""
    sizes = iter([len(tokens) for tokens in tokenizer.encode([text for group in texts for text in group])])
    return [max((next(sizes) for _ in group), default=0) for group in texts]
