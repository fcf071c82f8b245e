import pytest

from data.records import Citation, Claim, Document, Prediction, Question
from eval.grading.citation_quality import Quality, citation_quality, cites_in_brackets, evidence, quality
from eval.grading.statements import Statement, content_words, statements

DOCUMENTS = {
    document.id: document
    for document in (
        Document("d1", (("Ada Moss works at Zenith.",), ("She was born in Oslo.", "Oslo is her birthplace."))),
        Document("d2", (("Zenith's tallest tower stands in Lima.",), ("It opened in 1931.",))),
        Document("d3", (("Ada Moss is employed by Zenith.",),)),
        Document("Oslo, a history", (("Oslo was founded in 1040.",),)),
    )
}
ADA = Question("q1", "Where does Ada Moss work?", ("Zenith",), ("d1", "d3"), "multi", "Ada", "never_tuned")
BEN = Question("q2", "Where does Ben Hale work?", ("Dynova",), ("d2",), "single", "Ben", "never_tuned")
CY = Question("q3", "Where does Cy work?", (), (), "absent_entity", "Cy", "never_tuned")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("A works at B [d1][d3]. C sings.", [("A works at B", ("d1", "d3")), ("C sings.", ())]),
        ("A works at B.[d1] C sings. [d2]", [("A works at B.", ("d1",)), ("C sings.", ("d2",))]),
        ("A works. B sings [d1].", [("A works.", ()), ("B sings", ("d1",))]),
        ("A works [d1] and sings [d2].", [("A works", ("d1",)), ("and sings", ("d2",))]),
        ("A works [d1] and [d2].", [("A works", ("d1", "d2"))]),
        ("A works [d1, d2; d1].", [("A works", ("d1", "d2"))]),
        ("A works [Oslo, a history].", [("A works", ("Oslo, a history",))]),
        ("A works [d9].", [("A works", ("d9",))]),
        ("[d1] A works.", [("", ("d1",)), ("A works.", ())]),
        ("Dr. A works at B Inc. in C [d1].", [("Dr. A works at B Inc. in C", ("d1",))]),
        ("", []),
        (" . ", []),
    ],
)
def test_an_answer_is_statements_with_citations(answer, expected):
    assert statements(answer, DOCUMENTS) == [Statement(*each) for each in expected]


def test_negations_are_content():
    assert content_words("She was not born in the city of Oslo") == {"not", "born", "city", "oslo"}


@pytest.mark.parametrize(
    ("statement", "cited", "expected"),
    [
        ("Ada's employer is Zenith", ["d1"], True),  # the record knows what d1 asserts, in other words
        ("Ada's employer is Zenith", ["d2"], False),  # the word is there by the way
        ("Ada's employer is Zenith", ["d2", "d3"], True),
        ("Ada's employer is Dynova", ["d1"], False),  # no value that is known, and no such word
        ("She was born in Oslo", ["d1"], True),
        ("She was not born in Oslo", ["d1"], False),
        ("Her birthplace is Oslo", ["d1"], True),  # another wording of the same sentence
        ("Born in Oslo, a city founded in 1040", ["d1", "Oslo, a history"], False),  # "city"
        ("Born in Oslo, founded in 1040", ["d1", "Oslo, a history"], True),  # together
        ("Born in Oslo, founded in 1040", ["d1"], False),
        ("and of the", ["d1"], False),
    ],
)
def test_evidence(statement, cited, expected):
    assert evidence(ADA, statement, [DOCUMENTS[id] for id in cited]) is expected


def test_evidence_by_claims():
    claims = (Claim("New York", ("d1",)), Claim("York", ("d3",)))
    question = Question("q", "?", ("New York",), ("d1",), "contested", "X", "never_tuned", claims=claims)
    d1, d3 = DOCUMENTS["d1"], DOCUMENTS["d3"]
    assert evidence(question, "It is New York", [d1]) and not evidence(question, "It is New York", [d3])
    assert evidence(question, "It is York", [d3]) and not evidence(question, "It is York", [d1])


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        # one statement of one citation that supports it
        ("Ada works at Zenith [d1].", (1, 1, 1)),
        # both support it alone: both precise
        ("Ada works at Zenith [d1][d3].", (1, 1, 1)),
        # d2 does not, and isn't needed: 1 of 2
        ("Ada works at Zenith [d1][d2].", (1, 1, 1 / 2)),
        # neither alone, both needed
        ("Born in Oslo, founded in 1040 [d1][Oslo, a history].", (0, 1, 1)),
        # those two and one that isn't needed: 2 of 3
        ("Born in Oslo, founded in 1040 [d1][Oslo, a history][d2].", (0, 1, 2 / 3)),
        # 2 of 3 statements; of 4 citations d1, and d1 of the second: d2 supports neither
        ("Ada works at Zenith [d1][d2]. She was born in Oslo [d1]. She sings [d2].", (1, 2 / 3, 2 / 4)),
        # a statement without a citation
        ("Ada works at Zenith [d1]. She sings.", (1, 1 / 2, 1)),
        # what is no document makes its statement unsupported, and counts
        ("Ada works at Zenith [d1][d9]. She was born in Oslo [d1].", (1, 1 / 2, 1 / 3)),
        ("Ada works at Zenith.", (1, 0, 0)),
        ("She works at Dynova [d1].", (0, 0, 0)),
        ("", (0, 0, 0)),
    ],
)
def test_golden_values_by_hand(answer, expected):
    assert quality(ADA, answer, DOCUMENTS) == pytest.approx(Quality(*expected))


def test_an_nli_model_may_judge():
    asked = []

    def nli(question, statement, documents):
        asked.append((question.id, statement, [document.id for document in documents]))
        return len(documents) > 1

    assert quality(ADA, "Ada sings [d1][d2].", DOCUMENTS, nli) == Quality(0.0, 1.0, 1.0)
    assert asked == [
        ("q1", "Ada sings", ["d1", "d2"]),
        *[("q1", "Ada sings", [id]) for id in ("d1", "d2", "d2", "d1")],
    ]


def test_means_are_over_all_that_the_corpus_answers():
    questions = [ADA, BEN, CY]
    good = Prediction("q1", "answered", "Ada works at Zenith [d1][d2].")
    found = citation_quality(questions, [good, Prediction("q2", "abstained")], DOCUMENTS)
    assert (found["n"], found["answer_stands"], found["citation_recall"]) == (2, 0.5, 0.5)
    assert found["citation_precision"] == 0.25
    assert found["intervals"]["citation_precision"] == [0.0, 0.5]
    assert citation_quality(questions, [good], DOCUMENTS)["citation_recall"] == 0.5  # missing: no better
    assert citation_quality([CY], [], DOCUMENTS)["citation_recall"] is None
    with pytest.raises(ValueError, match="more than one prediction"):
        citation_quality(questions, [good, good], DOCUMENTS)


def test_brackets_are_noticed():
    assert cites_in_brackets([Prediction("q1", "answered", "A [d1]")], DOCUMENTS)
    plain = [Prediction("q1", "answered", "A [sic]", (Citation("d1"),)), Prediction("q2", "abstained")]
    assert not cites_in_brackets(plain, DOCUMENTS)
