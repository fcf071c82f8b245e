"""The command line: what Hydra refuses in one line of ours, and what it would take though it is not meant."""

from __future__ import annotations

import difflib
import hashlib
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, Field
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException, ValidationError

from configs.keys import FLAG, allowed, declared, joined
from configs.renamed import OPTIONS, renamed_key

WORDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text"}
EVERYWHERE = ("launcher", "run_dir", "stages_dir", "cache_dir")  # says where, not what


def every_key() -> dict[str, list[tuple[type, Field[Any]]]]:
    """Each key of a run as it is typed, with the sections that declare it: several for those of corpora."""
    from configs.schema import CORPORA, Config

    found: dict[str, list[tuple[type, Field[Any]]]] = {}
    for where, section, item in (
        *_keys("", Config),
        *(each for corpus in CORPORA for each in _keys("corpus", corpus)),
    ):
        found.setdefault(where, []).append((section, item))
    return found


def _keys(path: str, section: type) -> Iterator[tuple[str, type, Field[Any]]]:
    for item in declared(section):
        where = joined(path, item.name)
        if "about" in item.metadata:
            yield where, section, item
        elif item.default_factory is not MISSING:
            yield from _keys(where, type(item.default_factory()))


def refuse_what_is_merely_like_a_flag(overrides: Sequence[str]) -> None:
    """Raises ValueError for a value that OmegaConf would take for true or false, as 2."""
    flags = {where for where, found in every_key().items() if all(allowed(item) is FLAG for _, item in found)}
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        value = override.value()
        referring = isinstance(value, str) and "${" in value
        if override.key_or_group in flags and not isinstance(value, bool) and not referring:
            raise ValueError(f"{override.key_or_group}={value}: must be {FLAG.words}")


def in_one_line(error: Exception) -> str:
    """What is wrong with a command line that Hydra refuses, naming the key and what it may be."""
    cause = error if isinstance(error, OmegaConfBaseException) else error.__cause__
    key = getattr(cause, "full_key", None) or ""
    override = re.search(r"Error merging override (\S+)", str(error))
    if found := re.search(r"Could not override '([^']+)'", str(error)):
        if new := renamed_key(found[1]):
            return f"unknown key {found[1]}; it is {new} now"
        return f"unknown key {found[1]}{_meant(found[1])} (python run.py --help lists them all)"
    if (found := re.search(r"Could not find '([^']+)'", str(error))) and found[1] in OPTIONS:
        return f"unknown option {found[1].replace('/', '=')}; it is {OPTIONS[found[1]]} now"
    if found := re.search(r"Could not find 'hydra/launcher/([a-z]+)", str(error)):
        return f"launcher={found[1]}: its plugin is not installed; pip install hydra-{found[1]}-launcher"
    if isinstance(cause, ValidationError) and key in every_key():
        item = every_key()[key][0][1]
        words = [WORDS.get(str(item.type), ""), allowed(item).words]
        return f"{override[1] if override else key}: must be {', '.join(word for word in words if word)}"
    return " ".join(f"{error} {'' if cause in (None, error) else cause}".partition("Config search path")[0].split())


def _meant(key: str) -> str:
    near = difflib.get_close_matches(key, every_key(), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def sweep_folder(overrides: Sequence[str], run_dir: str) -> str:
    """What tells a run of a sweep from the others: all that was overridden, but for what says where things stand.

    The experiment is left out where the sweep's folder has its name already. At most 200 characters, still one to one:
    systems stop at 255.
    """
    parts = []
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        key = override.key_or_group
        if key in EVERYWHERE or (key == "experiment" and str(override.value()) == Path(run_dir).name):
            continue
        parts.append(override.input_line or "")
    whole = ",".join(sorted(parts))
    plain = whole.replace("/", "_")
    if plain == whole and len(whole) <= 200:
        return whole
    return f"{plain[:191]}-{hashlib.sha256(whole.encode()).hexdigest()[:8]}"


def one_job(overrides: Sequence[str], run_dir: str) -> list[str]:
    """The arguments that run one job of a sweep by itself, where it stands in the sweep.

    Lightning starts further processes of a job by the command line of the first, which is that of the whole sweep.
    """
    return [*overrides, f"run_dir='{run_dir}'", "hydra.mode=RUN"]


class Slurm(Callback):
    """Refuses a sweep of SLURM jobs where there is no SLURM, before anything of it starts."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        if not shutil.which("srun"):
            print("error: launcher=submitit_slurm: there is no SLURM here (no srun); leave it out", file=sys.stderr)
            sys.exit(2)
