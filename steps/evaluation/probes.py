"""What the model shows when it is not asked but read: a stage for each probe, so that a changed one remakes itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from configs.keys import modules
from stages import Stage, announced, write_json
from steps.evaluation.evaluated import Evaluated

FILE, PREFIX = "found.json", "probe_"


def probes(evaluated: Evaluated) -> dict[str, Stage]:
    """The stages by the name of the probe, each with `FILE`."""
    found = probe_stages(evaluated)
    for name, stage in found.items():
        announced(stage, stage.whole, _work(evaluated, name))
    return found


def found_by_probes(at: Mapping[str, Path]) -> dict[str, Any]:
    """What each probe found, by its name, from the folders of a run's stages by theirs."""
    folders = {name.removeprefix(PREFIX): folder for name, folder in at.items() if name.startswith(PREFIX)}
    return {name: json.loads((folder / FILE).read_text(encoding="utf-8")) for name, folder in folders.items()}


def probe_stages(evaluated: Evaluated) -> dict[str, Stage]:
    """Where they stand; nothing is made."""
    from eval.probes import FOLDER, probe

    code = modules(FOLDER)
    return {
        name: evaluated.stage(PREFIX + name, [__name__, code[name]], {"seed": evaluated.config.seed})
        for name in evaluated.config.eval.probes
        if evaluated.config.abstention_sft.method in probe(name).after
    }


def _work(evaluated: Evaluated, name: str) -> Callable[[Path], dict[str, Any]]:
    def work(folder: Path) -> dict[str, Any]:
        from eval.probes import Read, probe, readings_of

        tested = [q for q in evaluated.questions if q.fold in ("", "test") and q.split == "never_tuned"]
        readings = readings_of(evaluated.trained.folder)
        tuning = [q for q in evaluated.corpus.questions if q.split == "tune"]
        read = Read(evaluated.answerer, tested, evaluated.documents, evaluated.config.seed, readings, tuning)
        found = probe(name).run(read)
        write_json(folder / FILE, found)
        return {}

    return work
