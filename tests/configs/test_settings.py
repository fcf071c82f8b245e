"""Every setting is held against its range before any work, and what is wrong is said in one line that names the key."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from checkpoints import tiny_llama
from composing import CONFIGS, ROOT, composed, said_of
from hydra import compose, initialize_config_dir

from configs import machine
from configs.command import every_key
from configs.describe import describe
from configs.keys import ANY, allowed
from configs.schema import CORPORA, register

OPTIONS = {path.name: sorted(file.stem for file in path.glob("*.yaml")) for path in CONFIGS.iterdir() if path.is_dir()}
SHARE, PART, FINITE = "must be a share from 0 to 1", "must be a share from 0 to below 1", "must be a finite number"
PATH = ("corpus.path=d.jsonl",)
GIVEN = {
    "shards": ("corpus.url=u",),
    **dict.fromkeys(("files", "qa", "squad_like", "active", "qa_node", "clapnq", "selqa"), PATH),
}
KINDS = ("biocite", "files", "qa", "shards", "world", "world_demo")  # one of each, of worlds an easy and a hard one
CONTINUED = ("continue", "real_text", "squad_like", "active", "qa_node")  # experiments that go on from a checkpoint


REFUSED = {
    "batch.seq_len=0": "batch.seq_len=0: must be at least 1",
    "batch.seq_len=1000000": "batch.seq_len=1000000 with 8 sequences at once needs at least",
    "batch.sequences=0": "batch.sequences=0: must be at least 1",
    "batch.sequences=-8": "batch.sequences=-8: must be at least 1",
    "batch.sequences=9 trainer.accumulation=2": "batch.sequences=9 can't be divided among 1 device with trainer.",
    "cache_bytes=-1": "cache_bytes=-1: must be at least 0",
    "corpus.absent_name=-0.1": f"corpus.absent_name=-0.1: {SHARE}",
    "corpus.documents=0": "corpus.documents=0: must be at least 1",
    "corpus.documents=12": "corpus.documents=12 with corpus.tuned=0.5",
    "corpus.exposures=12": "corpus.exposures=12: must be a power of two",
    "corpus.heldout=-1": "corpus.heldout=-1: must be at least 0",
    "corpus.in_domain=nan": f"corpus.in_domain=nan: {FINITE}, a share from 0 to 1",
    "corpus.in_domain=1": "corpus.in_domain=1.0 leaves no questions to tune on",
    "corpus.kind=files": "corpus.kind=files: must be world",
    "corpus.kind=nonsense corpus=files": "corpus.kind=nonsense: must be files",
    "corpus.relabel=0.2": "corpus.relabel=0.2: only a hard world",
    "corpus.seed=-1": "corpus.seed=-1: must be between 0 and 2^63 - 1",
    "corpus.sources=99": "corpus.sources=99: must be between 1 and 32",
    "corpus.hard=true corpus.sources=7": "corpus.sources=7: a hard world needs 8",
    "corpus.hard=true corpus.contested=0.9": "corpus.contested + corpus.untagged + corpus.low_reliability must stay",
    "corpus=biocite corpus.unanswerable=inf": f"corpus.unanswerable=inf: {FINITE}, at least 0",
    "corpus=biocite corpus.unanswerable=nan": f"corpus.unanswerable=nan: {FINITE}, at least 0",
    "corpus=biocite corpus.path=nowhere.jsonl": "corpus.path=nowhere.jsonl: must be empty, or a file that is there",
    "corpus=files": "corpus.path='' and corpus.dataset='': give one of the two",
    "corpus=files corpus.path=a corpus.dataset=b": "corpus.path=a and corpus.dataset=b: give one of the two",
    "corpus=files corpus.path=a corpus.num_proc=0": "corpus.num_proc=0: must be at least 1",
    "corpus=files corpus.path=a corpus.id_column=": "corpus.id_column='': must be not empty",
    "corpus=files corpus.path=a corpus.questions=nowhere.jsonl": "corpus.questions=nowhere.jsonl: must be empty, or a",
    "corpus=files corpus.path=a corpus.language=English": "corpus.language=English: must be an ISO 639 code",
    "corpus=shards": "corpus.url='': must be not empty",
    "corpus=nonsense": "Could not find 'corpus/nonsense' Available options in 'corpus'",
    "duplicates=keep": "duplicates=keep: must be one of error, drop",
    "eval.batch=0": "eval.batch=0: must be at least 1",
    "eval.batch=-4": "eval.batch=-4: must be at least 1",
    "eval.citations=0": "eval.citations=0: must be at least 1",
    "eval.citations=-1": "eval.citations=-1: must be at least 1",
    "eval.max_abstained_correct=2": f"eval.max_abstained_correct=2.0: {SHARE}",
    "eval.max_abstained_correct=nan": f"eval.max_abstained_correct=nan: {FINITE}",
    "eval.samples=-3": "eval.samples=-3: must be at least 0",
    "ids.scheme=secret": "ids.scheme=secret: must be one of opaque, random_text, given",
    "model.dim=0": "model.dim=0: must be at least 1",
    "model.dim=1000000000": "model.dim=1000000000 with model.layers=4",
    "model.layers=1000000000": "training 8.03e+14 parameters needs",
    "model.head_dim=7": "model.head_dim=7 must be even",
    "model.kv_heads=3": "model.kv_heads=3 does not divide model.heads=4",
    "model.norm_eps=-1": "model.norm_eps=-1.0: must be above 0 and at most 1",
    "model.theta=0": "model.theta=0.0: must be at least 1",
    "model.theta=nan": f"model.theta=nan: {FINITE}, at least 1",
    "model.tied=2": "model.tied=2: must be true or false",
    "model.vocab_size=-1": "model.vocab_size=-1: must be at least 0",
    "+nonsense=1": "nonsense is no key",
    "+tags.nonsense=1": "tags.nonsense is no key",
    "name=${nothing}": "Interpolation key 'nothing' not found",
    "pretrain.qa_fraction=1": f"pretrain.qa_fraction=1.0: {PART}",
    "pretrain.qa_fraction=nan": f"pretrain.qa_fraction=nan: {FINITE}",
    "pretrain.optimizer.clip=nan": f"pretrain.optimizer.clip=nan: {FINITE}, above 0",
    "pretrain.optimizer.lr=0": "pretrain.optimizer.lr=0.0: must be above 0",
    "pretrain.optimizer.lr=inf": f"pretrain.optimizer.lr=inf: {FINITE}",
    "pretrain.optimizer.momentum=2": f"pretrain.optimizer.momentum=2.0: {PART}",
    "pretrain.optimizer.momentum=nan": f"pretrain.optimizer.momentum=nan: {FINITE}",
    "pretrain.optimizer.name=sgd": "pretrain.optimizer.name=sgd: must be one of muon, adamw",
    "pretrain.optimizer.skip=nan": f"pretrain.optimizer.skip=nan: {FINITE}, at least 0",
    "pretrain.optimizer.warmup=0.6": "pretrain.optimizer.warmup=0.6 and pretrain.optimizer.decay=0.5: together",
    "pretrain.token=5": "unknown key pretrain.token; did you mean pretrain.tokens?",
    "pretrain.tokens=0": "pretrain.tokens=0: must be at least 1",
    "pretrain.tokens=-5": "pretrain.tokens=-5: must be at least 1",
    "pretrain.tokens=many": "pretrain.tokens=many: must be a whole number, at least 1",
    "pretrain.tokens=null": "pretrain.tokens=null: must be a whole number, at least 1",
    "seed=-1": "seed=-1: must be between 0 and 2^63 - 1",
    "abstention_sft=graded": "corpus.relabel=0.0 makes none: set corpus.hard=true",
    "abstention_sft.method=magic": "abstention_sft.method=magic: must be one of none, backtrack",
    "abstention_sft.rounds=0": "abstention_sft.rounds=0: must be at least 1",
    "abstention_sft.temperature=0": "abstention_sft.temperature=0.0: must be above 0",
    "abstention_sft.optimizer.beta2=1": f"abstention_sft.optimizer.beta2=1.0: {PART}",
    "self_questions.round_trip=open_book": "round_trip=open_book has no questions to ask back: raise",
    "self_questions.each=1 self_questions.round_trip=open_book": "answer_format=direct has none before its answers",
    "stages_dir=": "stages_dir='': must be not empty",
    "lora.rank=-1": "lora.rank=-1: must be at least 0",
    "lora.alpha=0": "lora.alpha=0.0: must be above 0",
    "lora.rank=8 lora.targets=[]": "lora.targets=[] adapts nothing: name some of q_proj",
    "lora.targets=[lm_head]": "must be a list without repetition of q_proj",
    "lora.rank=8": "lora.rank=8 adapts a checkpoint, and there is none: set init=FOLDER, or lora.rank=0",
    "lora.rank=8 trainer.strategy=fsdp": "lora.rank=8 and trainer.strategy=fsdp, which can't spread adapters",
    "lora.rank=8 surprisal.source=own": "lora.rank=8 freezes all but adapters and new rows, and surprisal.source=own",
    "lora.rank=8 pretrain.optimizer.name=adamw": "; lora.rank=8 and sft.optimizer.name=muon, which is made for whole",
    "tags.content=author": "tags.content=author: must be one of id, rated",
    "tags.permute=2": "tags.permute=2: must be true or false",
    "tags.placement=middle": "tags.placement=middle: must be one of none, begin",
    "tags.placement=none": "tags.id_to_text=0.25 shows identifiers, but tags.placement=none; set tags.id_to_text=0",
    "tags.id_to_text=1.5": f"tags.id_to_text=1.5: {SHARE}",
    "tags=footnot": "Could not find 'tags/footnot' Available options in 'tags': begin",
    "tokenizer.base=nowhere.json": "tokenizer.base=nowhere.json: must be empty, or a file that is there",
    "tokenizer.vocab_size=532": "tokenizer.vocab_size=532: must be at least 533",
    "trainer.accelerator=gpu": "trainer.accelerator=gpu: PyTorch finds none on this machine; set trainer=cpu",
    "trainer.accelerator=tpu": "trainer.accelerator=tpu: PyTorch finds none on this machine; set trainer=cpu",
    "trainer.accelerator=abacus": "trainer.accelerator=abacus: must be one of cpu, gpu",
    "trainer.accumulation=0": "trainer.accumulation=0: must be at least 1",
    "trainer.accumulation=-2": "trainer.accumulation=-2: must be at least 1",
    "trainer.compiled=2": "trainer.compiled=2: must be true or false",
    "trainer.devices=0": "trainer.devices=0: must be at least 1, or -1 for all",
    "trainer.devices=-1": "trainer.devices=-1: must be at least 1 on a CPU",
    "trainer.log_every=0": "trainer.log_every=0: must be at least 1",
    "trainer.num_nodes=2": "trainer.num_nodes=2: start it on each",
    "trainer.precision=half": "trainer.precision=half: must be one of auto, bf16-mixed, 32-true",
    "trainer.save_every=0": "trainer.save_every=0: must be at least 1",
    "trainer.save_every=-5": "trainer.save_every=-5: must be at least 1",
    "trainer.strategy=horovod": "trainer.strategy=horovod: must be one of auto, ddp, fsdp",
    "trainer.workers=-1": "trainer.workers=-1: must be at least 0",
    "trainer=ddp": "trainer.accelerator=gpu: PyTorch finds none on this machine",
    "sft.optimizer.lr=nan": f"sft.optimizer.lr=nan: {FINITE}, above 0",
    "sft.replay=2": f"sft.replay=2.0: {PART}",
    "sft.replay=1": f"sft.replay=1.0: {PART}",
    "sft.replay=nan": f"sft.replay=nan: {FINITE}",
    "sft.seed=-1": "sft.seed=-1: must be between",
    "sft.tokens=-5": "sft.tokens=-5: must be at least 0",
}


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_gpus", lambda accelerator: 0)
    monkeypatch.setattr(machine, "find_spec", lambda name: None)
    for name in machine.LAUNCHED:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("overrides", REFUSED)
@pytest.mark.usefixtures("no_gpu")
def test_what_is_out_of_range_is_said_in_one_line_before_any_work(overrides: str) -> None:
    said = said_of(*overrides.split())
    assert REFUSED[overrides] in said
    assert "\n" not in said


@pytest.mark.usefixtures("no_gpu")
def test_all_that_is_wrong_is_said_at_once() -> None:
    assert said_of("eval.batch=0", "sft.replay=1") == f"sft.replay=1.0: {PART}; eval.batch=0: must be at least 1"


@pytest.mark.parametrize("group", sorted(OPTIONS))
@pytest.mark.usefixtures("no_gpu")
def test_every_option_of_every_group_passes(group: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "_gpus", lambda accelerator: 8)
    for option in OPTIONS[group]:
        if group == "launcher":
            continue  # see test_run
        more = GIVEN.get(option, ()) if group == "corpus" else ()
        if group in ("abstention_sft", "self_correction", "expert") and option != "none":
            more = ("corpus.hard=true", "corpus.relabel=0.2")
        if group == "experiment" and option in CONTINUED:
            more = (f"init={tiny_llama(tmp_path)}", *(PATH if option != "continue" else ()))
        if group == "experiment" and option == "real_text_formats":
            more = PATH
        assert said_of(f"{group}={option}", *more) in ("", "launcher"), option


def pairs() -> Iterator[Any]:
    """Every experiment with every kind: in the quick tests each experiment with one, and each kind with some."""
    for i, experiment in enumerate(OPTIONS["experiment"]):
        for j, corpus in enumerate(KINDS):
            marks = () if (i + j) % len(KINDS) == 0 else pytest.mark.slow
            yield pytest.param(experiment, corpus, marks=marks)


@pytest.mark.parametrize(("experiment", "corpus"), pairs())
@pytest.mark.usefixtures("no_gpu")
def test_every_experiment_takes_every_kind_of_corpus(experiment: str, corpus: str, tmp_path: Path) -> None:
    more = (f"init={tiny_llama(tmp_path)}",) if experiment in CONTINUED else ()
    if experiment == "qa_node":
        more += ("trainer=cpu",)  # of GPUs there are none
    if experiment.startswith(("faithful", "lds", "ablated")) and corpus == "world_demo":
        more += ("corpus.false_premise=0",)  # which a family refuses by this name
    if experiment in ("surprisal", "verbalised") and corpus.startswith("world"):
        more += ("corpus.hard=true", "corpus.relabel=0.2")  # their second phase asks questions of its own
    assert said_of(f"experiment={experiment}", f"corpus={corpus}", *GIVEN.get(corpus, ()), *more) == ""


def test_there_is_one_of_each_kind_of_corpus() -> None:
    assert {*KINDS} - {"world_demo"} == {corpus.kind for corpus in CORPORA}


def test_an_experiment_keeps_its_own_world() -> None:
    tiny, demo = composed("experiment=tiny").corpus, composed("experiment=demo").corpus
    assert (tiny.documents, tiny.heldout, tiny.hard) == (40, 8, False)
    assert (demo.documents, demo.exposures, demo.hard, demo.false_premise) == (400, 16, True, 0.12)


def test_every_key_says_what_it_means_and_every_number_what_it_may_be() -> None:
    keys = every_key()
    assert {"sft.optimizer.lr", "abstention_sft.rounds", "corpus.num_proc", "corpus.url", "seed"} <= set(keys)
    for where, declarations in keys.items():
        for _, item in declarations:
            assert item.metadata["about"], where
            assert item.type in ("str", "list[str]") or allowed(item) is not ANY, f"{where} has no range"


def test_help_tells_of_every_key() -> None:
    register()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        config = compose("config", overrides=["corpus=files", "sft.optimizer.lr=0.5", "batch.seq_len=64"])
    said = describe(config)
    for where, declarations in every_key().items():
        for section, item in declarations:
            if where.startswith("corpus.") and section.__name__ != "FilesCorpus":
                continue
            assert re.search(rf"^  {re.escape(where)}=", said, re.MULTILINE), where
            assert item.metadata["about"].split()[0] in said
    assert re.search(r"batch\.seq_len=64 +tokens in a packed sequence \[at least 1; default 256\]", said)
    assert re.search(r"sft\.optimizer\.lr=0\.5 .*default 0\.001", said)
    assert max(map(len, said.splitlines())) <= 120


# --- what messages name -----------------------------------------------------------------------------------------

SECTIONS = "batch|pretrain|tune|second|tags|ids|eval|trainer|model|corpus|tokenizer|optimizer|data|train|configs"


def messages(path: Path) -> Iterator[str]:
    """The texts of what a file raises or logs, and of its texts in general but for the docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docstrings = {ast.get_docstring(node, clean=False) for node in ast.walk(tree) if isinstance(node, documented)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "\0" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value not in docstrings:
            yield node.value


def test_no_message_names_a_key_that_there_is_not() -> None:
    keys, wrong = set(every_key()), []
    keys |= {where.rpartition(".optimizer.")[1][1:] + where.rpartition(".optimizer.")[2] for where in keys}
    sections = {where.rpartition(".")[0] for where in keys}
    for path in (
        *ROOT.glob("*.py"),
        *(
            p
            for name in ("configs", "data", "model", "train", "eval", "steps", "bench")
            for p in (ROOT / name).rglob("*.py")
        ),
    ):
        for text in messages(path) if path.name != "renamed.py" else ():  # which names what was
            for name in re.findall(rf"(?<![\w./])(?:{SECTIONS})\.[a-z_]+(?:\.[a-z_]+)*(?![\w/])", text):
                module = ROOT / Path(*name.split(".")[:2]).with_suffix(".py")
                ours = module.exists() or module.with_suffix("").is_dir()
                if name not in keys | sections and not ours and not _is_a_file(name):
                    wrong.append(f"{path.relative_to(ROOT)}: {name}")
    assert not wrong


def _is_a_file(name: str) -> bool:
    return name.rpartition(".")[2] in ("json", "jsonl", "py", "safetensors", "yaml", "html", "tar", "npy", "log")
