"""Statements are completed from memory, every completion but the answer is a rival, checked; sources are counted."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from data.identifiers import Identifiers, IdsConfig, assign
from data.records import Document, Prediction, Question
from data.tokenizer import Codec, TokenizerConfig, build_tokenizer
from eval import recite
from eval.model import ModelAnswerer
from eval.recite import NEAR, SOURCES, Completions, add_recitals, best_recital, complete, opening
from eval.two_way import log_told
from model.generate import likeliest
from model.transformer import Transformer

Make = Callable[..., Transformer]
Chances = Mapping[str, Mapping[str, float]]
BORN = ("{answer} is where Ada Moss was born.", "Ada Moss was born in {answer}.")
CHECKED = {"told", "noted", "unprompted"}
# What follows a token, whatever stands before it. Words are tokens here, with the space before them.
IN = {
    " in": {" Oslo": 0.5, " Lima": 0.3, " Turin": 0.001},
    " Oslo": {".": 0.8, " Accra": 0.1},
    " Accra": {".": 0.9},
    " Lima": {".": 0.9},
    " Turin": {".": 0.9},
}


def asked(*statement: str, id: str = "q", premise: tuple[str, ...] = ()) -> Question:
    return Question(
        id, "Where?", ("Oslo",), ("doc-1",), "single", "Ada Moss", "never_tuned", statement=statement, premise=premise
    )


def said(answer: str | None, outcome: str = "answered") -> Prediction:
    return Prediction("q", outcome, answer, signals={"answer": -1.0})


@pytest.fixture(scope="module")
def answering(codec: Codec, documents: list[Document]) -> Callable[[Transformer], ModelAnswerer]:
    identifiers = assign(documents, codec, IdsConfig())
    return lambda model: ModelAnswerer(model, codec, identifiers, most=5)


@pytest.fixture(scope="module")
def telling(
    make_model: Make, codec: Codec, answering: Callable[[Transformer], ModelAnswerer]
) -> Callable[[Chances], ModelAnswerer]:
    """An answerer whose next token depends on the last one only, with given chances; the others share the rest."""

    def token(word: str) -> int:
        known = codec.tokenizer.token_to_id(word.replace(" ", "Ġ"))
        assert known is not None, word
        return known

    def make(chances: Chances) -> ModelAnswerer:
        model = make_model(dim=640, layers=1, tied=False)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if name.endswith(("o_proj.weight", "down_proj.weight")):
                    weight.zero_()
            model.embed_tokens.weight.copy_(torch.eye(640))
            model.norm.weight.fill_(1.0)
            model.lm_head.weight.zero_()
            scale = float(model.norm(torch.eye(640)[:1])[0, 0])
            for before, following in chances.items():
                rest = (1 - sum(following.values())) / (640 - len(following))
                model.lm_head.weight[:, token(before)] = math.log(rest) / scale
                for after, chance in following.items():
                    model.lm_head.weight[token(after), token(before)] = math.log(chance) / scale
        return answering(model)

    return make


ADDED = ("recited", "worded", "sources")


def likely(completions: Completions) -> dict[str, float]:
    """Their probabilities."""
    return {answer: math.exp(score) for answer, score in completions.items()}


# What is completed


@pytest.mark.parametrize(
    ("statement", "halves"),
    [
        ((), ("", "")),
        (("{answer} employs Ada.",), ("", "")),
        (("  {answer} employs Ada.",), ("", "")),
        (("Ada was born in {answer}.",), ("Ada was born in", ".")),
        (("Ada works at {answer}",), ("Ada works at", "")),
        (("Law at {answer} was what Ada studied.", *BORN), ("Ada Moss was born in", ".")),
        (("{answer}.", "In {answer} Ada lives.", "The firm ({answer}) pays Ada."), ("In", " Ada lives.")),
        (("Ada: {answer}!", "Ada is {answer}."), ("Ada:", "!")),  # the first of equals
    ],
)
def test_the_opening_is_of_the_wording_with_least_after_the_answer(
    statement: tuple[str, ...], halves: tuple[str, str]
) -> None:
    assert opening(statement) == halves


@given(st.lists(st.tuples(st.text("ab ", max_size=5), st.text("ab .", max_size=5)), max_size=5))
def test_an_opening_is_a_half_of_a_wording(halves: list[tuple[str, str]]) -> None:
    before, after = opening([f"{before}{{answer}}{after}" for before, after in halves])
    fit = [(left.rstrip(), right) for left, right in halves if left.strip()]
    assert (before, after) in (fit or [("", "")])
    assert all(len(after) <= len(right) for _, right in fit)


def test_completions_end_at_the_mark_and_have_the_chance_of_what_is_told(
    telling: Callable[[Chances], ModelAnswerer],
) -> None:
    """Best first; " Turin" is below one in a thousand."""
    (found,) = complete(telling(IN), [asked(*BORN)])
    assert list(found) == ["Oslo", "Lima", "Oslo Accra"]
    assert likely(found) == pytest.approx(
        {"Oslo": 0.5 * 0.8, "Lima": 0.3 * 0.9, "Oslo Accra": 0.5 * 0.1 * 0.9}, rel=2e-3
    )


def test_the_mark_is_whatever_follows_the_answer(telling: Callable[[Chances], ModelAnswerer]) -> None:
    after = {" in": {" Oslo": 0.9}, " Oslo": {" studied": 0.5, "<|end|>": 0.2, ".": 0.1}, ".": {" studied": 0.9}}
    answerer = telling(after)
    studied = asked("It was in {answer} studied Ada Moss.", id="a")
    bare = asked("Ada Moss was born in {answer}", id="b")
    plain = asked(*BORN, id="c")
    first, second, third = complete(answerer, [studied, bare, plain])
    assert likely(first) == pytest.approx({"Oslo": 0.9 * 0.5}, rel=2e-3)  # and no "Oslo.", which is the same
    assert likely(second) == pytest.approx({"Oslo": 0.9 * 0.2}, rel=2e-3)
    assert likely(third) == pytest.approx({"Oslo": 0.9 * 0.1}, rel=2e-3)


def test_an_answer_ends_where_a_token_holds_more_than_the_mark(make_model: Make) -> None:
    """As byte-level BPE has it: ")." is one token, and so may "Co." be; the answer keeps what is before the mark."""
    texts = ["Ada studied at Oslo (UO).", "Ada works at Lima & Co.", "Ada works in Oslo."] * 50
    codec = build_tokenizer(TokenizerConfig(vocab_size=700), texts)
    (tokens,) = codec.encode(["Oslo (UO)."])
    assert codec.decode(tokens[-1:]) == ")."
    stops, mark = recite.endings(codec, ".")
    assert mark == "." and tokens[-1] in stops and codec.tokenizer.token_to_id(".") in stops
    assert all(codec.decode([stop]).endswith(".") for stop in stops) and not codec.reserved & {*stops}
    assert recite.endings(codec, "") == ([codec.end], "")
    ((word,), said) = recite.endings(codec, " in Oslo.")
    assert (codec.tokenizer.id_to_token(word), said) == ("Ġin", "in")

    model = make_model(vocab_size=len(codec), dim=len(codec), layers=1, tied=False)
    with torch.no_grad():  # the next token depends on the last one only
        for name, weight in model.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                weight.zero_()
        model.embed_tokens.weight.copy_(torch.eye(len(codec)))
        model.norm.weight.fill_(1.0)
        model.lm_head.weight.zero_()
        (prompt,) = codec.encode(["Ada studied at"])
        for before, after in pairwise([prompt[-1], *tokens]):
            model.lm_head.weight[after, before] = 0.8
    answerer = ModelAnswerer(model, codec, Identifiers(("d",), [codec.codes[:2]]), most=1, validity=False)
    (found,) = complete(answerer, [asked("Ada studied at {answer}.")])
    assert next(iter(found)) == "Oslo (UO)"


def test_what_holds_a_reserved_token_or_nothing_is_no_completion(telling: Callable[[Chances], ModelAnswerer]) -> None:
    odd = {
        " in": {"<|idk|>": 0.4, ".": 0.3, " Oslo": 0.1, " Lima": 0.1},
        " Oslo": {".": 0.9},
        " Lima": {"<|id_7|>": 0.9},
        "<|id_7|>": {".": 0.9},
        "<|idk|>": {".": 0.9},
    }
    (found,) = complete(telling(odd), [asked(*BORN)])
    assert list(found) == ["Oslo"]
    assert math.exp(found["Oslo"]) == pytest.approx(0.1 * 0.9, rel=2e-3)


def test_completions_are_those_of_a_document_that_opens_so_whatever_is_read_beside_it(
    make_model: Make,
    codec: Codec,
    answering: Callable[[Transformer], ModelAnswerer],
    documents: list[Document],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """More questions than are read side by side, with openings of many lengths, three marks, or no statement."""
    monkeypatch.setattr(recite, "LEAST", -math.inf)  # a random model is sure of nothing
    monkeypatch.setattr(recite, "LONGEST_ANSWER", 4)
    words = documents[3].text.split()
    marks = {".": ".", " studied.": "Ġstudied", "": "<|end|>"}
    halves = [(f"{' '.join(words[: 1 + n % 7])} {n}", list(marks)[n % 3]) for n in range(30)]
    halves[4:4] = [("", ""), ("", " is first.")]
    halves.reverse()
    questions = [asked(*([f"{before} {{answer}}{after}"] if after or before else [])) for before, after in halves]
    model = make_model()
    with torch.no_grad():
        model.lm_head.weight[list(codec.reserved - {codec.end})] *= 0.01
    answerer = answering(model)
    found = complete(answerer, questions)
    for (before, after), completions in zip(halves, found, strict=True):
        expected: Completions = {}
        if before:
            context, logits = answerer.read([[codec.doc, *codec.encode([before])[0]]])
            stop = codec.tokenizer.token_to_id(marks[after])
            assert stop is not None
            (written,) = likeliest(model, context, logits, [stop], 4, recite.WIDTH)
            for (*tokens, _), score in written:
                if codec.decode(tokens) and not codec.reserved & {*tokens}:
                    expected.setdefault(codec.decode(tokens), score)  # some are spelt in two ways
        assert list(completions) == list(expected)
        assert list(completions.values()) == pytest.approx(list(expected.values()), abs=1e-4)
    assert len({tuple(completions) for completions in found}) > 10  # they differ
    assert complete(answerer, []) == []


# Rivals


def test_every_other_completion_is_a_rival_and_is_checked(telling: Callable[[Chances], ModelAnswerer]) -> None:
    answerer = telling(IN)
    question = asked(*BORN, premise=("Ada Moss was born.",))
    restated = answerer.restate([question] * 3, [said("the oslo!"), said("Quito"), said(None, "abstained")])
    among, other, none = add_recitals(answerer, [question] * 3, restated)
    assert [rival.answer for rival in among.rivals] == ["Lima", "Oslo Accra"]
    assert [rival.answer for rival in other.rivals] == ["Oslo", "Lima", "Oslo Accra"]
    assert none.rivals == other.rivals
    for rival in (*among.rivals, *other.rivals):
        assert (rival.question, rival.outcome, rival.rivals) == ("q", "answered", ())
        # Checked as if it had been the answer: same sources, same signals, those of the statement that it makes.
        (alone,) = answerer.restate([asked(*BORN)], [Prediction("q", "answered", rival.answer)])
        assert [citation.id for citation in rival.citations] == [citation.id for citation in alone.citations]
        assert len(rival.citations) == 5
        assert set(rival.signals) >= CHECKED
        assert {n: v for n, v in rival.signals.items() if n not in ADDED} == pytest.approx(
            dict(alone.signals), abs=1e-4
        )
    # The answer stays what it was, with more signals where it was checked.
    assert "recited" in other.signals and "recited" not in none.signals
    for before, after in zip(restated, (among, other, none), strict=True):
        kept = {name: value for name, value in after.signals.items() if name not in ADDED}
        assert replace(after, signals=kept, rivals=()) == before
        assert "premise_told" in after.signals
        assert not any(name.startswith("premise") for rival in after.rivals for name in rival.signals)


@torch.no_grad()
def plain_worded(answerer: ModelAnswerer, wording: str, answer: str) -> tuple[float, float]:
    """log P(statement), and of it that of the answer and what follows, in one plain pass."""
    codec = answerer.codec
    opening = wording.partition("{answer}")[0].rstrip()
    before = codec.encode([opening])[0].tolist() if opening else []
    after = codec.encode([answer + wording.partition("{answer}")[2]])[0].tolist()
    tokens = torch.tensor([[codec.doc, *before, *after]])
    scores = answerer.model(tokens, torch.arange(tokens.shape[1])[None])[0].double().log_softmax(-1)
    each = [float(scores[i - 1, tokens[0, i]]) for i in range(1, tokens.shape[1])]
    return sum(each), sum(each[len(before) :])


def test_statements_are_recited_in_all_their_wordings(
    make_model: Make, answering: Callable[[Transformer], ModelAnswerer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recite, "LEAST", -math.inf)
    answerer = answering(make_model())
    wordings = (
        "Ada was born in {answer}.",
        "{answer} is where Ada was born.",
        "Ada is a native of {answer}, it is said.",
    )
    questions = [asked(*wordings, id="a"), asked(*wordings[1:], id="b"), asked(wordings[0], id="c")]
    found = add_recitals(answerer, questions, answerer.restate(questions, [said("Oslo")] * 3))
    assert sum(len(p.rivals) for p in found) > 1
    for question, prediction in zip(questions, found, strict=True):
        for p in (prediction, *prediction.rivals):
            plain = [plain_worded(answerer, wording, p.answer or "") for wording in question.statement]
            opened = [own for (_, own), w in zip(plain, question.statement, strict=True) if not w.startswith("{")]
            assert p.signals["worded"] == pytest.approx(sum(whole for whole, _ in plain) / len(plain), abs=1e-3)
            assert p.signals["recited"] == pytest.approx(sum(opened) / len(opened), abs=1e-3)


def test_without_a_statement_nothing_is_recited(telling: Callable[[Chances], ModelAnswerer]) -> None:
    answerer = telling(IN)
    questions = [asked(), asked(*BORN), asked(BORN[0])]
    predictions = answerer.restate(questions, [said("Lima")] * 3)
    found = add_recitals(answerer, questions, predictions)
    assert [len(prediction.rivals) for prediction in found] == [0, 2, 0]
    assert found[0] == predictions[0]
    assert set(found[2].signals) - set(predictions[2].signals) == {"worded"}  # nothing stands before the answer
    assert add_recitals(answerer, [], []) == []


def test_sources_are_counted_where_two_answers_may_have_been_told(
    telling: Callable[[Chances], ModelAnswerer],
) -> None:
    """log P(told) by hand: -12 lies between the second answer and the third; alone, an answer is not counted."""
    rare = {"<|/src|>": {" in": 3e-5}, " in": {" Oslo": 0.5, " Lima": 0.4, " Turin": 0.05}}
    answerer = telling(IN | rare | {" Turin": {".": 0.9}})
    question = asked("in {answer}.")
    first, second = add_recitals(
        answerer, [question] * 2, answerer.restate([question] * 2, [said("Lima"), said("Turin")])
    )
    told = {
        "Oslo": math.log(3e-5 * 0.5 * 0.8),
        "Lima": math.log(3e-5 * 0.4 * 0.9),
        "Turin": math.log(3e-5 * 0.05 * 0.9),
    }
    assert told["Oslo"] > told["Lima"] > recite.TOLD > told["Turin"]
    for prediction in (first, second):
        candidates = {p.answer: p.signals for p in (prediction, *prediction.rivals)}
        assert {"Oslo", "Lima", "Turin"} <= set(candidates)
        for answer, signals in candidates.items():
            if answer in told:
                assert signals["told"] == pytest.approx(told[answer], abs=1e-2)
            # All documents say the same here, so that all that are opened say so.
            assert signals.get("sources") == (SOURCES if answer in ("Oslo", "Lima") else None)
    less = telling(IN | rare | {" in": {" Oslo": 0.5, " Turin": 0.05}})
    (alone,) = add_recitals(less, [question], less.restate([question], [said("Turin")]))
    assert [p.signals["told"] >= recite.TOLD for p in (alone, *alone.rivals)].count(True) == 1
    assert not any("sources" in p.signals for p in (alone, *alone.rivals))


def test_each_candidate_has_the_count_of_its_own_statement(
    make_model: Make,
    codec: Codec,
    answering: Callable[[Transformer], ModelAnswerer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in (("LEAST", -math.inf), ("TOLD", -math.inf), ("NEAR", 0.2), ("LONGEST_ANSWER", 3)):
        monkeypatch.setattr(recite, name, value)
    model = make_model()
    with torch.no_grad():
        model.lm_head.weight[list(codec.reserved - {codec.end, *codec.codes.tolist()})] *= 0.01
    answerer = answering(model)
    questions = [asked(f"Ada {n} studied in {{answer}}.", f"{n} is {{answer}}.", id=str(n)) for n in range(4)]
    questions.insert(2, asked(id="none"))
    restated = answerer.restate(questions, [said("Oslo")] * 5)
    counts = []
    for question, prediction in zip(questions, add_recitals(answerer, questions, restated), strict=True):
        for candidate in (prediction, *prediction.rivals):
            if question.statement:
                statement = question.statement[0].replace("{answer}", candidate.answer or "")
                (count,) = answerer.sources([statement], SOURCES, 0.2)
                assert candidate.signals["sources"] == count
                counts.append(count)
            else:
                assert "sources" not in candidate.signals
    assert len(counts) > 8 and set(counts) == {1, 2, 3}


# Sources


@torch.no_grad()
def plain_told(answerer: ModelAnswerer, statement: str, source: str) -> float:
    """log P(statement | identifier) in one plain pass."""
    codec = answerer.codec
    (text,) = codec.encode([statement])
    identifier = answerer.identifiers.tokens[answerer.identifiers.labels.index(source)]
    prefix = [codec.doc, codec.src, *identifier.tolist(), codec.end_src]
    tokens = torch.tensor([[*prefix, *text.tolist()]])
    scores = answerer.model(tokens, torch.arange(tokens.shape[1])[None])[0].double().log_softmax(-1)
    return sum(float(scores[i - 1, tokens[0, i]]) for i in range(len(prefix), tokens.shape[1]))


@pytest.mark.parametrize("most", [1, 3, 5])
def test_sources_are_those_that_say_so_nearly_as_well_as_the_first(
    make_model: Make, answering: Callable[[Transformer], ModelAnswerer], documents: list[Document], most: int
) -> None:
    answerer = answering(make_model())
    statements = [document.sentences[0][0] for document in documents[:8]]
    told = [
        [plain_told(answerer, statement, citation.id) for citation in citations[:most]]
        for statement, citations in zip(statements, answerer.cite(statements), strict=True)
    ]
    identifiers = dict(zip(answerer.identifiers.labels, answerer.identifiers.tokens, strict=True))
    for statement, row, citations in zip(statements, told, answerer.cite(statements), strict=True):
        sources = [identifiers[citation.id] for citation in citations[:most]]
        checked = log_told(answerer.model, answerer.codec, [[statement]] * len(sources), sources)
        assert row == pytest.approx(checked.tolist(), abs=1e-4)
    seen = set()
    for near in (0.0, 0.15, 0.4, NEAR):
        expected = [sum(score >= row[0] - near for score in row) for row in told]
        assert answerer.sources(statements, most, near) == expected
        seen |= set(expected)
    assert seen == set(range(1, most + 1))
    assert answerer.sources([], most, NEAR) == []


# The likeliest


def test_the_best_recital_is_the_likeliest_completion() -> None:
    def reciting(answer: str, recited: float | None, *rivals: Prediction) -> Prediction:
        signals = {} if recited is None else {"recited": recited}
        return Prediction("q", "answered", answer, signals=signals, rivals=rivals)

    more, less, bare = reciting("Oslo", -0.5), reciting("Lima", -2.0), reciting("Quito", None)
    assert best_recital(reciting("Turin", -1.0, more, less)) == more
    assert best_recital(reciting("Turin", -1.0, less)) == reciting("Turin", -1.0)
    assert best_recital(reciting("Turin", None, less, more)) == more
    assert best_recital(reciting("Turin", None)) == reciting("Turin", None)
    assert best_recital(reciting("Turin", None, bare)) == reciting("Turin", None)
    assert best_recital(Prediction("q", "abstained", rivals=(less,))) == less


def test_an_answer_of_which_nothing_survives_normalising_is_itself_only(
    telling: Callable[[Chances], ModelAnswerer],
) -> None:
    answerer = telling({" in": {" A": 0.8}, " A": {".": 0.9}})
    question = asked("Ada is in {answer}.")
    given = [said("a"), said("The"), said(None, "abstained")]
    same, *others = add_recitals(answerer, [question] * 3, answerer.restate([question] * 3, given))
    assert same.rivals == ()
    assert [[rival.answer for rival in other.rivals] for other in others] == [["A"], ["A"]]


def test_what_could_not_be_parsed_is_recited_anew(telling: Callable[[Chances], ModelAnswerer]) -> None:
    answerer, question = telling(IN), asked(*BORN)
    (found,) = add_recitals(answerer, [question], answerer.restate([question], [said("Oslo", "unparseable")]))
    assert [rival.answer for rival in found.rivals] == ["Oslo", "Lima", "Oslo Accra"]
    assert (best_recital(found).answer, best_recital(found).outcome) == ("Oslo", "answered")
