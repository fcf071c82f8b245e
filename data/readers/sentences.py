"""Running text to sentences, the unit that carries a tag."""

from __future__ import annotations

from sentencex import segment


def split_sentences(text: str, language: str = "en") -> tuple[str, ...]:
    """The sentences of `text` in order, stripped; nothing but white space between them is lost.

    Args:
        language: ISO 639 code; it decides which abbreviations do not end a sentence.
    """
    return tuple(sentence for piece in segment(language, text) if (sentence := piece.strip()))
