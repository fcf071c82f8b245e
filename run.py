"""The front door: prepare -> pretrain -> tune -> evaluate -> report, each stage skipped if done, continued if partial.

    python run.py experiment=demo                       one run
    python run.py experiment=demo tags=end seed=1       with overrides
    python run.py -m experiment=placement               a sweep
    python run.py --help                                every key and its value

A run's results stand in `run_dir`: results.json, report.html, config.json, TensorBoard logs, and links to its stages,
which are shared between runs by the hash of what determines them.
"""

from __future__ import annotations

import glob
import hashlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from itertools import chain, compress
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import OmegaConf

from configs.schema import Config, register
from data.records import ANSWERABLE
from stages import Stage, file_digest, rank, write_json

log = logging.getLogger("whence")


def run(config: Config) -> Path:
    """The whole path for one configuration; returns its run directory.

    Raises ValueError or OSError, saying what is wrong, for a configuration or input that can't be worked with.
    """
    folder = Path(config.run_dir)
    _check_writable(folder, Path(config.stages_dir))
    config.tags.check()
    if config.trainer.precision == "auto":
        from train.precision import fastest_precision

        config.trainer.precision = fastest_precision(config.trainer.accelerator)
    prepare = _prepare(config)
    trained = [_pretrain(config, prepare)]
    if config.tune.tokens:
        trained.append(_tune(config, prepare, trained[0]))
    if rank():
        return folder  # the first process of the job does the rest
    evaluate = _evaluate(config, prepare, trained[-1])
    _publish(config, folder, prepare, trained, evaluate)
    return folder


def _prepare(config: Config) -> Stage:
    """Corpus to shards, questions and tokenizer."""
    from data.corpora import ShardsCorpus, prepare_corpus
    from data.prepare import sample_texts
    from data.records import Question, read_jsonl
    from data.remote import digest
    from data.tokenizer import build_tokenizer

    corpus = asdict(config.corpus)
    files = [corpus.get(key) for key in ("path", "questions")] + [config.tokenizer.base]
    contents = {str(path): _digest(Path(path)) for path in files if path}
    if isinstance(config.corpus, ShardsCorpus):
        contents["url"] = digest(config.corpus)
    settings = {
        "corpus": corpus,
        "contents": contents,
        "tokenizer": asdict(config.tokenizer),
        "duplicates": config.duplicates,
    }

    def work(folder: Path) -> dict[str, Any]:
        manifest = prepare_corpus(config.corpus, folder, config.duplicates)
        # Only what is trained on shapes the tokenizer: documents, and questions of the tuning split.
        asked = [q for q in read_jsonl(folder / "questions.jsonl", Question) if q.split == "tune"]
        texts = (text for q in asked for text in (q.text, *q.paraphrases, *q.answers))
        codec = build_tokenizer(config.tokenizer, chain(sample_texts(folder), texts))
        codec.save(folder / "tokenizer.json")
        return {"fingerprint": manifest.fingerprint, "documents": manifest.documents, "vocabulary": len(codec)}

    stage = Stage("prepare", settings, Path(config.stages_dir))
    record = _announced(stage, stage.whole, work)
    log.info("         %d documents, vocabulary of %d", record["documents"], record["vocabulary"])
    return stage


def _pretrain(config: Config, prepare: Stage) -> Stage:
    """Tagged documents, with a share of tuning questions mixed in, from random weights."""
    settings = _training_settings(config, prepare) | {
        "model": asdict(config.model),
        "pretrain": asdict(config.pretrain),
    }

    def work(folder: Path) -> dict[str, Any]:
        import torch

        from data.tokenizer import Codec
        from model.transformer import Transformer

        codec = Codec.load(prepare.folder / "tokenizer.json")
        shape = replace(config.model, vocab_size=config.model.vocab_size or -(-len(codec) // 64) * 64)
        if shape.vocab_size < len(codec):
            raise ValueError(f"model.vocab_size={shape.vocab_size} is below the tokenizer's {len(codec)}")
        torch.manual_seed(config.seed)
        return _train(config, prepare, stage, folder, Transformer(shape), config.pretrain.mix, swap=False)

    stage = Stage("pretrain", settings, Path(config.stages_dir))
    _announced(stage, stage.continued, work)
    return stage


def _tune(config: Config, prepare: Stage, pretrain: Stage) -> Stage:
    """Tuning questions, with a share of tagged documents replayed, from the pretrained weights."""
    settings = _training_settings(config, prepare) | {"pretrain": pretrain.key, "tune": asdict(config.tune)}

    def work(folder: Path) -> dict[str, Any]:
        import torch

        from model.hf import load_model

        torch.manual_seed(config.seed)  # whether pretraining ran in this process or in one before
        return _train(
            config, prepare, stage, folder, load_model(pretrain.folder / "model"), config.tune.replay, swap=True
        )

    stage = Stage("tune", settings, Path(config.stages_dir))
    _announced(stage, stage.continued, work)
    return stage


def _train(
    config: Config, prepare: Stage, stage: Stage, folder: Path, model: Any, share: float, swap: bool
) -> dict[str, Any]:
    """Both training stages: documents first and questions as a share of the tokens, or (`swap`) the other way round."""
    from data.heldout import reading
    from data.identifiers import assign
    from data.records import Document, Question, read_jsonl
    from data.shards import read_index, read_manifest
    from data.sources import Documents, Questions, Source
    from data.store import Cache, Store
    from data.stream import Plan, Stream
    from data.tokenizer import Codec
    from model.hf import save_model
    from train.fit import fit
    from train.module import SourceAwareLM
    from train.sharding import whole_weights

    part = config.tune if swap else config.pretrain
    codec = Codec.load(prepare.folder / "tokenizer.json")
    identifiers = assign(read_index(prepare.folder), codec, config.ids, config.tags.content)
    asked = [
        q
        for q in read_jsonl(prepare.folder / "questions.jsonl", Question)
        if q.split == "tune" and q.support_class in ANSWERABLE
    ]
    cache = Cache(Path(config.cache_dir), config.cache_bytes)
    store = Store(prepare.folder, read_manifest(prepare.folder), cache)
    first: Source = Documents(store, identifiers, codec, config.tags, config.batch.row, config.seed)
    second: Source = Questions(asked, (d.id for d in read_index(prepare.folder)), identifiers, codec, config.seed)
    if swap:
        first, second = second, first
    if share and not len(second):
        raise ValueError("the corpus has no tuning questions: set pretrain.mix=0 and tune.tokens=0")
    tokens_a_step = config.batch.row * config.batch.rows
    plan = Plan(
        row=config.batch.row,
        rows=config.batch.rows,
        steps=max(1, round(part.tokens / tokens_a_step)),
        share=share,
        cooldown=0.0 if swap else config.tags.cooldown,
        seed=config.seed,
    )
    heldout = list(read_jsonl(prepare.folder / "heldout.jsonl", Document))
    module = SourceAwareLM(
        model,
        first,
        second if share else None,
        plan,
        codec.pad,
        part.optimizer,
        fingerprint=stage.key,
        workers=config.trainer.workers,
        compiled=config.trainer.compiled,
        heldout=partial(reading, heldout, codec, config.batch.row) if heldout else None,
    )
    seconds = fit(stage.name, module, config.trainer, folder)
    weights = whole_weights(model)
    if not rank():
        save_model(model, folder / "model", longest=config.batch.row, end=codec.end, state=weights)
    return {
        "seconds": seconds,
        "tokens": plan.steps * tokens_a_step,
        "accounting": Stream(first, second if share else None, plan, codec.pad).account(module.cursor),
        "steps": plan.steps,
        "parameters": sum(p.numel() for p in model.parameters()),
    }


def _evaluate(config: Config, prepare: Stage, trained: Stage) -> Stage:
    """Every system's predictions on the questions never trained on, and bits per byte."""
    settings = {"trained": trained.key, "prepare": prepare.key, "ids": asdict(config.ids), "eval": asdict(config.eval)}

    def work(folder: Path) -> dict[str, Any]:
        from data.identifiers import assign
        from data.records import Document, Question, read_jsonl, write_jsonl
        from data.shards import read_documents
        from data.tokenizer import Codec
        from eval.answerer import Answerer
        from eval.bm25 import BM25
        from eval.floors import MostFrequent, Oracle, QuestionOnly, Uniform
        from eval.knowing import fit_policy
        from eval.model import ModelAnswerer
        from eval.perplexity import bits_per_byte
        from model.hf import load_model

        codec = Codec.load(prepare.folder / "tokenizer.json")
        documents = list(read_documents(prepare.folder))
        identifiers = assign(documents, codec, config.ids, config.tags.content)
        label = {d.id: name for d, name in zip(documents, identifiers.labels, strict=True)}
        asked = [
            replace(q, support=tuple(dict.fromkeys(label[name] for name in q.support)))
            for q in read_jsonl(prepare.folder / "questions.jsonl", Question)
        ]
        questions = [q for q in asked if q.split != "tune" and (q.support_class in ANSWERABLE or q.fold)]
        plain = [q for q in questions if q.support_class in ANSWERABLE]
        tuned = [q for q in asked if q.split == "tune" and q.support_class in ANSWERABLE]
        opaque = config.ids.scheme == "opaque" and config.tags.content == "id"
        shown = {
            name: "" if opaque else codec.decode(t)
            for name, t in zip(identifiers.labels, identifiers.tokens, strict=True)
        }
        model = load_model(trained.folder / "model")
        answerer = ModelAnswerer(model, codec, identifiers, most=config.eval.citations, batch=config.eval.batch)
        others: list[Answerer] = [  # without questions there is nothing to ask them
            Uniform(sorted(set(identifiers.labels))),
            *([MostFrequent(tuned)] if tuned else []),
            QuestionOnly(shown),
            BM25([replace(d, id=label[d.id]) for d in documents]),
            Oracle(),
        ]
        write_jsonl(folder / "questions.jsonl", questions)
        for system in others if plain else ():
            write_jsonl(folder / f"{system.name}.jsonl", system.answer(plain))
        said = answerer.answer(questions)
        write_jsonl(folder / f"{answerer.name}.jsonl", said)
        if policy := fit_policy(questions, said, config.eval.refused):
            write_json(folder / "policy.json", policy.to_json())
        heldout = list(read_jsonl(prepare.folder / "heldout.jsonl", Document))
        return {
            "systems": [answerer.name, *(system.name for system in others)] if plain else [],
            "bits_per_byte": bits_per_byte(model, codec, heldout, config.batch.row),
            "bits_per_byte_train": bits_per_byte(model, codec, documents, config.batch.row),
        }

    stage = Stage("evaluate", settings, Path(config.stages_dir))
    _announced(stage, stage.whole, work)
    return stage


def _publish(config: Config, folder: Path, prepare: Stage, trained: Sequence[Stage], evaluate: Stage) -> None:
    """Results, report and links into the run directory; made anew each time, from what the stages recorded."""
    from data.records import Prediction, Question, read_jsonl
    from data.shards import read_documents
    from eval.knowing import abstention_results, figures, in_fold
    from eval.policy import Policy
    from eval.report import write_report
    from eval.results import attribution_results, build_results, write_results
    from eval.score import table
    from train.fit import read_metrics

    stages = [prepare, *trained, evaluate]
    records = {stage.name: stage.done or {} for stage in stages}
    measured = records["evaluate"]
    questions = list(read_jsonl(evaluate.folder / "questions.jsonl", Question))
    systems = {name: list(read_jsonl(evaluate.folder / f"{name}.jsonl", Prediction)) for name in measured["systems"]}
    policy, everything = Policy.read(evaluate.folder / "policy.json"), (questions, systems.get("whence", []))
    plain = [q.support_class in ANSWERABLE for q in questions]
    questions = list(compress(questions, plain))
    if systems:
        systems["whence"] = list(compress(systems["whence"], plain))
    results = build_results(
        name=config.name,
        config=asdict(config),
        seed=config.seed,
        attribution=attribution_results(questions, systems) if questions else {},
        abstention=abstention_results(*everything, policy) if policy else {},
        bits_per_byte=measured["bits_per_byte"],
        bits_per_byte_train=measured["bits_per_byte_train"],
        stage_seconds={name: record["seconds"] for name, record in records.items()},
        tokens={stage.name: records[stage.name]["tokens"] for stage in trained},
        accounting={stage.name: records[stage.name]["accounting"] for stage in trained},
        versions=measured["versions"],
        git=measured["git"],
    )
    curves = {stage.name: read_metrics(stage.folder) for stage in trained}
    write_json(folder / "config.json", asdict(config))
    _link(folder / "model", trained[-1].folder / "model")
    for stage in stages:
        _link(folder / stage.name, stage.folder)
    documents = list(read_documents(prepare.folder))
    predictions = systems.get("whence", [])
    knowing = figures(*in_fold(*everything, "test"), policy) if policy else {}
    write_report(folder, results, curves, questions, predictions, documents, folder / "tensorboard", knowing)
    write_results(folder / "results.json", results)
    print(table(results["attribution"], "whence"))
    print(f"\nreport   {folder / 'report.html'}\nresults  {folder / 'results.json'}")
    if questions:
        print(f'ask      python -m eval.ask run={folder} "{questions[0].text}"')
    print(f'cite     python -m eval.cite run={folder} "{documents[0].sentences[0][0]}"')


def _training_settings(config: Config, prepare: Stage) -> dict[str, Any]:
    return {
        "prepare": prepare.key,
        "ids": asdict(config.ids),
        "tags": asdict(config.tags),
        "batch": asdict(config.batch),
        "precision": config.trainer.precision,
        "seed": config.seed,
    }


def _announced(stage: Stage, make: Any, work: Any) -> dict[str, Any]:
    if stage.done is not None:
        log.info("%-8s done already: %s", stage.name, stage.folder)
        return stage.done
    log.info("%-8s %s", stage.name, stage.folder)
    record: dict[str, Any] = make(work)
    log.info("%-8s took %.0f s", stage.name, record["seconds"])
    return record


def _digest(path: Path) -> Any:
    """The content of an input, so that a changed file is another stage; a folder's or pattern's files together."""
    if path.is_file():
        return file_digest(path)
    found = sorted(path.rglob("*")) if path.is_dir() else sorted(map(Path, glob.glob(str(path), recursive=True)))
    return [[str(file), file_digest(file)] for file in found if file.is_file()]


def _check_writable(*folders: Path) -> None:
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / ".writable"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise OSError(
                f"{folder} can't be written to ({error.strerror}): choose another run_dir or stages_dir"
            ) from None


def _link(link: Path, target: Path) -> None:
    partial = link.with_name(f".{link.name}.partial")
    partial.unlink(missing_ok=True)
    partial.symlink_to(os.path.relpath(target, link.parent), target_is_directory=True)
    os.replace(partial, link)


def _short(name: str, longest: int = 200) -> str:
    """A file name of at most `longest` characters (systems stop at 255), still one to one."""
    return name if len(name) <= longest else f"{name[: longest - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _terminated(signum: int, frame: Any) -> None:
    """Outside of training, which finishes its step first: leave at once, but clean up."""
    print(f"stopped by {signal.Signals(signum).name}; the same command continues", file=sys.stderr)
    sys.exit(128 + signum)


def _start(composed: Any) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr, force=True)
    logging.getLogger("bm25s").setLevel(logging.WARNING)  # it tells of every index it builds
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _terminated)
    try:
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            composed.run_dir = f"{composed.run_dir}/{_short(HydraConfig.get().job.override_dirname)}"
        run(OmegaConf.to_object(composed))  # type: ignore[arg-type]
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt as stop:  # Ctrl-C, or Stopped
        print(f"stopped: {stop}" if stop.args else "stopped; the same command continues", file=sys.stderr)
        sys.exit(128 + getattr(stop, "signum", signal.SIGINT))


register()
main = hydra.main(version_base="1.3", config_path="configs", config_name="config")(_start)

if __name__ == "__main__":
    main()
