"""A long document as passages, each a document of its own: it has an identifier of its own and is cited for itself.

The document ID becomes ID#1, ID#2 and so on, cut between sentences where that comes nearest to equal lengths. A passage
has its document's source, metadata and joiner, and in its metadata the document's id. No text is lost: the texts of the
passages, joined, are the text of the document. Words are what white space parts, so a language that writes none between
words has few of them, and its documents stay whole.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import replace
from itertools import accumulate, pairwise

from data.records import DOCUMENT, Document, joined

PASSAGE = re.compile(r"(.*)#[1-9][0-9]*", re.DOTALL)


def cut(document: Document, words: int) -> list[Document]:
    """The passages of a document of more than `words` words; the document itself where it has no more, or one sentence.

    There are as many passages as times that `words` goes into its words, rounded up, but for sentences that are longer
    than that. Each has at least one sentence, and fewer than `words` and the words of the longest sentence together.
    """
    ends = list(accumulate(len(wordings[0].split()) for wordings in document.sentences))
    if not words or not ends or ends[-1] <= words:
        return [document]
    count = -(-ends[-1] // words)
    inside = {_nearest(ends, place * ends[-1] / count) for place in range(1, count)} - {0, len(ends)}
    if not inside:
        return [document]
    return [
        replace(
            document,
            id=f"{document.id}#{number}",
            sentences=document.sentences[begin:end],
            metadata={**document.metadata, DOCUMENT: document.id},
        )
        for number, (begin, end) in enumerate(pairwise((0, *sorted(inside), len(ends))), 1)
    ]


def documents_of(documents: Iterable[Document]) -> dict[str, str]:
    """Of each passage among the documents, by its id, the id of the document that it is of; {} where none was cut.

    Other metadata may be called "document" too: a passage is known by its id besides.
    """
    return {
        document.id: whole
        for document in documents
        if (whole := document.metadata.get(DOCUMENT))
        and (found := PASSAGE.fullmatch(document.id))
        and found[1] == whole
    }


def joined_size(passages: Iterable[Document], joiner: str) -> int:
    """UTF-8 bytes of the passages' texts, joined as sentences are: of the text that was cut."""
    return len(joined((passage.text for passage in passages), joiner).encode(errors="surrogatepass"))


def _nearest(ends: list[int], words: float) -> int:
    """After how many sentences about so many words are over; `ends` are the words up to the end of each sentence."""
    at = bisect_left(ends, words)
    before = ends[at - 1] if at else 0
    return at + (ends[at] - words < words - before)
