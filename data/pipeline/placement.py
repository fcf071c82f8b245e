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

**ID to text** is the other direction: the tag first, with no loss on it, then the sentences. A document is
shown that way at a share `id_to_text` of its visits.

A placement is one entry of `PLACEMENTS`, under the name that `tags.placement` gives it: how a document is laid out, and
how a model that learnt so is asked for the source of a statement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from configs.keys import SHARE, Section, key, one_of
from data.pipeline.feedback import Feedback
from data.pipeline.sample import NOTHING, TAG, Part, Sample, Tokens
from data.pipeline.tokenizer import Tokenizer
from data.stateless_rng import hash_key, uniform

LOSSES = ("all", "first", "none")
CONTENTS = ("id", "rated", "scene", "source", "url", "date", "reliability")
ORDER_AND_WORDING = np.array([[1], [2]])  # numbers of two draws


class Tags(NamedTuple):
    """The tag of one document, as placements ask for it.

    Attributes:
        inline: the identifier between its marks.
        learnt: whether each tag, in the order in which they stand, is learnt.
    """

    inline: Tokens
    learnt: Iterator[bool]

    def inlined(self, learn: bool = True) -> Part:
        """The next tag, in the text: what follows sees it."""
        return Part(self.inline, TAG, learn=learn and next(self.learnt))

    def footnote(self, span: int) -> Part:
        """The next tag, as a side branch of sentence `span`, which alone it sees."""
        return Part(self.inline[:-1], TAG, learn=next(self.learnt), note=True, span=span)


Lay = Callable[[Sequence[Part], Tags], list[Part]]  # of sentences, what stands between <|doc|> and <|end|>


@dataclass(frozen=True)
class Placement:
    """Where tags stand in a document.

    Attributes:
        lay: lays them out.
        behind: what a tag that follows a statement sees: "sentence", that alone, as a footnote; "text", all that stands
            before it; "" where no tag ever follows text, so that the model can't be asked for the source of one.
    """

    lay: Lay
    behind: str = ""

    def followed(self, tokenizer: Tokenizer, statement: Tokens, identifier: Tokens) -> Sample:
        """A document that begins with a statement, and its tag behind it: what of `TAG` is learnt is the identifier.

        Raises ValueError where no tag ever stands there.
        """
        begin = [Part((tokenizer.doc,), learn=False), Part(statement, span=0)]
        if self.behind == "sentence":
            note = Part([tokenizer.src, *map(int, identifier)], TAG, note=True, span=0)
            return Sample([*begin, note], tokenizer.end_src)
        if self.behind == "text":
            tag = [*map(int, identifier), tokenizer.end_src]
            opened = Part((tokenizer.src,), TAG, learn=False)
            return Sample([*begin, opened, Part(tag, TAG)], tokenizer.end_src)
        raise ValueError("no tag ever follows text under this placement (tags.placement)")

    @property
    def unseen(self) -> int:
        """How many tokens of a document that begins with a statement a tag behind it does not see: `<|doc|>`."""
        return int(self.behind == "sentence")


def _none(sentences: Sequence[Part], tags: Tags) -> list[Part]:
    return list(sentences)


def _begin(sentences: Sequence[Part], tags: Tags) -> list[Part]:
    return [tags.inlined(), *sentences]


def _end(sentences: Sequence[Part], tags: Tags) -> list[Part]:
    return [*sentences, tags.inlined()]


def _both(sentences: Sequence[Part], tags: Tags) -> list[Part]:
    return [tags.inlined(), *sentences, tags.inlined()]


def _repeat(sentences: Sequence[Part], tags: Tags) -> list[Part]:
    return [part for sentence in sentences for part in (sentence, tags.inlined())]


def _footnote(sentences: Sequence[Part], tags: Tags) -> list[Part]:
    return [part for sentence in sentences for part in (sentence, tags.footnote(sentence.span))]


def _id_to_text(sentences: Sequence[Part], tags: Tags) -> list[Part]:
    return [tags.inlined(learn=False), *sentences]


PLACEMENTS: dict[str, Placement] = {
    "none": Placement(_none),
    "begin": Placement(_begin),
    "end": Placement(_end, "text"),
    "repeat": Placement(_repeat, "text"),
    "both": Placement(_both, "text"),
    "footnote": Placement(_footnote, "sentence"),
}


@dataclass
class TagsConfig(Section):
    """The tag policy, one axis of an ablation."""

    section: ClassVar[str] = "tags"

    placement: str = key("footnote", "where the tag stands (data/pipeline/placement.py)", one_of(*PLACEMENTS))
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


class Judged(NamedTuple):
    """How the sentences of a visit are judged.

    Attributes:
        scores: of each sentence, as the document has them.
        begun: whether they count yet; if not, room is left for the control tokens all the same, so that the visit is
            cut where it would be.
        shown: whether control tokens are.
    """

    scores: Sequence[float]
    feedback: Feedback
    begun: bool = True
    shown: bool = True


def _order(config: TagsConfig, sentences: Sequence[Sequence[Tokens]], key: int) -> list[tuple[int, int]]:
    """Which sentence comes in which of its wordings."""
    drawn = hash_key(key, ORDER_AND_WORDING, np.arange(len(sentences)))
    order = np.argsort(drawn[0], kind="stable").tolist() if config.permute else range(len(sentences))
    choice = drawn[1].tolist() if config.reword else [0] * len(sentences)
    return [(i, choice[i] % len(sentences[i])) for i in order]


def tag(
    config: TagsConfig,
    tokenizer: Tokenizer,
    sentences: Sequence[Sequence[Tokens]],
    identifier: Tokens,
    key: int,
    room: int,
    judged: Judged | None = None,
) -> list[Sample]:
    """One visit of a document: usually one sample, several when it is longer than `room` tokens.

    A long document is cut between sentences, a sentence longer than a row inside; every piece carries the tag, and no
    token is lost but those that `judged` leaves out: a piece without a sentence has no token at all. `key` draws order,
    wordings, direction and dropout.
    """
    lay = PLACEMENTS[config.placement].lay
    if config.dropout and uniform(key, 3) < config.dropout:
        lay = _none
    elif config.id_to_text and uniform(key, 4) < config.id_to_text:
        lay = _id_to_text
    pieces = _pieces(_arranged(config, sentences, key, judged), identifier, room, judged)
    placed = enumerate(pieces)
    return [_place(lay, config.loss, tokenizer, p, identifier, judged, _key_of(key, n)) for n, p in placed]


def plain(
    config: TagsConfig,
    tokenizer: Tokenizer,
    sentences: Sequence[Sequence[Tokens]],
    key: int,
    room: int,
    identifier: Tokens = NOTHING,
    judged: Judged | None = None,
) -> list[Sample]:
    """`tag` during the cooldown: the same visit with no tag, cut where `tag` cuts it under `identifier`."""
    pieces = _pieces(_arranged(config, sentences, key, judged), identifier, room, judged)
    placed = enumerate(pieces)
    return [_place(_none, "none", tokenizer, p, NOTHING, judged, _key_of(key, n)) for n, p in placed]


def _key_of(key: int, piece: int) -> int:
    """The key of a piece of a visit, which draws what each piece has of its own."""
    return key if not piece else int(hash_key(key, 7, piece))


def _arranged(config: TagsConfig, sentences: Sequence[Sequence[Tokens]], key: int, judged: Judged | None) -> list[Part]:
    """The sentences of one visit in their order and wording, with what is known of each."""
    order = _order(config, sentences, key)
    if judged is None:
        return [Part(sentences[i][choice]) for i, choice in order]
    labelled, scores, begun = judged.feedback.labelled, judged.scores, judged.begun
    return [labelled(Part(sentences[i][choice]), scores[i], begun) for i, choice in order]


def _place(
    lay: Lay,
    loss: str,
    tokenizer: Tokenizer,
    sentences: Sequence[Part],
    identifier: Tokens,
    judged: Judged | None,
    key: int,
) -> Sample:
    if judged and judged.begun:
        left = judged.feedback.kept(sentences)
        if sentences and not left:
            return Sample([], tokenizer.end_src)
        sentences = left
    inline = np.array([tokenizer.src, *identifier, tokenizer.end_src], dtype=np.int32)
    tags = Tags(inline, iter([loss != "none"] + [loss == "all"] * (len(sentences) + 1)))
    inside = lay([sentence._replace(span=span) for span, sentence in enumerate(sentences)], tags)
    if judged and judged.begun and judged.shown:
        inside = judged.feedback.controlled(inside, key)
    return Sample([Part((tokenizer.doc,), learn=False), *inside, Part((tokenizer.end,))], tokenizer.end_src)


def check_room(room: int, identifier: int, control: int = 0) -> None:
    """Raises ValueError where rows of `room` tokens can't hold text beside the tags of an identifier so long."""
    # a tag at either end, one behind a sentence of eight tokens, both marks, and a control token
    least = 3 * (identifier + 2) + 10 + control
    if room < least:
        raise ValueError(f"batch.seq_len={room}: must be at least {least}, for identifiers of {identifier} tokens")


def _pieces(sentences: Sequence[Part], identifier: Tokens, room: int, judged: Judged | None) -> list[list[Part]]:
    """Cut so that each piece fits into `room` under every placement."""
    tag_size = len(identifier) + 2
    once, each = (judged.feedback.a_piece, judged.feedback.a_sentence) if judged else (0, 0)
    most = room - 2 - 2 * tag_size - once  # <|doc|>, <|end|>, a tag at either end, and a control token
    check_room(room, len(identifier), once + each)
    beside = tag_size + each
    pieces: list[list[Part]] = [[]]
    used = 0
    for sentence in sentences:
        for start in range(0, len(sentence.tokens), most - beside):
            chunk = sentence._replace(tokens=sentence.tokens[start : start + most - beside])
            if pieces[-1] and used + len(chunk.tokens) + beside > most:
                pieces.append([])
                used = 0
            pieces[-1].append(chunk)
            used += len(chunk.tokens) + beside
    return pieces
