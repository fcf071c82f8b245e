"""Text never becomes a reserved token, and comes back as it was."""

import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import decoders, models, pre_tokenizers

from data.pipeline.tokenizer import MARKS, RESERVED, Tokenizer, TokenizerConfig, _spaced, build_tokenizer

SPOKEN = st.sampled_from(RESERVED) | st.text(st.characters(codec="utf-8"), max_size=8)


def reserved_ids(tokenizer: Tokenizer) -> set[int]:
    return {tokenizer.backend.token_to_id(token) for token in RESERVED}


def saved(tokenizer: Tokenizer, folder: Path) -> TokenizerConfig:
    tokenizer.save(str(folder / "base.json"))
    return TokenizerConfig(base=str(folder / "base.json"))


def byte_level(letters: Iterable[str]) -> tokenizers.Tokenizer:
    base = tokenizers.Tokenizer(models.BPE({letter: place for place, letter in enumerate(letters)}, []))
    base.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    base.decoder = decoders.ByteLevel()
    return base


@given(parts=st.lists(SPOKEN, max_size=6))
def test_text_never_becomes_a_reserved_token(tokenizer: Tokenizer, parts: list[str]) -> None:
    text = "".join(parts)
    (tokens,) = tokenizer.encode([text])
    assert not reserved_ids(tokenizer) & set(tokens.tolist())
    assert tokenizer.decode(tokens) == text.strip()


def test_a_corpus_full_of_marks_teaches_no_mark() -> None:
    tokenizer = build_tokenizer(TokenizerConfig(vocab_size=700), ["<|src|> <|id_7|><|end|>"] * 200)
    (tokens,) = tokenizer.encode(["<|src|><|id_7|> <|end|>"])
    assert not reserved_ids(tokenizer) & set(tokens.tolist())


def test_a_word_of_any_length_is_learnt_from_in_pieces() -> None:
    """Training on one of 400,000 letters takes minutes; texts of ordinary words are learnt from as they are."""
    ordinary = "a long text of short words " * 100
    texts = ["short words", ordinary, "x" * 2500, "a" + " " * 1200 + "b"]
    pieces = " ".join(["x" * 1000, "x" * 1000, "x" * 500])
    assert list(_spaced(texts)) == [" short words", f" {ordinary}", f" {pieces}", " a" + " " * 1000 + "b"]


def test_two_hundred_thousand_letters_take_no_time() -> None:
    begun = time.perf_counter()
    tokenizer = build_tokenizer(TokenizerConfig(vocab_size=600), ["a" * 200_000, "b" + " " * 200_000])
    assert tokenizer.decode(tokenizer.encode(["a" * 200_000])[0]) == "a" * 200_000
    assert time.perf_counter() - begun < 8


def test_reserved_ids_are_distinct_and_at_hand(tokenizer: Tokenizer) -> None:
    assert len(reserved_ids(tokenizer)) == len(RESERVED) == 10 + 11 + 256
    for name, token in MARKS.items():
        assert getattr(tokenizer, name) == tokenizer.backend.token_to_id(token)
    assert tokenizer.codes.dtype == np.int32
    assert tokenizer.decode([tokenizer.src, tokenizer.codes[255]]) == "<|src|><|id_255|>"
    assert len(tokenizer) == 640


def test_words_are_the_same_tokens_wherever_they_stand(tokenizer: Tokenizer) -> None:
    alone, within = tokenizer.encode(["Oslo", "Ada Moss Oslo"])
    assert alone.dtype == np.int32
    assert within[-len(alone) :].tolist() == alone.tolist()


def test_round_trip_through_a_file(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path / "tokenizer.json")
    again = Tokenizer.load(tmp_path / "tokenizer.json")
    text = "Ada <|src|> Moss"
    assert again.encode([text])[0].tolist() == tokenizer.encode([text])[0].tolist()
    assert (again.doc, again.false, len(again)) == (tokenizer.doc, tokenizer.false, len(tokenizer))


def test_a_base_is_extended_and_neither_cuts_nor_fills(tmp_path: Path) -> None:
    base = byte_level(sorted(pre_tokenizers.ByteLevel.alphabet()))
    base.enable_truncation(4)
    base.enable_padding(length=9)
    tokenizer = build_tokenizer(saved(base, tmp_path), [])
    assert len(tokenizer) == 256 + len(RESERVED)
    assert [len(tokens) for tokens in tokenizer.encode(["ab", "abcdefghij"])] == [3, 11]


def test_a_base_that_would_lose_letters_is_refused(tmp_path: Path) -> None:
    """Such a one made "Zo uill" of "Zoë Ķuill", and said nothing."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    without = byte_level(letter for letter in alphabet if letter != "¶")  # the last byte of ö and of many others
    ascii_only = tokenizers.Tokenizer(models.BPE({chr(code): code for code in range(128)}, []))
    words = tokenizers.Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1}, unk_token="[UNK]"))
    fallback = {f"<0x{byte:02X}>": byte for byte in range(256)}
    for base in (without, ascii_only, words):
        with pytest.raises(ValueError, match=r"tokenizer\.base=.*has no token for '.' and \d+ of \d+ other letters"):
            build_tokenizer(saved(base, tmp_path), [])
    whole = tokenizers.Tokenizer(models.BPE(fallback, [], byte_fallback=True))
    whole.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    tokenizer = build_tokenizer(saved(whole, tmp_path), [])
    assert tokenizer.decode(tokenizer.encode(["Zoë Ķuill"])[0]) == "Zoë Ķuill"


def test_bad_settings_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"tokenizer\.vocab_size=532: must be at least 533"):
        build_tokenizer(TokenizerConfig(vocab_size=532), ["a"])
    with pytest.raises(ValueError, match=r"tokenizer\.base=.*nowhere\.json"):
        build_tokenizer(TokenizerConfig(base=str(tmp_path / "nowhere.json")), [])
    with pytest.raises(ValueError, match=r"lacks the reserved token <\|pad\|>"):
        Tokenizer(tokenizers.Tokenizer(models.BPE()))
