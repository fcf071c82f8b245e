"""Surprisal is that of the text, whatever lies beside it; what is fed back is causal, and nothing at first."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

from data.pipeline.answer_format import Direct
from data.pipeline.identifiers import IdsConfig, assign
from data.pipeline.packing import Batch, collate
from data.pipeline.placement import TagsConfig
from data.pipeline.sample import Sample
from data.pipeline.sources import Documents
from data.pipeline.tokenizer import Tokenizer
from data.records import Document
from model.attention import training_mask
from model.generate import Context, generate, pad_left, rank_constrained, read
from model.hf import load_model, save_model
from model.inputs.surprisal import EDGES, Told, before, bucket, kept, surprise
from model.transformer import Transformer
from model.trie import Trie
from train.config import OptimizerConfig
from train.objectives import look, named, told
from train.optim.optimizer import build_optimizer

Make = Callable[..., Transformer]
IDS = [np.array(tokens, dtype=np.int32) for tokens in ([10, 11], [10], [10, 12, 13], [14, 10], [14, 11])]
OPEN, END = 2, 3
TOKENS = torch.randint(4, 640, (4, 14), generator=torch.Generator().manual_seed(5))
POSITIONS = torch.arange(14).expand(4, -1)


def fed(model: Transformer, source: str = "own") -> Transformer:
    """With a feedback that is far from nothing."""
    model.feed_back(source)
    assert model.surprisal is not None
    generator = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for table in model.surprisal.parameters():
            table[1:] = 0.5 * torch.randn(table[1:].shape, generator=generator)
    return model


@pytest.fixture(scope="module")
def packed(documents: list[Document], tokenizer: Tokenizer) -> Batch:
    """Rows of training with footnotes, ids before texts, and questions."""
    ids = assign(documents, tokenizer, IdsConfig())
    source = Documents(documents, ids, tokenizer, TagsConfig(placement="footnote", id_to_text=0.3), 200, 0)
    samples = [sample for index in range(6) for sample in source.render(index, 0, False)]
    asked, said = tokenizer.encode(["Where was Ada Moss born?", "Oslo"])
    samples.insert(1, Direct(tokenizer).answered(asked, said, ids.tokens[0], 20))
    rows: list[list[Sample]] = [samples[::2], samples[1::2]]
    return collate(rows, max(sum(map(len, row)) for row in rows) + 3, tokenizer.pad)


def test_values_by_hand() -> None:
    nats = torch.tensor([0.0, 0.1, 0.11, 0.3, 0.7, 1.0, 1.5, 2.0, 3.5, 5.1, 8.0, 8.1, 90.0])
    assert bucket(nats).tolist() == [1, 1, 2, 2, 3, 4, 4, 5, 6, 7, 7, 8, 8]
    even = torch.zeros(1, 2, 5)
    even[0, 1, 3] = math.log(4)  # 4 of 8 for one, 1 of 8 for each other
    surprisal, entropy = surprise(even, torch.tensor([[0, 3]]))
    torch.testing.assert_close(surprisal, torch.tensor([[math.log(5), math.log(2)]]))
    torch.testing.assert_close(entropy, torch.tensor([[math.log(5), 0.5 * math.log(2) + 0.5 * math.log(8)]]))


@given(st.lists(st.floats(0, 100, width=32), min_size=1))
def test_a_bucket_is_a_monotone_step(nats: list[float]) -> None:
    found = bucket(torch.tensor(sorted(nats)))
    assert found.min() >= 1 and found.max() <= len(EDGES) + 1 and (found.diff() >= 0).all()


def test_what_was_never_trained_changes_nothing(make_model: Make, packed: Batch) -> None:
    plain = make_model()
    model = copy.deepcopy(plain)
    before_it = torch.get_rng_state()
    model.feed_back("own")
    assert torch.equal(torch.get_rng_state(), before_it)  # later draws are those of a model without
    mask = training_mask(packed.doc, packed.span, packed.note)
    ours, theirs = (m(packed.tokens, packed.positions, mask) for m in (model, plain))
    assert torch.equal(ours, theirs)


def reference(model: Transformer, tokens: list[int]) -> torch.Tensor:
    """Logits (T, V) in float64 of one text, token by token: nothing of the code under test but the blocks."""
    model = copy.deepcopy(model).double()
    feedback = model.surprisal
    assert feedback is not None
    off = model.fed_from("off")
    rows, given = torch.tensor([tokens]), []
    for t, token in enumerate(tokens):
        u = h = 0
        if t:
            p = off(rows[:, :t], torch.arange(t)[None])[0, -1].softmax(-1)
            nats = [-math.log(float(p[token])), -float((p * p.log()).sum())]
            u, h = (1 + sum(value > edge for edge in EDGES) for value in nats)
        given.append(
            model.embed_tokens.weight[token] + feedback.embed_surprisal.weight[u] + feedback.embed_entropy.weight[h]
        )
    x = torch.stack(given)[None]
    return model.lm_head(model._trunk(x, torch.arange(len(tokens))[None], None, None))[0]


@torch.no_grad()
def test_it_is_the_plain_reference(make_model: Make) -> None:
    model = fed(make_model())
    for row in TOKENS:
        ours = model(row[None], POSITIONS[:1])[0]
        torch.testing.assert_close(ours.double(), reference(model, row.tolist()), atol=2e-4, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("source", ["own", "shuffled"])
def test_nothing_is_seen_of_the_next_token(make_model: Make, packed: Batch, source: str) -> None:
    """Each token in turn is another one: all logits that can't see it are the same to the last bit."""
    model = fed(make_model(), source)
    mask = training_mask(packed.doc, packed.span, packed.note)
    logits = model(packed.tokens, packed.positions, mask)
    assert isinstance(mask, torch.Tensor)
    sees = mask[:, 0]  # (B, T, S)
    places = torch.arange(packed.tokens.shape[1])
    for at in range(0, packed.tokens.shape[1], 3):
        other = packed.tokens.clone()
        other[0, at] = (other[0, at] + 7) % 640
        moved = (model(other, packed.positions, mask) != logits).any(-1)
        assert not moved[0, places < at].any()
        if source == "own":  # nor what stands beside it: other samples, and text behind a footnote
            chained_to = (sees[0, :, at] | torch.isin(packed.doc[0], packed.doc[0, at])) & (places >= at)
            assert not moved[0, ~chained_to].any() and not moved[1].any()
            if packed.note[0, at]:
                assert not moved[0, ~packed.note[0]].any()
    assert moved.any() or packed.doc[0, at] < 0


@torch.no_grad()
def test_each_token_of_a_row_is_surprising_as_if_it_stood_alone(make_model: Make, packed: Batch) -> None:
    """In a packed row with footnotes, u and h are those that the targets of training stand for."""
    model = fed(make_model())
    mask = training_mask(packed.doc, packed.span, packed.note)
    plain = model.fed_from("off")(packed.tokens, packed.positions, mask)
    place = before(packed.positions, packed.positions, mask)
    here = packed.targets >= 0
    nll = torch.nn.functional.cross_entropy(
        plain.flatten(0, 1), packed.targets.clamp(min=0).flatten(), reduction="none"
    )
    found, _ = model._surprise(packed.tokens, packed.positions, mask, None)
    for row, t in here.nonzero().tolist():
        following = (place[row] == t) & (packed.note[row] == packed.note[row, t])
        for slot in following.nonzero()[:, 0].tolist():
            assert packed.tokens[row, slot] == packed.targets[row, t]
            assert found[row, slot] == bucket(nll.view_as(here)[row, t])
    assert (place[packed.doc < 0] == -1).all()


def test_read_in_pieces_it_is_read_at_once(make_model: Make) -> None:
    """With a cache, beside shorter texts, sampled from and branched: the logits of the whole text in one row."""
    model = fed(make_model())
    texts = [[50, 51, 52], [60], [70, 71, 72, 73, 74, 75, 76], [80, 81]]
    context = Context.empty(model, 4)
    logits = read(model, context, *pad_left(texts, torch.device("cpu")))[:, -1]
    branched = context.branch()
    written = generate(model, context, logits, [END], 6, 1.0, torch.Generator().manual_seed(2))
    for text, tokens, stop, scores in zip(texts, written.tokens, written.stops, written.log_probs, strict=True):
        whole = [*text, *tokens, *([] if stop is None else [stop])]
        with torch.no_grad():
            alone = model(torch.tensor([whole]), torch.arange(len(whole))[None])[0].double().log_softmax(-1)
        wanted = [float(alone[len(text) - 1 + i, token]) for i, token in enumerate(whole[len(text) :])]
        np.testing.assert_allclose(scores, wanted, atol=1e-4)
    chosen = branched.select(torch.tensor([2, 0]))
    for text, ranked in zip(
        [texts[2], texts[0]], rank_constrained(model, chosen, OPEN, Trie.build(IDS, END), END, 5), strict=True
    ):
        assert len(ranked) == 5
        for index, score in ranked:
            whole = [*text, OPEN, *IDS[index].tolist(), END]
            with torch.no_grad():
                alone = model(torch.tensor([whole]), torch.arange(len(whole))[None])[0].double().log_softmax(-1)
            assert score == pytest.approx(
                sum(float(alone[i, whole[i + 1]]) for i in range(len(text), len(whole) - 1)), abs=1e-4
            )


@torch.no_grad()
def test_sources(make_model: Make) -> None:
    model = fed(make_model())
    assert model.surprisal is not None
    own, off = model(TOKENS, POSITIONS), model.fed_from("off")(TOKENS, POSITIONS)
    assert torch.equal(off, make_model()(TOKENS, POSITIONS)) and not torch.equal(own, off)
    shuffled = model.fed_from("shuffled")
    assert torch.equal(shuffled(TOKENS[:1], POSITIONS[:1]), model.fed_from("off")(TOKENS[:1], POSITIONS[:1]))
    values = model._surprise(TOKENS, POSITIONS, None, None)
    assert torch.equal(shuffled.surprisal.embed(*values), model.surprisal.embed(*values)[[2, 3, 0, 1]])
    assert model.surprisal.source == "own"  # a copy of another source leaves it as it is
    table = model.surprisal.embed_surprisal.weight
    constant = model.fed_from("constant").surprisal.embed_told(TOKENS, None)
    assert torch.equal(constant, table[1].expand_as(constant))
    oracle = model.fed_from("oracle").surprisal
    known = torch.tensor([[True], [False], [True], [True]])
    assert torch.equal(oracle.embed_told(TOKENS, known)[:, 3], table[[8, 1, 8, 8]])
    assert not oracle.embed_told(TOKENS, None).any()  # it is not told, so it says nothing


def test_rows_that_are_not_fed_are_read_as_in_the_first_pass(make_model: Make, packed: Batch) -> None:
    model = fed(make_model())
    mask = training_mask(packed.doc, packed.span, packed.note)
    found = model.hidden(packed.tokens, packed.positions, mask, told=Told(torch.tensor([[True], [False]]), None))
    whole = model.hidden(packed.tokens, packed.positions, mask)
    plain = model.fed_from("off").hidden(packed.tokens, packed.positions, mask)
    assert torch.equal(found[0], whole[0]) and torch.equal(found[1], plain[1])


def test_a_share_of_rows_is_left_out_whatever_their_order() -> None:
    rows = torch.randint(0, 2000, (4000, 32), generator=torch.Generator().manual_seed(0))
    fed_rows = kept(rows, 0.1)
    assert fed_rows.shape == (4000, 1) and 0.88 < fed_rows.float().mean() < 0.92
    turned = torch.randperm(4000, generator=torch.Generator().manual_seed(1))
    assert torch.equal(kept(rows[turned], 0.1), fed_rows[turned])
    assert kept(rows, 0.0).all()


def test_only_the_second_pass_is_learnt_from(make_model: Make, packed: Batch) -> None:
    """The gradient is that of the second pass with its buckets held, and no bucket 0 is ever learnt."""
    model = fed(make_model())
    assert model.surprisal is not None
    loss = look(named("next_token"), model, packed, None, 0).nll.sum()
    loss.backward()
    tables = (model.surprisal.embed_surprisal.weight.grad, model.surprisal.embed_entropy.weight.grad)
    assert all(grad is not None and grad[1:].any() and not grad[0].any() for grad in tables)
    held = copy.deepcopy(model)
    held.zero_grad()
    mask = training_mask(packed.doc, packed.span, packed.note)
    values = held._surprise(packed.tokens, packed.positions, mask, None)
    held._surprise = lambda *_: values  # type: ignore[method-assign]
    look(named("next_token"), held, packed, None, 0).nll.sum().backward()
    for ours, theirs in zip(model.parameters(), held.parameters(), strict=True):
        assert torch.equal(ours.grad, theirs.grad)


def test_an_oracle_is_told_of_samples_whose_targets_score(make_model: Make, packed: Batch) -> None:
    assert told(make_model(), packed) is None
    model = fed(make_model(), "oracle")
    score = packed.score.clone()
    score[0, packed.doc[0] == 1] = 0
    fields = {name: getattr(packed, name) for name in Batch.__slots__} | {"score": score}
    said = told(model, Batch(**fields))
    assert said is not None and said.known is not None
    assert not said.known[0, packed.doc[0] == 1].any()
    assert said.known[0, packed.doc[0] == 0].all() and not said.known[0, packed.doc[0] < 0].any()


def test_the_tables_go_to_adamw(make_model: Make) -> None:
    model = fed(make_model())
    assert model.surprisal is not None
    optimizer = build_optimizer(model, OptimizerConfig(name="muon"), torch.float32)
    in_muon = {id(p) for p in optimizer.param_groups[0]["params"]}
    assert not {id(p) for p in model.surprisal.parameters()} & in_muon
    assert len([p for group in optimizer.param_groups for p in group["params"]]) == len(list(model.parameters()))


def test_it_is_kept_and_transformers_refuses_it(make_model: Make, tmp_path: Path) -> None:
    model = fed(make_model())
    save_model(model, tmp_path, longest=128, end=6)
    again = load_model(tmp_path)
    assert again.surprisal is not None and again.surprisal.source == "own" and again.config == model.config
    assert torch.equal(again.eval()(TOKENS, POSITIONS), model(TOKENS, POSITIONS))
    with pytest.raises(ValueError, match="whence_surprisal"):
        AutoModelForCausalLM.from_pretrained(tmp_path)
    config = tmp_path / "config.json"
    config.write_text(config.read_text().replace('"own"', '"all"'))
    with pytest.raises(ValueError, match=r"config\.json: surprisal_source is \"all\", not one of own"):
        load_model(tmp_path)


def test_an_unknown_source_is_named(make_model: Make) -> None:
    with pytest.raises(ValueError, match="the source of surprisal is 'mine', not one of own, off"):
        make_model().feed_back("mine")
