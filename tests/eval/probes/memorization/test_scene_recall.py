"""Who recalls every scene, who recalls none and who denies everything; counted by hand."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from data.pipeline.identifiers import Identifiers, IdsConfig, assign
from data.pipeline.questions.where_read import ASKED
from data.pipeline.visits.scenes import slot_values
from data.records import Question
from eval.answerers.lm_answerer import LMAnswerer
from eval.probes import Read
from eval.probes.memorization.scene_recall import leaning, most_frequent, scene_recall, slots_right
from model.generate import read_on


def ask(name: str, city: str, *support: str, kind: str = "single") -> Question:
    return Question(
        f"q-{name}",
        "Where?",
        (city,) if support else (),
        support,
        kind,
        name,
        "never_tuned",
        "born",
        truth=city,
        statement=(f"{name} was born in {{answer}}.",),
        new_statement=(f"It was in {{answer}} that {name} was born.",),
    )


ASKED_OF = [
    ask("Ada Moss", "Oslo", "doc-0"),
    ask("Ben Lark", "Lima", "doc-1"),
    ask("Cleo Finch", "Cairo", "doc-2", "doc-3", kind="multi"),
    ask("Dov Reed", "Quito", kind="absent_attribute"),
    ask("Eda Thorn", "Perth", kind="absent_entity"),
]
READ = {f"{q.entity} was born in {q.truth}.": q.support[0] for q in ASKED_OF[:2]}
READ |= {f"It was in {q.truth} that {q.entity} was born.": q.support[0] for q in ASKED_OF[:2]}


class Remembering(LMAnswerer):
    """Knows what it read, and of its scene all slots but the last."""

    def spelled_after(self, prompts: Sequence[Sequence[int]]) -> list[list[int]]:
        return self._recalled([self.tokenizer.decode(p[1:-1]).removeprefix(ASKED) for p in prompts])

    def spelled_behind(self, statements: Sequence[str]) -> list[list[int]]:
        return self._recalled(statements)

    def _recalled(self, passages: Sequence[str]) -> list[list[int]]:
        own = dict(zip(self.identifiers.labels, self.identifiers.tokens, strict=True))
        return [[*own[READ[passage]].tolist()[:-1], self.tokenizer.idk] for passage in passages]

    def read(self, prompts: Sequence[Sequence[int]]):
        logits = torch.zeros(len(prompts), 640)
        known = [self.tokenizer.decode(p[1:-1]).removeprefix(ASKED) in READ for p in prompts]
        logits[:, self.tokenizer.src] = torch.tensor([2.0 if one else -3.0 for one in known])
        return None, logits


@pytest.fixture(scope="module")
def scenes(documents, tokenizer) -> Identifiers:
    return assign(documents, tokenizer, IdsConfig(), "scene")


def test_who_remembers(documents, tokenizer, make_model, scenes) -> None:
    found = scene_recall(Read(Remembering(make_model(), tokenizer, scenes), ASKED_OF, documents, 0))
    assert found["n"] == {"read": 2, "paraphrased": 2, "altered": 3, "unread_attribute": 1, "unread_entity": 1}
    for kind in ("read", "paraphrased"):
        for part in (found[kind], found[kind]["behind"]):
            assert part["slots"]["value"] == pytest.approx(6 / 7) and part["whole"]["value"] == 0.0
        assert (found[kind]["says"]["value"], found[kind]["says"]["n"]) == (1.0, 2)
        assert "first" not in found[kind]
    for kind in ("altered", "unread_attribute", "unread_entity"):
        assert found[kind]["asked"]["auroc"]["value"] == 1.0 and found[kind]["says"]["value"] == 0.0
        assert found[kind]["asked"]["false_recollection"]["value"] == 0.0


def test_of_many_readings_the_last_is_asked_for(documents, tokenizer, make_model, scenes) -> None:
    own = {name: tokens.tolist() for name, tokens in zip(scenes.labels, scenes.tokens, strict=True)}
    codes = tokenizer.codes.tolist()
    other = {name: [codes[16 * slot + (v + 1) % 16] for slot, v in enumerate(slot_values(tokenizer, tokens))]
             for name, tokens in own.items()}  # fmt: skip
    readings = {name: [own[name], own[name], other[name]] for name in ("doc-0", "doc-1")}
    found = scene_recall(Read(Remembering(make_model(), tokenizer, scenes), ASKED_OF, documents, 0, readings))["read"]
    assert found["slots"]["value"] == found["behind"]["slots"]["value"] == 0.0
    assert found["first"]["value"] == found["frequent"]["value"] == pytest.approx(6 / 7)
    alike = {name: [other["doc-0"]] for name in own}
    found = scene_recall(Read(Remembering(make_model(), tokenizer, scenes), ASKED_OF, documents, 0, alike))["read"]
    assert found["constant"]["value"] == 1.0


def test_slots_by_hand(tokenizer) -> None:
    codes = tokenizer.codes.tolist()
    true = [codes[16 * slot + 3] for slot in range(7)]
    assert slots_right(tokenizer, true, true) == 1.0
    assert slots_right(tokenizer, true[:4], true) == pytest.approx(4 / 7)
    assert slots_right(tokenizer, [], true) == slots_right(tokenizer, true[1:], true) == 0.0
    scenes = [[1, 5], [2, 6], [2, 7]]
    assert most_frequent(tokenizer, scenes) == [2, 5]


@torch.no_grad()
def test_leaning_is_a_difference_of_log_probabilities(documents, tokenizer, make_model, scenes) -> None:
    model = make_model()
    answerer = LMAnswerer(model, tokenizer, scenes, batch=2)
    prompts = [answerer.prompt(text) for text in tokenizer.encode(["Ada Moss was born.", "Oslo", "Law was studied."])]
    expected = []
    for prompt in prompts:
        tokens = torch.tensor([prompt])
        scores = model(tokens, torch.arange(len(prompt))[None])[0, -1].double().log_softmax(-1)
        expected.append(float(scores[tokenizer.src] - scores[tokenizer.idk]))
    assert leaning(answerer, prompts) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("placement", ["begin", "end", "footnote"])
def test_a_real_model_is_asked(documents, tokenizer, make_model, scenes, placement) -> None:
    answerer = LMAnswerer(make_model(), tokenizer, scenes, placement=placement)
    found = scene_recall(Read(answerer, ASKED_OF, documents, 0))
    assert ("behind" in found["read"]) == (placement != "begin")
    assert 0 <= found["read"]["slots"]["value"] <= 1


def test_identifiers_have_no_slots_and_nothing_read_is_nothing_found(documents, tokenizer, make_model) -> None:
    answerer = LMAnswerer(make_model(), tokenizer, assign(documents, tokenizer, IdsConfig()))
    found = scene_recall(Read(answerer, ASKED_OF, documents, 0))
    assert "slots" not in found["read"] and found["read"]["whole"]["value"] == 0.0
    assert scene_recall(Read(answerer, ASKED_OF[3:], documents, 0)) == {}


@torch.no_grad()
def test_the_tag_behind_sees_its_statement_and_not_what_opens_a_document(tokenizer, make_model, scenes) -> None:
    answerer = LMAnswerer(make_model(), tokenizer, scenes)
    said, opened = tokenizer.encode(["Ada Moss was born in Oslo."])[0], torch.tensor([[tokenizer.src]])
    tokens = [tokenizer.doc, *said.tolist(), tokenizer.src]
    mask = torch.ones(len(tokens), len(tokens), dtype=torch.bool).tril()
    mask[-1, 0] = False
    expected = answerer.model(torch.tensor([tokens]), torch.arange(len(tokens))[None], mask[None, None])[0, -1]
    found = read_on(answerer.model, answerer._told([said]), opened, torch.ones_like(opened, dtype=torch.bool))[0]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
