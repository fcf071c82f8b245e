"""`key=value` arguments: what is wrong with one is said with its key, and what it may be."""

import pytest

from eval.arguments import Command, number, one_of, whole_number

COMMAND = Command("ask", "Ask.", {"run": "a folder"}, {"top": "how many"}, text="QUESTION")


def test_arguments_are_keys_or_text():
    assert COMMAND.parse(["where is", "run=a=b", "x/top=1", "Is 1+1=2?"]) == (
        {"run": "a=b"},
        ["where is", "x/top=1", "Is 1+1=2?"],
    )
    assert Command("list", "List.", {}, {}, text="DIR").parse(["tags=end"]) == ({}, ["tags=end"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rum=x"], 'unknown key "rum"; did you mean "run"'),
        (["run=a", "run=b"], 'key "run" is given twice'),
        (["run="], 'key "run" has no value'),
        (["hello"], 'key "run" is missing: give run=... (a folder)'),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError) as raised:
        COMMAND.parse(arguments)
    assert message in str(raised.value)


def test_a_whole_number_is_one_or_the_default():
    assert [whole_number(values, "top", 5) for values in ({}, {"top": "12"})] == [5, 12]
    assert whole_number({"top": "0"}, "top", 5, least=0) == 0


@pytest.mark.parametrize("value", ["x", "0", "-1", "1.5", "²"])
def test_what_is_no_whole_number_is_refused_by_key(value):
    with pytest.raises(ValueError, match=f"top={value} is not a whole number of 1 or more"):
        whole_number({"top": value}, "top", 5)


def test_one_of_some_is_one_or_the_first():
    assert [one_of(values, "json", ("false", "true")) for values in ({}, {"json": "true"})] == ["false", "true"]
    with pytest.raises(ValueError, match="json=yes is not one of false, true"):
        one_of({"json": "yes"}, "json", ("false", "true"))


def test_a_number_is_one_or_the_default():
    assert [number(values, "guidance", 1.0) for values in ({}, {"guidance": "2.5"}, {"guidance": "0"})] == [1, 2.5, 0]


@pytest.mark.parametrize("value", ["x", "-1", "nan", "inf", ""])
def test_what_is_no_number_is_refused_by_key(value):
    with pytest.raises(ValueError, match=f"guidance={value} is not a number of 0 or more"):
        number({"guidance": value}, "guidance", 1.0)
