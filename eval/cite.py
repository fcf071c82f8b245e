"""Rank the sources of a statement, without generating anything: the footnote that pretraining taught, read out.

    python -m eval.cite run=runs/demo "X works at Y."

Some document is always the likeliest, also of what nobody said. So each is checked both ways: it is opened from memory,
and the statement must come as easily from there as the sentences that do stand there, or be one of them.
"""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from eval.arguments import Command, whole_number
from eval.excerpt import excerpt
from eval.grading.correctness import normalise

if TYPE_CHECKING:
    from eval.load import Run

COMMAND = Command(
    name="python -m eval.cite",
    summary="Rank the documents that a statement comes from, and check of each whether it says so.",
    required={"run": "directory of a finished run, for example runs/demo"},
    optional={"top": "how many sources, 5 unless given"},
    text="STATEMENT...",
)
READ = 64  # sentences of a source that the statement is held against, the first ones


class Source(NamedTuple):
    """A source of a statement, checked both ways.

    Attributes:
        probability: P(source | statement), by the tag behind the statement.
        recalled: log P(statement | source), the document opened from memory; nats.
        least: the same of the sentence that stands there and comes worst.
        stands: whether the statement stands there word for word.
    """

    id: str
    probability: float
    recalled: float
    least: float
    stands: bool

    @property
    def verdict(self) -> str:
        if self.stands:
            return "says so"
        return "may say so in other words" if self.recalled >= self.least else "does not say so"


def main(values: dict[str, str], statements: list[str]) -> None:
    if not statements or not all(statement.strip() for statement in statements):
        raise ValueError('give a statement in quotes, for example "X works at Y."')
    top = whole_number(values, "top", 5)
    from eval.load import load_run  # takes seconds to import, which neither --help nor a wrong argument should cost

    run = load_run(Path(values["run"]))
    for statement in statements:
        print(describe(run, statement, checked(run, statement, top)))


def checked(run: Run, statement: str, top: int) -> list[Source]:
    """The likeliest sources of a statement, the first one first."""
    from eval.signals.bidirectional import lp_statement_given_id

    (ranked,) = run.answerer.ranked_sources([statement], top)
    cited = run.answerer.citations(ranked)
    found = []
    for (index, _), citation in zip(ranked, cited, strict=True):
        sentences = [wordings[0] for document in run.documents[citation.id] for wordings in document.sentences][:READ]
        texts = [[text] for text in (statement, *sentences)]
        recalled, *others = lp_statement_given_id(
            run.answerer, texts, [run.answerer.identifiers.tokens[index]] * len(texts)
        ).tolist()
        stands = any(normalise(statement) == normalise(sentence) for sentence in sentences)
        found.append(Source(citation.id, citation.probability or 0.0, recalled, min(others), stands))
    return found


def describe(run: Run, statement: str, sources: list[Source]) -> str:
    """In words, for a terminal."""
    lines = [statement]
    for place, source in enumerate(sources, start=1):
        lines.append(f"  {place}. {source.id}  {source.verdict}  (probability {source.probability:.2e})")
        compared = f"{source.recalled:.1f}, of what stands there {source.least:.1f} or more"
        lines.append(f"     log P of the statement from there {compared}")
        text = excerpt(run.documents[source.id][0].text, statement)
        lines.append(textwrap.fill(text, 100, initial_indent=" " * 5, subsequent_indent=" " * 5))
    if not any(source.stands or source.recalled >= source.least for source in sources):
        lines.append("  None of these says so: I know of no document that made this statement.")
    return "\n".join(lines)


if __name__ == "__main__":
    COMMAND.run(main)
