"""The share of what is left by hand; the next source is that of a trie without the first."""

from __future__ import annotations

import math

import numpy as np
import pytest

from data.pipeline.identifiers import IdsConfig, assign
from data.records import Prediction, Question
from eval.answerers.lm_answerer import LMAnswerer
from eval.signals.citation_fidelity import add_fidelity, fidelity, uncertainty_fidelity
from model.trie import Trie


def test_by_hand() -> None:
    # .2 says no source; of .8 for a citation three quarters go to the one that is banned.
    assert fidelity([math.log(0.2)], [math.log(0.8)], [math.log(0.75)]) == pytest.approx([0.5])
    assert fidelity([math.log(0.2)], [math.log(0.8)], [0.0]) == pytest.approx([1.0])
    assert fidelity([-np.inf], [0.0], [0.0]) == pytest.approx([1.0])  # nothing is left for anything
    assert fidelity([-np.inf], [0.0], [math.log(0.5)]) == pytest.approx([0.0])


def test_uncertainty_times_fidelity_by_hand() -> None:
    signals = {"neg_semantic_entropy": -math.log(2), "citation_fidelity": 0.5}
    prediction = Prediction("q", "answered", "Oslo", signals=signals, samples=("Oslo", "Oslo", "Lima", "Lima"))
    assert uncertainty_fidelity(prediction) == pytest.approx((1 - math.log(2) / math.log(4)) * 0.5)
    alone = {"citation_fidelity": 0.5}
    for shown, samples in ((signals, ("Oslo",)), (alone, ("Oslo", "Lima"))):
        lacking = Prediction("q", "answered", "Oslo", signals=shown, samples=samples)
        assert uncertainty_fidelity(lacking) is None


def test_the_next_source_is_the_first_where_the_cited_one_is_banned(make_model, tokenizer, documents) -> None:
    identifiers = assign(documents, tokenizer, IdsConfig())
    answerer = LMAnswerer(make_model(), tokenizer, identifiers, most=2)
    questions = [Question(str(n), text, (), (), "absent_entity", "", "never_tuned") for n, text in
                 enumerate(("Where was Ada Moss born?", "Where?"))]  # fmt: skip
    prompts = [[*answerer.prompt(tokenizer.encode([q.text])[0]), *tokenizer.encode(["Oslo"])[0]] for q in questions]
    first = answerer.sources_after(prompts, 1)
    said = [
        Prediction(q.id, "answered", "Oslo", answerer.citations(found))
        for q, found in zip(questions, first, strict=True)
    ]
    found = add_fidelity(answerer, questions, said)
    for prompt, ranked, prediction in zip(prompts, first, found, strict=True):
        banned = ranked[0][0]
        left = [tokens for n, tokens in enumerate(identifiers.tokens) if n != banned]
        answerer.trie = Trie.build(left, tokenizer.end_src)
        again = answerer.sources_after([prompt], 1)[0]
        assert prediction.signals["lp_next_citation"] == pytest.approx(again[0][1], abs=1e-5)
        assert 0 <= prediction.signals["citation_fidelity"] <= 1


def test_what_has_no_citation(answering, make_model) -> None:
    answerer = answering(make_model())
    questions = [Question("q", "Where?", (), (), "absent_entity", "", "never_tuned")] * 2
    own, none = add_fidelity(
        answerer, questions, [Prediction("q", "no_source", "Oslo"), Prediction("q", "unparseable")]
    )
    assert own.signals == {"citation_fidelity": 1.0} and none.signals == {}
