"""The model that pretraining starts from: random weights, or a checkpoint with room for the reserved tokens."""

from __future__ import annotations

import logging
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.schema import Config
from stages import file_digest

if TYPE_CHECKING:  # imported where they are used: torch takes seconds
    from data.pipeline.tokenizer import Tokenizer
    from model.transformer import Transformer

log = logging.getLogger("whence")


def initial_settings(config: Config) -> Any:
    """What the model depends on: its shape, or the content of the checkpoint's files, wherever they lie."""
    if not config.init:
        return asdict(config.model)
    from model.hf import weight_files
    from model.hf_config import CONFIG
    from model.pretrained import locate

    folder = locate(config.init)
    files = [folder / CONFIG, *weight_files(folder), tokenizer_base(config)]
    return {"init": {path.name: file_digest(path) for path in files}, "rows": "codes drawn around the mean"}


def tokenizer_base(config: Config) -> Path:
    """The tokenizer.json that a checkpoint's rows stand for."""
    from model.pretrained import locate

    return Path(config.tokenizer.base) if config.tokenizer.base else locate(config.init) / "tokenizer.json"


def initial_model(config: Config, tokenizer: Tokenizer) -> Transformer:
    """Raises ValueError, naming the key, for a vocabulary too small or a checkpoint that can't be read."""
    from model.pretrained import grow, locate, rounded
    from model.transformer import Transformer

    if not config.init:
        shape = replace(config.model, vocab_size=config.model.vocab_size or rounded(len(tokenizer)))
        if shape.vocab_size < len(tokenizer):
            raise ValueError(f"model.vocab_size={shape.vocab_size} is below the tokenizer's {len(tokenizer)}")
        return Transformer(shape)
    from data.pipeline.tokenizer import Borrowed
    from model.hf import load_model

    model, borrowed = load_model(locate(config.init)), Borrowed.read(str(tokenizer_base(config)))
    had = model.config.vocab_size
    # A text began with this mark there, as documents and questions begin with their own here.
    bos = borrowed.bos
    like = {} if bos is None else {mark: bos for mark in tokenizer.openings if mark >= borrowed.size}
    codes = [code for code in tokenizer.codes.tolist() if code >= borrowed.size]
    grow(model, rounded(max(len(tokenizer), had)), borrowed.size, like, codes)
    shape = model.config
    log.info(
        "         init=%s: %s, %d layers of width %d, %.3g parameters, vocabulary of %d, %d before",
        config.init, shape.family, shape.layers, shape.dim, shape.parameters(shape.vocab_size), shape.vocab_size, had,
    )  # fmt: skip
    return model
