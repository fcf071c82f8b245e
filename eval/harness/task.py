"""The task `whence_cited` of lm-evaluation-harness: the functions that whence_cited.yaml names.

Its documents are the questions of a split that the corpus answers; prompt, parser and grading are those of
`python -m eval.answer` and `python -m eval.score`, so that the figures are the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from datasets import Dataset

from data.records import PLAIN, Question, read_jsonl
from eval.answerers.prompted.answerer import as_prediction
from eval.answerers.prompted.prompt import FewShot, parse
from eval.corpus import read_corpus
from eval.grading.attribution import METRICS, grade

REPORTED = ("joint", "answer_em", "cited")  # means over all questions; the others have denominators of their own
CORPUS = ("questions", "documents", "id_column", "text_column")


def load(
    questions: str, documents: str, shots: int = 4, split: str = "never_tuned", **others: Any
) -> dict[str, Dataset]:
    """The task's data, from the keys of `--metadata`; `others` are the columns of documents, and what isn't for it.

    Raises ValueError for files that `eval.answer` would refuse.
    """
    columns = {key: others[key] for key in CORPUS if key in others}
    corpus = {"questions": questions, "documents": documents, **columns}
    everything = list(read_jsonl(questions, Question))
    read_corpus(corpus, everything)
    examples = FewShot.of(everything, int(shots))
    asked = [q for q in everything if q.split == split and q.support_class in PLAIN]
    if not asked:
        raise ValueError(f"{questions} has no questions of split {split} that the corpus answers")
    rows = [
        {"prompt": examples.text(q.text), "question": json.dumps(q.to_json()), "corpus": json.dumps(corpus)}
        for q in asked
    ]
    return {"test": Dataset.from_list(rows)}


def prompt(doc: Mapping[str, str]) -> str:
    return doc["prompt"]


def target(doc: Mapping[str, str]) -> str:
    """An answer that is right and supported."""
    question = _question(doc)
    return f" {question.answers[0]}\nSource: {question.support[0]}"


def grade_one(doc: Mapping[str, str], results: Sequence[str]) -> dict[str, float]:
    """What was written to one question, graded: each of `REPORTED`, 0 or 1."""
    question, ids = _question(doc), _ids(doc["corpus"])
    (graded,) = grade([question], [as_prediction(question.id, parse(results[0], ids), ids)])
    return {name: float(METRICS[name].term(graded)[0]) for name in REPORTED}


def _question(doc: Mapping[str, str]) -> Question:
    return Question.from_json(json.loads(doc["question"]))


@cache
def _ids(corpus: str) -> frozenset[str]:
    return frozenset(document.id for document in read_corpus(json.loads(corpus), []))
