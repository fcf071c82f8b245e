"""The benchmark: its arithmetic by hand, its contenders for a step or two, its orchestrator from end to end."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from bench import __main__ as command
from bench import contenders, inputs
from bench.answering import inputs as answer_inputs
from bench.answering import ours as answer_ours
from bench.corpus import costs
from bench.launch import ROOT, Launcher
from bench.results import Spread, agreement, ceiling, headline, ratio, report, summarise, training_table
from bench.settings import Clock, Settings
from bench.training import gemm, ours, ours_lightning
from bench.training.padding import batch_size, batches, pad, read_rows
from model.config import ModelConfig
from model.flops import flops_per_token

SHAPE = ModelConfig(dim=8, layers=2, heads=2, kv_heads=1, head_dim=4, ffn_dim=12, vocab_size=32)


def raw(seconds: float, places: int = 1000, useful: int = 500, **more: object) -> dict:
    return {
        "seconds": seconds,
        "steps": 10,
        "batch": 4,
        "places": places,
        "useful": useful,
        "start_up": 2 * seconds,
        "peak_bytes": int(seconds * 100),
        "torch": "2",
        **more,
    }


@pytest.fixture(autouse=True)
def same_arithmetic():
    """Contenders choose a precision of float32 products for their process; other tests are in this one too."""
    before, threads = torch.get_float32_matmul_precision(), torch.get_num_threads()
    yield
    torch.set_float32_matmul_precision(before)
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Settings:
    """The inputs of a tiny benchmark."""
    folder = tmp_path_factory.mktemp("bench")
    settings = Settings(
        str(folder), "pico", row=128, rows=4, warmup=1, steps=2, compiled=False, documents=40, questions=8
    )
    inputs.make(settings)
    return settings


def test_median_and_spread():
    assert Spread.of([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0)
    assert Spread.of([5.0]) == Spread(5.0, 5.0, 5.0)


def test_ratios_need_both():
    assert ratio(6.0, 4.0) == 1.5
    assert ratio(None, 4.0) is None
    assert ratio(6.0, None) is None


def test_the_ceiling_is_the_fastest_product():
    repeats = [{"rates": {"32-true": {"head": 3.0, "square": speed}}} for speed in (5.0, 9.0, 2.0)]
    assert ceiling(repeats, "32-true") == (5.0, "square")  # of 5, 9 and 3


def test_summary_by_hand():
    summary = summarise([raw(2.0), raw(1.0), raw(4.0)], SHAPE, gemm=1e7, device="NVIDIA H200")
    assert summary["tokens_per_second"] == {"median": 500.0, "low": 250.0, "high": 1000.0}
    assert summary["useful_per_second"] == {"median": 250.0, "low": 125.0, "high": 500.0}
    assert summary["row"] == 25  # 1000 places in 10 steps of 4 rows
    assert summary["gemm_fraction"] == pytest.approx(500 * flops_per_token(SHAPE, 25) / 1e7)
    assert summary["mfu_palm"] == pytest.approx(500 * flops_per_token(SHAPE, 25) / 989e12)
    assert summary["mfu_causal"] == pytest.approx(500 * flops_per_token(SHAPE, 13) / 989e12)
    assert (summary["start_up_cold"], summary["start_up_warm"]) == (4.0, 5.0)
    assert summary["peak_bytes"] == 400
    assert "mfu_palm" not in summarise([raw(2.0)], SHAPE, None, "")
    assert "500 (250–1,000)" in training_table({"ours": summary})


def runs_of_all() -> dict[str, list[dict]]:
    compiled = {"recompiles": 0, "graph_breaks": 0}
    return {
        "ours": [raw(1.0, **compiled)],
        "ours_causal": [raw(0.8, **compiled)],
        "ours_lightning": [raw(1.25, data_wait=0.01, **compiled | {"recompiles": 3})],
        "hf_trainer": [raw(5.0)],
        "litgpt": [raw(2.0)],
    }


def test_headline_by_hand():
    runs = runs_of_all()
    figures = headline({name: summarise(raws, SHAPE, 1e7, "") for name, raws in runs.items()}, runs, failed=[])
    assert figures["hf_trainer_ratio"] == pytest.approx(4.0)  # 5 s over 1.25 s
    assert figures["best_other_ratio"] == pytest.approx(1.6)  # 2 s over 1.25 s
    assert figures["lightning_overhead"] == pytest.approx(0.25)
    assert figures["footnote_overhead"] == pytest.approx(0.25)
    assert figures["data_wait"] == 0.01
    assert figures["recompiles"] == 3
    assert figures["answer_ratio"] is None


def test_the_best_other_is_not_told_when_one_failed():
    runs = runs_of_all()
    del runs["litgpt"]
    summaries = {name: summarise(raws, SHAPE, 1e7, "") for name, raws in runs.items()}
    assert headline(summaries, runs, failed=["litgpt"])["best_other_ratio"] is None
    assert headline(summaries, runs, failed=["gemm"])["best_other_ratio"] == pytest.approx(4.0)


def test_data_wait_leaves_the_warmup_out():
    rows = [
        {"step": 1, "tokens": 10, "tokens_per_second": 1.0, "data_wait": 0.9},
        {"step": 5, "tokens": 50, "tokens_per_second": 1.0, "data_wait": 0.9},
        {"step": 10, "tokens": 100, "tokens_per_second": 10.0, "data_wait": 0.1},  # 5 s
        {"step": 15, "tokens": 150, "tokens_per_second": 50.0, "data_wait": 0.4},  # 1 s
    ]
    assert ours_lightning.data_wait(rows, warmup=5) == pytest.approx((0.5 + 0.4) / 6)


def test_the_clock_counts_after_the_warmup():
    clock = Clock(Settings("", "pico", warmup=2, steps=3), wait=lambda: None)
    noted: list[int] = []
    clock.after_warmup = lambda: noted.append(clock.done)
    with pytest.raises(AssertionError):
        clock.measured()
    for step in range(5):
        clock.tick(places=10, useful=step)
    measured = clock.measured()
    assert (measured["places"], measured["useful"], noted) == (30, 2 + 3 + 4, [2])
    assert measured["seconds"] > 0


def test_settings_are_checked():
    assert Settings.from_json(Settings("a", "b", rows=3).to_json()) == Settings("a", "b", rows=3)
    with pytest.raises(ValueError, match="colour"):
        Settings.from_json('{"folder": "a", "model": "b", "colour": 1}')
    with pytest.raises(ValueError, match="steps=0"):
        Settings("a", "b", steps=0)
    with pytest.raises(ValueError, match="tpu"):
        Settings("a", "b", device="tpu")


def test_padding():
    rows = [np.array([5, 6, 7]), np.array([8])]
    batch = pad(rows, filler=0)
    assert batch["input_ids"].tolist() == [[5, 6, 7], [8, 0, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch["labels"].tolist() == [[5, 6, 7], [8, -100, -100]]
    assert batch_size(10, rows) == 3
    with pytest.raises(ValueError, match="batch of 3"):
        next(batches(rows, 3, 0, 0))


def test_every_contender_gets_the_same_documents(made):
    rows = read_rows(made.path / inputs.DOCUMENTS)
    assert len(rows) == 40
    epoch = [next(stream) for stream in [batches(rows, 20, 0, 0)] for _ in range(2)]
    assert sum(int(batch["attention_mask"].sum()) for batch in epoch) == sum(map(len, rows))
    packed = np.load(made.path / inputs.PACKED)
    assert packed.shape[1] == made.row + 1
    assert 0 <= sum(map(len, rows)) - packed.size < made.row + 1  # what did not fill the last row
    assert packed.min() >= 0


def test_our_contenders_train(made):
    footnotes, causal = ours.measure(made), ours.measure(replace(made, variant="causal"))
    under_lightning = ours_lightning.measure(made)
    for measured in (footnotes, causal, under_lightning):
        assert measured["places"] == 2 * 4 * 128
        assert 0.5 < measured["useful"] / measured["places"] <= 1
        assert measured["seconds"] > 0
    assert footnotes["useful"] == causal["useful"] == under_lightning["useful"]  # the same rows
    assert 0 <= under_lightning["data_wait"] < 1


def test_recompiles_are_counted(made):
    clock = Clock(replace(made, warmup=1, steps=1), wait=lambda: None)
    compiler = ours.Compiler(clock)

    @torch.compile(dynamic=False, backend="eager")
    def double(x: torch.Tensor) -> torch.Tensor:
        return 2 * x

    double(torch.ones(2))
    clock.tick(1, 1)
    double(torch.ones(2))
    before = compiler.measured()["recompiles"]
    double(torch.ones(3))
    assert (before, compiler.measured()["recompiles"]) == (0, 1)


def test_plain_causal_attention_sees_everything_before(made):
    batch = torch.zeros(2, 3, dtype=torch.long)
    mask = ours.mask_of("causal", ours.Batch(*[batch] * len(ours.Batch.__slots__)))
    assert mask.tolist() == [[[[True, False, False], [True, True, False], [True, True, True]]]]


def test_gemm_rates(made, monkeypatch):
    monkeypatch.setattr(gemm, "SECONDS", 0.01)
    monkeypatch.setitem(gemm.SQUARE, "cpu", 64)
    rates = gemm.measure(made)["rates"]
    assert set(rates) == {"32-true", "bf16-mixed"}
    assert all(rate > 0 for shapes in rates.values() for rate in shapes.values())
    assert gemm.matmul_shapes(SHAPE, 7)["swiglu_out"] == (7, 8, 12)


def test_the_hugging_face_model_trains(made):
    pytest.importorskip("transformers")
    from bench.training import hf_compiled

    measured = hf_compiled.measure(made)
    longest = max(map(len, read_rows(made.path / inputs.DOCUMENTS)))
    assert measured["batch"] == 512 // longest
    assert measured["useful"] < measured["places"] <= 2 * 512


@pytest.mark.slow
def test_both_answer_alike(made):
    pytest.importorskip("transformers")
    from bench.answering import hf as answer_hf

    answer_inputs.make(replace(made, optimizer="muon", rows=8, steps=36))
    ours_measured, theirs = answer_ours.measure(made), answer_hf.measure(made)
    assert agreement([ours_measured], [theirs]) == 1.0
    assert any(citations for _, citations in ours_measured["ranked"])
    assert all(theirs[f"{name}_per_second"] > 0 for name in ("ranked", "one"))


def test_generation_is_held_to_the_identifiers(made):
    pytest.importorskip("transformers")
    from transformers import Qwen3ForCausalLM

    from bench.answering.hf import Generation

    asked = answer_ours.read_asked(made)
    model = Qwen3ForCausalLM.from_pretrained(made.path / "pico", dtype="float32")
    generation = Generation(model, asked, torch.device("cpu"))
    end, first = asked.tokenizer.end_src, asked.identifiers.tokens[0].tolist()
    assert set(generation._allowed([])) == {int(tokens[0]) for tokens in asked.identifiers.tokens}
    assert generation._allowed(first) == [end]
    assert generation._allowed([*first, end]) == [asked.tokenizer.pad]
    assert generation._label([*first, end]) == asked.identifiers.labels[0]
    assert generation._label([end]) == ""
    cited = generation._generate(
        [[asked.tokenizer.src]], 3, prefix_allowed_tokens_fn=lambda _, t: generation._allowed(t[1:].tolist())
    )
    assert generation._label(cited[0]) in asked.identifiers.labels


def test_agreement_is_of_answer_and_first_citation():
    a = {"ranked": [("x", ["1", "2"]), ("y", ["1"]), ("z", [])]}
    b = {"ranked": [("x", ["1", "3"]), ("y", ["2"]), ("?", [])]}
    assert agreement([a], [b]) == pytest.approx(1 / 3)
    assert agreement([a], None) is None


def test_parts_of_scaling(made, monkeypatch):
    monkeypatch.setattr(costs, "TOKENS", 2000)
    monkeypatch.setattr(costs, "ASKED", 4)
    larger = replace(made, documents=90, world="larger")
    assert costs.prepare(larger)["documents_per_second"] > 0
    assert len({document.id for document in costs.generate(larger)}) == 90
    assert costs.load(larger)["tokens_per_second"] > 0
    assert costs.trie(larger)["bytes"] == 90 * (2 + 1) * 4 + 90 * 8  # codes and closing mark, and the order
    answer_inputs.make(replace(larger, steps=1))
    decoded = costs.decode(larger)
    assert decoded["seconds_per_question"] > 0
    assert 0.1 <= decoded["certainty"] <= 1


def test_a_process_that_fails_is_told(tmp_path):
    launcher = Launcher(tmp_path, timeout=60)
    assert launcher.run("broken", "bench.no_such_contender", Settings(str(tmp_path), "pico")) is None
    assert "no_such_contender" in launcher.failed["broken"]


def test_end_to_end(tmp_path, monkeypatch, capsys):
    launch = Launcher.run

    def run(launcher: Launcher, name: str, *arguments: object) -> dict | None:
        """The large products take many seconds where bf16 is slow: one contender's figures are made up."""
        rates = {"32-true": {"head": 1e12}, "bf16-mixed": {"head": 1e12}}
        return {"rates": rates, "torch": "2"} if name == "gemm" else launch(launcher, name, *arguments)

    monkeypatch.setattr(Launcher, "run", run)
    broken = contenders.Contender("broken", "bench.no_such_contender", "fails")
    monkeypatch.setattr(command, "CONTENDERS", (*command.CONTENDERS, broken))
    tiny = "--model pico --reference none --threads 1 --row 64 --rows 2 --warmup 1 --steps 1 --repeats 1 --no-compile"
    status = command.main([*tiny.split(), "--documents=40", "--contenders=gemm,ours,broken", f"--folder={tmp_path}"])
    assert status == 1  # because of the broken one
    record = json.loads((tmp_path / "results.json").read_text())
    for key in ("gemm_fraction", "recompiles", "graph_breaks"):
        assert isinstance(record[key], (int, float))
    assert record["hf_trainer_ratio"] is None
    assert list(record["raw"]) == ["gemm", "ours"]
    assert list(record["failed"]) == ["broken"]
    assert record["machine"]["device"] and record["machine"]["cores"] >= 1 and record["machine"]["memory_bytes"] > 0
    assert record["versions"]["torch"] == torch.__version__
    told = capsys.readouterr()
    assert "| ours" in told.out and "failed: broken" in told.err
    assert (tmp_path / "results.md").read_text().strip() in told.out


def test_every_contender_is_a_module_that_is_there():
    for contender in contenders.CONTENDERS:
        assert find_spec(contender.module), contender.module


def test_the_report_tells_machine_revision_and_versions():
    record = {
        "headline": ["hf_trainer_ratio"],
        "hf_trainer_ratio": 2.0,
        "training": {"ours": summarise([raw(1.0)], SHAPE, 1e7, "")},
        "gemm": {"32-true": {"flops": 3e9, "product": "head"}},
        "machine": {"device": "Abacus 9", "cores": 4, "memory_bytes": 8 * 2**30, "system": "Linux 6"},
        "threads": 2,
        "precision": "32-true",
        "model": "pico",
        "parameters": 1_500_000,
        "rows": 4,
        "row": 128,
        "git": "abc123+",
        "date": "2026-01-02T03:04:05+00:00",
        "versions": {"python": "3.11", "torch": "2.0"},
    }
    told = report(record)
    for part in (
        "| hf_trainer_ratio | 2     |",
        "pico (1.5M parameters), 32-true, 4 rows of 128 places a step; ceiling 3 GFLOP/s (head)",
        "Abacus 9, 2 threads of 4 cores, 8 GiB, Linux 6",
        "abc123+, 2026-01-02T03:04:05+00:00",
        "python 3.11, torch 2.0",
    ):
        assert part in told
    assert "no git checkout" in report(record | {"git": None, "gemm": {}})


def test_nothing_that_trains_or_answers_needs_the_bench():
    needs = re.compile(r"^\s*(?:from|import) bench\b", re.MULTILINE)
    for room in ("configs", "data", "eval", "model", "steps", "train"):
        for path in (ROOT / room).rglob("*.py"):
            assert not needs.search(path.read_text()), path
    assert needs.search((ROOT / "bench" / "runner.py").read_text())  # the pattern finds what it should


def test_the_process_that_launches_others_stays_light():
    # A parent's memory counts in its children's peak (see bench.launch), and `--help` should be there at once.
    code = "import sys, bench.__main__, bench.scaling; sys.exit(any(m in sys.modules for m in ('torch', 'numpy')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_repeats_are_interleaved():
    chosen = [c for c in contenders.CONTENDERS if c.name.startswith(("ours", "hf_trainer"))]
    on_cpu = list(contenders.plan(Settings("", "pico", precision="bf16-mixed"), chosen, repeats=2))
    names = ["ours", "ours_causal", "ours_float32", "ours_lightning", "hf_trainer", "hf_trainer_bf16"]
    assert [launch.name for launch in on_cpu] == names * 2
    assert [launch.settings.precision for launch in on_cpu[2:6]] == ["32-true", "bf16-mixed", "32-true", "bf16-mixed"]
    assert on_cpu[1].settings.variant == "causal"
    on_gpu = list(contenders.plan(Settings("", "pico", precision="bf16-mixed", device="cuda"), chosen, repeats=1))
    assert [launch.name for launch in on_gpu] == ["ours", "ours_causal", "ours_lightning", "hf_trainer"]
    assert on_gpu[3].settings.precision == "bf16-mixed"


def test_arguments_are_checked(capsys):
    with pytest.raises(SystemExit):
        command.parse(["--contenders=ours,theirs"])
    assert "theirs" in capsys.readouterr().err
    assert command.main(["--steps=0"]) == 2
    assert "steps=0" in capsys.readouterr().err


def test_an_unknown_preset_is_told():
    with pytest.raises(ValueError, match="nano"):
        inputs.read_preset("enormous", 100)
