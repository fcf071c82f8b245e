"""Who sees whom: the rule against loops, each implementation against the others, and the footnote's guarantees.

The guarantees run through the real samples, packing, mask and transformer. Where only the content of a token changes,
logits of those that may not see it are equal bit by bit. Between rows with and without footnotes the sums have other
lengths, so there equality is within rounding: 1e-6 of the largest logit in float32, 1e-14 in float64.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from data.pipeline.identifiers import Identifiers, IdsConfig, assign
from data.pipeline.packing import Batch, collate
from data.pipeline.placement import TagsConfig
from data.pipeline.sources import Documents
from data.pipeline.tokenizer import Tokenizer
from data.records import Document
from eval.answerers.lm_answerer import LMAnswerer
from model.attention import attend, block_mask, dense_mask, explicit
from model.transformer import Transformer

Make = Callable[..., Transformer]
ROWS = ((1, 2, 3), (5, 7), (4, 6, 8, 10))  # documents of each row


def pattern(rows: int, length: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Random doc (ascending, padding last), span and note."""
    generator = torch.Generator().manual_seed(seed)
    doc = torch.randint(0, 3, (rows, length), generator=generator).sort(1).values
    doc[:, -(length // 8) :] = -1
    span = torch.randint(-1, 3, (rows, length), generator=generator)
    note = (torch.rand(rows, length, generator=generator) < 0.3) & (doc >= 0)
    return doc, span, note


def qkv(length: int, kv_heads: int, seed: int = 0) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(2, heads, length, 16, generator=generator) for heads in (4, kv_heads, kv_heads))


def softmax_reference(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """Query by query, in float64: weights exp(q k / sqrt(d)) over the visible keys alone."""
    out = torch.zeros(query.shape, dtype=torch.float64)
    group = query.shape[1] // key.shape[1]
    for b in range(query.shape[0]):
        for h in range(query.shape[1]):
            for t in range(query.shape[2]):
                seen = mask[b, 0, t].nonzero()[:, 0]
                scores = key[b, h // group, seen].double() @ query[b, h, t].double() / math.sqrt(query.shape[3])
                weights = (scores - scores.max()).exp()
                out[b, h, t] = weights / weights.sum() @ value[b, h // group, seen].double()
    return out


def test_the_rule_is_the_one_in_words() -> None:
    doc, span, note = pattern(3, 24, seed=1)
    mask = dense_mask(doc, span, note)
    assert mask.shape == (3, 1, 24, 24)
    for b in range(3):
        for q in range(24):
            for k in range(24):
                if k > q or doc[b, q] != doc[b, k]:
                    sees = False
                elif note[b, q]:
                    sees = bool(span[b, q] == span[b, k])
                else:
                    sees = not note[b, k]
                assert bool(mask[b, 0, q, k]) == sees, (b, q, k)


def test_every_token_sees_itself() -> None:
    assert dense_mask(*pattern(4, 64, seed=2))[:, 0].diagonal(dim1=1, dim2=2).all()


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_attention_is_a_softmax_over_what_is_visible(kv_heads: int) -> None:
    mask = dense_mask(*pattern(2, 40, seed=3))
    query, key, value = qkv(40, kv_heads)
    reference = softmax_reference(query, key, value, mask)
    with torch.no_grad():
        torch.testing.assert_close(attend(query, key, value, mask).double(), reference, atol=2e-6, rtol=0)
    torch.testing.assert_close(explicit(query, key, value, mask).double(), reference, atol=2e-6, rtol=0)
    assert torch.is_grad_enabled()
    torch.testing.assert_close(attend(query, key, value, mask).double(), reference, atol=2e-6, rtol=0)


def test_no_mask_is_causal() -> None:
    query, key, value = qkv(40, 2)
    causal = torch.ones(2, 1, 40, 40, dtype=torch.bool).tril()
    reference = softmax_reference(query, key, value, causal)
    torch.testing.assert_close(attend(query, key, value, None).double(), reference, atol=2e-6, rtol=0)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize(("length", "kv_heads"), [(128, 2), (200, 4), (256, 1)])
def test_block_mask_equals_dense_mask(length: int, kv_heads: int) -> None:
    shape = pattern(2, length, seed=length)
    query, key, value = qkv(length, kv_heads)
    with torch.no_grad():
        flex = attend(query, key, value, block_mask(*shape))
        dense = attend(query, key, value, dense_mask(*shape))
    torch.testing.assert_close(flex, dense, atol=2e-6, rtol=0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("kv_heads", [2, 4])
def test_compiled_flex_attention_equals_dense_mask_and_its_gradients(kv_heads: int) -> None:
    found = []
    for form in (block_mask, dense_mask):
        inputs = [x.repeat(1, 1, 1, 4).cuda().requires_grad_() for x in qkv(256, kv_heads)]
        out = attend(*inputs, form(*(x.cuda() for x in pattern(2, 256, seed=5))))
        out.square().sum().backward()
        found.append([out, *(x.grad for x in inputs)])
    for flex, dense in zip(*found, strict=True):
        # Either side may use TF32 products: 10 bits of mantissa.
        torch.testing.assert_close(flex, dense, atol=5e-3 * float(dense.abs().max()), rtol=0)


# The footnote's guarantees


@pytest.fixture(scope="module")
def identifiers(tokenizer: Tokenizer, documents: list[Document]) -> Identifiers:
    return assign(documents, tokenizer, IdsConfig())


def packed(
    tokenizer: Tokenizer, documents: list[Document], identifiers: Identifiers, placement: str, epoch: int = 1
) -> Batch:
    tags = TagsConfig(placement=placement, id_to_text=0.0)
    source = Documents(documents, identifiers, tokenizer, tags, 256, seed=4)
    rows = [[sample for index in row for sample in source.render(index, epoch, False)] for row in ROWS]
    return collate(rows, max(sum(map(len, row)) for row in rows) + 3, tokenizer.pad)


@torch.no_grad()
def logits_of(model: Transformer, batch: Batch, tokens: Tensor | None = None) -> Tensor:
    mask = dense_mask(batch.doc, batch.span, batch.note)
    return model(batch.tokens if tokens is None else tokens, batch.positions, mask)


@pytest.mark.parametrize(
    ("kind", "bound", "grad"),
    # With gradients the softmax is in float32 whatever the weights are: `explicit`.
    [(torch.float32, 1e-6, False), (torch.float32, 1e-6, True), (torch.float64, 1e-14, False)],
)
def test_footnotes_leave_text_untouched(
    tokenizer: Tokenizer,
    documents: list[Document],
    identifiers: Identifiers,
    make_model: Make,
    kind: torch.dtype,
    bound: float,
    grad: bool,
) -> None:
    model = make_model().to(kind)
    tagged, bare = (packed(tokenizer, documents, identifiers, placement) for placement in ("footnote", "none"))
    text, plain = ~tagged.note & (tagged.doc >= 0), bare.doc >= 0
    assert int(tagged.note.sum()) > 50
    for name in ("tokens", "targets", "positions", "doc", "span", "kind"):
        assert torch.equal(getattr(tagged, name)[text], getattr(bare, name)[plain]), name
    masks = [dense_mask(batch.doc, batch.span, batch.note) for batch in (tagged, bare)]
    with torch.set_grad_enabled(grad):
        logits = model(tagged.tokens, tagged.positions, masks[0])[text]
        expected = model(bare.tokens, bare.positions, masks[1])[plain]
    assert (logits - expected).abs().max() <= bound * expected.abs().max()


def test_an_identifier_changes_nothing_outside_its_own_footnote(
    tokenizer: Tokenizer, documents: list[Document], identifiers: Identifiers, make_model: Make
) -> None:
    batch, model = packed(tokenizer, documents, identifiers, "footnote"), make_model()
    before = logits_of(model, batch)
    for row, doc, span in ((0, 1, 0), (2, 1, 1), (1, 0, 1)):
        own = batch.note[row] & (batch.doc[row] == doc) & (batch.span[row] == span)
        changed = own & (batch.tokens[row] != tokenizer.src)
        assert 1 <= changed.sum() < own.sum()
        tokens = batch.tokens.clone()
        tokens[row, changed] = torch.as_tensor(tokenizer.codes[77]).long()
        after = logits_of(model, batch, tokens)
        outside = torch.ones_like(batch.note)
        outside[row, changed] = False
        assert torch.equal(after[outside], before[outside])
        assert not torch.isclose(after[row, changed], before[row, changed]).all(-1).any()


def test_documents_of_a_row_do_not_see_each_other(
    tokenizer: Tokenizer, documents: list[Document], identifiers: Identifiers, make_model: Make
) -> None:
    batch, model = packed(tokenizer, documents, identifiers, "footnote"), make_model()
    before = logits_of(model, batch)
    for doc in range(4):
        own = batch.doc[2] == doc
        tokens = batch.tokens.clone()
        tokens[2, own] = 300 + torch.arange(int(own.sum()))
        after = logits_of(model, batch, tokens)
        others = torch.ones_like(batch.note)
        others[2, own] = False
        assert torch.equal(after[others], before[others])
        assert not torch.isclose(after[2, own], before[2, own]).all(-1).any()


def test_a_footnote_sees_its_own_sentence_and_nothing_else(
    tokenizer: Tokenizer, documents: list[Document], identifiers: Identifiers, make_model: Make
) -> None:
    # In one layer nothing arrives through the hidden states of others: what changes a footnote is what it looks at.
    batch, model = packed(tokenizer, documents, identifiers, "footnote"), make_model(layers=1)
    before = logits_of(model, batch)
    own_doc = batch.doc[0] == 2
    footnote = own_doc & batch.note[0] & (batch.span[0] == 1)
    sentence = own_doc & ~batch.note[0] & (batch.span[0] == 1)
    start = own_doc & (batch.tokens[0] == tokenizer.doc)
    other_sentence = own_doc & ~batch.note[0] & (batch.span[0] == 0)
    other_footnote = own_doc & batch.note[0] & (batch.span[0] == 0)
    assert all(part.any() for part in (footnote, sentence, other_sentence, other_footnote))
    assert start.sum() == 1
    for part, seen, heard in (
        (sentence, True, True),
        (start, False, True),
        (other_sentence, False, True),
        (other_footnote, False, False),
    ):
        tokens = batch.tokens.clone()
        tokens[0, part] = 321
        after = logits_of(model, batch, tokens)
        assert torch.equal(after[0, footnote], before[0, footnote]) != seen
        end = own_doc & (batch.tokens[0] == tokenizer.end)  # text hears all text before it
        assert torch.equal(after[0, end], before[0, end]) != heard


def test_a_footnote_hears_of_the_document_through_its_text(
    tokenizer: Tokenizer, documents: list[Document], identifiers: Identifiers, make_model: Make
) -> None:
    batch, model = packed(tokenizer, documents, identifiers, "footnote"), make_model(layers=2)
    tokens = torch.where(batch.tokens == tokenizer.doc, 321, batch.tokens)
    before, after = logits_of(model, batch)[batch.note], logits_of(model, batch, tokens)[batch.note]
    assert not torch.isclose(after, before).all(-1).any()


def test_citing_a_statement_is_reading_its_footnote(
    tokenizer: Tokenizer, documents: list[Document], identifiers: Identifiers, make_model: Make
) -> None:
    """`cite` gives an identifier the probability that training's forward pass gives it in the statement's footnote."""
    model = make_model()
    statements = ["Ada Moss was born in Oslo.", "Law.", "In 1903 Dov Reed moved to a place unheard of."]
    answerer = LMAnswerer(model, tokenizer, identifiers, most=len(documents))
    assert len({len(tokens) for tokens in tokenizer.encode(statements)}) == 3
    for statement, ranked in zip(statements, answerer.cite(statements), strict=True):
        cited = {citation.id: citation.probability for citation in ranked}
        assert len(cited) == len(documents)
        for index, document in list(enumerate(documents))[::5]:
            alone = [Document("d", ((statement,),))], Identifiers(("d",), (identifiers.tokens[index],))
            (sample,) = Documents(*alone, tokenizer, TagsConfig(id_to_text=0.0), 256, seed=0).render(0, 0, False)
            batch = collate([[sample]], len(sample), tokenizer.pad)
            scores = logits_of(model, batch)[0].double().log_softmax(-1)
            trained = np.flatnonzero(sample.note)
            assert sample.targets[trained].tolist() == [*identifiers.tokens[index], tokenizer.end_src]
            expected = math.exp(sum(float(scores[at, sample.targets[at]]) for at in trained))
            assert cited[document.id] == pytest.approx(expected, rel=2e-5)
