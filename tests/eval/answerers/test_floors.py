import logging

import pytest

from data.records import Document, Prediction, Question
from eval.answerers.floors import MostFrequent, Oracle, QuestionOnly, Uniform
from eval.answerers.retrievers.bm25 import BM25
from eval.grading.attribution import METRICS, grade, summarise


def ask(id, text="Where does Ann Ramos live?", support=("d1",), answers=("Oslo",), attribute="city", split="tune"):
    kind = "single" if len(support) == 1 else "multi" if support else "absent_entity"
    return Question(id, text, answers if support else (), tuple(support), kind, id, split, attribute)


IDS = [f"d{i}" for i in range(50)]


def test_uniform_is_right_as_often_as_chance():
    questions = [ask(f"q{i}", support=(f"d{i % 50}",)) for i in range(4000)]
    summary = summarise(grade(questions, Uniform(IDS, seed=0).answer(questions)))
    assert summary["cited"] == pytest.approx(1 / 50, abs=3 * (0.02 * 0.98 / 4000) ** 0.5)
    assert summary["cited10"] == pytest.approx(10 / 50, abs=3 * (0.2 * 0.8 / 4000) ** 0.5)
    assert summary["joint"] is None


@pytest.mark.parametrize("floor", [Uniform(IDS, 3), QuestionOnly({id: id for id in IDS}, 3)])
def test_chance_depends_on_the_question_not_on_its_place(floor):
    questions = [ask(f"q{i}") for i in range(5)]
    assert floor.answer(questions)[3] == floor.answer(questions[3:])[0]
    assert len({p.citations for p in floor.answer(questions)}) == 5


@pytest.mark.parametrize("count", [1, 3, 10, 11])
def test_rankings_hold_ten_different_documents_where_there_are_ten(count):
    ids = IDS[:count]
    for floor in (Uniform(ids), QuestionOnly({id: id for id in ids}), QuestionOnly({id: f"ram-{id}" for id in ids})):
        (prediction,) = floor.answer([ask("q")])
        cited = [c.id for c in prediction.citations]
        assert len(cited) == len(set(cited)) == min(10, count)
        assert set(cited) <= set(ids)
        assert sum(c.probability for c in prediction.citations) <= 1 + 1e-9


def test_most_frequent_says_and_cites_what_tuning_has_most():
    tuning = [
        ask("t1", support=("d1",), answers=("Oslo",)),
        ask("t2", support=("d2", "d1"), answers=("Oslo",)),
        ask("t3", support=("d3",), answers=("Rome",)),
        ask("t4", support=("d3",), answers=("Yale",), attribute="university"),
        ask("t5", support=("d3",), answers=("Yale",), attribute="university"),
        ask("t6", support=("d2",), answers=("Yale",), attribute="university"),
        ask("t7", support=()),
    ]
    city, new = MostFrequent(tuning).answer([ask("q1"), ask("q2", attribute="height")])
    assert city.answer == "Oslo"
    assert new.answer == "Yale"  # the most frequent of all
    assert [(c.id, c.probability) for c in city.citations] == [("d3", 3 / 7), ("d1", 2 / 7), ("d2", 2 / 7)]
    assert city.citations == new.citations


def test_question_only_finds_the_surname_in_the_identifier():
    shown = {"a": "wil-ram-ber", "b": "kwa-sto", "c": "RAM-ann", "d": "amo-rob"}
    (prediction,) = QuestionOnly(shown).answer([ask("q", "Where does Ann Ramos live?")])
    cited = [(c.id, c.probability) for c in prediction.citations]
    assert cited[:2] == [("c", 2 / 3), ("a", 1 / 3)]  # two pieces, one piece; "amo" is inside a word, not before it
    assert {c for c, _ in cited[2:]} == {"b", "d"}
    assert all(probability == 0 for _, probability in cited[2:])


def test_question_only_beats_chance_on_leaking_identifiers_and_not_on_opaque_ones():
    surnames = [f"{a}{b}son" for a in ("Ral", "Bex", "Kum", "Dov", "Fip") for b in "aeiou" for _ in range(8)]
    questions = [ask(f"q{i}", f"Where does Ann {name} live?", support=(f"d{i}",)) for i, name in enumerate(surnames)]
    leaking = QuestionOnly({f"d{i}": f"{name[:3].lower()}-x{i}" for i, name in enumerate(surnames)})
    opaque = QuestionOnly({f"d{i}": f"7q{i}" for i in range(len(surnames))})
    hits = {
        name: summarise(grade(questions, floor.answer(questions)))["cited10"]
        for name, floor in {"leaking": leaking, "opaque": opaque}.items()
    }
    assert hits["leaking"] == pytest.approx(10 / 40, abs=0.1)  # five prefixes: forty documents share each
    assert hits["opaque"] == pytest.approx(10 / 200, abs=0.05)


def test_one_letter_pieces_do_not_count():
    (prediction,) = QuestionOnly({"a": "a-w", "b": "l"}).answer([ask("q", "Where does Ann live?")])
    assert {c.probability for c in prediction.citations} == {1 / 2}


def test_oracle_is_perfect_and_abstains_where_nothing_was_said():
    questions = [ask("q1"), ask("q2", support=("d1", "d2")), ask("q3", support=())]
    predictions = Oracle().answer(questions)
    assert [p.outcome for p in predictions] == ["answered", "answered", "abstained"]
    summary = summarise(grade(questions, predictions))
    assert {summary[name] for name in METRICS if name != "valid_unconstrained"} == {1.0}


CORPUS = [
    Document("d1", (("Ann Ramos lives in Oslo.", "Oslo is home to Zelda Quux."),)),
    Document("d2", (("Bo Berg lives in Rome.",),)),
    Document("d3", (("Ann Kwan works at Yale.",),)),
]


def test_bm25_ranks_the_document_that_shares_most_words_first():
    (prediction,) = BM25(CORPUS).answer([ask("q", "Where does Ann Ramos live?")])
    assert [c.id for c in prediction.citations] == ["d1", "d3"]  # d2 shares no word and is left out
    assert prediction.answer is None
    assert prediction.citations[0].probability is None


def test_bm25_prefers_the_shorter_of_two_that_match_alike():
    # "berg" and "rome" are equally rare, so that only the length of their documents tells them apart.
    documents = [
        Document("long", (("berg oak elm fir yew ash box bay",),)),
        Document("short", (("rome oak",),)),
        Document("none", (("elm fir",),)),
    ]
    (prediction,) = BM25(documents).answer([ask("q", "berg rome")])
    assert [c.id for c in prediction.citations] == ["short", "long"]


def test_bm25_reads_the_canonical_wording_only():
    (prediction,) = BM25(CORPUS).answer([ask("q", "Zelda Quux?")])
    assert prediction.citations == ()


def test_bm25_of_documents_of_one_letter_words_cites_nothing():
    letters = [Document("d1", (("A b c.",),)), Document("d2", (("I, d.",),))]
    assert BM25(letters).answer([ask("q", "Where is it?")]) == [Prediction("q", "answered")]


def test_bm25_is_silent_and_cuts_at_ten(capfd):
    documents = [Document(f"d{i}", ((f"Ann number{i} lives.",),)) for i in range(30)]
    predictions = BM25(documents).answer([ask("q", "Ann number7?"), ask("r", "")])
    assert len(predictions[0].citations) == 10
    assert predictions[0].citations[0].id == "d7"
    assert predictions[1].citations == ()
    assert BM25(documents).answer([]) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "build",
    [lambda: Uniform([]), lambda: QuestionOnly({}), lambda: BM25([]), lambda: MostFrequent([ask("q", support=())])],
)
def test_nothing_to_choose_from_is_refused(build):
    with pytest.raises(ValueError, match="need"):
        build()


def test_bm25_says_nothing_of_its_index(caplog):
    with caplog.at_level(logging.DEBUG):
        BM25([Document("d", (("Ann lives in Oslo.",),))])
    assert caplog.records == []
