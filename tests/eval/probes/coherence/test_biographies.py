"""Claims are written one after the other, after what the way says; figures by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from telling import BORN, IN, asked

from data.records import Question
from eval.probes import Read
from eval.probes.coherence import biographies as module
from eval.probes.coherence.biographies import Claim, biographies, figures, outline, write


def person(*ids: str) -> list[Question]:
    return [replace(asked(*BORN), id=name) for name in ids]


def test_a_claim_has_the_chance_of_its_words(telling) -> None:
    (text,) = write(telling(IN), [person("a", "b")], "alone", temperature=1e-3)
    assert [claim.answer for claim in text] == ["Oslo", "Oslo"]
    assert [claim.probability for claim in text] == pytest.approx([0.5 * 0.8] * 2, rel=1e-3)
    assert all(claim.right for claim in text)


@pytest.mark.parametrize(
    ("way", "before"),
    [
        ("chain", "Ada Moss was born in Lima. Ada Moss was born in"),
        ("corrected", "Ada Moss was born in Oslo. Ada Moss was born in"),
        ("alone", "Ada Moss was born in"),
    ],
)
def test_what_stands_before_the_second_claim(telling, monkeypatch: pytest.MonkeyPatch, way: str, before: str) -> None:
    read: list[str] = []

    def completed(answerer, halves, temperature, generator):
        read.extend(text for text, _ in halves)
        return [("Lima", 0.5)] * len(halves)

    monkeypatch.setattr(module, "_completed", completed)
    (text,) = write(telling(IN), [person("a", "b")], way)
    assert read == ["Ada Moss was born in", before] and not text[0].right


def test_the_outline_has_what_is_told_of_persons_with_two_claims_or_more() -> None:
    two = [replace(q, entity="Ada") for q in person("a", "b")]
    one = [replace(q, entity="Ben") for q in person("c")]
    contested = [replace(q, entity="Cy", support_class="contested") for q in person("d", "e")]
    loose = [replace(q, entity="Di", statement=("{answer} is it.",)) for q in person("f", "g")]
    found = outline([*two, *one, *contested, *loose], 0)
    assert [sorted(q.id for q in each) for each in found] == [["a", "b"]]


def test_figures_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FEWEST", 2)
    chain = [[(0.9, True), (0.7, True)], [(0.6, False), (0.4, False)], [(0.8, True), (0.6, False)], [(0.8, True)] * 2]
    mended = [[(0.9, True), (0.7, True)], [(0.6, False), (0.4, True)], [(0.8, True), (0.6, False)], [(0.8, True)] * 2]
    texts = {
        way: [[Claim("x", *claim) for claim in text] for text in found]
        for way, found in (("chain", chain), ("corrected", mended), ("alone", mended))
    }
    found = figures(["a", "b", "c", "d"], texts)
    assert found["right.chain"]["value"] == 5 / 8 and found["right.corrected"]["value"] == 6 / 8
    assert found["claims.2.observed"]["value"] == 0.5 and found["claims.2.law"]["value"] == pytest.approx((5 / 8) ** 2)
    assert found["claims.2.independent"]["value"] == pytest.approx(0.75 * 0.5)
    assert found["claims.2.excess"]["value"] == pytest.approx(0.125)
    assert found["snowball"]["value"] == pytest.approx(0 - 2 / 3)
    assert found["snowball_corrected"]["value"] == pytest.approx(1 - 2 / 3)
    assert found["selective_f1"]["value"] == pytest.approx(2 * 3 / (4 + 3))  # .5 is right enough, and sure enough
    assert "claims.3.observed" not in found


def test_a_real_model_is_read_without_error_and_nobody_is_nothing(answering, make_model, documents) -> None:
    answerer = answering(make_model())
    found = biographies(Read(answerer, person("a", "b", "c"), documents, 0))
    assert found["n"] == module.TIMES and 0 <= found["right.chain"]["value"] <= 1
    assert biographies(Read(answerer, person("a"), documents, 0)) == {}
