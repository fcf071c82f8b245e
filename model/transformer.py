"""The transformer: RMSNorm, rotary positions that are given, grouped-query attention, SwiGLU.

Where norms and biases stand is the family's (`model.families`), Qwen3's unless set. Operations come in the family's
order, so that weights move to Hugging Face and back exactly (`model.hf`).

Shape letters: B rows, T tokens, C width, H query heads, G key-value heads, D head width, F inner width, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.attention import Mask, attend
from model.config import ModelConfig
from model.inputs.authorship import AuthorMark
from model.inputs.guidance import Guidance
from model.inputs.surprisal import NOTHING, SurprisalFeedback, Told, before, bucket, surprise
from model.rotary import frequencies, rotary_tables, rotate


@dataclass
class KVCache:
    """Keys and values of what was read so far, one (B, G, S, D) pair per layer; grows by concatenation.

    Attributes:
        first: of a model that surprisal is fed back to, its first pass.
        known: bool (B, 1), what an oracle tells it of each row.
        away: of a model that is guided, what was read in the other way; None until something was.
    """

    keys: list[Tensor]
    values: list[Tensor]
    first: FirstPass | None = None
    known: Tensor | None = None
    away: KVCache | None = None

    @classmethod
    def empty(cls, layers: int) -> KVCache:
        return cls([torch.empty(0)] * layers, [torch.empty(0)] * layers)

    @property
    def length(self) -> int:
        """Slots that were read so far."""
        return self.keys[0].shape[2] if self.keys[0].numel() else 0

    def extend(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        if self.keys[layer].numel():
            key = torch.cat((self.keys[layer], key), dim=2)
            value = torch.cat((self.values[layer], value), dim=2)
        self.keys[layer], self.values[layer] = key, value
        return key, value

    def select(self, rows: Tensor) -> KVCache:
        """The cache of the given rows (an index or bool tensor), possibly repeated."""
        first = self.first.select(rows) if self.first else None
        known = None if self.known is None else self.known[rows]
        away = self.away.select(rows) if self.away else None
        return KVCache([k[rows] for k in self.keys], [v[rows] for v in self.values], first, known, away)

    @classmethod
    def joined(cls, parts: Sequence[KVCache], places: Sequence[Tensor]) -> KVCache:
        """The rows of several, each at its place; the shorter ones get empty slots at their end. The parts are used up.

        Args:
            places: int64 (B,) for each part, of its rows; together every number once.
        """
        whole = cls.empty(len(parts[0].keys))
        for layer in range(len(whole.keys)):
            whole.keys[layer] = together([part.keys[layer] for part in parts], places, 2)
            whole.values[layer] = together([part.values[layer] for part in parts], places, 2)
            for part in parts:  # so that all is there once, and a layer twice
                part.keys[layer] = part.values[layer] = torch.empty(0)
        if parts[0].first:
            whole.first = FirstPass.joined([part.first for part in parts if part.first], places)
        if parts[0].known is not None:
            whole.known = together([part.known for part in parts if part.known is not None], places, 1)
        if parts[0].away:
            whole.away = cls.joined([part.away for part in parts if part.away], places)
        return whole

    def branch(self) -> KVCache:
        """The same, to read on in another way: what is read there leaves this one as it is. Copies nothing."""
        first = self.first and FirstPass(self.first.cache.branch(), self.first.states, self.first.positions)
        away = self.away.branch() if self.away else None
        return KVCache(list(self.keys), list(self.values), first, self.known, away)


@dataclass
class FirstPass:
    """What a first pass of surprisal read so far: its cache, final states (B, S, C) and positions (B, S)."""

    cache: KVCache
    states: Tensor
    positions: Tensor

    def select(self, rows: Tensor) -> FirstPass:
        return FirstPass(self.cache.select(rows), self.states[rows], self.positions[rows])

    @classmethod
    def joined(cls, parts: Sequence[FirstPass], places: Sequence[Tensor]) -> FirstPass:
        return cls(
            KVCache.joined([part.cache for part in parts], places),
            together([part.states for part in parts], places, 1),
            together([part.positions for part in parts], places, 1),
        )


def together(parts: Sequence[Tensor], places: Sequence[Tensor], dim: int) -> Tensor:
    """The rows of several tensors, each at its place, all as long in `dim` as the longest, with zeros at their end."""
    shape = list(parts[0].shape)
    shape[dim] = max(part.shape[dim] for part in parts)
    shape[0] = sum(map(len, places))
    whole = parts[0].new_zeros(shape)
    for part, rows in zip(parts, places, strict=True):
        (whole.narrow(dim, 0, part.shape[dim]) if dim else whole).index_copy_(0, rows, part)
    return whole


class Attention(nn.Module):
    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.layer, self.head_dim, form = layer, config.head_dim, config.form
        queries, keys = config.heads * config.head_dim, config.kv_heads * config.head_dim
        self.q_proj = nn.Linear(config.dim, queries, bias=form.qkv_bias)
        self.k_proj = nn.Linear(config.dim, keys, bias=form.qkv_bias)
        self.v_proj = nn.Linear(config.dim, keys, bias=form.qkv_bias)
        self.o_proj = nn.Linear(queries, config.dim, bias=False)
        self.by_head = form.qk_norm == "head"
        if form.qk_norm:
            self.q_norm: nn.Module = nn.RMSNorm(config.head_dim if self.by_head else queries, eps=config.norm_eps)
            self.k_norm: nn.Module = nn.RMSNorm(config.head_dim if self.by_head else keys, eps=config.norm_eps)
        else:
            self.q_norm, self.k_norm = nn.Identity(), nn.Identity()

    def project(self, x: Tensor, tables: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (B, H, T, D), keys and values (B, G, T, D) of x (B, T, C)."""
        rows, length, _ = x.shape

        def split(y: Tensor) -> Tensor:
            return y.view(rows, length, -1, self.head_dim)

        def normed(y: Tensor, norm: nn.Module) -> Tensor:
            return norm(split(y)) if self.by_head else split(norm(y))

        query = rotate(normed(self.q_proj(x), self.q_norm).transpose(1, 2), tables)  # (B, H, T, D)
        key = rotate(normed(self.k_proj(x), self.k_norm).transpose(1, 2), tables)  # (B, G, T, D)
        value = split(self.v_proj(x)).transpose(1, 2)
        return query.to(value.dtype), key.to(value.dtype), value  # autocast leaves norms in float32

    def forward(self, x: Tensor, tables: tuple[Tensor, Tensor], mask: Mask, cache: KVCache | None) -> Tensor:
        rows, length, _ = x.shape  # (B, T, C)
        query, key, value = self.project(x, tables)
        if cache is not None:
            key, value = cache.extend(self.layer, key, value)
        y = attend(query, key, value, mask)
        return self.o_proj(y.transpose(1, 2).reshape(rows, length, -1))


class SwiGLU(nn.Module):
    """Shazeer, 2020 (arXiv 2002.05202)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.dim, config.ffn_dim, bias=False)
        self.up_proj = nn.Linear(config.dim, config.ffn_dim, bias=False)
        self.down_proj = nn.Linear(config.ffn_dim, config.dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Block(nn.Module):
    """Attention and SwiGLU, with a norm before each, or behind (as in OLMo-2, arXiv 2501.00656)."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.norm_after = config.form.norm_after
        if not self.norm_after:
            self.input_layernorm = nn.RMSNorm(config.dim, eps=config.norm_eps)
        self.self_attn = Attention(config, layer)
        self.post_attention_layernorm = nn.RMSNorm(config.dim, eps=config.norm_eps)
        self.mlp = SwiGLU(config)
        if self.norm_after:
            self.post_feedforward_layernorm = nn.RMSNorm(config.dim, eps=config.norm_eps)

    def forward(self, x: Tensor, tables: tuple[Tensor, Tensor], mask: Mask, cache: KVCache | None) -> Tensor:
        if self.norm_after:
            x = x + self.post_attention_layernorm(self.self_attn(x, tables, mask, cache))
            return x + self.post_feedforward_layernorm(self.mlp(x))
        x = x + self.self_attn(self.input_layernorm(x), tables, mask, cache)
        return x + self.mlp(self.post_attention_layernorm(x))


class Transformer(nn.Module):
    """Tokens, positions and a mask to logits.

    Args:
        config: checked here; raises ValueError for a shape that can't be built.

    Attributes:
        surprisal: the feedback of surprisal (`model.inputs.surprisal`), None for none.
        authors: the marks of who wrote what (`model.inputs.authorship`), None for none: then `own` says nothing.
        guidance: between two tokens of its prompts (`model.inputs.guidance`), None for none.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        config.check()
        if not config.vocab_size:
            raise ValueError("model.vocab_size=0: a model needs at least 1")
        self.config = config
        self.compiled = False  # see model.loss.compile_model
        self.embed_tokens = nn.Embedding(config.vocab_size, config.dim)
        self.layers = nn.ModuleList(Block(config, layer) for layer in range(config.layers))
        self.norm = nn.RMSNorm(config.dim, eps=config.norm_eps)
        self.lm_head = nn.Linear(config.dim, config.vocab_size, bias=False)
        if config.tied:
            self.lm_head.weight = self.embed_tokens.weight
        self.surprisal: SurprisalFeedback | None = None
        self.authors: AuthorMark | None = None
        self.guidance: Guidance | None = None
        self.initialise()

    @torch.no_grad()
    def initialise(self) -> None:
        """Normal(0, 1/sqrt(fan-in)) for matrices, 0.02 for embedding and output layer; residual outputs start at zero.

        Zero residual outputs make every block the identity at the start (muP; modded-nanogpt's records), but for
        families with a norm behind them, whose gradient at zero is without measure.
        """
        for name, parameter in self.named_parameters():
            if parameter.ndim < 2:
                parameter.fill_(0.0 if name.endswith("bias") else 1.0)
            elif name.endswith(("o_proj.weight", "down_proj.weight")) and not self.config.form.norm_after:
                parameter.zero_()
            elif name.startswith(("embed_tokens", "lm_head")):
                parameter.normal_(std=0.02)
            else:
                parameter.normal_(std=1 / math.sqrt(parameter.shape[1]))

    def hidden(
        self,
        tokens: Tensor,
        positions: Tensor,
        mask: Mask = None,
        cache: KVCache | None = None,
        told: Told | None = None,
        own: Tensor | None = None,
    ) -> Tensor:
        """Final hidden states (B, T, C) of int64 tokens and positions (B, T); see `attend` for masks.

        `told` is what training says to a feedback of surprisal; without it every row is fed. `own`, bool (B, T), are
        the tokens that the model wrote itself; without it none is. A model that is guided takes what it reads first,
        into an empty cache or none, for its prompt.
        """
        states = self._states(tokens, positions, mask, cache, told, own)
        if self.guidance is None:
            return states
        if cache is None or cache.away is None:
            tokens = self.guidance.instead(tokens)
        if cache is not None and cache.away is None:
            cache.away = KVCache.empty(len(self.layers))
            cache.away.known = cache.known
        return self.guidance.mixed(states, self._states(tokens, positions, mask, cache and cache.away, told, own))

    def _states(
        self,
        tokens: Tensor,
        positions: Tensor,
        mask: Mask,
        cache: KVCache | None,
        told: Told | None,
        own: Tensor | None,
    ) -> Tensor:
        if self.config.window:
            self._check_window(tokens.shape[1] + (cache.length if cache else 0))
        x = self.embed_tokens(tokens)
        if self.authors is not None and own is not None:
            x = x + self.authors(own)
        if self.surprisal is None or self.surprisal.source == "off":
            return self._trunk(x, positions, mask, cache)
        if self.surprisal.reads:
            more = self.surprisal.embed(*self._surprise(tokens, positions, mask, cache))
        else:
            known = told.known if told else cache.known if cache else None
            more = self.surprisal.embed_told(tokens, known)
        return self._trunk(x + (more * told.fed[..., None] if told else more), positions, mask, cache)

    def _trunk(self, x: Tensor, positions: Tensor, mask: Mask, cache: KVCache | None) -> Tensor:
        tables = rotary_tables(positions, frequencies(self.config, positions.device))
        for block in self.layers:
            x = block(x, tables, mask, cache)
        return self.norm(x)

    @torch.no_grad()
    def _surprise(self, tokens: Tensor, positions: Tensor, mask: Mask, cache: KVCache | None) -> tuple[Tensor, Tensor]:
        """Buckets (B, T) of the surprisal and of the entropy of each token, by a pass that nothing is fed to."""
        inner = None if cache is None else KVCache.empty(len(self.layers)) if cache.first is None else cache.first.cache
        states, slots = self._trunk(self.embed_tokens(tokens), positions, mask, inner), positions
        if cache is not None and inner is not None:
            if cache.first is not None:
                states = torch.cat((cache.first.states, states), 1)
                slots = torch.cat((cache.first.positions, slots), 1)
            cache.first = FirstPass(inner, states, slots)
        place = before(positions, slots, mask)
        index = place.clamp(min=0)[..., None].expand(-1, -1, states.shape[-1])
        found = surprise(self.lm_head(states.gather(1, index)), tokens)
        surprisal, entropy = (torch.where(place < 0, NOTHING, bucket(nats)) for nats in found)
        return surprisal, entropy

    def feed_back(self, source: str) -> None:
        """Give it a feedback of surprisal that is all zeros: until it is trained, nothing changes."""
        with self.embed_tokens.weight.device:
            self.surprisal = SurprisalFeedback(self.config.dim, source)

    def mark_authors(self) -> None:
        """Give it marks of who wrote what, that are all zeros: until they are trained, nothing changes."""
        with self.embed_tokens.weight.device:
            self.authors = AuthorMark(self.config.dim)

    def fed_from(self, source: str) -> Transformer:
        """The same weights, with a feedback, if there is one, from another of `model.inputs.surprisal.SOURCES`."""
        if self.surprisal is None:
            return self
        other, feedback = copy(self), copy(self.surprisal)
        feedback.source = source
        other._modules = {**self._modules, "surprisal": feedback}
        return other

    def guided(self, guidance: Guidance) -> Transformer:
        """The same weights, guided whenever they read or write."""
        other = copy(self)
        other.guidance = guidance
        return other

    def _check_window(self, slots: int) -> None:
        """Within the window a layer with one sees all that a layer without sees, so that masks need none."""
        if slots > self.config.window:
            raise ValueError(f"{slots} tokens at once are more than this model's window of {self.config.window}")

    def forward(self, tokens: Tensor, positions: Tensor, mask: Mask = None, cache: KVCache | None = None) -> Tensor:
        """Logits (B, T, V)."""
        return self.lm_head(self.hidden(tokens, positions, mask, cache))
