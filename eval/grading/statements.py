"""A long answer taken apart: statements, each with the documents that are cited in brackets behind it.

    Ada Moss works at Zenith [doc-1][doc-3]. She was born in Oslo.

is "Ada Moss works at Zenith", which cites doc-1 and doc-3, and "She was born in Oslo.", which cites nothing. The unit
of ALCE (Gao et al. 2023, arXiv 2305.14627) is the sentence; as in CitePretrain (Huang et al., arXiv 2506.17585) it is
here what stands before a group of brackets, and within that each sentence, the last of which has the citations.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from typing import NamedTuple

from data.readers.sentences import split_sentences
from eval.grading.correctness import normalise

_GROUP = re.compile(r"(?:\s*\[[^\[\]]+\])+")
_BRACKET = re.compile(r"\[([^\[\]]+)\]")

# Words that say nothing by themselves. "not", "no" and "never" do, and are not among them.
_FUNCTION_WORDS = """
about also although and are as at be because been being both but by can could did do does for from had has have he her
hers him his however i if in into is it its may might of on or our she should so that their them then there these they
this those to too was we were what when where which while who whom whose will with would you your
"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())


class Statement(NamedTuple):
    """What is said, without brackets, and the ids behind it, each once."""

    text: str
    cited: tuple[str, ...]


def content_words(text: str) -> frozenset[str]:
    """The words of a text in SQuAD's normal form, without articles and `FUNCTION_WORDS`."""
    return frozenset(normalise(text).split()) - FUNCTION_WORDS


def statements(answer: str, ids: Container[str]) -> list[Statement]:
    """The statements of an answer in order.

    What has no content word ("and" between two brackets) is no statement: its citations go to the statement before.
    What stands in a bracket is one id if `ids` has it, else what commas and semicolons part, ids of the corpus or not.
    """
    found: list[Statement] = []
    place = 0
    for group in _GROUP.finditer(answer):
        cited = [id for bracket in _BRACKET.findall(group[0]) for id in _parted(bracket.strip(), ids)]
        said = list(_sentences(answer[place : group.start()]))
        found += [Statement(text, ()) for text in said]
        *found, last = found or [Statement("", ())]  # citations of nothing support nothing
        found.append(Statement(last.text, tuple(dict.fromkeys((*last.cited, *cited)))))
        place = group.end()
    return found + [Statement(text, ()) for text in _sentences(answer[place:])]


def _sentences(text: str) -> Iterator[str]:
    for sentence in split_sentences(text.lstrip(" \n\t.!?,;:")).sentences:
        if content_words(sentence):
            yield sentence.strip()


def _parted(bracket: str, ids: Container[str]) -> list[str]:
    if bracket in ids:
        return [bracket]
    return [part.strip() for part in re.split(r"[,;]", bracket) if part.strip()]
