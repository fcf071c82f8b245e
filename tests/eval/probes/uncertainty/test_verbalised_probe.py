"""What is asked, what is heard and what becomes of it, counted by hand."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from telling import Telling

from data.records import Document, Question
from eval.answerers.lm_answerer import LMAnswerer
from eval.answerers.writers.question_templates import QuestionTemplates
from eval.probes import Read
from eval.probes.uncertainty import verbalised as probe
from eval.selective.verbalised import Guess, pair_rank

NAMES = ("Ada Moss", "Ben Lark", "Cleo Finch", "Dov Reed")
TUNED = Question(
    "t", "Where was Ada Moss born?", ("Oslo",), ("doc-1",), "single", "Ada Moss", "tune", "city",
    paraphrases=("Ada Moss was born where?",), statement=("Ada Moss was born in {answer}.",),
)  # fmt: skip
ASKED = [
    Question(f"q{n}", f"Where was {name} born?", (city,), ("doc-1",), "single", name, "never_tuned", "city")
    for n, (name, city) in enumerate(zip(NAMES, ("Oslo", "Lima", "Oslo", "Lima"), strict=True))
]
SAYS = {
    "<|answer|>": {"<|idk|>": 0.5, " Oslo": 0.3, " Lima": 0.15},  # Oslo .6, Lima .3 where it may not refuse
    " Oslo": {"<|src|>": 0.9, ".": 0.05},
    " Lima": {"<|src|>": 0.8, ".": 0.1},
    "<|/src|>": {"<|conf_10|>": 0.5, "<|conf_5|>": 0.25},
}


@pytest.fixture
def answerer(telling: Telling) -> LMAnswerer:
    found = telling(SAYS)
    found.marks = True
    return found


def spelled(answerer: LMAnswerer, prompt: Sequence[int]) -> str:
    return answerer.tokenizer.decode([t for t in prompt if t not in answerer.tokenizer.reserved])


def test_the_best_answers_each_with_its_probability_and_mark(answerer: LMAnswerer) -> None:
    prompts = probe.prompts_of(answerer, [q.text for q in ASKED])
    for beam in probe.likeliest(answerer, prompts):
        assert [answer for answer, _ in beam[:2]] == ["Oslo", "Lima"]
        assert [score for _, score in beam[:2]] == pytest.approx([-0.6162, -1.4271], abs=0.01)  # log .54, log .24
    ((guesses,),) = probe.marked(answerer, [prompts[:1]], [[["Oslo", "Lima"]]])
    assert [guess.answer for guess in guesses] == ["Oslo", "Lima"]
    rest = (1 - 0.75) / (640 - 2)  # of every other token, the nine other marks among them
    expected = (0.5 + 0.125 + rest * (5.5 - 1.5)) / (0.75 + 9 * rest)
    assert [guess.confidence for guess in guesses] == pytest.approx([expected] * 2, abs=1e-3)


def test_a_mark_is_read_once_for_each_prompt_and_answer(answerer: LMAnswerer, monkeypatch: pytest.MonkeyPatch) -> None:
    def stated(_: LMAnswerer, pairs: Sequence[tuple[Sequence[int], str]]) -> list[float]:
        assert len(set(pairs)) == len(pairs) == 3
        return [len(prompt) / 10 + (answer == "Lima") for prompt, answer in pairs]

    monkeypatch.setattr(probe, "_stated", stated)
    found = probe.marked(answerer, [[[1], [1, 2]], [[1]]], [[["Oslo", "Lima"], ["Oslo"]], [["Oslo"]]])
    oslo, lima = Guess("Oslo", 0.1), Guess("Lima", 1.1)
    assert found == [[[oslo, lima], [Guess("Oslo", 0.2)]], [[oslo]]]
    # The query forgotten: both first answers get the mark of the question alone; a query without an answer has none.
    again = probe.probed(answerer, [[1, 2, 3]], [[[oslo, lima], [], [Guess("Lima", 0.9), oslo], [Guess("Cairo", 0.1)]]])
    assert again == [[Guess("Oslo", 0.3), Guess("Lima", 1.3), Guess("Cairo", 0.3)]]


def test_lists_of_samples_hold_each_answer_once(answerer: LMAnswerer) -> None:
    drawn = ("Oslo", "oslo", "", "Lima", *("Lima", "Oslo") * 8)
    (lists,) = probe.sampled(answerer, [[1]], [drawn])
    assert [[guess.answer for guess in guesses] for guesses in lists] == [["Oslo", "Lima"], *[["Lima", "Oslo"]] * 4]


def test_hints_say_another_answer_of_the_models_own(answerer: LMAnswerer) -> None:
    templates = QuestionTemplates.of([TUNED])
    said = ["Oslo", "Lima", "oslo", ""]
    read = Read(answerer, ASKED, [], 0, tuning=[TUNED])
    for own, prompts in zip(said, probe.hinted(read, ASKED, said, templates), strict=True):
        texts = [spelled(answerer, prompt) for prompt in prompts]
        assert len(texts) == probe.LISTS and all(text.startswith("I read in") for text in texts)
        other = {"Oslo": ["Lima"], "oslo": ["Lima"], "Lima": ["Oslo", "oslo"], "": ["Oslo", "oslo", "Lima"]}[own]
        assert all(any(f"the answer is {name}." in text for name in other) for text in texts)


def test_what_was_heard_is_taken_together() -> None:
    lists = [[Guess("Oslo", 0.9), Guess("Lima", 0.3)], [Guess("Lima", 0.6)], []]
    found = probe.aggregated(["Oslo", "Cairo"], [lists, lists])
    assert found["consistency"] == pytest.approx([1 / 3, 0])
    assert found["mark.avg_conf"] == pytest.approx([0.9 / 1.5, 0])
    assert found["top.avg_conf"] == pytest.approx([0.9 / 1.8, 0])
    orders = [["Oslo", "Lima"], ["Lima"], []]
    assert found["top.pair_rank"] == [pair_rank("Oslo", orders), pair_rank("Cairo", orders)]


def test_the_grid(answerer: LMAnswerer, documents: list[Document], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eval.probes.RESAMPLES", 20)
    found = probe.verbalised(Read(answerer, ASKED, documents, 0, tuning=[TUNED]))
    assert (found["n"], found["right"]["value"], found["wordings"]["value"]) == (4, 0.5, 2.0)
    cells = {key.rsplit(".", 1)[0] for key in found if key.endswith(".auroc")}
    assert len(cells) == 3 + 4 + 1 + 2 * 5 + 1
    assert {cell for cell in cells if f"{cell}.change" in found} == cells - {"once.mark.first"}
    # It says the same to every question, so nothing tells right from wrong; its mark is off by what it says too much.
    assert found["wordings.probed.avg_conf.change"]["value"] == 0.0
    for cell in ("once.mark.first", "once.words.first", "wordings.consistency", "told"):
        assert found[f"{cell}.auroc"]["value"] == 0.5, cell
    assert found["once.mark.first.smooth_ece"]["value"] == pytest.approx(0.33, abs=0.01)  # 5/6 - 1/2
    assert found["told.smooth_ece"]["value"] == pytest.approx(0.0, abs=0.01)
    assert found["once.words.first.smooth_ece"]["value"] == pytest.approx(0.04, abs=0.01)  # .54 - .5
    assert found["told.aurc"]["value"] == pytest.approx(0.5)


def test_what_states_nothing_has_no_grid(telling: Telling, documents: list[Document]) -> None:
    assert probe.verbalised(Read(telling(SAYS), ASKED, documents, 0)) == {}
