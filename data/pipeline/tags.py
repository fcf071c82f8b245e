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
shown that way at a share `id_to_text` of its visits.

Every token carries: its own `span` (which sentence), whether it is part of a `note`, its `kind` (for the loss curves)
and whether it is learnt; `assemble` derives targets and positions from these alone.

Shape letters: N tokens of one sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from configs.keys import SHARE, Section, key, one_of
from data.pipeline.tokenizer import Tokenizer
from data.stateless_rng import hash_key, uniform

PLACEMENTS = ("none", "begin", "end", "repeat", "both", "footnote")
LOSSES = ("all", "first", "none")
CONTENTS = ("id", "rated", "source", "url", "reliability")
IGNORE = -100  # target of a position that predicts nothing
TEXT, TAG, ANSWER, QUESTION = 0, 1, 2, 3  # kinds of token; a question's own tokens are never targets
KINDS = ("text", "tag", "answer")  # of targets

Tokens = NDArray[np.int32]
NOTHING: Tokens = np.zeros(0, dtype=np.int32)
ORDER_AND_WORDING = np.array([[1], [2]])  # numbers of two draws


@dataclass
class TagsConfig(Section):
    """The tag policy, one axis of an ablation."""

    section: ClassVar[str] = "tags"

    placement: str = key("footnote", "where the tag stands (data/pipeline/tags.py)", one_of(*PLACEMENTS))
    id_to_text: float = key(0.25, "share of a document's visits that go ID to text", SHARE)
    content: str = key("id", "what the tag carries (data/pipeline/identifiers.py)", one_of(*CONTENTS))
    loss: str = key("all", "which tags of a document are learnt", one_of(*LOSSES))
    dropout: float = key(0.0, "share of visits without any tag (MeCo's and conditional training's 1-10%)", SHARE)
    untagged: str = key(
        "plain",
        "what stands for the tag in documents that never carry one: nothing, or the mark <|nosrc|>, the same for all, "
        "so that what is known without a source is known as such",
        one_of("plain", "nosrc"),
    )
    cooldown: float = key(0.0, "last share of the training that is plain text (MeCo, arXiv 2501.01956: 0.1)", SHARE)
    permute: bool = key(True, "sentences in a new order at each visit, else as written")
    reword: bool = key(True, "a random wording of each sentence at each visit, else the canonical one")

    def contradictions(self, path: str) -> Iterator[str]:
        if self.placement == "none" and self.id_to_text:
            yield (
                f"{path}.id_to_text={self.id_to_text} shows identifiers, but {path}.placement=none; set "
                f"{path}.id_to_text=0"
            )


class Part(NamedTuple):
    """A run of tokens of one nature, the unit that samples are assembled from."""

    tokens: Tokens | Sequence[int]
    kind: int = TEXT
    learn: bool = True
    note: bool = False
    span: int = -1


class Laid(NamedTuple):
    """Samples one behind the other; all arrays are (N,).

    Attributes:
        tokens: int32 inputs.
        targets: int32, what each position predicts, `IGNORE` for nothing.
        positions: int32 rotary positions, from 0 in each sample.
        span: int32, the sentence that a token belongs to; -1 for `<|doc|>` and the like.
        note: bool, part of a footnote.
        kind: int8, the kind of the *target*.
        sample: int32, the number of the sample.
    """

    tokens: Tokens
    targets: Tokens
    positions: Tokens
    span: Tokens
    note: NDArray[np.bool_]
    kind: NDArray[np.int8]
    sample: Tokens


@dataclass(frozen=True)
class Sample:
    """One document or question, ready to be packed.

    Its length and its counts cost little; its arrays, those of `Laid`, are made when they are asked for, so that only
    who trains on a sample pays for them.
    """

    parts: Sequence[Part]
    end_src: int

    def __len__(self) -> int:
        return self.size

    @cached_property
    def size(self) -> int:
        return sum([len(part.tokens) for part in self.parts])

    @property
    def kinds(self) -> tuple[int, int, int, int]:
        """How many of its tokens are text, tag, answer and question."""
        counts = [0, 0, 0, 0]
        for part in self.parts:
            counts[part.kind] += len(part.tokens)
        return counts[0], counts[1], counts[2], counts[3]

    @property
    def learnt(self) -> int:
        """How many of its positions have a target: one for each token learnt, but nothing predicts the first."""
        first = next((part.learn for part in self.parts if len(part.tokens) and not part.note), False)
        return sum([len(part.tokens) for part in self.parts if part.learn]) - first

    @cached_property
    def laid(self) -> Laid:
        return assemble([self.parts], self.end_src)

    @property
    def tokens(self) -> Tokens:
        return self.laid.tokens

    @property
    def targets(self) -> Tokens:
        return self.laid.targets

    @property
    def positions(self) -> Tokens:
        return self.laid.positions

    @property
    def span(self) -> Tokens:
        return self.laid.span

    @property
    def note(self) -> NDArray[np.bool_]:
        return self.laid.note

    @property
    def kind(self) -> NDArray[np.int8]:
        return self.laid.kind


def assemble(samples: Sequence[Sequence[Part]], end_src: int) -> Laid:
    """Lay the parts of samples in a row and derive what follows from them: targets and positions.

    A text token predicts the next text token, across footnotes; a footnote token the next of its footnote, the last one
    `end_src`. A footnote's positions go on from the sentence before it; text positions do not count footnotes. All
    samples of a batch are laid at once, since numpy's cost is per call.
    """
    parts = [part for sample in samples for part in sample]
    sizes = [len(part.tokens) for part in parts]
    tokens = np.concatenate([part.tokens for part in parts], dtype=np.int32, casting="unsafe")
    number = np.repeat(np.arange(len(samples)), [len(sample) for sample in samples])
    begin = np.cumsum(sizes) - sizes
    nature = np.array([(part.kind, part.learn, part.note, part.span) for part in parts]).T
    kind, learn, note, span, number, begin = np.repeat(np.vstack((nature, number, begin)).astype(np.int32), sizes, 1)
    learn, note, place = learn.astype(np.bool_), note.astype(np.bool_), np.arange(len(tokens), dtype=np.int32) - begin

    targets = np.full(len(tokens), IGNORE, dtype=np.int32)
    target_kind = np.zeros(len(tokens), dtype=np.int8)
    text = np.flatnonzero(~note)
    here, following = text[:-1], text[1:]
    learnt = learn[following] & (number[here] == number[following])
    targets[here] = np.where(learnt, tokens[following], IGNORE)
    target_kind[here] = np.where(learnt, kind[following], TEXT)
    targets[note] = end_src
    inside = np.flatnonzero(note[1:] & (place[1:] > 0))  # those that are not the last of their footnote
    targets[inside] = tokens[inside + 1]
    targets[note & ~learn] = IGNORE
    target_kind[note] = TAG

    texts = np.cumsum(~note, dtype=np.int32)  # up to and with each token
    first = np.flatnonzero(np.diff(number, prepend=-1))
    positions = texts - 1 - (texts - ~note)[first][number]
    positions[note] += place[note] + 1
    return Laid(tokens, targets, positions, span, note, target_kind, number)


def arrange(config: TagsConfig, sentences: Sequence[Sequence[Tokens]], key: int) -> list[Tokens]:
    """The sentences of one visit in their order and wording, drawn by `key`."""
    drawn = hash_key(key, ORDER_AND_WORDING, np.arange(len(sentences)))
    order = np.argsort(drawn[0], kind="stable").tolist() if config.permute else range(len(sentences))
    choice = drawn[1].tolist() if config.reword else [0] * len(sentences)
    return [sentences[i][choice[i] % len(sentences[i])] for i in order]


def tag(
    config: TagsConfig,
    tokenizer: Tokenizer,
    sentences: Sequence[Sequence[Tokens]],
    identifier: Tokens,
    key: int,
    room: int,
) -> list[Sample]:
    """One visit of a document: usually one sample, several when it is longer than `room` tokens.

    A long document is cut between sentences, a sentence longer than a row inside; every piece carries the tag, and no
    token is lost. `key` draws order, wordings, direction and dropout.
    """
    placement = config.placement
    if config.dropout and uniform(key, 3) < config.dropout:
        placement = "none"
    elif config.id_to_text and uniform(key, 4) < config.id_to_text:
        placement = "recall"
    arranged = arrange(config, sentences, key)
    return [
        _place(placement, config.loss, tokenizer, piece, identifier) for piece in _pieces(arranged, identifier, room)
    ]


def plain(
    config: TagsConfig,
    tokenizer: Tokenizer,
    sentences: Sequence[Sequence[Tokens]],
    key: int,
    room: int,
    identifier: Tokens = NOTHING,
) -> list[Sample]:
    """`tag` during the cooldown: the same visit with no tag, cut where `tag` cuts it under `identifier`."""
    arranged = arrange(config, sentences, key)
    return [_place("none", "none", tokenizer, piece, NOTHING) for piece in _pieces(arranged, identifier, room)]


def _place(placement: str, loss: str, tokenizer: Tokenizer, sentences: Sequence[Tokens], identifier: Tokens) -> Sample:
    inline = np.array([tokenizer.src, *identifier, tokenizer.end_src], dtype=np.int32)
    learnt = iter([loss != "none"] + [loss == "all"] * (len(sentences) + 1))
    parts = [Part((tokenizer.doc,), learn=False)]
    if placement == "recall":
        parts.append(Part(inline, TAG, learn=False))
    if placement in ("begin", "both"):
        parts.append(Part(inline, TAG, learn=next(learnt)))
    for span, sentence in enumerate(sentences):
        parts.append(Part(sentence, span=span))
        if placement == "footnote":
            parts.append(Part(inline[:-1], TAG, learn=next(learnt), note=True, span=span))
        elif placement == "repeat":
            parts.append(Part(inline, TAG, learn=next(learnt)))
    if placement in ("end", "both"):
        parts.append(Part(inline, TAG, learn=next(learnt)))
    parts.append(Part((tokenizer.end,)))
    return Sample(parts, tokenizer.end_src)


def check_room(room: int, identifier: int) -> None:
    """Raises ValueError where rows of `room` tokens can't hold text beside the tags of an identifier so long."""
    least = 3 * (identifier + 2) + 10  # a tag at either end, one behind a sentence of eight tokens, and both marks
    if room < least:
        raise ValueError(f"batch.seq_len={room}: must be at least {least}, for identifiers of {identifier} tokens")


def _pieces(sentences: Sequence[Tokens], identifier: Tokens, room: int) -> list[list[Tokens]]:
    """Cut so that each piece fits into `room` under every placement."""
    tag_size = len(identifier) + 2
    most = room - 2 - 2 * tag_size  # <|doc|>, <|end|>, and a tag at either end
    check_room(room, len(identifier))
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
