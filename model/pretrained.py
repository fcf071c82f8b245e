"""What a run starts from when `init` names a checkpoint: where its files are, and room for further tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

from model.transformer import Transformer

ROUND = 64  # rows of an embedding come in multiples of it, which matrix products like


@cache
def locate(init: str) -> Path:
    """The folder of a checkpoint: `init` itself, else what the Hugging Face hub has of that id.

    Only safetensors and JSON are fetched. Raises ValueError, naming the key, where there is neither.
    """
    if Path(init).is_dir():
        return Path(init)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return Path(snapshot_download(init, allow_patterns=["*.safetensors", "*.json"]))
    except (OSError, ValueError, HfHubHTTPError) as error:
        said = " ".join(str(error).split())[:200]
        raise ValueError(f"init={init}: no such folder, and the Hugging Face hub does not give it: {said}") from error


def rounded(size: int) -> int:
    return -(-size // ROUND) * ROUND


@torch.no_grad()
def grow(
    model: Transformer,
    size: int,
    known: int,
    like: Mapping[int, int] | None = None,
    apart: Sequence[int] = (),
) -> None:
    """Make the embedding and the output layer `size` rows long, in place; rows from `known` on stand for new tokens.

    A new row is the mean of the known ones, so that at first no new token is likelier than the old ones are on average
    (Hewitt, 2021, https://nlp.stanford.edu/~johnhew/vocab-expansion.html). Rows from `known` on that the model has
    already are padding, which was never trained, and become the mean, too.

    Args:
        like: new tokens whose row is that of a known one.
        apart: new tokens that have to be told from one another, as the codes of identifiers: their rows are drawn
            around the mean with the known rows' deviation in each coordinate. Equal rows would part by no more than
            the learning rate a step.

    Raises:
        ValueError: `size` is below the rows that there are.
    """
    had = model.config.vocab_size
    if size < had:
        raise ValueError(f"{size} rows are fewer than the {had} that there are")
    known = min(known, had)
    layers: list[nn.Embedding | nn.Linear] = [model.embed_tokens]
    for layer in layers if model.config.tied else [*layers, model.lm_head]:
        old: Tensor = layer.weight
        new = old.new_empty(size, old.shape[1])
        new[:known] = old[:known]
        new[known:] = old[:known].mean(0)
        mean, deviation = old[:known].mean(0), old[:known].std(0)
        for token in apart:
            new[token] = mean + deviation * torch.randn_like(mean)
        for token, other in (like or {}).items():
            new[token] = old[other]
        layer.weight = nn.Parameter(new)
    if model.config.tied:
        model.lm_head.weight = model.embed_tokens.weight
    model.embed_tokens.num_embeddings = model.lm_head.out_features = size
    model.config = replace(model.config, vocab_size=size)
