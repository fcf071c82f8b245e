"""Checkpoint families beside transformers: `python -m bench.families` measures, and writes docs/results/families.json.

Of each case a small model of transformers with every weight random, norms and biases too, is saved, read here, and
written back; what is measured is by how much the logits of the same tokens differ, at most, in float32.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from eval.results.table import Column, Row, Table, Value, write_table
from model.hf import load_model, save_model
from model.transformer import KVCache
from stages.environment import machine, revision

VOCABULARY, LONGEST, END = 96, 512, 2
SIZES = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 4,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": LONGEST, "pad_token_id": None,
    "bos_token_id": 1, "eos_token_id": END,
}  # fmt: skip
LINEAR = {"rope_type": "linear", "rope_theta": 3000.0, "factor": 2.5}
LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 500.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}  # fmt: skip
TWO_KINDS = {kind: {"rope_type": "default", "rope_theta": 3e3} for kind in ("full_attention", "sliding_attention")}
CASES: Sequence[tuple[str, Mapping[str, Any]]] = [
    ("llama", {}),
    ("llama", {"tie_word_embeddings": True, "num_key_value_heads": 1}),
    ("llama", {"head_dim": 16, "num_key_value_heads": 4, "rms_norm_eps": 1e-3}),
    ("llama", {"rope_parameters": LINEAR}),
    ("llama", {"rope_parameters": LLAMA3}),
    ("qwen2", {}),
    ("qwen2", {"tie_word_embeddings": True, "rope_parameters": LINEAR}),
    ("qwen3", {"head_dim": 16}),
    ("qwen3", {"head_dim": 8, "tie_word_embeddings": True, "rope_parameters": LLAMA3}),
    ("olmo2", {}),
    ("olmo2", {"tie_word_embeddings": True, "num_key_value_heads": 1, "rope_parameters": LINEAR}),
    ("olmo3", {"sliding_window": 40}),
    ("olmo3", {"sliding_window": 64, "num_hidden_layers": 3, "rope_parameters": TWO_KINDS}),
]
READ, WHOLE = 30, 40  # tokens before the cache is read on from, and all
TOKENS = torch.randint(0, VOCABULARY, (2, WHOLE), generator=torch.Generator().manual_seed(1))
POSITIONS = torch.arange(WHOLE).expand(2, -1)


def random_model(family: str, settings: Mapping[str, Any]) -> PreTrainedModel:
    """A model of transformers with every weight random, norms and biases too."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **{**SIZES, **settings})).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_((parameter.ndim < 2 and "bias" not in name) + 0.25 * torch.randn(parameter.shape))
    return model


@torch.no_grad()
def differences(model: PreTrainedModel, folder: Path) -> dict[str, float]:
    """The largest difference of logits from those of `model`: read, read through a cache, and written back."""
    expected = model(TOKENS).logits
    model.save_pretrained(folder / "in")
    ours = load_model(folder / "in").eval()
    cache = KVCache.empty(ours.config.layers)
    begun = ours(TOKENS[:, :READ], POSITIONS[:, :READ], None, cache)
    causal = torch.ones(WHOLE - READ, WHOLE, dtype=torch.bool).tril(READ)
    ended = ours(TOKENS[:, READ:], POSITIONS[:, READ:], causal, cache)
    save_model(ours, folder / "out", longest=LONGEST, end=END)
    again = AutoModelForCausalLM.from_pretrained(folder / "out").eval()
    return {
        "read": _largest(ours(TOKENS, POSITIONS), expected),
        "cached": _largest(torch.cat((begun, ended), 1), expected),
        "written": _largest(again(TOKENS).logits, expected),
    }


def _largest(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).abs().max())


def main() -> None:
    rows = []
    for family, settings in CASES:
        with tempfile.TemporaryDirectory() as folder:
            found = differences(random_model(family, settings), Path(folder))
        values = {key: Value(1e6 * value) for key, value in found.items()}
        rows.append(Row(f"{family}: {_told(settings)}", values, seeds=(0,)))
        print(rows[-1].system, {key: f"{value:.1e}" for key, value in found.items()})
    columns = (("read", "read"), ("cached", "read through a cache"), ("written", "written back"))
    table = Table(
        name="families",
        title="Logits of checkpoints beside those of transformers: the largest difference, in millionths",
        command="python -m bench.families",
        revision=revision(),
        machine=machine(),
        date=date.today().isoformat(),
        columns=[Column(key, title, "", 1, "lower") for key, title in columns],
        rows=rows,
        note=f"Random models of width {SIZES['hidden_size']}, {WHOLE} tokens, float32; 10 millionths are the goal.",
    )
    write_table(Path("docs") / "results" / "families.json", table)


def _told(settings: Mapping[str, Any]) -> str:
    """What makes a case other than its family's usual form."""
    ropes = settings.get("rope_parameters", {})
    told = {key: value for key, value in settings.items() if key not in ("rope_parameters", "tie_word_embeddings")}
    words = [f"{key}={value}" for key, value in told.items()]
    words += ["tied"] if settings.get("tie_word_embeddings") else []
    words += [f"rope {ropes.get('rope_type', 'of two kinds')}"] if ropes else []
    return ", ".join(words) or "as usual"


if __name__ == "__main__":
    main()
