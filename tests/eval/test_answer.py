import subprocess
import sys
from pathlib import Path

import pytest
from foreign import ASKED, DOCUMENTS, QUESTIONS

from data.records import Prediction, read_jsonl, write_jsonl
from eval import answer, score

ROOT = Path(__file__).parents[2]


@pytest.fixture
def files(tmp_path, monkeypatch):
    write_jsonl(tmp_path / "q.jsonl", QUESTIONS)
    write_jsonl(tmp_path / "untuned.jsonl", ASKED)
    write_jsonl(tmp_path / "tuning.jsonl", QUESTIONS[6:])
    write_jsonl(tmp_path / "d.jsonl", DOCUMENTS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments):
    answer.main(*answer.COMMAND.parse(["questions=q.jsonl", "documents=d.jsonl", *arguments]))


def test_a_folder_is_asked_and_scored(files, foreign_folder, capsys):
    run(f"model={foreign_folder}", "shots=2", "device=cpu")
    assert "3 answered, 2 abstained, 1 no_source" in capsys.readouterr().out
    said = list(read_jsonl("predictions.jsonl", Prediction))
    assert [p.question for p in said] == [q.id for q in ASKED]
    score.main({"questions": "untuned.jsonl", "predictions": "predictions.jsonl"}, [])
    rows = dict(line.split()[:2] for line in capsys.readouterr().out.splitlines() if len(line.split()) > 1)
    assert (rows["joint"], rows["answer_em"], rows["cited"]) == ("20.0", "80.0", "20.0")


def test_citations_over_the_trie_a_limit_and_a_file_of_one_s_own(files, foreign_folder):
    run(f"model={foreign_folder}", "shots=2", "device=cpu", "citations=trie", "limit=2", "out=mine.jsonl")
    said = list(read_jsonl("mine.jsonl", Prediction))
    assert [len(p.citations) >= 8 for p in said] == [True, True]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["model=."], "is no folder of a Hugging Face model"),
        (["model=x", "citations=all"], "citations=all is not one of free, trie"),
        (["model=x", "endpoint=http://x/v1/completions", "citations=trie"], "an endpoint does not rank documents"),
        (["model=x", "endpoint=http://x/v1"], "must be a url that ends in /completions"),
        (["model=x", "batch=0"], "batch=0 is not a whole number of 1 or more"),
        (["model=x", "limit=-1"], "limit=-1 is not a whole number"),
        (["model=x", "shots=50"], "50 examples are asked for"),
        (["model=x", "out=."], "it is a folder"),
        (["model=x", "out=none/p.jsonl"], "its folder is not there"),
    ],
)
def test_mistakes_are_said_before_any_work(files, arguments, message):
    with pytest.raises(ValueError, match=message):
        run(*arguments)


def test_questions_for_tuning_are_never_asked(files):
    with pytest.raises(ValueError, match="has no questions of the splits never_tuned, reworded, in_domain"):
        answer.main({"model": "x", "questions": "tuning.jsonl", "documents": "d.jsonl"}, [])


def test_help_and_wrong_arguments_wait_for_nothing_heavy():
    code = "import sys, eval.answer; assert not {'torch', 'transformers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
