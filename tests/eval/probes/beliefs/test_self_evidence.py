"""The implication is read off the questions; moves are differences of plain log-odds; the ratio is a ratio of means."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from data.pipeline.identifiers import Identifiers, IdsConfig, assign
from data.pipeline.tokenizer import Tokenizer
from data.records import Document, Question
from eval.answerers.lm_answerer import LMAnswerer
from eval.probes.beliefs.self_evidence import (
    CITY,
    EMPLOYER,
    Implication,
    Moves,
    Person,
    implication,
    logit,
    moves,
    sample,
    self_evidence,
    summary,
)
from model.transformer import Transformer

Make = Callable[..., Transformer]

CITIES = {"Acrona": "Oslo", "Belcor": "Lima", "Calvex": "Oslo"}
IMPLIED = Implication(
    CITIES,
    {EMPLOYER: ("{name} works for {answer}.",), CITY: ("{name} works in {answer} today.",)},
    {EMPLOYER: ("Who employs {name}?",), CITY: ("Where does {name} work?",)},
)
PEOPLE = [
    Person(
        name,
        {EMPLOYER: f"{name} works for {{answer}}.", CITY: f"{name} works in {{answer}} today."},
        {EMPLOYER: f"Who employs {name}?", CITY: f"Where does {name} work?"},
    )
    for name in ("Ada Moss", "Ben Lark", "Cleo Finch", "Dov Reed", "Eda Thorn", "Finn Vale")
]


def ask(name: str, attribute: str, truth: str, kind: str = "single", split: str = "never_tuned") -> Question:
    verb = {EMPLOYER: "for", CITY: "in"}[attribute]
    told = kind == "single"
    return Question(
        f"{name} {attribute}",
        f"What does {name} work {verb}?",
        (truth,) if told else (),
        ("doc-0",) if told else (),
        kind,
        name,
        split,
        attribute,
        paraphrases=(f"{name} works {verb} what?",),
        truth=truth,
        statement=(f"{name} works {verb} {{answer}}.", f"{{answer}} is what {name} works {verb}."),
    )


QUESTIONS = [
    *(ask("Ada Moss", a, v) for a, v in ((EMPLOYER, "Acrona"), (CITY, "Oslo"))),
    *(ask("Ben Lark", a, v) for a, v in ((EMPLOYER, "Belcor"), (CITY, "Lima"))),
    ask("Cleo Finch", EMPLOYER, "Belcor", "absent_entity"),
    ask("Dov Reed", CITY, "Lima", "absent_entity"),
    ask("Eda Thorn", EMPLOYER, "Acrona", "absent_entity"),
]


@pytest.fixture(scope="module")
def identifiers(documents: list[Document], tokenizer: Tokenizer) -> Identifiers:
    return assign(documents[:5], tokenizer, IdsConfig())


@pytest.fixture(scope="module")
def answerer(make_model: Make, tokenizer: Tokenizer, identifiers: Identifiers) -> LMAnswerer:
    return LMAnswerer(make_model(), tokenizer, identifiers, batch=4)


@torch.no_grad()
def plain(model: Transformer, before: Sequence[int], text: Sequence[int]) -> float:
    """Probability of the text after what stands before it, in a row of its own."""
    tokens = torch.tensor([[*before, *text]])
    scores = model(tokens, torch.arange(tokens.shape[1])[None])[0].double().log_softmax(-1)
    return math.exp(sum(float(scores[len(before) - 1 + i, token]) for i, token in enumerate(text)))


def odds(p: float) -> float:
    return math.log(p / (1 - p))


def words(tokenizer: Tokenizer, text: str) -> list[int]:
    return tokenizer.encode([text])[0].tolist()


def in_text(answerer: LMAnswerer, person: Person, before: Sequence[int], x: str) -> float:
    head, rest = words(answerer.tokenizer, f"{person.name} works in"), words(answerer.tokenizer, f"{CITIES[x]} today.")
    return odds(plain(answerer.model, [*before, *head], rest))


def in_dialogue(answerer: LMAnswerer, person: Person, before: Sequence[int], x: str) -> float:
    tokenizer = answerer.tokenizer
    prompt = [*before, tokenizer.ask, *words(tokenizer, f"Where does {person.name} work?"), tokenizer.answer]
    city = words(tokenizer, CITIES[x])
    return odds(sum(plain(answerer.model, prompt, [*city, end]) for end in (tokenizer.src, tokenizer.nosrc)))


def check_drawn(found: Moves, chances: list[list[float]]) -> None:
    """What documents say is any X; what the model says is drawn by its own chances [N][E]."""
    rng, generator = random.Random(0), torch.Generator().manual_seed(0)
    assert found.heard == [rng.choice(list(CITIES)) for _ in PEOPLE]
    assert found.drawn == [list(CITIES)[i] for i in sample(np.log(chances), generator)]
    assert found.mass == pytest.approx(np.sum(chances, axis=1), rel=1e-3)


def test_moves_in_text(answerer: LMAnswerer, tokenizer: Tokenizer) -> None:
    found = moves(answerer, IMPLIED, PEOPLE, "text", random.Random(0), torch.Generator().manual_seed(0))
    chances = []
    for i, person in enumerate(PEOPLE):
        for x, move in ((found.heard[i], found.external[i]), (found.drawn[i], found.own[i])):
            heard = [tokenizer.doc, *words(tokenizer, f"{person.name} works for {x}.")]
            expected = in_text(answerer, person, heard, x) - in_text(answerer, person, [tokenizer.doc], x)
            assert move == pytest.approx(expected, abs=1e-3)
        head = [tokenizer.doc, *words(tokenizer, f"{person.name} works for")]
        chances.append([plain(answerer.model, head, words(tokenizer, f"{x}.")) for x in CITIES])
    check_drawn(found, chances)


def test_moves_in_dialogue(answerer: LMAnswerer, tokenizer: Tokenizer, identifiers: Identifiers) -> None:
    found = moves(answerer, IMPLIED, PEOPLE, "dialogue", random.Random(0), torch.Generator().manual_seed(0))
    chances = []
    for i, person in enumerate(PEOPLE):
        told, said = found.heard[i], found.drawn[i]
        heard = [tokenizer.doc, *words(tokenizer, f"{person.name} works for {told}."), tokenizer.end]
        expected = in_dialogue(answerer, person, heard, told) - in_dialogue(answerer, person, [], told)
        assert found.external[i] == pytest.approx(expected, abs=1e-3)
        asked = [tokenizer.ask, *words(tokenizer, f"Who employs {person.name}?"), tokenizer.answer]
        citing = [*asked, *words(tokenizer, said), tokenizer.src]
        best = max(identifiers.tokens, key=lambda t: plain(answerer.model, citing, [*t.tolist(), tokenizer.end_src]))
        spoken = [*citing, *best.tolist(), tokenizer.end_src, tokenizer.end]
        expected = in_dialogue(answerer, person, spoken, said) - in_dialogue(answerer, person, [], said)
        assert found.own[i] == pytest.approx(expected, abs=1e-3)
        chances.append([plain(answerer.model, asked, [*words(tokenizer, x), tokenizer.src]) for x in CITIES])
    check_drawn(found, chances)


@pytest.fixture
def marked(make_model: Make, tokenizer: Tokenizer, identifiers: Identifiers) -> LMAnswerer:
    model = make_model()
    model.mark_authors()
    assert model.authors is not None
    with torch.no_grad():
        model.authors.embed_author.weight[1] = torch.randn(32, generator=torch.Generator().manual_seed(3))
    return LMAnswerer(model, tokenizer, identifiers, batch=4)


@torch.no_grad()
def plain_of_own(model: Transformer, before: Sequence[int], own: Sequence[bool], text: Sequence[int]) -> float:
    tokens = torch.tensor([[*before, *text]])
    marks = torch.tensor([[*own, *[False] * len(text)]])
    states = model.hidden(tokens, torch.arange(tokens.shape[1])[None], own=marks)
    scores = model.lm_head(states)[0].double().log_softmax(-1)
    return math.exp(sum(float(scores[len(before) - 1 + i, token]) for i, token in enumerate(text)))


@pytest.mark.parametrize("form", ["text", "dialogue"])
def test_the_models_own_words_are_read_with_the_mark_and_without(
    answerer: LMAnswerer, marked: LMAnswerer, tokenizer: Tokenizer, identifiers: Identifiers, form: str
) -> None:
    found, bare = (
        moves(one, IMPLIED, PEOPLE, form, random.Random(0), torch.Generator().manual_seed(0))
        for one in (marked, answerer)
    )
    assert bare.flipped is None and found.flipped is not None and found.drawn == bare.drawn
    np.testing.assert_allclose(found.external, bare.external, atol=1e-3)  # a document has no mark
    np.testing.assert_allclose(found.flipped, bare.own, atol=1e-3)
    assert np.abs(found.own - found.flipped).min() > 1e-2
    person, said = PEOPLE[0], found.drawn[0]
    if form == "text":
        sentence = words(tokenizer, f"{person.name} works for {said}.")
        head, rest = words(tokenizer, f"{person.name} works in"), words(tokenizer, f"{CITIES[said]} today.")
        before = [tokenizer.doc, *sentence, *head]
        own = [False, *[True] * len(sentence), *[False] * len(head)]
        expected = odds(plain_of_own(marked.model, before, own, rest)) - in_text(marked, person, [tokenizer.doc], said)
    else:
        asked = [tokenizer.ask, *words(tokenizer, f"Who employs {person.name}?"), tokenizer.answer]
        value = words(tokenizer, said)
        citing = [*asked, *value, tokenizer.src]
        best = max(identifiers.tokens, key=lambda t: plain(marked.model, citing, [*t.tolist(), tokenizer.end_src]))
        rest = [tokenizer.src, *best.tolist(), tokenizer.end_src, tokenizer.end]
        again = [tokenizer.ask, *words(tokenizer, f"Where does {person.name} work?"), tokenizer.answer]
        before = [*asked, *value, *rest, *again]
        own = [*[False] * len(asked), *[True] * len(value), *[False] * (len(rest) + len(again))]
        city, ends = words(tokenizer, CITIES[said]), (tokenizer.src, tokenizer.nosrc)
        chance = sum(plain_of_own(marked.model, before, own, [*city, end]) for end in ends)
        expected = odds(chance) - in_dialogue(marked, person, [], said)
    assert found.own[0] == pytest.approx(expected, abs=1e-3)


def test_what_the_mark_is_worth_by_hand() -> None:
    found = summary(moved([1.0, 3.0], [1.0, 1.0])._replace(flipped=np.array([2.0, 2.0])))
    assert [found[name]["value"] for name in ("flipped", "ratio_flipped", "shift")] == [2.0, 1.0, 0.5]
    assert found["shift"]["interval"] == pytest.approx((1 / 3, 1.0))
    unbounded = summary(moved([-1.0, 3.0], [1.0, 1.0])._replace(flipped=np.array([2.0, 2.0])))
    assert unbounded["shift"] == {"value": 1.0, "interval": None}


def test_the_model_says_what_it_finds_likely() -> None:
    shares = np.array([0.7, 0.2, 0.1])
    log_p = np.log(np.tile(shares, (4000, 1))) - 5  # whatever else it might say
    drawn = sample(log_p, torch.Generator().manual_seed(0))
    assert np.bincount(drawn) / 4000 == pytest.approx(shares, abs=0.03)  # four standard deviations
    assert sample(np.log([[1e-9, 1.0], [1.0, 1e-9]]), torch.Generator().manual_seed(0)) == [1, 0]


def test_the_implication_is_read_off_the_questions() -> None:
    found = implication(QUESTIONS)
    assert found is not None
    assert found.cities == {"Acrona": "Oslo", "Belcor": "Lima"}
    assert found.statements == {EMPLOYER: ("{name} works for {answer}.",), CITY: ("{name} works in {answer}.",)}
    assert found.questions == {
        EMPLOYER: ("What does {name} work for?", "{name} works for what?"),
        CITY: ("What does {name} work in?", "{name} works in what?"),
    }


def test_employers_in_two_cities_or_never_told_of_imply_nothing() -> None:
    moved = [*QUESTIONS, ask("Gus Hale", EMPLOYER, "Belcor"), ask("Gus Hale", CITY, "Cairo")]
    found = implication(moved)
    assert found is not None and found.cities == {"Acrona": "Oslo"}
    found = implication([*QUESTIONS, replace(QUESTIONS[1], truth="")])  # unknown is not another city
    assert found is not None and found.cities == {"Acrona": "Oslo", "Belcor": "Lima"}
    unheard = [ask("Gus Hale", a, v, "absent_entity") for a, v in ((EMPLOYER, "Calvex"), (CITY, "Cairo"))]
    found = implication([*QUESTIONS, *unheard])
    assert found is not None and found.cities == {"Acrona": "Oslo", "Belcor": "Lima"}


def test_questions_with_premises_lend_no_wording() -> None:
    premise = replace(
        QUESTIONS[0], support_class="true_premise", text="Since Ada Moss works in Oslo, who pays Ada Moss?"
    )
    found = implication([*QUESTIONS, premise])
    assert found is not None and not any("Since" in text for text in found.questions[EMPLOYER])


def test_without_employers_and_cities_there_is_nothing_to_measure(answerer: LMAnswerer) -> None:
    assert self_evidence(answerer, []) == {}
    assert self_evidence(answerer, [q for q in QUESTIONS if q.attribute == EMPLOYER]) == {}
    assert self_evidence(answerer, [replace(q, truth="") for q in QUESTIONS]) == {}
    assert self_evidence(answerer, [replace(q, statement=q.statement[1:]) for q in QUESTIONS]) == {}


def test_log_odds_by_hand() -> None:
    found = logit(np.log([0.5, 0.9, 0.001]))
    assert found.tolist() == pytest.approx([0.0, math.log(9), math.log(0.001 / 0.999)])
    assert np.isfinite(logit(np.array([0.0, 1e-6, -800.0]))).all()


def moved(external: Sequence[float], own: Sequence[float]) -> Moves:
    return Moves([], [], np.array(external), np.array(own), np.full(len(own), 0.25))


def test_the_ratio_is_one_of_means() -> None:
    found = summary(moved([1.0, 3.0], [1.0, 1.0]))
    assert [found[name]["value"] for name in ("external", "self", "ratio", "mass")] == [2.0, 1.0, 0.5, 0.25]
    assert found["external"]["interval"] == (1.0, 3.0)
    assert found["ratio"]["interval"] == pytest.approx((1 / 3, 1.0))


def test_a_ratio_to_nothing_is_none_and_to_what_may_be_nothing_unbounded() -> None:
    assert summary(moved([-1.0, 0.5], [1.0, 1.0]))["ratio"] == {"value": None, "interval": None}
    assert summary(moved([-1.0, 3.0], [1.0, 1.0]))["ratio"] == {"value": 1.0, "interval": None}
    assert summary(moved([2.0], [1.0]))["ratio"] == {"value": 0.5, "interval": None}


def test_known_and_unknown_people_are_kept_apart(answerer: LMAnswerer) -> None:
    tuned = ask("Gus Hale", EMPLOYER, "Acrona", "absent_entity", split="tune")
    found = self_evidence(answerer, [*QUESTIONS, tuned])
    assert found["n"] == {"unknown": 3, "known": 2}
    for form in ("text", "dialogue"):
        assert set(found[form]) == {"unknown", "known"}
        for group in found[form].values():
            assert set(group) == {"external", "self", "ratio", "mass"}
            assert all(set(metric) == {"value", "interval"} for metric in group.values())
    few = self_evidence(answerer, QUESTIONS[:4], most=1)
    assert few == self_evidence(answerer, QUESTIONS[:4], most=1)
    assert few["n"] == {"unknown": 0, "known": 1} and set(few["text"]) == {"known"}
