"""Crops: pseudo-questions of a sentence's own words, whose answer stands there, and that cite its document."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.pipeline.answer_format import EVIDENCED, FORMATS
from data.pipeline.identifiers import IdsConfig, assign
from data.pipeline.placement import TagsConfig
from data.pipeline.questions.crops import EDGES, Crops, CropsConfig, crop
from data.pipeline.sources import Documents, Questions
from data.pipeline.tokenizer import Tokenizer
from data.records import Document, Question

SENTENCE = "Each celibate priest becomes a member of the brotherhood in Holy Etchmiadzin, in 2010."
DOCUMENTS = [
    Document("doc-1", ((SENTENCE,), ("As of then, there were three brotherhoods in the Armenian Church.",))),
    Document("doc-2", (("Nobody works.",),)),  # too short to ask about
    Document("doc-3", (("Ada Moss works for Zephyr in Oslo.",),), metadata={"untagged": True}),
]
TEXTS = st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=0, max_size=12).map(" ".join)


@given(TEXTS, st.lists(TEXTS, max_size=3), st.integers())
def test_an_answer_stands_in_its_sentence_and_its_words_leave_the_question(
    sentence: str, others: list[str], seed: int
) -> None:
    found = crop(sentence, others, random.Random(seed))
    if found is None:
        return
    question, answer = found
    assert question and answer and answer in sentence
    words = [word.strip(EDGES) for text in (sentence, *others) for word in text.split()]
    assert all(word in words for word in question.split()) or question == question.lower()
    lowered = {part for word in words for part in word.lower().split()}
    assert all(word.lower() in lowered for word in question.split())


def test_what_is_asked_of_a_sentence_varies() -> None:
    found = [crop(SENTENCE, [DOCUMENTS[0].sentences[1][0]], random.Random(seed)) for seed in range(300)]
    answers = {answer for _, answer in filter(None, found)}
    assert {"Holy Etchmiadzin", "2010"} <= answers and len(answers) > 10
    assert len({question for question, _ in filter(None, found)}) > 250
    assert any("Armenian" in question for question, _ in filter(None, found))
    assert crop("Nobody works.", [], random.Random(0)) is None


def test_crops_cite_their_document_and_are_functions_of_the_key(tokenizer: Tokenizer) -> None:
    crops = _crops(tokenizer, "evidence_first", 0.999999)
    cited = set()
    for key in range(200):
        sample = crops.draw(key)
        assert sample is None or np.array_equal(sample.tokens, crops.draw(key).tokens)  # type: ignore[union-attr]
        if sample is None:
            continue
        text = tokenizer.decode(t for t in sample.tokens.tolist() if t not in tokenizer.reserved)
        source = next(i for i, d in enumerate(DOCUMENTS) if any(s[0] in text for s in d.sentences))
        identifier = crops.documents.identifiers.tokens[source].tolist()
        tokens = sample.tokens.tolist()
        if source == 2:
            assert tokenizer.nosrc in tokens and not sample.note.any()
        else:
            assert [t for t, note in zip(tokens, sample.note, strict=True) if note] == [tokenizer.src, *identifier]
        cited.add(source)
        answered = sample.parts[-5 if source == 0 else -3]
        assert not answered.learn and all(p.learn for p in sample.parts[3:] if p is not answered)
    assert cited == {0, 2}


@pytest.mark.parametrize(("fraction", "expected"), [(0.0, 0), (0.5, 0.5)])
def test_the_share_of_crops_is_the_one_asked_for(tokenizer: Tokenizer, fraction: float, expected: float) -> None:
    drawn = [_crops(tokenizer, "direct", fraction).draw(key) is not None for key in range(2000)]
    assert np.mean(drawn) == pytest.approx(expected * 2 / 3, abs=0.04)  # one document of three is too short


def test_they_take_the_place_of_visits_of_questions(tokenizer: Tokenizer) -> None:
    asked = Question("q", "Where does Ada work?", ("Oslo",), ("doc-1",), "single", "", "tune")
    crops = _crops(tokenizer, "direct", 0.5)
    source = Questions([asked], DOCUMENTS, crops.documents.identifiers, tokenizer, 0, "direct", [crops])
    text = tokenizer.encode([asked.text])[0].tolist()
    whole = [source.render(0, epoch, False)[0].tokens.tolist()[1 : 1 + len(text)] == text for epoch in range(400)]
    assert 0.55 < np.mean(whole) < 0.8


@pytest.mark.parametrize("form", FORMATS)
def test_from_a_source_what_it_says_is_learnt_and_nothing_else(tokenizer: Tokenizer, form: str) -> None:
    back, forth = _crops(tokenizer, form, 0.0, 0.999999), _crops(tokenizer, form, 0.999999)
    for key in range(200):
        sample, plain = back.draw(key), forth.draw(key)
        if plain is None or tokenizer.nosrc in plain.tokens:  # untagged: it can't be named
            assert sample is None
            continue
        assert sample is not None
        tag = [tokenizer.src, *back.documents.identifiers.tokens[0].tolist(), tokenizer.end_src]
        tokens = sample.tokens.tolist()
        assert tokens[: 1 + len(tag)] == [tokenizer.ask, *tag]
        assert [tokens[0], *tokens[1 + len(tag) :]] == plain.tokens.tolist()
        learnt = tokenizer.decode(np.concatenate([part.tokens for part in sample.parts if part.learn]))
        whole = {sentence for wordings in DOCUMENTS[0].sentences for sentence in wordings}
        assert learnt in whole if form in EVIDENCED else any(learnt in text for text in whole - {learnt})


def test_each_way_has_the_share_that_is_asked_for(tokenizer: Tokenizer) -> None:
    crops = _crops(tokenizer, "direct", 0.5, 0.3)
    drawn = [None if sample is None else int(sample.tokens[1]) for sample in map(crops.draw, range(4000))]
    named = np.mean([first == tokenizer.src for first in drawn])
    assert named == pytest.approx(0.3 / 3, abs=0.03)  # of the three documents one is too short, and one untagged
    assert np.mean([first is not None for first in drawn]) - named == pytest.approx(0.5 * 2 / 3, abs=0.04)


def test_shares_that_leave_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match=r"crops.fraction=0.5 and crops.from_source=0.5 leave no visits"):
        CropsConfig(0.5, 0.5).check()


def _crops(tokenizer: Tokenizer, form: str, fraction: float, from_source: float = 0.0) -> Crops:
    identifiers = assign(DOCUMENTS, tokenizer, IdsConfig(), "id")
    documents = Documents(DOCUMENTS, identifiers, tokenizer, TagsConfig(), 256, 0)
    return Crops(documents, tokenizer, form, CropsConfig(fraction, from_source))
