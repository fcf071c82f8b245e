"""Every table of a sweep is a command of its own name, and a callback that configs may name."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
from hydra.experimental.callback import Callback
from omegaconf import OmegaConf

from configs.keys import ROOT

TABLES = sorted(
    str(path.relative_to(ROOT).with_suffix("")).replace("/", ".")
    for path in Path(ROOT, "eval", "sweeps").glob("*/*.py")
    if path.stem != "__init__"
)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_a_command_and_a_callback(name: str) -> None:
    module = import_module(name)
    assert module.COMMAND.usage.startswith(f"usage: python -m {name} DIR...\n")
    assert isinstance(module.Table(), Callback)
    with pytest.raises(ValueError, match="nowhere is not a folder"):
        module.Table().on_multirun_end(OmegaConf.create({"run_dir": "nowhere"}))
