"""Every document has one identifier, no two have the same, and opaque ones say nothing."""

import numpy as np
import pytest

from data.pipeline.identifiers import SPARSITY, IdsConfig, assign
from data.pipeline.tokenizer import Tokenizer
from data.records import Document


def many(count: int) -> list[Document]:
    return [Document(f"d{number}", ()) for number in range(count)]


@pytest.mark.parametrize(("count", "length"), [(1, 1), (16, 1), (17, 2), (4096, 2), (4097, 3)])
def test_opaque_codes_are_distinct_and_sparse(tokenizer: Tokenizer, count: int, length: int) -> None:
    # 256 ** length codes for at least 16 x count: 16 documents fill length 1, 4096 fill length 2.
    assert SPARSITY == 16
    identifiers = assign(many(count), tokenizer, IdsConfig())
    assert {len(tokens) for tokens in identifiers.tokens} == {length}
    assert len({tokens.tobytes() for tokens in identifiers.tokens}) == count
    assert set(np.concatenate(identifiers.tokens)) <= set(tokenizer.codes)
    assert identifiers.labels[0] == "d0"


def test_opaque_codes_depend_on_the_seed_only(tokenizer: Tokenizer, documents: list[Document]) -> None:
    def codes(given: list[Document], seed: int) -> list[list[int]]:
        return [tokens.tolist() for tokens in assign(given, tokenizer, IdsConfig(seed=seed)).tokens]

    assert codes(documents, 3) == codes(many(len(documents)), 3)
    assert codes(documents, 3) != codes(documents, 4)


def test_random_text_is_eight_letters_and_digits(tokenizer: Tokenizer) -> None:
    texts = [tokenizer.decode(tokens) for tokens in assign(many(300), tokenizer, IdsConfig("random_text")).tokens]
    assert len(set(texts)) == 300
    assert all(len(text) == 8 and text.isalnum() and text == text.lower() for text in texts)


def test_given_ids_are_their_text(tokenizer: Tokenizer, documents: list[Document]) -> None:
    identifiers = assign(documents, tokenizer, IdsConfig("given"))
    assert [tokenizer.decode(tokens) for tokens in identifiers.tokens] == [document.id for document in documents]


@pytest.mark.parametrize("content", ["source", "url", "date"])
def test_a_tag_may_carry_what_documents_share(tokenizer: Tokenizer, documents: list[Document], content: str) -> None:
    identifiers = assign(documents, tokenizer, IdsConfig(), content)
    told = [d.source if content == "source" else d.metadata[content] for d in documents]
    assert list(identifiers.labels) == told
    assert [tokenizer.decode(tokens) for tokens in identifiers.tokens] == told


def test_a_tag_may_carry_how_reliable_its_source_is(tokenizer: Tokenizer) -> None:
    documents = [Document(f"d{n}", (), "s", {"reliability": r}) for n, r in enumerate((0.95, 0.7, 0.0, 1))]
    identifiers = assign(documents, tokenizer, IdsConfig(), "reliability")
    assert identifiers.labels == ("0.95", "0.7", "0", "1")
    assert [tokenizer.decode(tokens) for tokens in identifiers.tokens] == ["0.95", "0.7", "0", "1"]
    with pytest.raises(ValueError, match=r"'d4' has no reliability"):
        assign([*documents, Document("d4", ())], tokenizer, IdsConfig(), "reliability")


def test_a_tag_may_carry_the_id_after_a_mark_of_reliability(tokenizer: Tokenizer) -> None:
    documents = [Document(f"d{n}", (), "s", {"reliability": r}) for n, r in enumerate((0.95, 0.7, 0.0, 1, 0.55))]
    rated, plain = (assign(documents, tokenizer, IdsConfig(seed=2), content) for content in ("rated", "id"))
    assert rated.labels == plain.labels == ("d0", "d1", "d2", "d3", "d4")
    assert [tokenizer.confidences.tolist().index(tokens[0]) for tokens in rated.tokens] == [10, 7, 0, 10, 6]
    assert [tokens[1:].tolist() for tokens in rated.tokens] == [tokens.tolist() for tokens in plain.tokens]
    assert {tokens.dtype for tokens in rated.tokens} == {np.dtype(np.int32)}
    with pytest.raises(ValueError, match=r"'d0' has no reliability for tags\.content=rated"):
        assign(many(1), tokenizer, IdsConfig(), "rated")


def test_bad_settings_and_documents_are_named(tokenizer: Tokenizer) -> None:
    with pytest.raises(ValueError, match=r"ids\.scheme=secret: must be one of opaque"):
        assign(many(1), tokenizer, IdsConfig("secret"))
    with pytest.raises(ValueError, match=r"tags\.content=author is not one of id"):
        assign(many(1), tokenizer, IdsConfig(), "author")
    with pytest.raises(ValueError, match=r"'d1' has no source"):
        assign([Document("d0", (), "s"), Document("d1", ())], tokenizer, IdsConfig(), "source")
    for nothing in ({}, {"url": None}, {"url": ""}):
        with pytest.raises(ValueError, match=r"'d0' has no url"):
            assign([Document("d0", (), "s", nothing)], tokenizer, IdsConfig(), "url")
    with pytest.raises(ValueError, match=r"'d0' and 'd0' get the same identifier under ids\.scheme=given"):
        assign([*many(1), *many(1)], tokenizer, IdsConfig("given"))
