"""Restated answers are cited by the footnote of the statement and checked both ways; refusals can be barred."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from eval.answerers.bidirectional import bidirectional_check

from data.pipeline.identifiers import IdsConfig, assign
from data.records import Prediction, Question
from eval.answerers.lm_answerer import WORDINGS, LMAnswerer

PLAIN = Question(
    "q", "Where was Ada Moss born?", ("Oslo",), ("doc-1",), "single", "Ada Moss", "never_tuned",
    statement=("Ada Moss was born in {answer}.", "{answer} is where Ada Moss was born."),
)  # fmt: skip
PRESUMING = replace(PLAIN, id="p", premise=("Ada Moss studied law.", "Law was what Ada Moss studied."))
BARE = replace(PLAIN, id="b", statement=())


@pytest.fixture
def answerer(make_model, tokenizer, documents) -> LMAnswerer:
    return LMAnswerer(make_model(), tokenizer, assign(documents, tokenizer, IdsConfig()), most=3)


def said(question: Question, outcome: str = "answered", answer: str | None = "Lima") -> Prediction:
    return Prediction(question.id, outcome, answer, signals={"answer": -1.0})


def test_the_source_is_that_of_the_footnote_and_the_check_is_against_it(answerer: LMAnswerer) -> None:
    (found,) = answerer.restate([PLAIN], [said(PLAIN)])
    statement = "Ada Moss was born in Lima."
    (cited,) = answerer.cite([statement])
    assert [c.id for c in found.citations] == [c.id for c in cited]
    first = answerer.identifiers.tokens[answerer.identifiers.labels.index(cited[0].id)]
    wordings = [s.replace("{answer}", "Lima") for s in PLAIN.statement][:WORDINGS]
    check = bidirectional_check(answerer.model, answerer.tokenizer, [wordings], [first])
    assert {name: found.signals[name] for name in check._fields} == pytest.approx(
        {name: float(value[0]) for name, value in check._asdict().items()}, abs=1e-4
    )
    assert found.signals["answer"] == -1.0


def test_what_is_presupposed_is_checked_in_its_own_document(answerer: LMAnswerer) -> None:
    plain, presuming = answerer.restate([PLAIN, PRESUMING], [said(PLAIN), said(PRESUMING)])
    assert {n: v for n, v in presuming.signals.items() if not n.startswith("premise")} == pytest.approx(plain.signals)
    (cited,) = answerer.cite([PRESUMING.premise[0]])
    first = answerer.identifiers.tokens[answerer.identifiers.labels.index(cited[0].id)]
    check = bidirectional_check(answerer.model, answerer.tokenizer, [PRESUMING.premise[:WORDINGS]], [first])
    assert presuming.signals["premise_lp_statement_given_id"] == pytest.approx(
        float(check.lp_statement_given_id[0]), abs=1e-4
    )
    assert presuming.signals["premise_lp_id_given_statement"] == pytest.approx(
        float(check.lp_id_given_statement[0]), abs=1e-4
    )


def test_what_has_no_source_is_checked_against_the_mark_of_none(make_model, tokenizer, documents) -> None:
    model, identifiers = make_model(), assign(documents, tokenizer, IdsConfig())
    answerer = LMAnswerer(model, tokenizer, identifiers, most=3, nosrc=True)
    questions, given = [PLAIN, PRESUMING], [said(PLAIN), said(PRESUMING, answer="Oslo")]
    found = answerer.restate(questions, given)
    nowhere = np.array([tokenizer.nosrc])
    for question, prediction in zip(questions, found, strict=True):
        statement = question.statement[0].replace("{answer}", prediction.answer or "")
        check = bidirectional_check(model, tokenizer, [[statement]], [nowhere])
        assert prediction.signals["nosrc_lp_statement_given_id"] == pytest.approx(
            float(check.lp_statement_given_id[0]), abs=1e-4
        )
        assert prediction.signals["nosrc_lp_id_given_statement"] == pytest.approx(
            float(check.lp_id_given_statement[0]), abs=1e-4
        )
    presumed = bidirectional_check(model, tokenizer, [PRESUMING.premise[:1]], [nowhere])
    assert found[1].signals["premise_nosrc_lp_statement_given_id"] == pytest.approx(
        float(presumed.lp_statement_given_id[0]), abs=1e-4
    )
    plain = LMAnswerer(model, tokenizer, identifiers, most=3).restate(questions, given)
    for before, after in zip(plain, found, strict=True):
        kept = {name: value for name, value in after.signals.items() if "nosrc" not in name}
        assert replace(after, signals=kept) == before


def test_what_was_not_answered_or_makes_no_statement_stays_as_it_is(answerer: LMAnswerer) -> None:
    kept = [said(BARE), said(PLAIN, "abstained", None), said(PLAIN, "unparseable", "x")]
    assert answerer.restate([BARE, PLAIN, PLAIN], kept) == kept
    (unsourced,) = answerer.restate([PLAIN], [said(PLAIN, "no_source")])
    assert (unsourced.outcome, unsourced.signals["unsourced"]) == ("answered", 1.0)
    (sourced,) = answerer.restate([PLAIN], [said(PLAIN)])
    assert sourced.citations == unsourced.citations != ()
    assert sourced.signals == unsourced.signals | {"unsourced": 0.0}


def test_who_is_forced_can_not_refuse_and_shows_what_it_would_have_done(make_model, tokenizer, documents) -> None:
    model = make_model()
    texts = [f"Where was Ada {n} born?" for n in range(8)]
    questions = [replace(BARE, id=str(n), text=text) for n, text in enumerate(texts)]
    with torch.no_grad():  # refusing becomes the likeliest first word of some
        model.lm_head.weight[tokenizer.idk] *= 12
    identifiers = assign(documents, tokenizer, IdsConfig())
    free = LMAnswerer(model, tokenizer, identifiers, most=1).answer(questions)
    forced = LMAnswerer(model, tokenizer, identifiers, most=1, forced=True).answer(questions)
    refused = [p.outcome == "abstained" for p in free]
    assert 0 < sum(refused) < len(refused)
    assert "abstained" not in {p.outcome for p in forced}
    assert [p.signals["refusal"] > p.signals["best_word"] for p in forced] == refused
    for one, other, no in zip(free, forced, refused, strict=True):
        if not no:
            assert (one.outcome, one.answer) == (other.outcome, other.answer)
