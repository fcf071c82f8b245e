"""Tokenizers that come with checkpoints: the leading space, where words begin, and the mark before a text."""

from __future__ import annotations

from pathlib import Path

import pytest
import tokenizers
from checkpoints import byte_level, sentencepiece
from tokenizers import models

from data.pipeline.tokenizer import RESERVED, Borrowed, Tokenizer, TokenizerConfig, build_tokenizer

KINDS = {
    "byte-level": byte_level,
    "prepend": sentencepiece,
    "always": lambda path: sentencepiece(path, kind="always"),
    "first": lambda path: sentencepiece(path, kind="first"),
    "never": lambda path: sentencepiece(path, kind="never"),
}


def extended(path: Path) -> Tokenizer:
    return build_tokenizer(TokenizerConfig(base=str(path)), [])


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_begins_with_one_space(tmp_path: Path, kind: str) -> None:
    tokenizer = extended(KINDS[kind](tmp_path / "tokenizer.json"))
    space = "Ġ" if kind == "byte-level" else "▁"
    for text in ("Ada Moss was born in Oslo.", "was", "Zoë 中 🙂"):
        (ids,) = tokenizer.encode([text])
        spelled = "".join(tokenizer.backend.id_to_token(int(i)) for i in ids)
        assert spelled.startswith(space) and not spelled.startswith(space * 2)
        assert tokenizer.decode(ids) == text
    (ids,) = tokenizer.encode(["Ada was as"])
    words = [tokenizer.backend.id_to_token(int(i)) for i in ids if i in tokenizer.starts]
    assert len(words) == 3 and {space} == {word[0] for word in words}
    assert all(tokenizer.backend.id_to_token(i)[0] != space for i in tokenizer.inner)
    assert tokenizer.backend.token_to_id("d") in tokenizer.inner


@pytest.mark.parametrize("kind", KINDS)
def test_reserved_tokens_follow_those_that_there_are(tmp_path: Path, kind: str) -> None:
    path = KINDS[kind](tmp_path / "tokenizer.json")
    before, tokenizer = Borrowed.read(str(path)), extended(path)
    ids = [tokenizer.backend.token_to_id(token) for token in RESERVED]
    assert ids == list(range(before.size, before.size + len(RESERVED)))
    assert len(tokenizer) == before.size + len(RESERVED)
    (spelled,) = tokenizer.encode(["<|src|>"])
    assert not tokenizer.reserved.intersection(spelled.tolist())


@pytest.mark.parametrize(("bos", "expected"), [(True, 1), (False, None)])
def test_the_mark_before_a_text_is_found(tmp_path: Path, bos: bool, expected: int | None) -> None:
    for make in (byte_level, sentencepiece):
        assert Borrowed.read(str(make(tmp_path / "tokenizer.json", bos=bos))).bos == expected


def test_a_vocabulary_with_gaps_is_refused(tmp_path: Path) -> None:
    letters = tokenizers.Tokenizer.from_file(str(byte_level(tmp_path / "tokenizer.json"))).get_vocab()
    gaps = {token: 2 * place for token, place in letters.items() if len(token) == 1}
    made = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    made.model = models.BPE(vocab=gaps, merges=[])
    made.save(str(tmp_path / "gaps.json"))
    with pytest.raises(ValueError, match=r"gaps\.json has gaps in its ids"):
        extended(tmp_path / "gaps.json")
