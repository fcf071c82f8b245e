"""Sentences of any text: split where its lines and its language say so, and together the text again."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.readers import sentences
from data.readers.sentences import split_sentences
from data.records import Document


def again(text: str) -> str:
    """The text of the document that a reader would make of it."""
    found = split_sentences(text)
    return Document("d", tuple((sentence,) for sentence in found.sentences), joiner=found.joiner).text


def test_sentences_are_split_and_abbreviations_are_not() -> None:
    text = "Dr. Smith met Mr. Lee in St. Louis. They talked.\n\nIt rained!  "
    found = ("Dr. Smith met Mr. Lee in St. Louis.", "They talked.\n\n", "It rained!  ")
    assert split_sentences(text) == (found, " ")
    assert split_sentences(" \n ").sentences == ()


CHARACTERS = st.one_of(st.sampled_from(" \n\r\t.1aB-|#\u00a0\u2009\u3000。é”😀"), st.characters(codec="utf-8"))


@given(st.text(CHARACTERS, max_size=200))
def test_no_character_is_lost(text: str) -> None:
    found = split_sentences(text).sentences
    assert all(sentence.strip() for sentence in found)
    assert again(text) == (text if text.strip() else "")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1. First item.\n2. Second item.\n", ["1. First item.\n", "2. Second item.\n"]),
        ("Do: a) Wash it. b) Dry it.", ["Do:", "a) Wash it.", "b) Dry it."]),
        ("- milk\n- eggs\n  from hens\n", ["- milk\n", "- eggs\n", "  from hens\n"]),
        ("# A. Title. Here\nText. More.\n", ["# A. Title. Here\n", "Text.", "More.\n"]),
        ("| a. B | c |\n|---|---|\n| 1 | 2 |\n", ["| a. B | c |\n|---|---|\n", "| 1 | 2 |\n"]),
        ("def f(x):\n    return x.Foo()\n}\n\ng\n", ["def f(x):\n", "    return x.Foo()\n}\n\n", "g\n"]),
        ("---\ntitle: x\n---\n", ["---\ntitle: x\n---\n"]),
        ("Roses are red,\nviolets blue\n", ["Roses are red,\n", "violets blue\n"]),
        (f"- {'a ' * 30}\n- {'b ' * 30}\n", [f"- {'a ' * 30}\n", f"- {'b ' * 30}\n"]),
        ("我是。你是。", ["我是。", "你是。"]),
        ("see x.Foo and end.Next", ["see x.Foo and end.Next"]),
        ("One.\r\nTwo.\r\n", ["One.\r\n", "Two.\r\n"]),
        ("...", ["..."]),
    ],
)
def test_lines_of_lists_tables_code_and_headings_are_kept(text: str, found: list[str]) -> None:
    assert list(split_sentences(text).sentences) == found
    assert again(text) == text


def test_a_line_ends_a_sentence_unless_prose_was_wrapped() -> None:
    text = (
        "Summary\nReturn a new array of the given shape and type, which is\nfilled with zeros. See also the\n"
        "functions below, none of which are\n"
    )
    assert split_sentences(text).sentences == (
        "Summary\n",
        "Return a new array of the given shape and type, which is\nfilled with zeros.",
        "See also the\n",  # "functions" would have fitted
        "functions below, none of which are\n",
    )


@pytest.mark.parametrize("space", ["\u00a0", "\u2009", "\u3000", "\u2003\u2003"])
def test_any_white_space_may_stand_before_a_full_stop(space: str) -> None:
    text = f"Plan B{space}. Then we go."
    assert split_sentences(text).sentences == (f"Plan B{space}.", "Then we go.")


def test_a_failing_splitter_is_an_error_with_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    class Panic(BaseException):
        pass

    def fail(language: str, text: str) -> list[str]:
        raise Panic("end byte index 6")

    monkeypatch.setattr(sentences, "segment", fail)
    with pytest.raises(ValueError, match=r"the sentence splitter fails on 'One\. Two\.': end byte index 6"):
        split_sentences("One. Two.")
    monkeypatch.setattr(sentences, "segment", lambda language, text: [text[1:]])
    with pytest.raises(ValueError, match="loses characters of 'One"):
        split_sentences("One. Two.")


def test_long_texts_are_split_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    text = " ".join(f"Sentence number {n} is here." for n in range(200))
    whole = split_sentences(text)
    assert len(whole.sentences) == 200
    monkeypatch.setattr(sentences, "WINDOW", 100)
    assert split_sentences(text) == whole
    assert split_sentences("a" * 1000 + ". And.").sentences == ("a" * 1000 + ".", "And.")


@pytest.mark.parametrize("unit", ["a", " ", "\n", "}\n", '"(a. b) ', "1. ", "。"])
def test_two_hundred_thousand_characters_of_anything_take_no_time(unit: str) -> None:
    text = "One." + unit * (200_000 // len(unit)) + ". Two"
    begun = time.perf_counter()
    assert again(text) == text
    assert time.perf_counter() - begun < 5
