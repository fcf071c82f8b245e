"""Every completion but the answer is a rival, checked as the answer is, and recited in all wordings."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from telling import BORN, IN, Answering, Make, Telling, asked, said

from data.records import Prediction
from eval.answerers.lm_answerer import LMAnswerer
from eval.signals.bidirectional import restate
from eval.signals.cloze_candidates import add_cloze_candidates, best_completion

CHECKED = {"lp_statement_given_id", "lp_id_given_statement", "lp_statement"}
ADDED = (
    "lp_answer_given_opening",
    "lp_statement_mean",
    "lp_answer_given_id",
)


def test_every_other_completion_is_a_rival_and_is_checked(telling: Telling) -> None:
    answerer = telling(IN)
    question = asked(*BORN, premise=("Ada Moss was born.",))
    restated = restate(answerer, [question] * 3, [said("the oslo!"), said("Quito"), said(None, "abstained")])
    among, other, none = add_cloze_candidates(answerer, [question] * 3, restated)
    assert [rival.answer for rival in among.rivals] == ["Lima", "Oslo Accra"]
    assert [rival.answer for rival in other.rivals] == ["Oslo", "Lima", "Oslo Accra"]
    assert none.rivals == other.rivals
    for rival in (*among.rivals, *other.rivals):
        assert (rival.question, rival.outcome, rival.rivals) == ("q", "answered", ())
        # Checked as if it had been the answer: same sources, same signals, those of the statement that it makes.
        (alone,) = restate(answerer, [asked(*BORN)], [Prediction("q", "answered", rival.answer)])
        assert [citation.id for citation in rival.citations] == [citation.id for citation in alone.citations]
        assert len(rival.citations) == 5
        assert set(rival.signals) >= CHECKED
        assert {n: v for n, v in rival.signals.items() if n not in ADDED} == pytest.approx(
            dict(alone.signals), abs=1e-4
        )
    # The answer stays what it was, with more signals where it was checked.
    assert "lp_answer_given_opening" in other.signals and "lp_answer_given_opening" not in none.signals
    for before, after in zip(restated, (among, other, none), strict=True):
        kept = {name: value for name, value in after.signals.items() if name not in ADDED}
        assert replace(after, signals=kept, rivals=()) == before
        assert "premise_lp_statement_given_id" in after.signals
        assert not any(name.startswith("premise") for rival in after.rivals for name in rival.signals)


@torch.no_grad()
def plain_worded(answerer: LMAnswerer, wording: str, answer: str, source: str | None = None) -> tuple[float, float]:
    """log P(statement), and of it that of the answer and what follows, in one plain pass; in a document, if named."""
    tokenizer = answerer.tokenizer
    tag: list[int] = []
    if source:
        identifier = answerer.identifiers.tokens[answerer.identifiers.labels.index(source)]
        tag = [tokenizer.src, *identifier.tolist(), tokenizer.end_src]
    opening = wording.partition("{answer}")[0].rstrip()
    before = tokenizer.encode([opening])[0].tolist() if opening else []
    after = tokenizer.encode([answer + wording.partition("{answer}")[2]])[0].tolist()
    tokens = torch.tensor([[tokenizer.doc, *tag, *before, *after]])
    scores = answerer.model(tokens, torch.arange(tokens.shape[1])[None])[0].double().log_softmax(-1)
    each = [float(scores[i - 1, tokens[0, i]]) for i in range(1 + len(tag), tokens.shape[1])]
    return sum(each), sum(each[len(before) :])


def test_statements_are_recited_in_all_their_wordings(
    make_model: Make, answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eval.answerers.writers.cloze.LEAST", -math.inf)
    answerer = answering(make_model())
    wordings = (
        "Ada was born in {answer}.",
        "{answer} is where Ada was born.",
        "Ada is a native of {answer}, it is said.",
    )
    questions = [asked(*wordings, id="a"), asked(*wordings[1:], id="b"), asked(wordings[0], id="c")]
    found = add_cloze_candidates(answerer, questions, restate(answerer, questions, [said("Oslo")] * 3))
    assert sum(len(p.rivals) for p in found) > 1
    for question, prediction in zip(questions, found, strict=True):
        for p in (prediction, *prediction.rivals):
            plain = [plain_worded(answerer, wording, p.answer or "") for wording in question.statement]
            opened = [own for (_, own), w in zip(plain, question.statement, strict=True) if not w.startswith("{")]
            assert p.signals["lp_statement_mean"] == pytest.approx(
                sum(whole for whole, _ in plain) / len(plain), abs=1e-3
            )
            assert p.signals["lp_answer_given_opening"] == pytest.approx(sum(opened) / len(opened), abs=1e-3)
            whole, own = plain_worded(answerer, question.statement[0], p.answer or "", p.citations[0].id)
            assert p.signals["lp_answer_given_id"] == pytest.approx(own, abs=1e-3)
            assert p.signals["lp_statement_given_id"] == pytest.approx(whole, abs=1e-3)


def test_without_a_statement_nothing_is_recited(telling: Telling) -> None:
    answerer = telling(IN)
    questions = [asked(), asked(*BORN), asked(BORN[0])]
    predictions = restate(answerer, questions, [said("Lima")] * 3)
    found = add_cloze_candidates(answerer, questions, predictions)
    assert [len(prediction.rivals) for prediction in found] == [0, 2, 0]
    assert found[0] == predictions[0]
    assert set(found[2].signals) - set(predictions[2].signals) == {
        "lp_statement_mean",
        "lp_answer_given_id",
    }  # nothing stands before the answer
    assert add_cloze_candidates(answerer, [], []) == []


def test_the_best_recital_is_the_likeliest_completion() -> None:
    def reciting(answer: str, recited: float | None, *rivals: Prediction) -> Prediction:
        signals = {} if recited is None else {"lp_answer_given_opening": recited}
        return Prediction("q", "answered", answer, signals=signals, rivals=rivals)

    more, less, bare = reciting("Oslo", -0.5), reciting("Lima", -2.0), reciting("Quito", None)
    assert best_completion(reciting("Turin", -1.0, more, less)) == more
    assert best_completion(reciting("Turin", -1.0, less)) == reciting("Turin", -1.0)
    assert best_completion(reciting("Turin", None, less, more)) == more
    assert best_completion(reciting("Turin", None)) == reciting("Turin", None)
    assert best_completion(reciting("Turin", None, bare)) == reciting("Turin", None)
    assert best_completion(Prediction("q", "abstained", rivals=(less,))) == less


def test_an_answer_of_which_nothing_survives_normalising_is_itself_only(
    telling: Telling,
) -> None:
    answerer = telling({" in": {" A": 0.8}, " A": {".": 0.9}})
    question = asked("Ada is in {answer}.")
    given = [said("a"), said("The"), said(None, "abstained")]
    same, *others = add_cloze_candidates(answerer, [question] * 3, restate(answerer, [question] * 3, given))
    assert same.rivals == ()
    assert [[rival.answer for rival in other.rivals] for other in others] == [["A"], ["A"]]


def test_what_could_not_be_parsed_is_recited_anew(telling: Telling) -> None:
    answerer, question = telling(IN), asked(*BORN)
    (found,) = add_cloze_candidates(answerer, [question], restate(answerer, [question], [said("Oslo", "unparseable")]))
    assert [rival.answer for rival in found.rivals] == ["Oslo", "Lima", "Oslo Accra"]
    assert (best_completion(found).answer, best_completion(found).outcome) == ("Oslo", "answered")
