"""Identifiers: what stands for a document inside a tag, as tokens.

Schemes for the document's own id:
    opaque       a short random code over 256 reserved tokens; says nothing about the document (the default)
    random_text  eight random letters and digits, for a tokenizer that can't be extended
    given        the corpus's id as text (BioCite's own ids are the control that leaks)
What a tag carries (`tags.content`) is the id, or something that documents share: their source, url or date, or how
reliable their source is; or both, `rated`: the id after a mark of its source's reliability in tenths, so that who is to
be believed can be read from a citation. A `scene` is the setting in which it is read (data/pipeline/visits/scenes.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from configs.keys import SEED, Section, key, one_of
from data.pipeline.placement import CONTENTS
from data.pipeline.tokenizer import Tokenizer
from data.pipeline.visits.scenes import own_scene
from data.ragged_array import CHUNK, Ragged
from data.records import Document
from data.stateless_rng import Permutation, hash_key

SCHEMES = ("opaque", "random_text", "given")
OF_ITS_OWN = ("id", "rated", "scene")  # contents that name one document
SPARSITY = 16  # codes per document at least: so few that a guessed code is hardly ever a valid one
ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"


@dataclass
class IdsConfig(Section):
    """How documents are named in tags."""

    section: ClassVar[str] = "ids"

    scheme: str = key("opaque", "short random codes, random letters, or the corpus's own ids", one_of(*SCHEMES))
    seed: int = key(0, "draws the codes", SEED)


@dataclass(frozen=True, slots=True)
class Identifiers:
    """One identifier per document, in corpus order.

    Attributes:
        labels: what each identifier names: the document's id, source, url, date or reliability.
        tokens: the identifier's tokens, int32 (length,), without `<|src|>` and `<|/src|>`.
    """

    labels: tuple[str, ...]
    tokens: Sequence[np.ndarray]


def assign(documents: Iterable[Document], tokenizer: Tokenizer, config: IdsConfig, content: str = "id") -> Identifiers:
    """Name every document; their sentences are not looked at, so those of `data.storage.shards.read_index` will do.

    Raises ValueError for an unknown scheme or content, for two documents that would get the same identifier, and for a
    document that lacks what its tag should carry.
    """
    config.check()
    if content not in CONTENTS:
        raise ValueError(f"tags.content={content} is not one of {', '.join(CONTENTS)}")
    documents = list(documents)
    if content not in OF_ITS_OWN:
        labels = tuple(_label(document, content) for document in documents)
        return Identifiers(labels, _encoded(tokenizer, labels))
    labels = tuple(document.id for document in documents)
    if content == "scene":
        scenes = Ragged(own_scene(tokenizer, config.seed, place) for place in range(len(labels)))
        _check_distinct(labels, scenes, "tags.content=scene: choose another ids.seed")
        return Identifiers(labels, scenes)
    tokens = _of_its_own(labels, tokenizer, config)
    if content == "rated":
        marks = [tokenizer.confidences[_tenths(document)] for document in documents]
        tokens = Ragged(np.concatenate(([mark], code)) for mark, code in zip(marks, tokens, strict=True))
    return Identifiers(labels, tokens)


def _of_its_own(labels: Sequence[str], tokenizer: Tokenizer, config: IdsConfig) -> Ragged:
    if config.scheme == "opaque":
        return _opaque(len(labels), tokenizer.codes, config.seed)  # distinct by construction
    texts = labels if config.scheme == "given" else [_letters(i, config.seed) for i in range(len(labels))]
    tokens = _encoded(tokenizer, texts)
    _check_distinct(labels, tokens, f"ids.scheme={config.scheme}")
    return tokens


def _tenths(document: Document) -> int:
    reliability = document.metadata.get("reliability")
    if not isinstance(reliability, int | float):
        raise ValueError(f"document {document.id!r} has no reliability for tags.content=rated")
    return math.floor(10 * reliability + 0.5)


def _label(document: Document, content: str) -> str:
    label = document.source if content == "source" else document.metadata.get(content)
    if label is None or label == "":
        raise ValueError(f"document {document.id!r} has no {content} for tags.content={content}")
    return f"{label:g}" if isinstance(label, int | float) else str(label)


def _encoded(tokenizer: Tokenizer, texts: Sequence[str]) -> Ragged:
    def each() -> Iterator[np.ndarray]:
        for start in range(0, len(texts), CHUNK):
            yield from tokenizer.encode(texts[start : start + CHUNK])

    return Ragged(each())


def _opaque(count: int, codes: np.ndarray, seed: int) -> Ragged:
    base, length = len(codes), 1
    while base**length < SPARSITY * count:
        length += 1
    drawn = Permutation(base**length, int(hash_key(seed, 0x1D)))(np.arange(count))
    digits = np.stack([drawn // base**place % base for place in range(length)], axis=1)
    return Ragged(iter(codes[digits]))


def _letters(index: int, seed: int) -> str:
    drawn = int(Permutation(len(ALPHABET) ** 8, int(hash_key(seed, 0x7E)))(index))
    return "".join(ALPHABET[drawn // len(ALPHABET) ** place % len(ALPHABET)] for place in range(8))


def _check_distinct(labels: Sequence[str], tokens: Ragged, under: str) -> None:
    seen: dict[bytes, str] = {}
    for label, code in zip(labels, tokens, strict=True):
        if (other := seen.get(code.tobytes())) is not None:
            raise ValueError(f"documents {other!r} and {label!r} get the same identifier under {under}")
        seen[code.tobytes()] = label
