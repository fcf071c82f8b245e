"""Reading and writing with a cache: free text, greedy, sampled or by beam, and citations ranked exactly over a trie.

A citation's probability is the model's own: the product of its tokens' softmax probabilities, the closing mark
included, with no renormalisation over the trie. It is the chance that unconstrained sampling would write this
identifier, and it only falls along a path, so best-first search over the trie ranks exactly, without a beam that could
prune the right one. Only what is a billion times less likely than the first is left out: identifiers of many tokens
have hundreds of such beginnings.

Shape letters: B contexts, T new tokens, S tokens read before, V vocabulary.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from model.transformer import KVCache, Transformer, together
from model.trie import Node, Trie

BLOCK = 256  # tokens of the vocabulary that are drawn from at once
WIDTH = 4  # prefixes that a context opens at once
NEGLIGIBLE = math.log(1e9)  # in nats below the first

# Of each context (by its number) nodes to open, with their negative log-probabilities: for each of them the
# log-probabilities (V,) of the next token after that context and the node's prefix.
Opened = dict[int, list[tuple[float, Node]]]
Expand = Callable[[Opened], list[tuple[int, Node, float, np.ndarray]]]


@dataclass
class Context:
    """What was read so far, for B texts side by side.

    Attributes:
        cache: keys and values of S slots.
        seen: bool (B, S), the slots that later tokens may look at (padding is not).
        position: int64 (B,), the next rotary position.
    """

    cache: KVCache
    seen: Tensor
    position: Tensor

    @classmethod
    def empty(cls, model: Transformer, rows: int) -> Context:
        device = model.embed_tokens.weight.device
        return cls(
            KVCache.empty(model.config.layers),
            torch.zeros(rows, 0, dtype=torch.bool, device=device),
            torch.zeros(rows, dtype=torch.long, device=device),
        )

    def select(self, rows: Tensor) -> Context:
        return Context(self.cache.select(rows), self.seen[rows], self.position[rows])

    @classmethod
    def joined(cls, parts: Sequence[Context], places: Sequence[Tensor]) -> Context:
        """The rows of several, which are used up, each at its place; what shorter ones lack at their end is unseen."""
        return cls(
            KVCache.joined([part.cache for part in parts], places),
            together([part.seen for part in parts], places, 1),
            together([part.position for part in parts], places, 0),
        )

    def branch(self) -> Context:
        """The same, to read on in another way: what is read there leaves this one as it is. Copies nothing."""
        return Context(self.cache.branch(), self.seen, self.position)


def pad_left(texts: Sequence[Sequence[int] | np.ndarray], device: torch.device) -> tuple[Tensor, Tensor]:
    """Token lists side by side, ending together: int64 tokens (B, T) and bool presence (B, T)."""
    width = max(map(len, texts))
    tokens = torch.zeros(len(texts), width, dtype=torch.long)
    present = torch.zeros(len(texts), width, dtype=torch.bool)
    for row, text in enumerate(texts):
        tokens[row, width - len(text) :] = torch.as_tensor(np.asarray(text, dtype=np.int64))
        present[row, width - len(text) :] = True
    return tokens.to(device), present.to(device)


@torch.inference_mode()
def read(model: Transformer, context: Context, tokens: Tensor, present: Tensor, own: Tensor | None = None) -> Tensor:
    """Read tokens (B, T), skipping absent ones, and return logits (B, T, V) in float32; `context` is extended.

    `own`, bool (B, T), are those that the model wrote itself (`model.inputs.authorship`).
    """
    return model.lm_head(_hidden(model, context, tokens, present, own)).float()


@torch.inference_mode()
def read_on(model: Transformer, context: Context, tokens: Tensor, present: Tensor, own: Tensor | None = None) -> Tensor:
    """`read`, with the logits (B, V) after the last token only."""
    return model.lm_head(_hidden(model, context, tokens, present, own)[:, -1]).float()


def _hidden(model: Transformer, context: Context, tokens: Tensor, present: Tensor, own: Tensor | None) -> Tensor:
    new = tokens.shape[1]
    positions = context.position[:, None] + present.cumsum(1) - 1
    causal = torch.ones(new, new, dtype=torch.bool, device=tokens.device).tril()
    itself = torch.eye(new, dtype=torch.bool, device=tokens.device)  # of an absent token: no empty softmax
    inside = (causal & present[:, None, :]) | itself
    mask = torch.cat((context.seen[:, None, :].expand(-1, new, -1), inside), dim=2)[:, None]
    hidden = model.hidden(tokens, positions.clamp(min=0), mask, context.cache, own=own)
    context.seen = torch.cat((context.seen, present), dim=1)
    context.position = context.position + present.sum(1)
    return hidden


@dataclass(frozen=True)
class Written:
    """Continuations, greedy or sampled.

    Attributes:
        tokens: for each row the tokens before its stop token.
        stops: for each row the stop token, None when none came within the limit.
        log_probs: for each row the log-probabilities of `tokens` and the stop token, float64.
    """

    tokens: list[list[int]]
    stops: list[int | None]
    log_probs: list[np.ndarray]


@torch.inference_mode()
def generate(
    model: Transformer,
    context: Context,
    logits: Tensor,
    stops: Sequence[int],
    limit: int,
    temperature: float = 0.0,
    generator: torch.Generator | None = None,
    *,
    last: bool = False,
) -> Written:
    """Continue from `logits` (B, V) until a stop token, at most `limit` tokens before it.

    `context` ends up holding what was written, without the stop token, unless it is not read on after this.

    Rows are let go once half of them have ended: those that write on are soon few.

    Args:
        temperature: of what is sampled, 0 for the likeliest token; log-probabilities are those at temperature 1.
        generator: draws the samples.
        last: nothing is read on after this: what was let go is forgotten, and `context` of no use.
    """
    rows, device = logits.shape[0], logits.device
    stop_ids = torch.tensor(list(stops), device=device)
    held, here = context, torch.arange(rows, device=device)  # the rows that are still read, and which those are
    ended: list[tuple[Context, Tensor]] = []
    paired = model.surprisal is not None and model.surprisal.paired  # whose rows would get other partners
    alive = torch.ones(rows, dtype=torch.bool, device=device)
    chosen_all, alive_all, score_all = [], [], []
    for step in range(limit + 1):
        score, chosen = logits.log_softmax(-1).max(-1)
        if temperature:
            drawn = draw(rows, device, generator)[here]  # whoever has ended: what a row draws is its own
            chosen = sample((logits / temperature).softmax(-1), drawn)
            score = logits.log_softmax(-1).gather(1, chosen[:, None])[:, 0]
        chosen_all.append(chosen.new_zeros(rows).index_copy(0, here, chosen))
        alive_all.append(alive.new_zeros(rows).index_copy(0, here, alive))
        score_all.append(score.new_zeros(rows).index_copy(0, here, score))
        alive = alive & ~torch.isin(chosen, stop_ids)
        if step == limit or not alive.any():
            break
        if 2 * int(alive.sum()) <= len(alive) and not paired:
            stay, go = alive.nonzero()[:, 0], (~alive).nonzero()[:, 0]
            if not last:
                ended.append((held.select(go), here[go]))
            held, here, chosen, alive = held.select(stay), here[stay], chosen[stay], alive[stay]
            context.cache = KVCache.empty(model.config.layers)  # or all would be held twice
        logits = read_on(model, held, chosen[:, None], alive[:, None], alive[:, None])
    if ended:
        parts, places = zip(*ended, (held, here), strict=True)
        whole = Context.joined(parts, places)
        context.cache, context.seen, context.position = whole.cache, whole.seen, whole.position
    return _collect(torch.stack(chosen_all, 1), torch.stack(alive_all, 1), torch.stack(score_all, 1), set(stops), limit)


def generate_attempts(
    model: Transformer,
    prompts: Sequence[Sequence[int] | np.ndarray],
    again: Sequence[int],
    end: int,
    limit: int,
    attempts: int = 2,
    group: int = 1,
    temperature: float = 0.0,
    generator: torch.Generator | None = None,
) -> list[list[tuple[int, ...]]]:
    """Attempts one after the other behind each prompt, `group` times: for each row its attempts, in tokens with `end`.

    Rows of one prompt are neighbours. An attempt of more than `limit` tokens is cut there and has no `end`.

    Args:
        again: what is read between two attempts, `end` first.
        temperature, generator: as for `generate`.
    """
    context = Context.empty(model, len(prompts))
    tokens, present = pad_left(prompts, context.seen.device)
    logits = read_on(model, context, tokens, present)
    rows = torch.arange(len(prompts), device=logits.device).repeat_interleave(group)
    context, logits = context.select(rows), logits[rows]
    between = torch.tensor(list(again), device=logits.device).expand(len(rows), -1)
    found: list[list[tuple[int, ...]]] = [[] for _ in range(len(rows))]
    for number in range(attempts):
        if number:
            logits = read_on(model, context, between, torch.ones_like(between, dtype=torch.bool))
        last = number == attempts - 1
        written = generate(model, context, logits, [end], limit, temperature, generator, last=last)
        for row, (said, stop) in enumerate(zip(written.tokens, written.stops, strict=True)):
            found[row].append((*said, *(() if stop is None else (stop,))))
    return found


def draw(rows: int, device: torch.device, generator: torch.Generator | None = None) -> Tensor:
    """What `sample` draws by, float64 (B, 2) from 0 to below 1."""
    return torch.rand(rows, 2, dtype=torch.float64, device=device, generator=generator)


def sample(probabilities: Tensor, drawn: Tensor) -> Tensor:
    """A token of each row (B,) by its probability (B, V): first a block of the vocabulary, then a token of it.

    `torch.multinomial` draws a number for every token, which took a sixth of writing's time; this takes two of a row.
    """
    size = probabilities.shape[1]
    blocks = F.pad(probabilities, (0, -size % BLOCK)).unflatten(1, (-1, BLOCK))
    block = _inverse(blocks.sum(-1), drawn[:, :1])
    within = _inverse(blocks[torch.arange(len(blocks), device=block.device), block], drawn[:, 1:])
    return block * BLOCK + within


def _inverse(weights: Tensor, drawn: Tensor) -> Tensor:
    """Of each row (B,) the first place where the cumulative weights (B, N) exceed a share `drawn` (B, 1) of them."""
    below = weights.double().cumsum(1)
    return torch.searchsorted(below, drawn * below[:, -1:], right=True)[:, 0]


def _collect(chosen: Tensor, alive: Tensor, scores: Tensor, stops: set[int], limit: int) -> Written:
    tokens, ends, log_probs = [], [], []
    for row, live, score in zip(chosen.tolist(), alive.sum(1).tolist(), scores.double().cpu().numpy(), strict=True):
        stopped = row[live - 1] in stops
        ends.append(row[live - 1] if stopped else None)
        tokens.append(row[: live - 1] if stopped else row[:limit])
        log_probs.append(score[:live] if stopped else score[:limit])
    return Written(tokens, ends, log_probs)


@torch.inference_mode()
def beam_search(
    model: Transformer, context: Context, logits: Tensor, stops: Sequence[int], limit: int, width: int
) -> list[list[tuple[list[int], float]]]:
    """The `width` likeliest continuations that a beam of that width finds: for each context (tokens, log-probability).

    Best first, with the stop token; fewer than `width` where the rest does not stop within `limit` tokens before it.

    Args:
        logits: float (B, V) of the first token of the continuation.
    """
    rows, size = logits.shape
    device = logits.device
    stop_ids = torch.tensor(sorted(set(stops)), device=device)
    here = list(range(rows))  # the contexts whose beams go on
    beams = context.select(torch.arange(rows, device=device).repeat_interleave(width))
    score = torch.full((rows, width), -math.inf, dtype=torch.float64, device=device)
    score[:, 0] = 0.0  # one beam is real at first: equal ones would find the same
    following = logits[:, None].expand(rows, width, size)
    written = torch.zeros(rows, width, 0, dtype=torch.long, device=device)
    found: list[list[tuple[float, list[int]]]] = [[] for _ in range(rows)]
    for step in range(limit + 1):
        total = score[:, :, None] + following.double().log_softmax(-1)
        ended, place = total[:, :, stop_ids].flatten(1).topk(width)
        beam, stop = place // len(stop_ids), stop_ids[place % len(stop_ids)]
        for item, (row, scores) in enumerate(zip(here, ended.tolist(), strict=True)):
            ends = zip(scores, beam[item].tolist(), stop[item].tolist(), strict=True)
            found[row] += [(-s, [*written[item, b].tolist(), token]) for s, b, token in ends if s > -math.inf]
            found[row] = sorted(found[row])[:width]
        total[:, :, stop_ids] = -math.inf
        score, best = total.flatten(1).topk(width)
        worst = [-found[row][-1][0] if len(found[row]) == width else -math.inf for row in here]
        going = [i for i, (top, last) in enumerate(zip(score[:, 0].tolist(), worst, strict=True)) if top > last]
        if step == limit or not going:
            break
        here, kept = [here[i] for i in going], torch.tensor(going, device=device)
        origin, chosen = best[kept] // size, best[kept] % size
        score, written = score[kept], written[kept]
        written = torch.cat((written.gather(1, origin[:, :, None].expand(-1, -1, step)), chosen[:, :, None]), 2)
        beams = beams.select((kept[:, None] * width + origin).flatten())
        token = chosen.flatten()[:, None]
        written_now = torch.ones_like(token, dtype=torch.bool)
        following = read_on(model, beams, token, written_now, written_now)
        following = following.unflatten(0, (len(here), width))
    return [[(tokens, -cost) for cost, tokens in kept] for kept in found]


@torch.inference_mode()
def rank_constrained(
    model: Transformer, context: Context, opening: int, trie: Trie, end: int, most: int
) -> list[list[tuple[int, float]]]:
    """The `most` likeliest identifiers after each context, best first: (index of the identifier, log-probability).

    Fewer where the rest is negligible beside the first, but never none. Exact best-first search: a node's
    log-probability bounds those of all identifiers below it.

    Args:
        opening, end: the marks before and after an identifier.
    """
    rows = context.seen.shape[0]
    opened = context.branch()
    mark = torch.full((rows, 1), opening, device=context.seen.device)
    first = read_on(model, opened, mark, torch.ones_like(mark, dtype=torch.bool)).double().log_softmax(-1).cpu().numpy()
    return best_first(first, partial(_expand, model, opened, trie), trie, end, most)


def best_first(first: np.ndarray, expand: Expand, trie: Trie, end: int, most: int) -> list[list[tuple[int, float]]]:
    """`rank_constrained` for any model.

    Args:
        first: log-probabilities (B, V) of the first token of an identifier.
        expand: reads prefixes of identifiers.
    """
    # (negative log-probability, tie-break, node): ties go to the lower row, whatever the order of expansion
    frontier: list[list[tuple[float, int, Node]]] = [[] for _ in first]
    found: list[list[tuple[int, float]]] = [[] for _ in first]
    expanded = [(row, trie.root, 0.0, log_probs) for row, log_probs in enumerate(first)]
    children = cache(trie.children)  # all contexts share the first nodes
    while expanded:
        for row, node, cost, log_probs in expanded:
            tokens, nodes = children(node)
            for log_prob, child in zip(log_probs[tokens].tolist(), nodes, strict=True):
                heapq.heappush(frontier[row], (cost - log_prob, child.low, child))
        open_nodes = {row: _settle(frontier[row], found[row], trie, end, most) for row in range(len(first))}
        expanded = expand({row: nodes for row, nodes in open_nodes.items() if nodes})
    return found


def _settle(
    frontier: list[tuple[float, int, Node]], found: list[tuple[int, float]], trie: Trie, end: int, most: int
) -> list[tuple[float, Node]]:
    """Move finished identifiers from the frontier's top to `found`; take the next `WIDTH` nodes to open."""
    opened: list[tuple[float, Node]] = []
    finished: list[tuple[float, int, Node]] = []
    while frontier and len(found) < most and len(opened) < min(most, WIDTH):
        cost, _, node = item = heapq.heappop(frontier)
        if found and cost + found[0][1] > NEGLIGIBLE:
            frontier.clear()
            break
        leaf = trie.leaf(node, end)
        if leaf is None:
            opened.append((cost, node))
        elif opened:
            finished.append(item)  # behind a node that is still to be opened: not certain yet
        else:
            found.append((leaf, -cost))
    for item in finished:
        heapq.heappush(frontier, item)
    return opened


def _expand(
    model: Transformer, context: Context, trie: Trie, nodes: Opened
) -> list[tuple[int, Node, float, np.ndarray]]:
    """Next-token log-probabilities (V,) after each context and each of its prefixes.

    The prefixes of a context lie side by side in one row and don't see each other, so that its cache is not copied.
    """
    if not nodes:
        return []
    device = context.seen.device
    prefixes = [[trie.prefix(node) for _, node in opened] for opened in nodes.values()]
    length, width = max(len(p) for row in prefixes for p in row), max(map(len, prefixes))
    tokens = np.zeros((len(nodes), width, length), dtype=np.int64)
    for row, opened in enumerate(prefixes):
        for place, prefix in enumerate(opened):
            tokens[row, place, : len(prefix)] = prefix
    here = torch.tensor(list(nodes), device=device)
    branch = context.branch() if len(nodes) == len(context.position) else context.select(here)
    # A prefix's later slots may be empty; they come after its tokens, which never look at them.
    causal = torch.ones(length, length, dtype=torch.bool, device=device).tril()
    inside = torch.block_diag(*[causal] * width).expand(len(nodes), -1, -1)
    mask = torch.cat((branch.seen[:, None, :].expand(-1, width * length, -1), inside), dim=2)[:, None]
    steps = torch.arange(length, device=device).repeat(width)
    laid = torch.from_numpy(tokens).to(device).flatten(1)
    hidden = model.hidden(laid, branch.position[:, None] + steps, mask, branch.cache)
    ends = [(r, p * length + len(prefix) - 1) for r, row in enumerate(prefixes) for p, prefix in enumerate(row)]
    rows, slots = torch.tensor(ends, device=device).T
    log_probs = model.lm_head(hidden[rows, slots]).double().log_softmax(-1).cpu().numpy()
    opened_nodes = [(row, node, cost) for row, opened in nodes.items() for cost, node in opened]
    return [(row, node, cost, scores) for (row, node, cost), scores in zip(opened_nodes, log_probs, strict=True)]
