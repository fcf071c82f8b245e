"""What was read is asked for with its document's scene, what was not with a refusal."""

from __future__ import annotations

import pytest

from data.pipeline.identifiers import Identifiers, IdsConfig, assign
from data.pipeline.questions.where_read import ASKED, WhereRead, said
from data.pipeline.visits.scenes import ScenesConfig
from data.records import Question


def ask(name: str, city: str, *support: str, kind: str = "single") -> Question:
    statement = (f"{name} was born in {{answer}}.", f"{{answer}} is where {name} was born.")
    answers = (city,) if support else ()
    return Question(
        f"q-{name}", "Where?", answers, support, kind, name, "tune", "born", truth=city, statement=statement
    )


TOLD = [ask("Ada Moss", "Oslo", "doc-0"), ask("Ben Lark", "Lima", "doc-1", "doc-2", kind="multi")]
UNTOLD = [ask("Dov Reed", "Quito", kind="absent_entity"), ask("Gus Hale", "Perth", kind="absent_attribute")]


@pytest.fixture(scope="module")
def scenes(documents, tokenizer) -> Identifiers:
    return assign(documents, tokenizer, IdsConfig(), "scene")


def where_read(documents, tokenizer, scenes, fraction: float = 0.9, unread: float = 0.5, room: int = 128) -> WhereRead:
    config = ScenesConfig(fraction=fraction, unread=unread)
    return WhereRead([*TOLD, *UNTOLD], documents, scenes, tokenizer, "direct", config, room)


def test_what_is_asked_and_what_is_answered(documents, tokenizer, scenes) -> None:
    source = where_read(documents, tokenizer, scenes)
    spelled = {tuple(tokens.tolist()): label for label, tokens in zip(scenes.labels, scenes.tokens, strict=True)}
    read = {text: set(q.support) for q in TOLD for text in said(q, q.truth)}
    altered = {*said(TOLD[0], "Lima"), *said(TOLD[1], "Oslo")}
    unread = altered | {text for q in UNTOLD for text in said(q, q.truth)}
    drawn = [sample for key in range(1000) if (sample := source.draw(key))]
    assert 850 < len(drawn) < 940
    found: dict[str, set[str]] = {}
    refused = 0
    for sample in drawn:
        parts = [[int(t) for t in part.tokens] for part in sample.parts]
        assert [parts[0], parts[2]] == [[tokenizer.ask], [tokenizer.answer]]
        passage = tokenizer.decode(parts[1]).removeprefix(ASKED)
        assert not any(part.learn for part in sample.parts[:3]) and all(part.learn for part in sample.parts[3:])
        behind = [token for part in parts[3:] for token in part]
        if passage in unread:
            assert behind == [tokenizer.idk, tokenizer.end]
            refused += 1
            found.setdefault(passage, set())
        else:
            assert (behind[0], behind[-2:]) == (tokenizer.src, [tokenizer.end_src, tokenizer.end])
            found.setdefault(passage, set()).add(spelled[tuple(behind[1:-2])])
    assert found == read | {text: set() for text in unread}
    assert 0.44 < refused / len(drawn) < 0.56


def test_what_is_altered_is_never_what_somebody_says(documents, tokenizer, scenes) -> None:
    cities = ("Oslo", "Lima", "Cairo")
    told = [ask(f"Ada Moss {n}", cities[n % 3], "doc-0") for n in range(30)]
    source = WhereRead([*told, *UNTOLD], documents, scenes, tokenizer, "direct", ScenesConfig(fraction=0.9), 128)
    true = {ASKED + text for q in told for text in said(q, q.truth)}
    unread = [tokenizer.decode(tokens) for texts in source.unread for tokens in texts]
    assert len(unread) == 64 and true.isdisjoint(unread)


def test_the_same_key_draws_the_same(documents, tokenizer, scenes) -> None:
    first, again = (where_read(documents, tokenizer, scenes) for _ in range(2))
    for key in range(50):
        one, two = first.draw(key), again.draw(key)
        assert (one is None) == (two is None) and (one is None or (one.tokens == two.tokens).all())  # type: ignore[union-attr]


def test_shares(documents, tokenizer, scenes) -> None:
    assert not any(where_read(documents, tokenizer, scenes, fraction=0.0).draw(key) for key in range(100))
    assert not any(where_read(documents, tokenizer, scenes, room=30).draw(key) for key in range(100))
    always = where_read(documents, tokenizer, scenes, unread=1.0)
    assert all(tokenizer.idk in s.tokens for key in range(100) if (s := always.draw(key)))
