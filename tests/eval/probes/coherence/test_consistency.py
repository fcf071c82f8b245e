"""What is foretold and what is listed, by hand; a model that names at random foretells nothing."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from data.pipeline.identifiers import IdsConfig, assign
from data.records import Citation, Prediction, Question
from eval.answerers.lm_answerer import LMAnswerer
from eval.probes import Read
from eval.probes.coherence.consistency import CAP, consistency, matched_chance, overlap

NAMES = ("Ada Moss", "Ben Lark", "Cleo Finch", "Dov Reed")
ASKED = [
    Question(f"q-{n}", f"Where was {name} born?", ("Oslo",), (f"doc-{n}", f"doc-{n + 8}"), "multi", name, "never_tuned")
    for n, name in enumerate(NAMES)
]


class Fake(LMAnswerer):
    """Cites the first source of each question, the fourth's wrongly, and lists `order` one behind the other."""

    foretells = True

    def answer(self, questions: Sequence[Question]) -> list[Prediction]:
        cited = {q.id: "doc-30" if q.id == "q-3" else q.support[0] for q in questions}
        return [Prediction(q.id, "answered", "Oslo", (Citation(cited[q.id]),)) for q in questions]

    def sources_after(self, prompts: Sequence[Sequence[int]], most: int) -> list[list[tuple[int, float]]]:
        found = []
        for prompt in prompts:
            text = self.tokenizer.decode([t for t in prompt if t not in self.tokenizer.reserved])
            n = next(i for i, name in enumerate(NAMES) if name in text)
            if "Oslo" not in text:
                found.append([({3: 30}.get(n, n) if self.foretells else 20, -0.1)])
            else:  # of Ada Moss both sources come first, of the others one and two strangers
                order = [n, n + 8, 25] if n == 0 else [n, 26, 27]
                found.append([(i, -0.1) for i in (*order, 28, 29, 31, 32)][:most])
        return found

    def read(self, prompts: Sequence[Sequence[int]]):
        """One more citation is likelier than the end up to two of them."""
        logits = torch.zeros(len(prompts), 640)
        for row, prompt in enumerate(prompts):
            logits[row, self.format.opening] = 1.0 if list(prompt).count(self.format.opening) < 2 else -1.0
        return None, logits


class Guessing(Fake):
    foretells = False


def probed(kind: type[LMAnswerer], documents, tokenizer, make_model, form: str = "direct"):
    answerer = kind(make_model(), tokenizer, assign(documents, tokenizer, IdsConfig()), answer_format=form, forced=True)
    return consistency(Read(answerer, ASKED, documents, 0))


def test_chance_by_hand() -> None:
    assert matched_chance(["a", "a", "b"], ["a", "c", "b"]) == pytest.approx((2 * 1 + 1 * 1) / 9)
    assert matched_chance(["a"], ["b"]) == 0.0


def test_precision_and_recall_by_hand() -> None:
    assert overlap([["a", "x"], ["b"]], [{"a"}, {"b", "c"}]) == ([0.5, 1.0], [1.0, 0.5])


def test_its_own_citations_are_foretold_even_where_they_are_wrong(documents, tokenizer, make_model) -> None:
    found = probed(Fake, documents, tokenizer, make_model)
    assert found["foretold"]["value"] == found["foretold_wrong"]["value"] == 1.0
    assert found["foretold_chance"] == pytest.approx(4 / 16) and found["foretold_wrong"]["n"] == 1


def test_who_names_anything_foretells_nothing(documents, tokenizer, make_model) -> None:
    found = probed(Guessing, documents, tokenizer, make_model)
    assert found["foretold"]["value"] == found["foretold_chance"] == 0.0


def test_lists_by_hand(documents, tokenizer, make_model) -> None:
    found = probed(Fake, documents, tokenizer, make_model)
    assert found["list_length"]["value"] == 2.0 < CAP
    assert found["list_precision"]["value"] == pytest.approx((1 + 3 * 0.5) / 4)
    assert found["list_recall"]["value"] == found["forced_recall"]["value"] == pytest.approx((1 + 3 * 0.5) / 4)


@pytest.mark.parametrize("form", ["direct", "cite_first", "evidence_first", "recite"])
def test_a_real_model(documents, tokenizer, make_model, form) -> None:
    found = probed(LMAnswerer, documents, tokenizer, make_model, form)
    first = form in ("cite_first", "recite")  # nothing is left to foretell
    assert ("foretold" in found) <= (not first) and ("list_recall" in found) <= (form == "direct")
