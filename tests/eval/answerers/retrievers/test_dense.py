"""The dense retriever: what the tuning questions teach it, it finds; taught wrongly, it does not."""

from __future__ import annotations

import pytest
import torch
from telling import Telling

from data.record_parts import Evidence
from data.records import Document, Question
from eval.answerers.retrievers import dense
from eval.answerers.retrievers.dense import Dense

NAMES = ("Ada Moss", "Ben Lark", "Cy Dunn", "Di Hale")
PAGES = [Document(f"doc-{i}", ((f"{name} was born in Oslo.",), ("Rain fell.",))) for i, name in enumerate(NAMES)]


def taught(shift: int) -> list[Question]:
    """A question about each, whose evidence is that of the one `shift` places further."""
    said = [(f"doc-{(i + shift) % 4}", PAGES[(i + shift) % 4].sentences[0][0]) for i in range(4)]
    return [
        Question(n, f"Who is {n}?", ("x",), (d,), "single", n, "tune", evidence=(Evidence(d, text),))
        for n, (d, text) in zip(NAMES, said, strict=True)
    ]


def found(telling: Telling, shift: int) -> list[str]:
    plain = telling({})
    vectors = torch.randn(len(plain.tokenizer), 16, generator=torch.Generator().manual_seed(0))
    retriever = Dense(PAGES, taught(shift), plain.tokenizer, vectors)
    asked = [Question(f"{n}?", f"who is {n}?", (), (), "absent_attribute", n, "never_tuned") for n in NAMES]
    said = retriever.answer(asked)
    assert all(p.answer is None and len({c.id for c in p.citations}) == 4 for p in said)
    return [p.citations[0].id for p in said]


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dense, "STEPS", 60)
    monkeypatch.setattr(dense, "RATE", 0.02)


def test_it_finds_what_it_was_taught(telling: Telling) -> None:
    assert found(telling, 0) == ["doc-0", "doc-1", "doc-2", "doc-3"]


def test_taught_the_wrong_sentences_it_finds_those(telling: Telling, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dense, "ASKED", 1.0)  # crops would teach it better
    right = zip(found(telling, 1), ("doc-1", "doc-2", "doc-3", "doc-0"), strict=True)
    assert sum(one == wanted for one, wanted in right) >= 2


def test_no_sentence_is_refused(telling: Telling) -> None:
    plain = telling({})
    with pytest.raises(ValueError, match="at least one sentence"):
        Dense([Document("doc", ((" ",),))], [], plain.tokenizer, torch.zeros(len(plain.tokenizer), 4))
