"""Rank the sources of a statement, without generating anything: the footnote that pretraining taught, read out.

python -m eval.cite run=runs/demo "X works at Y."
"""

from __future__ import annotations

import textwrap
from pathlib import Path

from eval.arguments import Command
from eval.excerpt import excerpt

COMMAND = Command(
    name="python -m eval.cite",
    summary="Rank the documents that a statement comes from, with the model's probability of each.",
    required={"run": "directory of a finished run, for example runs/demo"},
    optional={"top": "how many sources, 5 unless given"},
    text="STATEMENT...",
)


def main(values: dict[str, str], statements: list[str]) -> None:
    if not statements or not all(statement.strip() for statement in statements):
        raise ValueError('give a statement in quotes, for example "X works at Y."')
    top = values.get("top", "5")
    if not top.isdigit() or int(top) < 1:
        raise ValueError(f"top={top} is not a number of sources")
    from eval.load import load_run  # takes seconds to import, which neither --help nor a wrong argument should cost

    run = load_run(Path(values["run"]))
    run.answerer.most = int(top)
    for statement, citations in zip(statements, run.answerer.cite(statements), strict=True):
        print(statement)
        for place, citation in enumerate(citations, start=1):
            print(f"  {place}. {citation.id}  (probability {citation.probability:.2e})")
            text = excerpt(run.documents[citation.id][0].text, statement)
            print(textwrap.fill(text, 100, initial_indent=" " * 5, subsequent_indent=" " * 5))


if __name__ == "__main__":
    COMMAND.run(main)
