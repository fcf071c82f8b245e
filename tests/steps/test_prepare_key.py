"""A corpus that other code read is another stage: what was prepared by the code of before is not found again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

import steps.prepare
from tests.composing import composed


def key(folder: Path, corpus: str) -> str:
    config = composed("experiment=tiny", f"corpus={corpus}", "corpus.documents=24")
    config.stages_dir, config.run_dir = str(folder / "stages"), str(folder / "run")
    return steps.prepare.prepare(config).key


@pytest.mark.parametrize(("module", "remade"), [("data.readers.world", True), ("data.readers.biocite", False)])
def test_a_changed_reader_remakes_its_own_corpora(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, remade: bool
) -> None:
    before = key(tmp_path, "world_tiny")
    digest = steps.prepare.code_digest

    def changed(modules: Sequence[str], packages: Sequence[str]) -> str:
        return digest(modules, packages=packages) + "changed" * (module in modules)

    monkeypatch.setattr(steps.prepare, "code_digest", changed)
    assert (key(tmp_path, "world_tiny") != before) == remade


def test_the_digest_is_of_the_code_of_data() -> None:
    from data.readers.biocite import BiociteCorpus
    from data.storage.prepare_corpus import made_by
    from data.storage.remote import ShardsCorpus
    from stages.code import reached

    assert {"data.readers.biocite", "data.storage.evidence"} <= reached(made_by(BiociteCorpus()), packages=("data",))
    assert made_by(ShardsCorpus()) == ("data.storage.remote",)
