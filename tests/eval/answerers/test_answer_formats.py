"""What a model writes under each answer format is read back as it was written: evidence, source, answer."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from telling import Make, Telling

from data.pipeline.answer_format import FORMATS
from data.pipeline.tokenizer import Tokenizer
from data.records import Prediction, Question
from eval.answerers.likelihoods import token_log_probs
from eval.answerers.lm_answerer import LMAnswerer
from eval.answerers.prefilled import answer_by, answer_from, opened, recited
from eval.answerers.writers.statements import EvidenceStatements, statements, stating
from eval.signals.bidirectional import restate
from eval.signals.evidence_candidates import WIDTH, add_evidence_candidates, best_evidence, recited_sources

ASKED = Question("q", "Where?", ("Oslo",), ("doc-1",), "single", "Ada Moss", "never_tuned")
WRITES = {  # what follows a token, whatever stands before it
    "<|doc|>": {" in": 0.9},
    " in": {" Oslo": 0.6, " Lima": 0.3},
    " Oslo": {"<|answer|>": 0.8, "<|src|>": 0.1},
    " Lima": {"<|answer|>": 0.8, "<|src|>": 0.1},
    "<|answer|>": {" Turin": 0.7, "<|idk|>": 0.2},
    " Turin": {"<|src|>": 0.8},
    "<|/src|>": {" Accra": 0.7},
    " Accra": {"<|end|>": 0.9},
}


def formatted(answerer: LMAnswerer, form: str, forced: bool = True, model: torch.nn.Module | None = None) -> LMAnswerer:
    return LMAnswerer(
        model or answerer.model, answerer.tokenizer, answerer.identifiers, most=5, forced=forced, answer_format=form
    )  # type: ignore[arg-type]


def test_evidence_is_written_then_cited_by_its_footnote_then_answered_from(telling: Telling) -> None:
    answerer = formatted(telling(WRITES), "evidence_first")
    (said,) = answerer.answer([ASKED])
    assert (said.outcome, said.evidence, said.answer) == ("answered", "in Oslo", "Turin")
    assert said.signals["lp_evidence"] == pytest.approx(math.log(0.6 * 0.8), abs=0.08)  # its first word is near certain
    assert said.signals["answer"] == pytest.approx(math.log(0.7 * 0.8) - math.log(0.8), abs=0.02)  # no refusal
    assert said.citations == answerer.cite(["in Oslo"])[0]
    assert answer_from(answerer, [("Where?", "in Oslo"), ("Where?", "in Lima")])[0][0] == "Turin"


def test_the_source_of_evidence_is_read_behind_it_and_not_behind_the_answer(
    telling: Telling, monkeypatch: pytest.MonkeyPatch
) -> None:
    answerer = formatted(telling(WRITES), "evidence_first")
    read: list[list[list[int]]] = []

    def behind(self: LMAnswerer, statements: list[list[int]], most: int) -> list[list[tuple[int, float]]]:
        read.append(statements)
        return [[(7, -0.5)] for _ in statements]

    monkeypatch.setattr(LMAnswerer, "_behind", behind)
    (said,) = answerer.answer([ASKED])
    assert [c.id for c in said.citations] == [answerer.identifiers.labels[7]]
    assert read == [[answerer.tokenizer.encode(["in Oslo"])[0].tolist()]]


def test_sources_that_come_first_are_drawn_where_answers_are(make_model: Make, telling: Telling) -> None:
    answerer = formatted(telling(WRITES), "cite_first", model=make_model())
    context, logits = answerer.read([answerer.format.prompt(answerer.tokenizer.encode(["Where?"])[0])] * 40)
    generator = torch.Generator().manual_seed(0)
    drawn = answerer.write(context, answerer.barred(logits), 1.0, generator).sources
    assert len({ranked[0][0] for ranked in drawn}) > 1
    context, logits = answerer.read([answerer.format.prompt(answerer.tokenizer.encode(["Where?"])[0])] * 3)
    assert len({ranked[0][0] for ranked in answerer.write(context, answerer.barred(logits)).sources}) == 1


def test_a_source_is_cited_first_and_answered_from(telling: Telling) -> None:
    answerer = formatted(telling(WRITES), "cite_first")
    (said,) = answerer.answer([ASKED])
    assert (said.outcome, said.answer, said.evidence, said.valid) == ("answered", "Accra", "", None)
    assert len(said.citations) == 5
    unsure = {**WRITES, "<|answer|>": {"<|nosrc|>": 0.6, "<|src|>": 0.1}, "<|nosrc|>": {" Accra": 0.8}}
    (said,) = formatted(telling(unsure), "cite_first").answer([ASKED])
    assert (said.outcome, said.answer, said.citations) == ("no_source", "Accra", ())


RECITED = {**WRITES, "<|answer|>": {" Turin": 0.7, "<|idk|>": 0.2}, " Turin": {"<|end|>": 0.8}}


def test_a_source_is_cited_then_recited_then_answered_from(telling: Telling) -> None:
    answerer = formatted(telling(RECITED), "recite")
    (said,) = answerer.answer([ASKED])
    assert (said.outcome, said.evidence, said.answer) == ("answered", "in Oslo", "Turin")
    # The sources are those of the question, and the sentence counts with the first of them.
    prompt = answerer.prompt(answerer.tokenizer.encode(["Where?"])[0])
    (ranked,) = answerer.sources_after([prompt], 5)
    assert said.citations == answerer.citations(ranked)
    assert said.signals["lp_evidence"] == pytest.approx(ranked[0][1] + math.log(0.6 * 0.8), abs=0.08)
    label = said.citations[0].id
    assert answer_by(answerer, [("Where?", label)])[0][0] == "Turin"
    assert answer_from(answerer, [("Where?", "in Lima")], [label])[0][0] == "Turin"


def test_what_is_recited_follows_the_source(make_model: Make, telling: Telling) -> None:
    """Of each of the likeliest sources a sentence is written, which counts with its source."""
    answerer = formatted(telling(WRITES), "recite", model=make_model())
    tokenizer, form = answerer.tokenizer, answerer.format
    with torch.no_grad():  # words are likelier than marks
        answerer.model.lm_head.weight[sorted(tokenizer.reserved)] = 0.0
    prompt = answerer.prompt(tokenizer.encode(["Where?"])[0])
    (ranked,) = answerer.sources_after([prompt], WIDTH)
    cited = [[*prompt, *form.citation(answerer.identifiers.tokens[index])] for index, _ in ranked]
    (found,) = recited_sources(answerer, [ASKED])
    assert found and {one.source for one in found} <= {answerer.identifiers.labels[index] for index, _ in ranked}
    alone = {answerer.identifiers.labels[ranked[i][0]]: recited(answerer, [cited[i]])[0] for i in range(WIDTH)}
    for one in found:
        tokens, score = alone[one.source]
        (source,) = [likely for index, likely in ranked if answerer.identifiers.labels[index] == one.source]
        assert one.sentence == tokenizer.decode(tokens) and one.score == pytest.approx(source + score, abs=1e-3)
    assert opened(answerer, [tokenizer.encode(["Where?"])[0]]).position.tolist() == [len(cited[0])]


@pytest.mark.parametrize("form", list(FORMATS))
def test_it_refuses_where_a_refusal_is_likeliest_and_it_may(telling: Telling, form: str) -> None:
    refusing = telling({**(RECITED if form == "recite" else WRITES), "<|answer|>": {"<|idk|>": 0.9, " Turin": 0.05}})
    (free,) = formatted(refusing, form, forced=False).answer([ASKED])
    assert (free.outcome, free.answer, free.evidence, free.citations) == ("abstained", None, "", ())
    (forced,) = formatted(refusing, form).answer([ASKED])
    assert forced.outcome == "answered" and forced.signals["refusal"] > forced.signals["best_word"]


@pytest.mark.parametrize("form", ["cite_first", "evidence_first", "recite"])
def test_answers_do_not_depend_on_who_is_asked_beside(
    make_model: Make, telling: Telling, tokenizer: Tokenizer, form: str
) -> None:
    answerer = formatted(telling(WRITES), form, model=make_model())
    asked = [Question(f"q{i}", text, (), (), "absent_entity", "", "never_tuned") for i, text in enumerate(TEXTS)]
    together = answerer.answer(asked)
    for question, said in zip(asked, together, strict=True):
        (alone,) = answerer.answer([question])
        assert (alone.answer, alone.evidence, alone.outcome) == (said.answer, said.evidence, said.outcome)
        assert alone.signals == pytest.approx(said.signals, abs=1e-3)


TEXTS = ("Where was Ada Moss born?", "Who?", "In which city does Ben Lark, of all people, go to work?")


@pytest.mark.parametrize(
    ("evidence", "answer", "statement"),
    [
        ("Ada Moss works in Oslo.", "Oslo", "Ada Moss works in {answer}."),
        ("OSLO is where Ada works.", "Oslo", "{answer} is where Ada works."),
        ("Oslo, once more Oslo.", "Oslo", "Oslo, once more {answer}."),
        ("Oslonians like it.", "Oslo", ""),  # a part of a word
        ("Ada Moss works in Lima.", "Oslo", ""),
        ("Ada Moss works in Lima.", "", ""),
        ("$5 (five) were paid.", "$5 (five)", "{answer} were paid."),
        ("{answer} is odd, Oslo too.", "Oslo", ""),
    ],
)
def test_a_statement_is_the_evidence_without_the_answer(evidence: str, answer: str, statement: str) -> None:
    assert stating(evidence, answer) == statement


def test_the_statement_of_an_answer_is_the_one_that_was_written(telling: Telling) -> None:
    found = statements(formatted(telling(WRITES), "evidence_first"), [], rewritten=True)
    assert isinstance(found, EvidenceStatements)
    said = [Prediction("q", "answered", "Oslo", evidence="in Oslo."), Prediction("q", "abstained")]
    assert [q.statement for q in found.write([ASKED, ASKED], said)] == [("in {answer}.",), ()]


def test_other_evidence_makes_rivals_that_are_checked_and_asked_back(telling: Telling) -> None:
    chances = {**WRITES, " Oslo": {"<|src|>": 0.5, "<|answer|>": 0.45}, "<|answer|>": {" Oslo": 0.9}}
    answerer = formatted(telling(chances), "evidence_first")
    first = Prediction("q", "answered", "Lima", evidence="in Lima", signals={"answer": -1.0, "lp_evidence": -2.0})
    said = restate(answerer, EvidenceStatements().write([ASKED], [first]), [first])
    (found,) = add_evidence_candidates(answerer, [ASKED], said)
    assert len(found.rivals) < WIDTH and found.answer == "Lima"
    (rival,) = [rival for rival in found.rivals if rival.evidence == "in Oslo"]
    assert (rival.question, rival.outcome, rival.answer) == ("q", "answered", "Oslo")
    assert rival.signals["lp_evidence"] == pytest.approx(math.log(0.6 * 0.45), abs=0.08)
    assert rival.citations == answerer.cite(["in Oslo"])[0]
    for one in (found, rival):
        assert {"lp_statement_given_id", "lp_question_given_evidence"} <= set(one.signals)
    # What is asked back is the question alone, after the sentence and the answer.
    tokenizer = answerer.tokenizer
    sentence, answer, text = (tokens.tolist() for tokens in tokenizer.encode(["in Oslo", "Oslo", "Where?"]))
    prompt = [tokenizer.doc, *sentence, tokenizer.answer, *answer, tokenizer.ask]
    (scores,) = token_log_probs(answerer.model, [(prompt, [*text, tokenizer.end])])
    assert rival.signals["lp_question_given_evidence"] == pytest.approx(scores.sum(), abs=1e-3)
    assert not any(other.evidence == "in Lima" for other in found.rivals)


def test_the_choice_among_evidence_counts_both_directions() -> None:
    def said(evidence: str, forth: float, back: float) -> Prediction:
        signals = {"lp_evidence": forth, "lp_question_given_evidence": back}
        return Prediction("q", "answered", "Oslo", evidence=evidence, signals=signals)

    rivals = (said("b", -2.0, -3.0), said("c", -1.0, -9.0))
    assert best_evidence(Prediction("q", "answered", "Oslo", evidence="a", rivals=rivals)).evidence == "b"
    alone = Prediction("q", "answered", "Oslo", evidence="a")
    assert best_evidence(alone) == alone


def test_samples_are_drawn_in_the_format(telling: Telling) -> None:
    from eval.signals.self_consistency import draw_samples

    drawn: Sequence[tuple[str, ...]] = draw_samples(formatted(telling(WRITES), "evidence_first"), [ASKED], 64)
    assert np.mean([sample == "Turin" for sample in drawn[0]]) > 0.4
