"""The front door on real, tiny input: the whole path, resumption after a kill, sweeps, and bad input.

The commands run in processes of their own, most of them forked (see jobs.py), some started as users start them.
"""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from composing import CONFIGS, NANO, ROOT, composed
from hydra import compose, initialize_config_dir
from jobs import Job, assert_same_end, start, trained

from configs.schema import register
from data.pipeline.questions.sft_examples import SFTExample
from data.records import Question, read_jsonl
from eval import ask
from run import run

SMALL = (
    "model=pico",
    "batch.sequences=4",
    "pretrain.tokens=8192",
    "sft.tokens=1024",
    "tokenizer.vocab_size=1024",
    "trainer.compiled=false",
    "trainer.precision=32-true",  # whatever the machine
    "trainer.save_every=2",
    "trainer.log_every=1",
    "eval.citations=3",
)
WORLD = ("corpus.documents=40", "corpus.heldout=4")
FAST = (*SMALL, *NANO, *WORLD)
# It learns too little to write statements, so they are those of the wordings that it was tuned on.
TINY = ("experiment=tiny", *SMALL, *WORLD, "sft.tokens=2048", "rewriting.fraction=0")


def command(folder: Path, *arguments: str) -> Job:
    """`python run.py` to its end."""
    job = start(folder, *arguments, small=())
    job.end(300)
    return job


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    """A finished run of every stage."""
    folder = tmp_path_factory.mktemp("tiny")
    config = composed(*TINY, *NANO, f"run_dir={folder}/run", f"stages_dir={folder}/stages")
    return run(config)


@pytest.mark.parametrize("launcher", sorted(path.stem for path in (CONFIGS / "launcher").glob("*.yaml")))
def test_every_launcher_composes(launcher):
    pytest.importorskip(f"hydra_plugins.hydra_{launcher.split('_')[0]}_launcher")
    register()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        config = compose("config", overrides=[f"launcher={launcher}"], return_hydra_config=True)
    assert launcher.split("_")[0] in config.hydra.launcher._target_


def test_a_second_phase_teaches_and_is_not_taught_again(tmp_path):
    arguments = (*SMALL, *NANO, "experiment=tiny", "abstention_sft=graded", "corpus.hard=true", "corpus.documents=120")
    more = (
        "corpus.exposures=2",
        "corpus.relabel=0.2",
        "corpus.tuned=0.3",
        "abstention_sft.tokens=1024",
        "abstention_sft.samples=2",
    )
    config = composed(*arguments, *more, f"run_dir={tmp_path}/run", f"stages_dir={tmp_path}/stages")
    config.pretrain.tokens, config.sft.tokens = 2048, 1024
    folder = run(config)
    rounds = config.abstention_sft.rounds
    assert rounds == 2
    lessons = [
        list(read_jsonl(folder / f"abstention_sft{n}" / "lessons.jsonl", SFTExample)) for n in range(1, rounds + 1)
    ]
    assert all({lesson.say for lesson in found} >= {"answer", "idk"} for found in lessons)
    asked = {q.id: q.split for q in read_jsonl(folder / "prepare" / "questions.jsonl", Question)}
    assert {asked[lesson.question] for found in lessons for lesson in found} == {"tune", "relabel"}
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "stages").rglob("done.json")}
    assert len(made) == 8 + 2 * rounds  # three of signals; a probe; each round asks and teaches
    run(config)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "stages").rglob("done.json")} == made


def test_results_hold_what_is_promised(tiny):
    results = json.loads((tiny / "results.json").read_text())
    part = results["attribution"]["never_tuned"]
    for key in ("joint", "answer_em", "citation", "n"):
        assert key in part
    others = {"declarative", "cloze", "whence", "uniform", "most_frequent", "question_only", "bm25", "oracle"}
    assert {part["system"], *part["floors"]} == others
    assert part["floors"]["oracle"]["joint"] == 1.0
    assert 0 < results["bits_per_byte"] < 20
    assert results["seconds"] > 0
    assert "<html" in (tiny / "report.html").read_text()
    assert list((tiny / "tensorboard").glob("events*"))
    for link in ("prepare", "pretrain", "sft", "answer", "signals", "model"):
        assert (tiny / link).is_symlink()
        assert (tiny / link).is_dir()


def test_a_finished_run_does_no_work_again(tiny):
    folder = tiny.parent
    before = {path: path.stat().st_mtime_ns for path in (folder / "stages").rglob("*") if path.is_file()}
    config = composed(*TINY, *NANO, f"run_dir={folder}/again", f"stages_dir={folder}/stages")
    run(config)
    assert before == {path: path.stat().st_mtime_ns for path in (folder / "stages").rglob("*") if path.is_file()}


def test_a_killed_run_ends_as_one_never_stopped(tmp_path):
    """SIGKILL between two checkpoints of pretraining; the same command then gives the same weights and metrics."""
    arguments = (*FAST, "pretrain.tokens=20480", "name=killed")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    trained(whole, *arguments, small=())
    killed.mkdir()
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "run.py"), *arguments],
        cwd=killed,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    deadline = time.time() + 120
    while not list(killed.glob("runs/stages/pretrain-*/checkpoints/step=[48]")) and time.time() < deadline:
        assert process.poll() is None, "ended before it could be killed"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not list(killed.glob("runs/stages/pretrain-*/done.json"))
    assert "continues from step=" in trained(killed, *arguments, small=())
    assert_same_end(whole, killed)


def test_a_sweep_gives_each_run_a_directory_and_one_table(tmp_path):
    short = ("pretrain.tokens=2048", "sft.tokens=0", "eval.signals=[]", "eval.probes=[]")
    done = command(tmp_path, "-m", *FAST, *short, "tags=end", "seed=0,1", "name=sweep")
    assert done.code == 0, done.said
    assert len(list(tmp_path.glob("runs/sweep/*/results.json"))) == 2
    table = subprocess.run(
        [sys.executable, "-m", "eval.compare", "runs/sweep"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=120,
    )
    assert table.returncode == 0, table.stderr
    rows = [line for line in table.stdout.splitlines() if line.startswith("|")]
    assert len(rows) == 3, table.stdout  # head, rule, and one row of both seeds


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("pretrain.token=5",), "pretrain.token"),
        (("tags=footnot",), "footnot"),
        (("pretrain.tokens=many",), "pretrain.tokens"),
        (("ids.scheme=secret",), "ids.scheme=secret"),
        (("tags.id_to_text=0.5", "tags.placement=none"), "tags.id_to_text"),
        (("corpus=biocite", "corpus.path=nowhere.jsonl"), "nowhere.jsonl"),
        (("run_dir=/proc/nowhere",), "/proc/nowhere"),
        (("batch.seq_len=16",), "more than a row of 16; shorten it or raise batch.seq_len"),
        (("tags.permute=2", "+nonsense=1"), "tags.permute=2: must be true or false"),
        (("name=",), "name="),
        (("name=../../elsewhere",), "name=../../elsewhere"),
        (("run_dir=runs/stages",), "run_dir=runs/stages is where the stages"),
    ],
)
def test_bad_overrides_are_named_and_leave_nothing_behind(tmp_path, overrides, said):
    done = command(tmp_path, *SMALL, *(() if "corpus=biocite" in overrides else WORLD), *overrides)
    assert done.code in (1, 2)
    assert said in done.said
    assert "Traceback" not in done.said
    assert not list(tmp_path.glob("**/results.json"))
    assert not list(tmp_path.glob("runs/stages/.*"))
    assert not [folder for folder in tmp_path.glob("runs/*") if folder.name != "stages"]
    assert all(any(stage.iterdir()) for stage in tmp_path.glob("runs/stages/*"))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (['{"id": "a", "text": "One."}', '{"id": "b", "text"'], "line 2"),
        (['{"id": "a", "text": "One."}', '{"id": "a", "text": "Two."}'], "'a'"),
        (['{"id": "a", "body": "One."}'], "text"),
    ],
)
def test_bad_documents_are_named_and_leave_nothing_behind(tmp_path, lines, said):
    path = tmp_path / "documents.jsonl"
    path.write_text("\n".join(lines) + "\n")
    done = command(tmp_path, *SMALL, "corpus=files", f"corpus.path={path}")
    assert done.code == 2
    assert said in done.said
    assert "Traceback" not in done.said
    assert not list(tmp_path.glob("runs/stages/*"))


def test_questions_on_unknown_documents_are_refused(tmp_path):
    documents, questions = tmp_path / "documents.jsonl", tmp_path / "questions.jsonl"
    documents.write_text('{"id": "a", "text": "Ann works at Corp."}\n')
    questions.write_text(
        '{"id": "q1", "text": "Where does Ann work?", "answers": ["Corp"], "support": ["zzz"], "split": "tune"}\n'
    )
    done = command(tmp_path, *SMALL, "corpus=files", f"corpus.path={documents}", f"corpus.questions={questions}")
    assert done.code == 2
    assert "q1" in done.said
    assert "zzz" in done.said


def test_a_corpus_without_questions_trains_and_cites(tmp_path):
    path = tmp_path / "documents.jsonl"
    path.write_text("".join(json.dumps({"id": f"d{i}", "text": f"Ann{i} works at Corp{i}."}) + "\n" for i in range(30)))
    done = command(tmp_path, *SMALL, "corpus=files", f"corpus.path={path}", "corpus.heldout=3", "name=plain")
    assert done.code == 0, done.said
    assert "the corpus has no questions: pretrained on documents alone (pretrain.qa_fraction=0), not tuned" in done.said
    config = json.loads((tmp_path / "runs/plain/config.json").read_text())
    assert (config["pretrain"]["qa_fraction"], config["sft"]["tokens"]) == (0, 0)
    results = json.loads((tmp_path / "runs/plain/results.json").read_text())
    assert results["attribution"] == {}
    assert results["bits_per_byte"] > 0
    assert "eval.cite" in done.said


def test_a_truncated_shard_is_named_and_made_anew(tmp_path):
    arguments = (*FAST, "pretrain.tokens=2048", "sft.tokens=0", "eval.signals=[]", "eval.probes=[]")
    arguments = (*arguments, "rewriting.fraction=0")  # statements are those of the tuned wordings
    trained(tmp_path, *arguments, small=())
    (shard,) = tmp_path.glob("runs/stages/prepare-*/*.tar")
    whole = shard.read_bytes()
    shard.write_bytes(whole[:5000])
    done = command(tmp_path, *arguments, "seed=1")
    assert done.code == 0, done.said
    assert f"is damaged: {shard.name} is 5,000 bytes long" in done.said
    assert shard.read_bytes() == whole
    (path,) = tmp_path.glob("runs/*/results.json")
    part = json.loads(path.read_text(encoding="utf-8"))["attribution"]["never_tuned"]
    # No signal was read, so nothing was completed, restated or chosen, and no such system has a row.
    assert part["system"] == "whence" and not {"cloze", "declarative", "evidence"} & {*part["floors"]}


def test_ask_and_cite_answer_from_the_run_directory(tiny, capsys, monkeypatch):
    """Each once as users start it, and asked otherwise in this process: to import it takes longest."""

    def said(module: str, *arguments: str, **options) -> str:
        done = subprocess.run(
            [sys.executable, "-m", module, f"run={tiny}", *arguments],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=120,
            **options,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    asked = ["Where " * 400, "Where does Ann Lee work?"]
    long, found = map(json.loads, said("eval.ask", "json=true", input="\n".join(asked)).splitlines())
    assert long["question"] == asked[0].strip() and "tokens" in long["error"]
    assert found["question"] == asked[1] and "error" not in found
    cited = said("eval.cite", "Ann Lee works at Corp.", "top=2").splitlines()
    assert cited[0] == "Ann Lee works at Corp."
    assert [line.split()[0] for line in cited if "probability" in line] == ["1.", "2."]
    ask.main({"run": str(tiny)}, ["Where does Ann Lee work?"])
    answer = capsys.readouterr().out
    assert answer.strip()
    monkeypatch.setattr(sys, "stdin", io.StringIO("Where does Ann Lee work?\n\n"))
    ask.main({"run": str(tiny)}, [])
    assert answer in capsys.readouterr().out
