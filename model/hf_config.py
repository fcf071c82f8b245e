"""A model's shape as Hugging Face's config.json says it, and back.

Older files have `rope_theta` and `rope_scaling`, newer ones both in `rope_parameters`; OLMo-3 has one of these for each
kind of layer. What is written is the older form, which old and new versions of transformers read.

A model that surprisal is fed back to, or with marks of who wrote what, has a model_type of its own, with the family
beside it: transformers, which could feed or mark nothing, refuses such a folder in place of reading half of a model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model.config import SOURCES, ModelConfig
from model.families import FAMILIES, REFUSED, window_layers

CONFIG = "config.json"
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
ROPE = {  # by kind of stretching, ours: theirs
    "default": {},
    "linear": {"rope_factor": "factor"},
    "llama3": {
        "rope_factor": "factor",
        "rope_low": "low_freq_factor",
        "rope_high": "high_freq_factor",
        "rope_trained": "original_max_position_embeddings",
    },
}
FORM = {  # what all models that can be read have in common, with what a lacking key means
    "hidden_act": "silu",
    "attention_bias": False,
    "mlp_bias": False,
    "use_sliding_window": False,
    "partial_rotary_factor": 1.0,
    "quantization_config": None,
}
FED, BELOW, SOURCE = "whence_surprisal", "base_model_type", "surprisal_source"
MARKED = "whence_authors"
KINDS = {int: "a whole number", float: "a number", bool: "true or false"}


def written(
    config: ModelConfig, longest: int, end: int, surprisal: str | None = None, authors: bool = False
) -> dict[str, Any]:
    """What config.json holds.

    Args:
        longest: positions trained on.
        end: the token that ends a text.
        surprisal: the source of what is fed back (`model.inputs.surprisal`), None for a model without.
        authors: it has marks of who wrote what (`model.inputs.authorship`); never together with surprisal.
    """
    found: dict[str, Any] = {theirs: getattr(config, ours) for ours, theirs in NAMES.items()}
    found |= {
        "architectures": [config.form.architecture],
        "model_type": config.family,
        "hidden_act": "silu",
        **({} if config.form.qkv_bias else {"attention_bias": False}),
        "torch_dtype": "float32",
        "max_position_embeddings": longest,
        "eos_token_id": end,
    }
    if config.rope != "default":
        scaling = {theirs: getattr(config, ours) for ours, theirs in ROPE[config.rope].items()}
        found["rope_scaling"] = {"rope_type": config.rope} | scaling
    if config.window:
        kinds = window_layers(config.layers)
        found |= {"sliding_window": config.window, "layer_types": kinds}
        # transformers 5 takes rope_theta for one kind of layer only.
        found["rope_parameters"] = {kind: {"rope_type": "default", "rope_theta": config.theta} for kind in set(kinds)}
    if surprisal is not None:
        found |= {"architectures": ["WhenceSurprisal"], "model_type": FED, BELOW: config.family, SOURCE: surprisal}
    if authors:
        found |= {"architectures": ["WhenceAuthors"], "model_type": MARKED, BELOW: config.family}
    return found


def read_config(path: Path) -> ModelConfig:
    """The shape that a config.json describes. Raises ValueError, naming the file and what can't be read, otherwise."""
    try:
        theirs = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(theirs, dict):
            raise ValueError("it is no JSON object")
        config = _shape(theirs)
        config.check()
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        lacking = "it lacks the key " if isinstance(error, KeyError) else ""
        raise ValueError(f"{path} does not describe a model that can be read: {lacking}{error}") from error
    return config


def read_surprisal(path: Path) -> str | None:
    """The source of the surprisal that is fed back, None for none, of a config.json that `read_config` can read."""
    theirs = json.loads(path.read_text(encoding="utf-8"))
    if theirs["model_type"] != FED:
        return None
    if (source := theirs.get(SOURCE)) not in SOURCES:
        raise ValueError(f"{path}: {SOURCE} is {json.dumps(source)[:40]}, not one of {', '.join(SOURCES)}")
    return str(source)


def read_authors(path: Path) -> bool:
    """Whether the model of a config.json that `read_config` can read has marks of who wrote what."""
    found: bool = json.loads(path.read_text(encoding="utf-8"))["model_type"] == MARKED
    return found


def _shape(theirs: Mapping[str, Any]) -> ModelConfig:
    name = theirs[BELOW] if theirs["model_type"] in (FED, MARKED) else theirs["model_type"]
    if name not in FAMILIES:
        reason = f" ({REFUSED[name]})" if name in REFUSED else ""
        raise ValueError(f"no model of model_type {name}{reason}, only of {', '.join(FAMILIES)}")
    family, rope = FAMILIES[name], _rope(theirs)
    flat = {key: value for key, value in {**theirs, **rope}.items() if value is not None}
    if family.qkv_bias:
        flat.pop("attention_bias", None)  # says nothing there
    for key, needed in FORM.items():
        if flat.get(key, needed) != needed:
            raise ValueError(f"{key} is {json.dumps(flat[key])[:40]}; only {json.dumps(needed)} can be read")
    flat.setdefault("num_key_value_heads", flat["num_attention_heads"])
    flat = {"tie_word_embeddings": False, **family.absent, **flat}
    if "head_dim" not in flat:
        flat["head_dim"] = flat["hidden_size"] // flat["num_attention_heads"]
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind not in ROPE:
        raise ValueError(f"rope_type is {json.dumps(kind)[:40]}; only {', '.join(ROPE)} can be read")
    if family.windowed and flat.get("layer_types") != window_layers(flat["num_hidden_layers"]):
        raise ValueError("layer_types is not a full layer after each three with a sliding window")
    names = NAMES | ROPE[kind] | ({"window": "sliding_window"} if family.windowed else {})
    return ModelConfig(**{ours: _of_kind(ours, key, flat[key]) for ours, key in names.items()}, family=name, rope=kind)


def _rope(theirs: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of rotary positions. Raises ValueError where layers differ."""
    rope = {**(theirs.get("rope_scaling") or {}), **(theirs.get("rope_parameters") or {})}
    kinds = [value for value in rope.values() if isinstance(value, dict)]
    if any(kind != kinds[0] for kind in kinds):
        raise ValueError(f"rotary positions differ from layer to layer: {json.dumps(rope)[:200]}")
    return kinds[0] if kinds else rope


def _of_kind(ours: str, theirs: str, value: Any) -> Any:
    kind = type(getattr(ModelConfig, ours))  # of its default
    if type(value) is kind or (kind is float and type(value) is int):
        return value
    raise ValueError(f"{theirs} is {json.dumps(value)[:40]}, not {KINDS[kind]}")
