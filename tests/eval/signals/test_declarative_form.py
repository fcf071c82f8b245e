"""Restated answers are cited by the footnote of the statement and checked both ways; refusals can be barred."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from data.pipeline.identifiers import IdsConfig, assign
from data.records import Prediction, Question
from eval.answerers.lm_answerer import LMAnswerer
from eval.signals.bidirectional import WORDINGS, bidirectional_check, restate

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
    (found,) = restate(answerer, [PLAIN], [said(PLAIN)])
    statement = "Ada Moss was born in Lima."
    (cited,) = answerer.cite([statement])
    assert [c.id for c in found.citations] == [c.id for c in cited]
    first = answerer.identifiers.tokens[answerer.identifiers.labels.index(cited[0].id)]
    wordings = [s.replace("{answer}", "Lima") for s in PLAIN.statement][:WORDINGS]
    check = bidirectional_check(answerer, [wordings], [first])
    assert {name: found.signals[name] for name in check._fields} == pytest.approx(
        {name: float(value[0]) for name, value in check._asdict().items()}, abs=1e-4
    )
    assert found.signals["answer"] == -1.0


def test_a_statement_that_comes_several_times_is_looked_at_once(
    answerer: LMAnswerer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [PLAIN, replace(PLAIN, id="r"), PLAIN]
    given = [said(PLAIN), said(asked[1], answer="Oslo"), said(PLAIN)]
    alone = [restate(answerer, [q], [p])[0] for q, p in zip(asked, given, strict=True)]
    looked_at: list[str] = []

    def ranked(statements: list[str], most: int) -> list[list[tuple[int, float]]]:
        looked_at.extend(statements)
        return LMAnswerer.ranked_sources(answerer, statements, most)

    monkeypatch.setattr(answerer, "ranked_sources", ranked)
    for found, one in zip(restate(answerer, asked, given), alone, strict=True):
        assert [c.id for c in found.citations] == [c.id for c in one.citations]
        assert found.signals == pytest.approx(one.signals, abs=1e-4)
    assert looked_at == ["Ada Moss was born in Lima.", "Ada Moss was born in Oslo."]


def test_what_is_presupposed_is_checked_in_its_own_document(answerer: LMAnswerer) -> None:
    plain, presuming = restate(answerer, [PLAIN, PRESUMING], [said(PLAIN), said(PRESUMING)])
    assert {n: v for n, v in presuming.signals.items() if not n.startswith("premise")} == pytest.approx(plain.signals)
    (cited,) = answerer.cite([PRESUMING.premise[0]])
    first = answerer.identifiers.tokens[answerer.identifiers.labels.index(cited[0].id)]
    check = bidirectional_check(answerer, [PRESUMING.premise[:WORDINGS]], [first])
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
    found = restate(answerer, questions, given)
    nowhere = np.array([tokenizer.nosrc])
    for question, prediction in zip(questions, found, strict=True):
        statement = question.statement[0].replace("{answer}", prediction.answer or "")
        check = bidirectional_check(answerer, [[statement]], [nowhere])
        assert prediction.signals["nosrc_lp_statement_given_id"] == pytest.approx(
            float(check.lp_statement_given_id[0]), abs=1e-4
        )
        assert prediction.signals["nosrc_lp_id_given_statement"] == pytest.approx(
            float(check.lp_id_given_statement[0]), abs=1e-4
        )
    presumed = bidirectional_check(answerer, [PRESUMING.premise[:1]], [nowhere])
    assert found[1].signals["premise_nosrc_lp_statement_given_id"] == pytest.approx(
        float(presumed.lp_statement_given_id[0]), abs=1e-4
    )
    plain = restate(LMAnswerer(model, tokenizer, identifiers, most=3), questions, given)
    for before, after in zip(plain, found, strict=True):
        kept = {name: value for name, value in after.signals.items() if "nosrc" not in name}
        assert replace(after, signals=kept) == before


def test_what_was_not_answered_or_makes_no_statement_stays_as_it_is(answerer: LMAnswerer) -> None:
    kept = [said(BARE), said(PLAIN, "abstained", None), said(PLAIN, "unparseable", "x")]
    assert restate(answerer, [BARE, PLAIN, PLAIN], kept) == kept
    (unsourced,) = restate(answerer, [PLAIN], [said(PLAIN, "no_source")])
    assert (unsourced.outcome, unsourced.signals["unsourced"]) == ("answered", 1.0)
    (sourced,) = restate(answerer, [PLAIN], [said(PLAIN)])
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


def test_who_was_trained_without_tags_behind_text_has_no_source_of_a_statement(
    make_model, tokenizer, documents
) -> None:
    """Under `begin` and `none` nothing is restated, nothing cited, and asking for it says why."""
    identifiers = assign(documents, tokenizer, IdsConfig())
    for placement in ("none", "begin"):
        answerer = LMAnswerer(make_model(), tokenizer, identifiers, placement=placement)
        given = [said(PLAIN), said(PRESUMING)]
        assert restate(answerer, [PLAIN, PRESUMING], given) == given
        with pytest.raises(ValueError, match=r"without an identifier behind text \(tags.placement\)"):
            answerer.cite(["Ada Moss was born in Lima."])


def test_a_tag_in_the_text_is_read_out_as_it_was_learnt(make_model, tokenizer, documents) -> None:
    """Under `end` it sees all before it, `<|doc|>` too: log P(identifier | statement) of plain causal reading."""
    identifiers = assign(documents, tokenizer, IdsConfig())
    answerer = LMAnswerer(make_model(), tokenizer, identifiers, most=len(documents), placement="end")
    statement = "Ada Moss was born in Lima."
    (text,) = tokenizer.encode([statement])
    (cited,) = answerer.cite([statement])
    for citation in cited[:3]:
        source = identifiers.tokens[identifiers.labels.index(citation.id)]
        tokens = torch.tensor([[tokenizer.doc, *text, tokenizer.src, *source, tokenizer.end_src]])
        with torch.no_grad():
            scores = answerer.model(tokens, torch.arange(tokens.shape[1])[None])[0].double().log_softmax(-1)
        plain = sum(float(scores[i - 1, tokens[0, i]]) for i in range(len(text) + 2, tokens.shape[1]))
        check = bidirectional_check(answerer, [[statement]], [source])
        assert float(check.lp_id_given_statement[0]) == pytest.approx(plain, abs=1e-4)
    ranks = [identifiers.tokens[identifiers.labels.index(c.id)] for c in cited]
    scores_of = bidirectional_check(answerer, [[statement]] * len(ranks), ranks).lp_id_given_statement
    assert np.argmax(scores_of) == 0  # the first cited is the likeliest by the check, too
