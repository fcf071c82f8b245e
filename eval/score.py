"""Score any system's predictions: `python -m eval.score questions=Q.jsonl predictions=P.jsonl [documents=D.jsonl]`.

Needs no trainer and no model: a question file and a prediction file in the form of data/records.py. With the documents
the floors, BM25 and the oracle are scored on the same questions; and where answers cite documents in brackets, each of
their statements is held against what it cites.
"""

from __future__ import annotations

import sys
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

from data.records import Document, Prediction, Question, read_jsonl
from data.storage.passages import documents_of
from eval.answerers.answerer import Answerer
from eval.answerers.floors import MostFrequent, Oracle, QuestionOnly, Uniform
from eval.answerers.retrievers.bm25 import BM25
from eval.arguments import Command
from eval.corpus import COLUMNS, read_corpus
from eval.grading.attribution import measured
from eval.grading.citation_quality import Quality, citation_quality, cites_in_brackets
from eval.results import given
from eval.results.results import EMPTY, attribution_results, build_results, percent, write_results

TUNED = ("tune", "relabel")

COMMAND = Command(
    name="python -m eval.score",
    summary="Score the predictions of any system: answers and the sources they cite.",
    required={
        "questions": "JSONL file of questions",
        "predictions": "JSONL file of predictions, one a question",
    },
    optional={
        "documents": "the corpus, as corpus.path of a run has it: adds floors, BM25, the oracle, citation quality",
        **COLUMNS,
        "tuning": "JSONL file of the questions the system was tuned on: adds the most-frequent floor",
        "name": "what to call the system (default: the name of the predictions file)",
        "out": "where to write results.json",
    },
)


def main(values: Mapping[str, str], _: Sequence[str]) -> None:
    if "out" in values and not (folder := Path(values["out"]).parent).is_dir():
        raise ValueError(f"out={values['out']} can't be written: there is no folder {folder}; make it first")
    everything = list(read_jsonl(values["questions"], Question))
    if not everything:
        raise ValueError(f"{values['questions']} has no questions")
    name = values.get("name", Path(values["predictions"]).stem)
    systems: dict[str, Sequence[Prediction]] = {name: list(read_jsonl(values["predictions"], Prediction))}
    questions = _asked(everything, systems[name])
    others: list[Answerer] = []
    documents = read_corpus(values, everything) if "documents" in values else []
    if documents:
        others += reference_systems(documents)
    if "tuning" in values:
        others.append(MostFrequent(list(read_jsonl(values["tuning"], Question))))
    for other in others:
        if other.name in systems:
            raise ValueError(f'the system may not be called "{other.name}": give name=...')
        systems[other.name] = other.answer(questions)
    attribution = attribution_results(questions, systems, name, documents_of(documents))
    held = {document.id: document for document in documents}
    if cites_in_brackets(systems[name], held):
        add_citation_quality(attribution, questions, systems[name], held)
    print(table(attribution, name))
    if documents and (warning := unknown_citations(systems[name], held, values["documents"])):
        print(f"\nWarning: {warning}", file=sys.stderr)
    if "out" in values:
        results = build_results(
            name=name,
            config={},
            seed=None,
            attribution=attribution,
            stage_seconds={},
            tokens={},
            versions={},
            git=None,
        )
        write_results(values["out"], results)


def _asked(questions: Sequence[Question], predictions: Sequence[Prediction]) -> list[Question]:
    """Without the questions of tuning where not one of their split was answered: who asks leaves them out."""
    answered = {prediction.question for prediction in predictions}
    splits = {q.split for q in questions if q.id in answered}
    return [q for q in questions if q.split not in TUNED or q.split in splits]


def unknown_citations(predictions: Sequence[Prediction], documents: Container[str], path: str) -> str:
    """A warning of citations of no document at all, which can never be right; "" for none."""
    unknown = [(p.question, c.id) for p in predictions for c in p.citations if c.id not in documents]
    if not unknown:
        return ""
    question, id = unknown[0]
    return (
        f'{len(unknown)} citations name no document of {path} and count as wrong, the first "{id}" for question '
        f'"{question}": cite documents by the ids that stand there'
    )


def reference_systems(documents: Sequence[Document], seed: int = 0) -> list[Answerer]:
    """What needs the corpus only: the uniform and question-only floors, BM25, and the oracle.

    The question-only floor takes the ids of the documents to be what the system was shown.
    """
    ids = {document.id: document.id for document in documents}
    return [Uniform(list(ids), seed), QuestionOnly(ids, seed), BM25(documents), Oracle()]


def add_citation_quality(
    attribution: dict[str, Any],
    questions: Sequence[Question],
    predictions: Sequence[Prediction],
    documents: Mapping[str, Document],
) -> None:
    """To each split of the attribution what its long answers are worth; see eval/grading/citation_quality.py."""
    for split, part in attribution.items():
        asked = {q.id: q for q in questions if q.split == split}
        said = [p for p in predictions if p.question in asked]
        part["citation_quality"] = citation_quality(list(asked.values()), said, documents)


def table(attribution: Mapping[str, Any], name: str, handed: Mapping[str, Any] = EMPTY) -> str:
    """Percentages for people, a block per split: a row per metric, a column per system, ours with intervals.

    The systems of `handed`, which are given the statement form, come last and are marked.
    """
    results = {"given": {"attribution": handed}}
    return "\n\n".join(
        _block(split, part, name, given.systems_of(results, split)) for split, part in attribution.items()
    )


def abstention_table(abstention: Mapping[str, Any], handed: Mapping[str, Any] = EMPTY) -> str:
    """What a run knows of its ignorance on the test fold, as text; "" where that was not measured.

    `handed` is the same of what is given the statement form.
    """
    if not (test := abstention.get("test")):
        return ""
    from eval.results.selective_metrics import MAIN  # torch, which scoring other systems' predictions does not need

    columns = {str(test.get("policy", "its policy")): test}
    if other := abstention.get("reworded"):
        columns["the same, reworded"] = other
    if other := handed.get("test"):
        columns[given.marked(str(other.get("policy", "its policy")))] = other
    rows = [("answered and withheld by", *columns)]
    rows += [(name, *(_measure(of.get(name)) for of in columns.values())) for name in MAIN if name in test]
    return "\n".join(
        [
            f"\nwhat it does not know, and whether its confidence means something: {test['n']} questions of the test "
            "fold",
            *_aligned(rows),
        ]
    )


def _measure(found: Mapping[str, Any] | None) -> str:
    if not found or found["value"] is None:
        return "-"
    bounds = found["interval"]
    return f"{found['value']:.3f}" + (f" [{bounds[0]:.3f}, {bounds[1]:.3f}]" if bounds else "")


def _block(split: str, part: Mapping[str, Any], name: str, handed: Mapping[str, Any]) -> str:
    others: Mapping[str, Mapping[str, Any]] = part["floors"] | {f"{other}*": found for other, found in handed.items()}
    rows = [("", name, *others)]
    for metric in measured(part):
        mine = percent(part[metric], part["intervals"][metric])
        rows.append((metric, mine, *(percent(other[metric]) for other in others.values())))
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in part["outcomes"].items() if count)
    return "\n".join(
        [
            f"{split}: {part['n']} questions the corpus answers, {part['n_absent']} it does not",
            f"predictions: {outcomes or 'none'}, {part['missing']} missing",
            *_aligned(rows),
            *([f"* {given.MARK} of each question, which no user has"] if handed else []),
            *_long_answers(part.get("citation_quality")),
        ]
    )


def _long_answers(found: Mapping[str, Any] | None) -> list[str]:
    if not found:
        return []
    rows = [(metric, percent(found[metric], found["intervals"][metric])) for metric in Quality._fields]
    return ["answers of statements with citations in brackets:", *_aligned(rows)]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Cells in columns, two spaces between them."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


if __name__ == "__main__":
    COMMAND.run(main)
