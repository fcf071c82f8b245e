"""The front door: prepare, pretrain (self_questions), sft (rollout, abstention_sft), (form and what learns attempts),
(edit), answer, signals, report.

Each stage (steps/) is skipped if it is done and continued if it is partial.

    python run.py experiment=demo                       one run
    python run.py experiment=demo tags=end seed=1       with overrides
    python run.py -m experiment=placement               a sweep
    python run.py --help                                every key and its value

A run's results stand in `run_dir`: results.json, report.html, config.json, TensorBoard logs, and links to its stages,
which are shared between runs by the hash of what determines them.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from configs.command import in_one_line, one_job, refuse_what_is_merely_like_a_flag, sweep_folder
from configs.schema import Config, register
from stages import Stage, rank
from steps.run_dir import check_run_dir, writable

log = logging.getLogger("whence")


def run(config: Config) -> Path:
    """The whole path for one configuration; returns its run directory.

    Raises ValueError or OSError, saying what is wrong, for a configuration or input that can't be worked with.
    """
    folder, stages_dir = Path(config.run_dir), Path(config.stages_dir)
    check_run_dir(config.name, folder, stages_dir)
    config.check()
    from configs.machine import check_machine

    check_machine(config)
    with writable(folder, stages_dir):
        return _staged(config, folder)


def _staged(config: Config, folder: Path) -> Path:
    if config.trainer.precision == "auto":
        from stages.precision import fastest_precision

        config.trainer.precision = fastest_precision(config.trainer.accelerator)
    from configs.contradictions import check_questions, without_tuning
    from data.records import Question, read_jsonl
    from steps.prepare import prepare

    before = prepared = prepare(config)
    questions = list(read_jsonl(prepared.folder / "questions.jsonl", Question))
    check_questions(config, questions)
    if said := without_tuning(config, questions):
        log.info("         %s", said)
    if config.edit.system != "none":
        from steps.edit_corpus import edit_corpus

        prepared = edit_corpus(config, before)
    stages = _trained(config, before if config.edit.system in ("base", "edited") else prepared)
    if config.edit.system == "edited":
        from steps.edit import edit

        stages.append(edit(config, prepared, stages[-1]))
    if rank():
        return folder  # the first process of the job does the rest
    from steps.evaluation.answer import answer
    from steps.evaluation.evaluated import Evaluated
    from steps.evaluation.probes import probes
    from steps.evaluation.publish import publish
    from steps.evaluation.signals import signals

    evaluated = Evaluated(config, prepared, stages[-1])
    answered = answer(evaluated)
    shown = [*signals(evaluated, answered), *probes(evaluated).values()]
    if config.edit.system != "none":
        from steps.edit import edit_answers

        shown.append(edit_answers(evaluated))
    if config.self_correction.method != "none":
        from steps.self_correction.answers import attempt_answers

        shown.append(attempt_answers(evaluated))
    if config.expert.active:
        from steps.evaluation.expert import expert_answers

        shown.append(expert_answers(evaluated))
    publish(config, folder, [prepared, *stages, answered, *shown])
    return folder


def _trained(config: Config, prepared: Stage) -> list[Stage]:
    """Pretraining and tuning on a prepared corpus, the last stage with the model."""
    from steps.train import pretrain, sft

    stages = [pretrain(config, prepared)]
    if config.sft.tokens:
        if config.self_questions.each:
            from steps.self_questions import self_questions

            stages.append(self_questions(config, prepared, stages[0]))
        stages.append(sft(config, prepared, stages[0], *stages[1:]))
    if config.abstention_sft.method != "none":
        from steps.abstention_sft import abstention_sft

        stages += abstention_sft(config, prepared, stages[-1])
    if config.self_correction.method != "none":
        from steps.self_correction import self_correction

        stages += self_correction(config, prepared, stages[-1])
    return stages


def _terminated(signum: int, frame: Any) -> None:
    """Outside of training, which finishes its step first: leave at once, but clean up."""
    print(f"stopped by {signal.Signals(signum).name}; the same command continues", file=sys.stderr)
    sys.exit(128 + signum)


def _thread_failed(failure: threading.ExceptHookArgs) -> None:
    """What TensorBoard's thread can't write, on a full disk, is raised again where the run hands it more: one line."""
    if isinstance(failure.exc_value, OSError):
        log.warning("a background thread stopped: %s", failure.exc_value)
    else:
        threading.__excepthook__(failure)


def _start(composed: Any) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr, force=True)
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _terminated)
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _thread_failed
    try:
        overrides = HydraConfig.get().overrides.task
        refuse_what_is_merely_like_a_flag(overrides)
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            composed.run_dir = f"{composed.run_dir}/{sweep_folder(overrides, composed.run_dir)}"
            sys.argv[1:] = one_job(overrides, composed.run_dir)
            from train.processes import own_processes

            with own_processes():  # of a job: another one may follow in this process
                run(OmegaConf.to_object(composed))  # type: ignore[arg-type]
        else:
            run(OmegaConf.to_object(composed))  # type: ignore[arg-type]
    except OmegaConfBaseException as error:  # a value that refers to a key that is not there, or is missing
        print(f"error: {in_one_line(error)}", file=sys.stderr)
        sys.exit(2)
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt as stop:  # Ctrl-C, or Stopped
        print(f"stopped: {stop}" if stop.args else "stopped; the same command continues", file=sys.stderr)
        sys.exit(128 + getattr(stop, "signum", signal.SIGINT))


register()
_composed_and_started = hydra.main(version_base="1.3", config_path="configs", config_name="config")(_start)


def main() -> None:
    """What `python run.py` does."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # raise what is wrong with the command line, and it is said here
    try:
        _composed_and_started()
    except (HydraException, OmegaConfBaseException, ValueError) as error:  # of what was typed; _start has its own
        print(f"error: {in_one_line(error)}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # of python run.py --help | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
