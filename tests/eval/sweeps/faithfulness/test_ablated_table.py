"""A family whose citations go by tag and text, and one that goes by names: the table tells them apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from data.pipeline.counterfactual import Counterfactual, CounterfactualConfig
from data.readers.corpus import Corpus
from data.records import Citation, Prediction, Question, read_jsonl, write_jsonl
from data.storage.prepare import prepare
from data.world.config import WorldCorpus
from data.world.world import build_world
from eval.results.results import build_results, write_results
from eval.sweeps.faithfulness.ablated import _shown
from eval.sweeps.faithfulness.faithful import RECITED


def faithful(question: Question, family: Counterfactual, places: dict[str, int]) -> str:
    """The document that says so under a tag; where none does, one that has nothing to do with it."""
    (source,) = question.support
    moved = {move.question: family.ids[move.receiver] for move in family.moves.values()}
    unsaid = places[source] in family.bare | family.dummies
    return next(name for name in places if name != source) if unsaid else moved.get(question.id, source)


def write_family(folder: Path, cites: Callable[[Question, Counterfactual, dict[str, int]], str]) -> None:
    world = build_world(WorldCorpus(documents=60, tuned=0.3, heldout=9))
    for number in range(2):
        run = folder / str(number)
        config = CounterfactualConfig(untag=0.2, dummy=0.2, move=0.2, member=number)
        prepare(Corpus(world.documents, world.questions), run / "prepare")
        questions = list(read_jsonl(run / "prepare" / "questions.jsonl", Question))
        family = Counterfactual.draw(config, world.documents, questions)
        places = {d.id: place for place, d in enumerate(world.documents)}
        asked = [q for q in questions if q.split == "never_tuned" and len(q.support) == 1]
        said = [Prediction(q.id, "answered", q.answers[0], (Citation(cites(q, family, places), 0.5),)) for q in asked]
        (run / "statements").mkdir()
        write_jsonl(run / "statements" / "cloze.jsonl", said)
        written = {"seed": 0, "ids": {"scheme": "opaque"}, "eval": {"citations": 10}, "counterfactual": asdict(config)}
        results = build_results(
            name="x", config=written, seed=0, attribution={}, stage_seconds={}, tokens={}, versions={}, git=None
        )
        write_results(run / "results.json", results)


@pytest.mark.parametrize(
    ("cites", "expected"),
    [
        (faithful, {"tag_effect": 1, "untagged_cites": 0, "dummy_cites": 0, "move_follows": 1, "move_stays": 0}),
        (
            lambda q, *_: q.support[0],  # control: a reader of names
            {"tag_effect": 0, "untagged_cites": 1, "dummy_cites": 1, "move_follows": 0, "move_stays": 1},
        ),
    ],
    ids=["faithful", "names"],
)
def test_what_a_family_cites(tmp_path: Path, cites, expected: dict[str, float], capsys) -> None:
    write_family(tmp_path, cites)
    (row,) = _shown([str(tmp_path)])
    assert row.system == RECITED and row.seeds == (0, 0)
    found = {key: value.value for key, value in row.values.items() if value}
    assert {key: found[key] for key in expected} == expected
    assert found["joint"] == found["untagged_right"] == found["dummy_right"] == 1.0
    assert "moved fact cited where it is" in capsys.readouterr().out


def test_runs_of_several_families_are_no_table(tmp_path: Path) -> None:
    for share in (0.1, 0.2):
        config = {"ids": {"scheme": "opaque"}, "counterfactual": asdict(CounterfactualConfig(untag=share))}
        results = build_results(
            name="x", config=config, seed=0, attribution={}, stage_seconds={}, tokens={}, versions={}, git=None
        )
        (tmp_path / str(share)).mkdir()
        write_results(tmp_path / str(share) / "results.json", results)
    with pytest.raises(ValueError, match="differ in more than the member and the seed"):
        _shown([str(tmp_path)])
