"""Running text to sentences, the unit that carries a tag. No character is lost: `Document.text` is the text again.

A text is first cut where its lines say so, since lists, headings, tables and code are text too: at empty lines, around
a heading or a row of a table, before a list item, and at every other end of a line except where prose was wrapped, that
is where the next line's first word would not have fitted. Each part is then split by `sentencex`, which knows the
abbreviations of a language. What holds no letter or digit ("---", "}") and a number that counts ("1.", "b)") are no
sentences: they stay with their neighbours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby, pairwise
from typing import NamedTuple

from sentencex import segment

WINDOW = 50_000  # characters the splitter is given at once: its time grows with their square
WRAPPED = 40  # columns; narrower lines are not wrapped prose
ITEM = re.compile(r"\s*(?:[-*+•–]|\d{1,3}[.)]|[a-zA-Z]\))\s")  # begins a list item
WHOLE = re.compile(r"\s*(?:#{1,6}\s|\||```|~~~)")  # begins a heading, a row of a table or a fence of code
COUNT = re.compile(r"[(\[]?(?:\d{1,3}|[ivx]{1,4}|[a-z])[.)]", re.IGNORECASE)  # "1.", "iv)", "(b)"
SPACELESS = re.compile(r"[。！？｡．…][」』”’）》〉\"')\]]*\Z")  # ends a sentence that no white space need follow
WORD = re.compile(r"[^\W_]")


class Split(NamedTuple):
    """The sentences of a text with the white space that parts them, and the `joiner` of a Document that has them."""

    sentences: tuple[str, ...]
    joiner: str


def split_sentences(text: str, language: str = "en") -> Split:
    """The sentences of `text` in order, none for blank text; a single space between two is left to the joiner.

    Args:
        language: ISO 639 code; it decides which abbreviations do not end a sentence.

    Raises:
        ValueError: the splitter fails on the text.
    """
    if not text.strip():
        return Split((), " ")
    found = _without_fragments(sentence for part in _parts(text) for sentence in _sentences(part, language))
    if any(not (a[-1].isspace() or b[0].isspace()) for a, b in pairwise(found)):
        return Split(tuple(found), "")
    shorter = (a[:-1] if _ends_in_one_space(a) and not b[0].isspace() else a for a, b in pairwise(found))
    return Split((*shorter, found[-1]), " ")


def _parts(text: str) -> Iterator[str]:
    """What no sentence crosses the ends of: lines, paragraphs of wrapped prose, and the empty lines between them."""
    for blank, lines in groupby(text.splitlines(keepends=True), key=str.isspace):
        if blank:
            yield "".join(lines)
        else:
            yield from _paragraphs(list(lines))


def _paragraphs(lines: list[str]) -> Iterator[str]:
    width = max(len(line.rstrip()) for line in lines)
    wrapped = lines[:1]
    for line, following in pairwise(lines):
        if width < WRAPPED or not _goes_on(line, following, width):
            yield "".join(wrapped)
            wrapped = []
        wrapped.append(following)
    yield "".join(wrapped)


def _goes_on(line: str, following: str, width: int) -> bool:
    """Whether `following` continues `line`, in a paragraph of that width."""
    if WHOLE.match(line) or WHOLE.match(following) or ITEM.match(following):
        return False
    return len(line.rstrip()) + 1 + len(following.split(maxsplit=1)[0]) > width


def _sentences(part: str, language: str) -> Iterator[str]:
    if WHOLE.match(part):
        yield part
        return
    sentence, begin = "", 0
    for size in _sizes(part, language):
        begin, piece = begin + size, part[begin : begin + size]
        parted = sentence[-1:].isspace() or piece[0].isspace() or SPACELESS.search(sentence[-9:])
        if sentence and parted and not COUNT.fullmatch(sentence.strip()):
            yield sentence
            sentence = ""
        sentence += piece
    yield sentence


def _sizes(text: str, language: str) -> Iterator[int]:
    """The lengths of the sentences that the splitter finds, all in one line."""
    # Other white space makes it panic before a full stop, and ends of lines are no concern of it.
    text = re.sub(r"\s", " ", text)
    begin = 0
    while begin < len(text):
        found = [len(sentence) for sentence in _segment(text[begin : begin + WINDOW], language)]
        if begin + WINDOW < len(text) and len(found) > 1:
            found.pop()  # it may go on
        yield from found
        begin += sum(found)


def _segment(text: str, language: str) -> list[str]:
    try:
        found = list(segment(language, text))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of its code is no Exception, and can't be handed to another process
        raise ValueError(f"the sentence splitter fails on {text[:60]!r}: {error}") from None
    if "".join(found) != text:
        raise ValueError(f"the sentence splitter loses characters of {text[:60]!r}; please report it")
    return found


def _without_fragments(pieces: Iterable[str]) -> list[str]:
    """Pieces without a letter or digit go to the piece before, the first ones to the piece behind."""
    kept: list[list[str]] = []
    worded = False
    for piece in pieces:
        if WORD.search(piece):
            if worded or not kept:
                kept.append([])
            worded = True
        elif not kept:
            kept.append([])
        kept[-1].append(piece)
    return ["".join(parts) for parts in kept]


def _ends_in_one_space(sentence: str) -> bool:
    return sentence.endswith(" ") and not sentence[-2:-1].isspace()
