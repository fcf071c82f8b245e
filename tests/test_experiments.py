"""Every experiment composes and runs a few steps, from its corpus to its report: apart, since it takes longest."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from checkpoints import tiny_llama
from composing import CONFIGS, NANO, composed

from run import run
from tests.configs.test_settings import CONTINUED
from tests.data.readers.test_qa import squad
from tests.test_run import SMALL, WORLD

EXPERIMENTS = sorted(path.stem for path in (CONFIGS / "experiment").glob("*.yaml"))
# Of the same stages as others, or of such as quick tests run without them (test_init, test_expert_run, test_edit,
# test_self_correction): they compose in the quick tests, and run in the slow ones.
VARIANTS = {
    *("abstention", "active", "anti_documents", "causes", "continue", "edit", "expert", "faithful_names", "feedback"),
    *("formats", "indexing", "lds", "lds_whole", "placement", "planted", "real_text_formats", "repeats_grid"),
    *("repeats_heads", "repeats_sizes", "rlcr", "scenes_changing", "score", "squad_like", "surprisal"),
    *("surprisal_base", "verbalised", "worlds"),
}


@pytest.mark.parametrize(
    "experiment", [pytest.param(e, marks=pytest.mark.slow) if e in VARIANTS else e for e in EXPERIMENTS]
)
def test_every_experiment_runs_a_few_steps(experiment: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    extra: tuple[str, ...] = (*NANO, *WORLD)
    if experiment == "biocite":
        extra = (*NANO, f"corpus.path={_biocite(tmp_path)}")
    if experiment == "real_text_formats":
        extra = (*NANO, f"corpus.path={_squad(tmp_path)}", "corpus.documents=20")
    if experiment in CONTINUED and experiment != "qa_node":
        checkpoint = tiny_llama(tmp_path / "checkpoint")
        read = dict.fromkeys(
            ("squad_like", "active"), (f"corpus.path={_squad(tmp_path)}", "corpus.documents=20", "model.layers=1")
        )
        extra = read.get(experiment, ("corpus=world_tiny", *WORLD) if experiment == "real_text" else WORLD)
        extra += (f"init={checkpoint}",)
    if experiment == "real_text":
        extra += ("self_questions.round_trip=closed_book",)
    if experiment == "qa_node":  # as on its node, but for the size and the devices
        extra = (f"corpus.path={_squad(tmp_path)}", "corpus.documents=20", "corpus.tuned=0.5", "corpus.withheld=0.1")
        extra += ("init=", "trainer=cpu", "batch.seq_len=256", "corpus.passage_words=8")
    config = composed(
        f"experiment={experiment}", *SMALL, *extra, f"run_dir={tmp_path}/run", f"stages_dir={tmp_path}/stages"
    )
    config.pretrain.tokens, config.sft.tokens, config.edit.tokens = 2048, min(config.sft.tokens, 1024), 1024
    config.abstention_sft.tokens = 1024
    if getattr(config.corpus, "hard", False):
        # The fewest that its parts can be made of: what costs here is asking after everything.
        few = 60 if config.corpus.relabel == 0 else 80 if config.corpus.tuned < 0.5 else 120
        config.corpus.documents, config.corpus.exposures = few, 2
        config.eval.samples = min(config.eval.samples, 1)
    with caplog.at_level(logging.INFO, "whence"):
        folder = run(config)
    assert " floating-point operations in " in caplog.text  # what pretraining takes is said as it begins
    results = json.loads((folder / "results.json").read_text())
    assert results["attribution"]["never_tuned"]["n"] > 0
    assert results["tokens"]["pretrain"] == 2048
    assert ("cited_document" in results["attribution"]["never_tuned"]) == (experiment == "qa_node")
    assert ("Cited, document" in (folder / "report.html").read_text()) == (experiment == "qa_node")
    assert ("edit" in results["probes"]) == (experiment == "edit") == ("edit" in results["tokens"])
    if experiment == "edit":
        assert json.loads((folder / "policy.json").read_text()) == {}  # the model itself decides, as it was measured
    if config.self_questions.each:
        assert "self_questions" in results["stage_seconds"]


def _squad(folder: Path) -> Path:
    path = folder / "squad.json"
    path.write_text(json.dumps(squad(20)), encoding="utf-8")
    return path


def _biocite(folder: Path) -> Path:
    rows = []
    for i in range(40):
        name = f"Ann{chr(97 + i % 20)} Lee{chr(97 + i // 2)}{i}"
        fact, pair = f"{name} works at Corp{i}.", {"question": f"Where does {name} work?", "answer": f"Corp{i}"}
        rows.append({"id": f"lee-{i}", "facts": [fact], "qa": [pair], "in_domain": i % 2 == 0})
    path = folder / "biocite.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
