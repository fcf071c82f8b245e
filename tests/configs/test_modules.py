"""What may be chosen by its name is found wherever it lies below its folder, and one name means one module."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from configs import keys
from configs.keys import modules
from eval.probes import FOLDER, Probe, probe


def test_a_module_is_found_in_a_folder_and_in_those_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("eval/probes/two.py", "eval/probes/family/one.py", "eval/probes/family/__init__.py", "eval/other.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.setattr(keys, "ROOT", tmp_path)
    assert list(modules("eval/probes").items()) == [("one", "eval.probes.family.one"), ("two", "eval.probes.two")]
    (tmp_path / "eval" / "probes" / "one.py").touch()
    with pytest.raises(ValueError, match=r"one\.py and eval\.probes\..*one are of one name in eval/probes"):
        modules("eval/probes")


def test_every_probe_is_chosen_by_its_name_alone() -> None:
    found = modules(FOLDER)
    assert {"membership", "forced_citation", "options"} <= found.keys()
    for name, module in found.items():
        assert isinstance(probe(name), Probe) and probe(name) is import_module(module).PROBE
