"""Checkpoints as others have them, tiny and random: a Llama with a tokenizer.json, byte-level or like sentencepiece."""

from __future__ import annotations

from pathlib import Path

import tokenizers
import torch
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM

TEXTS = [" Ada Moss was born in Oslo.", "Ben Lark works at Zenith, and studied law for 12 years."] * 20
MARKS = ["<unk>", "<s>", "</s>"]


def byte_level(path: Path, bos: bool = False) -> Path:
    """As GPT-2, SmolLM2, Qwen and OLMo have it."""
    made = tokenizers.Tokenizer(models.BPE())
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        TEXTS, trainers.BpeTrainer(vocab_size=400, special_tokens=MARKS, initial_alphabet=alphabet)
    )
    return _saved(made, path, bos)


def sentencepiece(path: Path, bos: bool = True, kind: str = "prepend") -> Path:
    """As Llama 2 and TinyLlama have it: a normalizer puts "▁" before every text; or Metaspace does."""
    pieces = [f"<0x{byte:02X}>" for byte in range(256)]
    letters = sorted({letter for text in TEXTS for letter in text if letter != " "} | {"▁"})
    merges = [("▁", "A"), ("d", "a"), ("▁A", "da"), ("▁", "w"), ("a", "s"), ("▁w", "as"), ("▁", "a"), ("▁a", "s")]
    words = [*MARKS, *pieces, *letters, *("".join(pair) for pair in merges)]
    vocabulary = {word: place for place, word in enumerate(dict.fromkeys(words))}
    made = tokenizers.Tokenizer(
        models.BPE(vocab=vocabulary, merges=merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    )
    if kind == "prepend":
        made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        parts = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        made.decoder = decoders.Sequence(parts)
    else:
        made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=kind, split=False)
        parts = [decoders.ByteFallback(), decoders.Metaspace(prepend_scheme=kind, split=False)]
        made.decoder = decoders.Sequence(parts)
    made.add_special_tokens(MARKS)
    return _saved(made, path, bos)


def _saved(made: tokenizers.Tokenizer, path: Path, bos: bool) -> Path:
    if bos:
        made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    made.save(str(path))
    return path


def tiny_llama(folder: Path, rows: int = 512, **settings: object) -> Path:
    """The folder, with the model that transformers saves and a tokenizer.json of fewer tokens than rows."""
    sizes = {
        "vocab_size": rows, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256,
        "tie_word_embeddings": True,
    }  # fmt: skip
    torch.manual_seed(0)
    LlamaForCausalLM(LlamaConfig(**(sizes | settings))).save_pretrained(folder)
    byte_level(folder / "tokenizer.json", bos=True)
    return folder
