"""Running text is trained on as it was written: order, lines and indentation kept, from the file to the tokens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from hydra import compose, initialize_config_dir

from configs.schema import register
from data.pipeline.identifiers import IdsConfig, assign
from data.pipeline.placement import TagsConfig
from data.pipeline.sources import Documents
from data.pipeline.tokenizer import Tokenizer
from data.readers.corpora import FilesCorpus, open_corpus
from data.storage.prepare import prepare
from data.storage.shards import read_documents
from eval.answerers.lm_answerer import LMAnswerer

CONFIGS = Path(__file__).parents[3] / "configs"
TEXT = """# Squares

A list of numbers. Each is the square of one before.

    def squares(n):
        return [i * i for i in range(n)]

1. One. It is odd.
2. Four.
"""


def composed(*overrides: str) -> Any:
    register()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return compose("config", overrides=list(overrides))


@pytest.mark.parametrize(
    ("overrides", "permuted"),
    [
        (["corpus=files"], False),
        (["corpus=shards"], False),
        (["corpus=files", "tags=end"], False),
        (["corpus=files", "tags.permute=true"], True),
        (["corpus=biocite"], True),
        ([], True),
    ],
)
def test_ones_own_documents_keep_their_order_unless_told_otherwise(overrides: list[str], permuted: bool) -> None:
    assert composed(*overrides).tags.permute is permuted


def test_a_text_is_the_same_from_its_file_to_its_tokens(tmp_path: Path, tokenizer: Tokenizer) -> None:
    (tmp_path / "d.jsonl").write_text(json.dumps({"id": "d", "text": TEXT}) + "\n")
    prepare(open_corpus(FilesCorpus(path=str(tmp_path / "d.jsonl"))), tmp_path / "prepared")
    (document,) = read_documents(tmp_path / "prepared")
    assert document.text == TEXT
    tags = TagsConfig(placement="none", id_to_text=0.0, permute=composed("corpus=files").tags.permute)
    source = Documents([document], assign([document], tokenizer, IdsConfig()), tokenizer, tags, 1024, 0)
    (sample,) = source.render(0, 0, False)
    read = tokenizer.backend.decode(sample.tokens.tolist(), skip_special_tokens=False)
    # Each sentence is encoded with a space before it, as everywhere.
    lines = [line[1:] if line.startswith(" ") else line for line in read[len("<|doc|>") :].split("\n")]
    assert lines == [*TEXT.split("\n")[:-1], "<|end|>"]


def test_a_prompt_longer_than_the_model_reads_is_refused() -> None:
    answerer = LMAnswerer.__new__(LMAnswerer)
    answerer.longest, answerer.model = 64, cast(Any, torch.nn.Identity())
    with pytest.raises(ValueError, match="a text of 65 tokens is more than the 64 that the model reads; shorten it"):
        answerer.read([[1], [1] * 65])
