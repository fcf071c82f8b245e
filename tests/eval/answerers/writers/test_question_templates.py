"""A typed question in the wording of one of the corpus's questions is understood for any name."""

from data.records import Question
from eval.answerers.writers.question_templates import QuestionTemplates

KNOWN = Question(
    "q",
    "Where was Ada Moss born?",
    ("Oslo",),
    ("doc-1",),
    "single",
    "Ada Moss",
    "tune",
    attribute="birth_city",
    paraphrases=("What is Ada Moss's birthplace?",),
    statement=("Ada Moss was born in {answer}.", "{answer} is where Ada Moss was born."),
)


def test_any_name_is_understood_in_any_wording() -> None:
    wordings = QuestionTemplates.of([KNOWN])
    for text in ("Where was Zoe Zed born?", "What is Zoe Zed's birthplace?"):
        found = wordings.understand(text)
        assert (found.text, found.entity, found.attribute) == (text, "Zoe Zed", "birth_city")
        assert found.statement == ("Zoe Zed was born in {answer}.", "{answer} is where Zoe Zed was born.")


def test_another_wording_brings_no_statement() -> None:
    wordings = QuestionTemplates.of([KNOWN])
    for text in ("Who was Zoe Zed?", "", "Where was born?", "Where was Zoe Zed born? Why?", "where was zoe zed born?"):
        assert wordings.understand(text).statement == ()
        assert wordings.understand(text).text == text


def test_spaces_and_a_missing_mark_are_mended() -> None:
    wordings = QuestionTemplates.of([KNOWN])
    for text in ("  Where was  Zoe Zed born?", "Where was Zoe Zed born", "Where was Zoe Zed born??\n"):
        found = wordings.understand(text)
        assert (found.text, found.entity) == ("Where was Zoe Zed born?", "Zoe Zed")


def test_two_questions_in_one_are_none() -> None:
    text = "Where was Zoe Zed born? Where was Ada Moss born?"
    assert QuestionTemplates.of([KNOWN]).understand(text).statement == ()


def test_only_questions_that_teach_a_wording_are_learnt_from() -> None:
    no_statement = Question("a", "Who is Ada?", ("x",), ("d",), "single", "Ada", "tune")
    premise = Question(  # it does not say what it presupposes
        "b", "Since Ada works, who?", ("x",), ("d",), "true_premise", "Ada", "tune",
        statement=("Ada is {answer}.",), premise=("Ada sings.",),
    )  # fmt: skip
    unnamed = Question("c", "Who is it?", ("x",), ("d",), "single", "Ada", "tune", statement=("Ada is {answer}.",))
    assert QuestionTemplates.of([no_statement, premise, unnamed]).known == {}


def test_signs_in_a_wording_are_no_pattern() -> None:
    odd = Question(
        "d", "Is (Ada) a+b?", ("x",), ("d",), "single", "Ada", "tune", statement=("Ada: {answer}",)
    )  # fmt: skip
    assert QuestionTemplates.of([odd]).understand("Is (Bo) a+b?").entity == "Bo"
    assert QuestionTemplates.of([odd]).understand("Is Bo aab?").statement == ()


def test_what_a_question_presupposes_is_a_statement_of_its_own() -> None:
    text = "Since Ada Moss was born on May 7, 1960, what did Ada Moss study?"
    asked = Question(
        "e", text, ("Law",), ("d",), "true_premise", "Ada Moss", "tune",
        statement=("Ada Moss studied {answer}.",),
        premise=("Ada Moss was born on May 7, 1960.", "May 7, 1960 is the day Ada Moss was born."),
    )  # fmt: skip
    found = QuestionTemplates.of([asked]).understand("Since Bo Lee was born on June 1, 1970, what did Bo Lee study?")
    assert (found.entity, found.statement) == ("Bo Lee", ("Bo Lee studied {answer}.",))
    assert found.premise == ("Bo Lee was born on June 1, 1970.",)
    other = QuestionTemplates.of([asked]).understand("Since Bo Lee sings, what did Bo Lee study?")
    assert other.premise == ("Bo Lee sings.",)
    assert QuestionTemplates.of([asked]).understand("What did Bo Lee study?").statement == ()


def test_a_question_in_its_other_wordings() -> None:
    other_kind = Question(
        "g", "What did Ada study?", ("Law",), ("d",), "single", "Ada", "tune", statement=("Ada read {answer}.",)
    )
    wordings = QuestionTemplates.of([KNOWN, other_kind])
    own, other = "Where was Zoe Zed born?", "What is Zoe Zed's birthplace?"
    assert wordings.reworded(own) == [own, other]
    assert wordings.reworded(other) == [other, own]
    assert wordings.reworded("Who was Zoe Zed?") == ["Who was Zoe Zed?"]


def test_a_premise_stays_in_other_wordings() -> None:
    asked = Question(
        "e", "Since Ada sings, where is Ada?", ("Oslo",), ("d",), "true_premise", "Ada", "tune",
        paraphrases=("Where, as Ada sings, is Ada?",), statement=("Ada is in {answer}.",), premise=("Ada sings.",),
    )  # fmt: skip
    found = QuestionTemplates.of([asked]).reworded("Since Bo sings, where is Bo?")
    assert found == ["Since Bo sings, where is Bo?", "Where, as Bo sings, is Bo?"]
