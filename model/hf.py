"""Models on disk, in Hugging Face's form: `config.json` and safetensors, in one file or in several with an index.

A model is written in the family that it has (`model.families`), so the folder loads with
`AutoModelForCausalLM.from_pretrained` as it is; one that surprisal is fed back to or that has marks of who wrote what
(`model.inputs`) is refused there, since nothing there could feed or mark it. It is the only form in which whence keeps
weights; nothing pickled is ever read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from data.atomic import atomic_folder
from model.config import ModelConfig
from model.hf_config import CONFIG, read_authors, read_config, read_surprisal, written
from model.transformer import Transformer

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
FLOATS = ("F32", "BF16", "F16", "F64")  # safetensors' names; the rest needs a key to be read by
DERIVED = "rotary_emb.inv_freq"  # Llama's older files hold what follows from the config


def save_model(
    model: Transformer,
    folder: Path,
    longest: int,
    end: int,
    state: Mapping[str, Tensor] | None = None,
    beside: Mapping[str, str] | None = None,
) -> None:
    """Write the weights in float32, whole or not at all: OSError when they can't be, on a full disk for one.

    Args:
        longest: positions trained on.
        end: the token that ends a text.
        state: the weights, where the model's own are spread over devices.
        beside: further files of the folder, their content by name: those of the tokenizer.
    """
    weights = {
        name if name.startswith("lm_head") else f"model.{name}": tensor.float().contiguous().cpu()
        for name, tensor in (state or model.state_dict()).items()
        if not (model.config.tied and name.startswith("lm_head"))
    }
    try:
        with atomic_folder(folder) as partial:
            source = None if model.surprisal is None else model.surprisal.source
            config = json.dumps(written(model.config, longest, end, source, model.authors is not None), indent=2)
            (partial / CONFIG).write_text(config + "\n", encoding="utf-8")
            for name, content in (beside or {}).items():
                (partial / name).write_text(content, encoding="utf-8")
            save_file(weights, partial / WEIGHTS, metadata={"format": "pt"})
            (partial / WEIGHTS).chmod((partial / CONFIG).stat().st_mode)  # safetensors lets nobody else read it
    except (OSError, SafetensorError) as error:
        raise OSError(f"{folder} can't be written: {error}") from None


def load_model(folder: Path) -> Transformer:
    """A model written by `save_model`, or a checkpoint of a family that can be read; weights become float32.

    Raises ValueError, naming the file, otherwise.
    """
    config, files = read_config(folder / CONFIG), weight_files(folder)
    more = _More(read_surprisal(folder / CONFIG), read_authors(folder / CONFIG))
    at = files[0] if len(files) == 1 else folder / INDEX
    try:
        _check_tensors(config, more, files)
        model = _blank(config, more)
        for path in files:
            at = path
            model.load_state_dict(
                {name: t for name, t in _renamed(load_file(path)).items() if _read(config, name)}, False
            )
    except (OSError, SafetensorError, KeyError, RuntimeError, ValueError) as error:
        raise ValueError(f"{at} does not hold the weights that {CONFIG} describes: {error}") from error
    return model


def weight_files(folder: Path) -> list[Path]:
    """The files of safetensors that hold the weights. Raises ValueError for an index of another form."""
    index = folder / INDEX
    if (folder / WEIGHTS).exists() or not index.exists():
        if not (folder / WEIGHTS).exists() and (pickled := sorted(folder.glob("*.bin"))):
            raise ValueError(
                f"{folder / WEIGHTS} does not exist, and {pickled[0].name} is pickled, which is never read: "
                "convert it to safetensors"
            )
        return [folder / WEIGHTS]
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        if not names or any(Path(name).name != name for name in names):
            raise ValueError(f"its files are {', '.join(names)[:80]}")
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{index} is no index of weights: {type(error).__name__}: {error}") from error
    return [folder / name for name in names]


def check_header(path: Path) -> None:
    """Raises ValueError where a file of weights is cut off or none of safetensors; the tensors are not read."""
    try:
        with safe_open(path, "pt"):
            pass
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged, fetch it again: {error}") from error
    except OSError as error:
        raise ValueError(f"{path} can't be read: {error}") from error


def _renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix("model."): tensor for name, tensor in tensors.items()}


def _read(config: ModelConfig, name: str) -> bool:
    """Whether a tensor says something: a tied output layer is the embedding, whatever stands there."""
    return not name.endswith(DERIVED) and not (config.tied and name.startswith("lm_head"))


class _More(NamedTuple):
    """What a model has besides its family's shape: surprisal fed back from a source, marks of who wrote what."""

    source: str | None
    authors: bool


def _blank(config: ModelConfig, more: _More) -> Transformer:
    model = Transformer(config)
    if more.source is not None:
        model.feed_back(more.source)
    if more.authors:
        model.mark_authors()
    return model


def _check_tensors(config: ModelConfig, beside: _More, files: list[Path]) -> None:
    """Raises ValueError where files have other tensors than a model has, before memory is taken for that."""
    found: dict[str, tuple[int, ...]] = {}
    for path in files:
        with safe_open(path, "pt") as file:
            for name in file.keys():  # noqa: SIM118
                tensor, ours = file.get_slice(name), name.removeprefix("model.")
                if ours in found:
                    raise ValueError(f"{name} stands in two files")
                if _read(config, ours) and tensor.get_dtype() not in FLOATS:
                    raise ValueError(f"{name} is of type {tensor.get_dtype()}, not one of {', '.join(FLOATS)}")
                found[ours] = tuple(tensor.get_shape())
    layers = len({name.split(".")[1] for name in found if name.startswith("layers.")})
    if layers != config.layers:
        raise ValueError(f"it has {layers} layers, not {config.layers}")
    with torch.device("meta"):
        wanted = {name: tuple(tensor.shape) for name, tensor in _blank(config, beside).state_dict().items()}
    wanted = {name: shape for name, shape in wanted.items() if _read(config, name)}
    for name, shape in wanted.items():
        if name not in found:
            raise ValueError(f"{name} is missing")
        if found[name] != shape:
            raise ValueError(f"{name} is {found[name]}, not {shape}")
    if more := [name for name in found if name not in wanted and _read(config, name)]:
        raise ValueError(f"{more[0]} and {len(more) - 1} more are not part of a model of family {config.family}")
