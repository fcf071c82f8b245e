"""Models on disk, in the form of Hugging Face's Qwen3: `config.json` and `model.safetensors`.

The architecture is Qwen3's (RMSNorm, rotary positions, QK-norm, grouped-query attention, SwiGLU), so the folder loads
with `AutoModelForCausalLM.from_pretrained` as it is. It is the only form in which whence keeps weights.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from data.atomic import atomic_folder
from model.config import ModelConfig
from model.transformer import Transformer

CONFIG, WEIGHTS = "config.json", "model.safetensors"
NAMES = {  # ours: theirs
    "dim": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "head_dim": "head_dim",
    "ffn_dim": "intermediate_size",
    "tied": "tie_word_embeddings",
    "theta": "rope_theta",
    "norm_eps": "rms_norm_eps",
    "vocab_size": "vocab_size",
}
FIXED = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "hidden_act": "silu",
    "attention_bias": False,
    "torch_dtype": "float32",
}
KINDS = {int: "a whole number", float: "a number", bool: "true or false"}
FORM = {"model_type": "qwen3", "hidden_act": "silu", "use_sliding_window": False, "rope_type": "default"}


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
    config: dict[str, Any] = {theirs: getattr(model.config, ours) for ours, theirs in NAMES.items()}
    config |= FIXED | {"max_position_embeddings": longest, "eos_token_id": end}
    weights = {
        name if name.startswith("lm_head") else f"model.{name}": tensor.float().contiguous().cpu()
        for name, tensor in (state or model.state_dict()).items()
        if not (model.config.tied and name.startswith("lm_head"))
    }
    try:
        with atomic_folder(folder) as partial:
            (partial / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
            for name, content in (beside or {}).items():
                (partial / name).write_text(content, encoding="utf-8")
            save_file(weights, partial / WEIGHTS, metadata={"format": "pt"})
            (partial / WEIGHTS).chmod((partial / CONFIG).stat().st_mode)  # safetensors lets nobody else read it
    except (OSError, SafetensorError) as error:
        raise OSError(f"{folder} can't be written: {error}") from None


def load_model(folder: Path) -> Transformer:
    """A model written by `save_model`, or any Qwen3 of the same form. Raises ValueError, naming the file, otherwise."""
    config, path = _read_config(folder / CONFIG), folder / WEIGHTS
    try:
        _check_shapes(config, path)
        model = Transformer(config)
        weights = {name.removeprefix("model."): tensor for name, tensor in load_file(path).items()}
        if config.tied:
            weights["lm_head.weight"] = weights["embed_tokens.weight"]
        model.load_state_dict(weights)
    except (OSError, SafetensorError, KeyError, RuntimeError, ValueError) as error:
        raise ValueError(f"{path} does not hold the weights that {CONFIG} describes: {error}") from error
    return model


def _read_config(path: Path) -> ModelConfig:
    try:
        theirs = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(theirs, dict):
            raise ValueError("it is no JSON object")
        # Older files have rope_theta and rope_scaling, newer ones both in rope_parameters.
        flat = theirs | (theirs.get("rope_scaling") or {}) | (theirs.get("rope_parameters") or {})
        form = {key: flat.get(key, default) for key, default in FORM.items()}
        if "model_type" not in flat or form != FORM:
            raise ValueError(f"only a model of the form {FORM} can be read, not {form}")
        config = ModelConfig(**{ours: _of_kind(ours, name, flat[name]) for ours, name in NAMES.items()})
        config.check()
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path} does not describe a model: {type(error).__name__}: {error}") from error
    return config


def _of_kind(ours: str, theirs: str, value: Any) -> Any:
    kind = type(getattr(ModelConfig, ours))  # of its default
    if type(value) is kind or (kind is float and type(value) is int):
        return value
    raise ValueError(f"{theirs} is {json.dumps(value)[:40]}, not {KINDS[kind]}")


def _check_shapes(config: ModelConfig, path: Path) -> None:
    """Raises ValueError where a file has other tensors than a model has, before memory is taken for that."""
    with safe_open(path, "pt") as file:
        found = {name.removeprefix("model."): tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    layers = len({name.split(".")[1] for name in found if name.startswith("layers.")})
    if layers != config.layers:
        raise ValueError(f"it has {layers} layers, not {config.layers}")
    with torch.device("meta"):
        wanted = {name: tuple(tensor.shape) for name, tensor in Transformer(config).state_dict().items()}
    for name, shape in wanted.items():
        if name in found and found[name] != shape:
            raise ValueError(f"{name} is {found[name]}, not {shape}")
