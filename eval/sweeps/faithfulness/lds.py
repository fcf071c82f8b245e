"""Do citations foretell what retraining would do?

    python -m eval.sweeps.faithfulness.lds runs/lds

Reads the family of runs in and below the folders that leave out halves of the marked documents
(`counterfactual.leave_out`), with two seeds or more for each member, and the run among them that left out none, whose
scores of attribution (eval/answerers/attributions.py) are judged: their linear datamodelling score
(eval/metrics/datamodelling.py) of the log-probability of the right answer in dialogue. Queries are plain facts that no
tuning saw, with a marked source. Rows are the scores, and the ceiling that the noise of training sets: members of one
half, correlated over the halves between two seeds. Intervals resample queries, by whom they are about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from hydra.experimental.callback import Callback
from numpy.typing import NDArray

from data.pipeline.counterfactual import Counterfactual, CounterfactualConfig
from data.records import Document, Question, read_jsonl
from data.storage.shards import read_documents
from eval.answerers import attributions
from eval.answerers.lm_answerer import LMAnswerer
from eval.compare import find
from eval.grading.counterfactual import facts
from eval.load import load_run
from eval.metrics.datamodelling import datamodelling_scores, spearman
from eval.metrics.statistics import Floats, bootstrap_ratio
from eval.results.recorded import record_sweep
from eval.results.results import read_results
from eval.results.table import Column, Row, Value
from eval.sweeps.shown import of_runs, print_rows

COMMAND = of_runs(
    "faithfulness.lds",
    "Say how well citations foretell what models answer that were trained on half of the documents.",
)
COLUMNS = (
    Column("lds", "LDS", "", 3, "higher"),
    Column("hits", "first document is a source", "%", 1, "higher"),
)
NOTE = (
    "Spearman correlation over the halves, mean over queries and seeds; intervals hold 95% and resample those whom "
    "queries are about. A source that is in half of the runs gives two values, so what puts all on it stays below 1."
)
GIVEN = ("footnote", "two_way")
TITLES = {
    "cited": "citation in dialogue",
    "footnote": "footnote behind the statement",
    "two_way": "two-way check",
    "tail_patch": "tail-patch",
    "bm25": "BM25",
    "random": "random",
}
CEILING = "ceiling: another seed"


@dataclass(frozen=True)
class Family:
    """What is judged, and against what.

    Attributes:
        queries: Q of them.
        places: (D,) of the marked documents.
        subsets: whether each of M members read each marked document, bool (M, D).
        outputs: of each seed, log P(right answer) by the members, float64 (S, M, Q).
    """

    queries: Sequence[Question]
    places: Sequence[int]
    subsets: NDArray[np.bool_]
    outputs: Floats


class Table(Callback):
    """Hydra's callback that ends a sweep with the table."""

    def on_multirun_end(self, config: Any, **_: Any) -> None:
        rows = _shown([config.run_dir])
        title = "Do citations foretell what retraining would do?"
        record_sweep(config, find([config.run_dir]), COLUMNS, rows, title=title, note=NOTE, headline=0)


def main(_: Mapping[str, str], folders: Sequence[str]) -> None:
    _shown(folders)


def _shown(folders: Sequence[str]) -> list[Row]:
    whole, family = read_family(find(folders))
    run = load_run(whole)
    documents = list(read_documents(whole / "prepare"))
    found = rows(family, scores_of(run.answerer, family, documents, run.made.seed), documents)
    print_rows(found, COLUMNS)
    return found


def read_family(paths: Sequence[Path]) -> tuple[Path, Family]:
    """The run that read all, and the others. Raises ValueError where there is none, or a member lacks a seed."""
    read = {path.parent: read_results(path) for path in paths}
    drawn = {
        folder: CounterfactualConfig(**results["config"].get("counterfactual", {})) for folder, results in read.items()
    }
    whole = [folder for folder, config in drawn.items() if not config.active]
    members = {(config.member, read[folder]["seed"]): folder for folder, config in drawn.items() if config.leave_out}
    if not whole or not members:
        raise ValueError("this needs a run that read all documents, and runs that left out some (experiment=lds_whole)")
    numbers, seeds = sorted({member for member, _ in members}), sorted({seed for _, seed in members})
    if missing := [(m, s) for m in numbers for s in seeds if (m, s) not in members]:
        raise ValueError(f"member {missing[0][0]} was not run with seed {missing[0][1]}, as others were")
    folder = whole[0]
    documents = list(read_documents(folder / "prepare"))
    questions = list(read_jsonl(folder / "prepare" / "questions.jsonl", Question))
    families = [Counterfactual.draw(drawn[members[number, seeds[0]]], documents, questions) for number in numbers]
    places = sorted(families[0].marked)
    marked = {documents[place].id for place in places}
    queries = [q for q in facts(questions) if marked.intersection(q.support)]
    subsets = np.array([[place not in one.left_out for place in places] for one in families])
    outputs = [
        [attributions.answer_log_probs(load_run(members[number, seed]).answerer, queries) for number in numbers]
        for seed in seeds
    ]
    return folder, Family(queries, places, subsets, np.array(outputs))


def scores_of(answerer: LMAnswerer, family: Family, documents: Sequence[Document], seed: int) -> dict[str, Floats]:
    """Each score of the marked documents for the queries, (Q, D), by name."""
    asked, size = family.queries, len(documents)
    marked = [documents[place] for place in family.places]
    found = {"cited": attributions.cited(answerer, asked, size)[:, family.places]}
    if answerer.cites and all(question.statement for question in asked):
        for name, score in (("footnote", attributions.footnote), ("two_way", attributions.two_way)):
            found[name] = score(answerer, asked, size)[:, family.places]
    found["tail_patch"] = attributions.tail_patch(answerer, asked, marked)
    found["bm25"] = attributions.bm25(asked, documents)[:, family.places]
    found["random"] = np.random.default_rng(seed).random((len(asked), len(marked)))
    return found


def rows(family: Family, scores: Mapping[str, Floats], documents: Sequence[Document]) -> list[Row]:
    """A row for each score, the mean over the seeds, and the ceiling last: one seed by another."""
    about = [question.entity or question.id for question in family.queries]
    sources = np.array([[documents[p].id in q.support for p in family.places] for q in family.queries])
    seeds = tuple(range(len(family.outputs)))
    found = []
    for name, each in scores.items():
        hits = sources[np.arange(len(sources)), each.argmax(1)].astype(np.float64)
        lds = np.mean([datamodelling_scores(each, family.subsets, outputs) for outputs in family.outputs], axis=0)
        values = {"lds": _mean(lds, about), "hits": _mean(hits, about)}
        found.append(Row(TITLES[name], values, name in GIVEN, seeds))
    if len(family.outputs) > 1:
        noise = np.mean([spearman(one, other) for one, other in combinations(family.outputs, 2)], axis=0)
        found.append(Row(CEILING, {"lds": _mean(noise, about), "hits": None}, False, seeds))
    return found


def _mean(values: Floats, about: Sequence[str]) -> Value | None:
    """Over the queries that have a value."""
    defined = ~np.isnan(values)
    if not defined.any():
        return None
    interval = bootstrap_ratio(np.where(defined, values, 0.0), defined.astype(np.float64), about)
    return Value(float(values[defined].mean()), interval, None, int(defined.sum()))


if __name__ == "__main__":
    COMMAND.run(main)
