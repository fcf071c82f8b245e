"""Text to token ids: a byte-level BPE with reserved tokens for tags, answers and identifier codes.

What answers make of the marks is told in `data.pipeline.answer_format`, what documents do in `data.pipeline.placement`.
Text read from a corpus can never produce a reserved token: "<|src|>" in a document is encoded as the seven characters
that it is.

Each sentence, question and answer is encoded with one leading space, so that the same words are the same tokens
wherever they stand. Where a borrowed tokenizer puts a space before a text by itself, it gets no second one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from configs.keys import FILE, Section, at_least, key

MARKS = {
    "pad": "<|pad|>",
    "doc": "<|doc|>",
    "src": "<|src|>",
    "end_src": "<|/src|>",
    "ask": "<|ask|>",
    "answer": "<|answer|>",
    "end": "<|end|>",
    "idk": "<|idk|>",
    "nosrc": "<|nosrc|>",
    "false": "<|false|>",
}
CONFIDENCES = tuple(f"<|conf_{k}|>" for k in range(11))
LONGEST_RUN = 1000  # characters of a word, or of white space, that a tokenizer is trained on in one piece
LONG_WORD, LONG_GAP = (re.compile(rf"({kind}{{{LONGEST_RUN}}}){more}") for kind, more in ((r"\S", ""), (r"\s", r"\s+")))
CODES = tuple(f"<|id_{k}|>" for k in range(256))
RESERVED = (*MARKS.values(), *CONFIDENCES, *CODES)


SPACES = ("Ġ", "▁")  # as byte-level BPE writes a space, and as sentencepiece does
CUT = " \ufffd"  # what a decoder leaves of a letter without one of its bytes
LEAST = len(RESERVED) + 256  # tokens of a vocabulary: the reserved ones and the bytes


@dataclass
class TokenizerConfig(Section):
    """How text becomes tokens."""

    section: ClassVar[str] = "tokenizer"

    vocab_size: int = key(2048, "tokens, the reserved ones among them", at_least(LEAST))
    base: str = key("", "a tokenizer.json to extend instead of training one", FILE)


class Tokenizer:
    """A tokenizer with its reserved ids at hand.

    Attributes:
        pad, doc, src, end_src, ask, answer, end, idk, nosrc, false: ids of the marks.
        openings: the marks that documents and questions begin with.
        codes: the ids of the 256 identifier codes, int32 (256,).
        reserved: the ids of all of these and of the marks of confidence: no words hold one.
        starts: the ids of tokens that begin with a space, as words do.
        inner: the ids of tokens of letters and digits that go on with a word.
        lead: what is put before a text so that it begins with a space: nothing where the tokenizer sees to it.
        confidences: the ids of the marks that say 0, .1, ..., 1, int32 (11,).
    """

    def __init__(self, backend: tokenizers.Tokenizer) -> None:
        missing = [token for token in RESERVED if backend.token_to_id(token) is None]
        if missing:
            raise ValueError(f"the tokenizer lacks the reserved token {missing[0]}; prepare the corpus anew")
        self.backend = backend
        # Reserved tokens are only ever written by id: in running text they are ordinary characters.
        backend.encode_special_tokens = True
        # A borrowed tokenizer.json may cut or fill texts; neither may happen here.
        backend.no_truncation()
        backend.no_padding()
        self.pad, self.doc, self.src, self.end_src, self.ask = (self._mark(m) for m in tuple(MARKS)[:5])
        self.answer, self.end, self.idk, self.nosrc, self.false = (self._mark(m) for m in tuple(MARKS)[5:])
        self.openings = (self.doc, self.ask)
        self.codes, self.confidences = (
            np.array([backend.token_to_id(token) for token in tokens], dtype=np.int32)
            for tokens in (CODES, CONFIDENCES)
        )
        self.reserved = frozenset(backend.token_to_id(token) for token in RESERVED)
        alone, spaced = (backend.encode(text, add_special_tokens=False) for text in ("a", " a"))
        space = spaced.tokens[0][0] if spaced.tokens[0][0] in SPACES else SPACES[0]
        self.lead = "" if alone.tokens[0][0] == space and alone.ids != spaced.ids else " "
        vocabulary = backend.get_vocab()
        self._size = max(vocabulary.values()) + 1
        self.starts = frozenset(id for token, id in vocabulary.items() if token.startswith(space))
        self.inner = frozenset(id for token, id in vocabulary.items() if token.isalnum() and token[0] != space)

    @classmethod
    def load(cls, path: Path) -> Tokenizer:
        return cls(tokenizers.Tokenizer.from_file(str(path)))

    def save(self, path: Path) -> None:
        self.backend.save(str(path))

    def exported(self, longest: int) -> dict[str, str]:
        """The files, by name, from which transformers' `AutoTokenizer` makes a tokenizer with the same ids.

        There, reserved tokens that a text spells out are taken for themselves, and a text brings its own `lead`.

        Args:
            longest: tokens that the model was trained on at once.
        """
        # A borrowed tokenizer may put marks of its own around a text; they were never trained on.
        tokenizer = json.loads(self.backend.to_str()) | {"post_processor": None}
        config = {
            "tokenizer_class": "PreTrainedTokenizerFast",  # what is there as it is, not what goes with Qwen3 models
            "pad_token": MARKS["pad"],
            "eos_token": MARKS["end"],
            "additional_special_tokens": list(RESERVED),
            "clean_up_tokenization_spaces": False,
            "model_max_length": longest,
        }
        files = {"tokenizer.json": tokenizer, "tokenizer_config.json": config}
        return {name: json.dumps(value, ensure_ascii=False, indent=1) + "\n" for name, value in files.items()}

    def __len__(self) -> int:
        """All ids are below it."""
        return self._size

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """One int32 array per text, each encoded with a leading space."""
        encoded = self.backend.encode_batch_fast([self.lead + text for text in texts], add_special_tokens=False)
        return [np.array(e.ids, dtype=np.int32) for e in encoded]

    def decode(self, tokens: Iterable[int]) -> str:
        """The text of ordinary tokens, without the leading space; reserved tokens are spelled out."""
        return self.backend.decode([int(t) for t in tokens], skip_special_tokens=False).strip()

    def _mark(self, name: str) -> int:
        token = self.backend.token_to_id(MARKS[name])
        assert token is not None  # checked above
        return token


def build_tokenizer(config: TokenizerConfig, texts: Iterable[str]) -> Tokenizer:
    """Train a byte-level BPE on `texts`, or extend `config.base` by the reserved tokens.

    Raises ValueError when the vocabulary can't hold the reserved tokens and the 256 bytes, or `base` can't be read.
    """
    config.check()
    if config.base:
        backend = _borrowed(config.base)
        _check_nothing_is_lost(backend, config.base)
        backend.add_special_tokens(list(RESERVED))
        if len(set(vocabulary := backend.get_vocab().values())) < len(vocabulary):
            raise ValueError(
                f"tokenizer.base={config.base} has gaps in its ids, where the reserved tokens find no place"
            )
        return Tokenizer(backend)
    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=config.vocab_size,
        special_tokens=list(RESERVED),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(_spaced(texts), trainer)
    return Tokenizer(backend)


@dataclass(frozen=True)
class Borrowed:
    """What a checkpoint's tokenizer.json says of its weights.

    Attributes:
        size: all ids are below it.
        bos: the id that stands before every text, None where none does.
    """

    size: int
    bos: int | None

    @classmethod
    def read(cls, path: str) -> Borrowed:
        """Raises ValueError, naming the file, where it can't be read."""
        backend = _borrowed(path)
        marked, plain = (backend.encode("a", add_special_tokens=marks).ids for marks in (True, False))
        opened = len(marked) > len(plain) and marked[1 : 1 + len(plain)] == plain
        return cls(max(backend.get_vocab().values()) + 1, marked[0] if opened else None)


def _borrowed(path: str) -> tokenizers.Tokenizer:
    try:
        backend = tokenizers.Tokenizer.from_file(path)
    except Exception as error:  # tokenizers raises bare Exception for a missing or malformed file
        raise ValueError(f"tokenizer.base={path} can't be read: {error}") from error
    backend.no_truncation()  # which would lose the rest of a letter
    return backend


def _check_nothing_is_lost(backend: tokenizers.Tokenizer, base: str) -> None:
    """Every byte that text can have must have a token: Unicode up to U+07FF and every longer lead byte are tried."""
    leads = (
        0x800,
        *range(0x1000, 0xD000, 0x1000),
        0xD000,
        0xE000,
        0xF000,
        0x10000,
        0x40000,
        0x80000,
        0xC0000,
        0x100000,
    )
    tried = [letter for letter in map(chr, (*range(0x800), *leads)) if letter.isprintable() and not letter.isspace()]
    unknown = _unknown(backend)
    lost = [
        letter
        for letter, encoded in zip(tried, backend.encode_batch_fast(tried, add_special_tokens=False), strict=True)
        if unknown in encoded.ids or not backend.decode(encoded.ids, skip_special_tokens=False).strip(CUT)
    ]
    if lost:
        raise ValueError(
            f"tokenizer.base={base} has no token for {lost[0]!r} and {len(lost) - 1} of {len(tried)} other letters, "
            "which training would leave out: choose one that falls back to bytes, or train one (tokenizer.base='')"
        )


def _unknown(backend: tokenizers.Tokenizer) -> int | None:
    name = getattr(backend.model, "unk_token", None)
    return backend.token_to_id(name) if name else None


def _spaced(texts: Iterable[str]) -> Iterator[str]:
    """Texts as they are encoded, longer runs broken or cut: the trainer's time grows with the square of a run."""
    for text in texts:
        if len(text) > LONGEST_RUN:
            text = LONG_WORD.sub(r"\1 ", LONG_GAP.sub(r"\1", text))
        yield " " + text
