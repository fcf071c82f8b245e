"""Provenance on the fly: a document and its identifier become one tagged training sample.

Placements (I is the identifier, s a sentence; sentences come in a random order and wording at each visit):

    none      <|doc|> s1 s2 <|end|>
    begin     <|doc|> <|src|> I <|/src|> s1 s2 <|end|>
    end       <|doc|> s1 s2 <|src|> I <|/src|> <|end|>
    repeat    <|doc|> s1 <|src|> I <|/src|> s2 <|src|> I <|/src|> <|end|>
    both      begin and end
    footnote  <|doc|> s1 [<|src|> I] s2 [<|src|> I] <|end|>

A **footnote** [...] is a side branch: it sees its own sentence only, no text ever sees it, and it takes no positions
from the text, which predicts the next *text* token across it. So an identifier can't be copied from the previous
footnote, and plain text sees exactly what it would see without tags. Its last token predicts `<|/src|>`, which is not
an input.

**Recall** is the other direction (ID to text): the tag first, with no loss on it, then the sentences. A document is
shown that way at a share `recall` of its visits.

Every token carries: its own `span` (which sentence), whether it is part of a `note`, its `kind` (for the loss curves)
and whether it is learnt; `assemble` derives targets and positions from these alone.

Shape letters: N tokens of one sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.order import mix, uniform
from data.tokenizer import Codec

PLACEMENTS = ("none", "begin", "end", "repeat", "both", "footnote")
LOSSES = ("all", "first", "none")
IGNORE = -100  # target of a position that predicts nothing
TEXT, TAG, ANSWER = 0, 1, 2  # kinds of target
KINDS = ("text", "tag", "answer")

Tokens = NDArray[np.int32]
NOTHING: Tokens = np.zeros(0, dtype=np.int32)


@dataclass
class TagsConfig:
    """The tag policy, one axis of an ablation.

    Attributes:
        placement: one of `PLACEMENTS`.
        recall: share of a document's visits that go ID to text.
        content: what the tag carries: id, source or url.
        loss: which tags of a document are learnt: all, first or none.
        dropout: share of visits without any tag (MeCo's and conditional training's 1-10%).
        cooldown: last share of the training that is plain text (MeCo, arXiv 2501.01956: 0.1).
        permute: sentences in a new order at each visit, else as written.
        reword: a random wording of each sentence at each visit, else the canonical one.
    """

    placement: str = "footnote"
    recall: float = 0.25
    content: str = "id"
    loss: str = "all"
    dropout: float = 0.0
    cooldown: float = 0.0
    permute: bool = True
    reword: bool = True

    def check(self) -> None:
        """Raises ValueError, naming the key, for a value outside its range."""
        for key, value, allowed in (("placement", self.placement, PLACEMENTS), ("loss", self.loss, LOSSES)):
            if value not in allowed:
                raise ValueError(f"tags.{key}={value} is not one of {', '.join(allowed)}")
        for key, share in (("recall", self.recall), ("dropout", self.dropout), ("cooldown", self.cooldown)):
            if not 0.0 <= share <= 1.0:
                raise ValueError(f"tags.{key}={share} is not a share between 0 and 1")
        if self.placement == "none" and self.recall:
            raise ValueError(f"tags.recall={self.recall} shows identifiers, but tags.placement=none; set tags.recall=0")


@dataclass(frozen=True, slots=True)
class Sample:
    """One document or question, ready to be packed; all arrays are (N,).

    Attributes:
        tokens: int32 inputs.
        targets: int32, what each position predicts, `IGNORE` for nothing.
        positions: int32 rotary positions.
        span: int32, the sentence that a token belongs to; -1 for `<|doc|>` and the like.
        note: bool, part of a footnote.
        kind: int8, the kind of the *target*.
    """

    tokens: Tokens
    targets: Tokens
    positions: Tokens
    span: Tokens
    note: NDArray[np.bool_]
    kind: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True, slots=True)
class Part:
    """A run of tokens of one nature, the unit that samples are assembled from."""

    tokens: Tokens | Sequence[int]
    kind: int = TEXT
    learn: bool = True
    note: bool = False
    span: int = -1


def assemble(parts: Sequence[Part], end_src: int) -> Sample:
    """Lay parts in a row and derive what follows from them: targets and positions.

    A text token predicts the next text token, across footnotes; a footnote token the next of its footnote, the last one
    `end_src`. A footnote's positions go on from the sentence before it; text positions do not count footnotes.
    """
    sizes = [len(part.tokens) for part in parts]

    def spread(values: Sequence[int | bool], dtype: type) -> NDArray:
        return np.repeat(np.array(values, dtype=dtype), sizes)

    tokens = np.concatenate([np.asarray(part.tokens, dtype=np.int32) for part in parts])
    note = spread([part.note for part in parts], np.bool_)
    learn = spread([part.learn for part in parts], np.bool_)
    kind = spread([part.kind for part in parts], np.int8)
    span = spread([part.span for part in parts], np.int32)
    place = np.concatenate([np.arange(size, dtype=np.int32) for size in sizes])

    targets = np.full(len(tokens), IGNORE, dtype=np.int32)
    target_kind = np.zeros(len(tokens), dtype=np.int8)
    text = np.flatnonzero(~note)
    here, following = text[:-1], text[1:]
    targets[here] = np.where(learn[following], tokens[following], IGNORE)
    target_kind[here] = kind[following]
    noted = np.flatnonzero(note)
    inside = noted[note[np.minimum(noted + 1, len(note) - 1)] & (place[np.minimum(noted + 1, len(note) - 1)] > 0)]
    targets[noted] = end_src
    targets[inside] = tokens[inside + 1]
    targets[note & ~learn] = IGNORE
    target_kind[noted] = TAG

    positions = np.cumsum(~note, dtype=np.int32) - 1
    positions[note] += place[note] + 1
    return Sample(tokens, targets, positions, span, note, target_kind)


def arrange(config: TagsConfig, sentences: Sequence[Sequence[Tokens]], key: int) -> list[Tokens]:
    """The sentences of one visit in their order and wording, drawn by `key`."""
    index = np.arange(len(sentences))
    order = np.argsort(mix(key, 1, index), kind="stable") if config.permute else index
    choice = mix(key, 2, index) if config.reword else np.zeros(len(sentences), dtype=np.uint64)
    return [sentences[i][int(choice[i]) % len(sentences[i])] for i in order]


def tag(
    config: TagsConfig, codec: Codec, sentences: Sequence[Sequence[Tokens]], identifier: Tokens, key: int, room: int
) -> list[Sample]:
    """One visit of a document: usually one sample, several when it is longer than `room` tokens.

    A long document is cut between sentences, a sentence longer than a row inside; every piece carries the tag, and no
    token is lost. `key` draws order, wordings, direction and dropout.
    """
    placement = config.placement
    if uniform(key, 3) < config.dropout:
        placement = "none"
    elif uniform(key, 4) < config.recall:
        placement = "recall"
    arranged = arrange(config, sentences, key)
    return [_place(placement, config.loss, codec, piece, identifier) for piece in _pieces(arranged, identifier, room)]


def plain(
    config: TagsConfig,
    codec: Codec,
    sentences: Sequence[Sequence[Tokens]],
    key: int,
    room: int,
    identifier: Tokens = NOTHING,
) -> list[Sample]:
    """`tag` during the cooldown: the same visit with no tag, cut where `tag` cuts it under `identifier`."""
    arranged = arrange(config, sentences, key)
    return [_place("none", "none", codec, piece, NOTHING) for piece in _pieces(arranged, identifier, room)]


def question(codec: Codec, text: Tokens, answer: Tokens, identifier: Tokens | None) -> Sample:
    """A tuning sample: `<|ask|> question <|answer|> answer <|src|> ID <|/src|> <|end|>`, learnt from the answer on.

    Without an identifier `<|nosrc|>` takes the place of the citation.
    """
    prompt = Part([codec.ask, *text, codec.answer], learn=False, span=0)
    if identifier is None:
        return assemble([prompt, Part([*answer, codec.nosrc, codec.end], ANSWER, span=0)], codec.end_src)
    cite = Part([*identifier, codec.end_src], TAG, span=0)
    return assemble(
        [prompt, Part([*answer, codec.src], ANSWER, span=0), cite, Part([codec.end], ANSWER, span=0)], codec.end_src
    )


def _place(placement: str, loss: str, codec: Codec, sentences: Sequence[Tokens], identifier: Tokens) -> Sample:
    inline = [codec.src, *identifier, codec.end_src]
    learnt = iter([loss != "none"] + [loss == "all"] * (len(sentences) + 1))
    parts = [Part([codec.doc], learn=False)]
    if placement == "recall":
        parts.append(Part(inline, TAG, learn=False))
    if placement in ("begin", "both"):
        parts.append(Part(inline, TAG, learn=next(learnt)))
    for span, sentence in enumerate(sentences):
        parts.append(Part(sentence, span=span))
        if placement == "footnote":
            parts.append(Part([codec.src, *identifier], TAG, learn=next(learnt), note=True, span=span))
        elif placement == "repeat":
            parts.append(Part(inline, TAG, learn=next(learnt)))
    if placement in ("end", "both"):
        parts.append(Part(inline, TAG, learn=next(learnt)))
    parts.append(Part([codec.end]))
    return assemble(parts, codec.end_src)


def _pieces(sentences: Sequence[Tokens], identifier: Tokens, room: int) -> list[list[Tokens]]:
    """Cut so that each piece fits into `room` under every placement."""
    tag_size = len(identifier) + 2
    most = room - 2 - 2 * tag_size  # <|doc|>, <|end|>, and a tag at either end
    if most < tag_size + 8:
        raise ValueError(f"rows of {room} tokens are too short for tags of {tag_size}: raise data.row")
    pieces: list[list[Tokens]] = [[]]
    used = 0
    for sentence in sentences:
        for start in range(0, len(sentence), most - tag_size):
            chunk = sentence[start : start + most - tag_size]
            if pieces[-1] and used + len(chunk) + tag_size > most:
                pieces.append([])
                used = 0
            pieces[-1].append(chunk)
            used += len(chunk) + tag_size
    return pieces
