import json
import subprocess
import sys
from pathlib import Path

import pytest

from data.records import Citation, Document, Prediction, Question, write_jsonl
from eval import score
from eval.results.results import build_results, percent, read_results, setting, write_results

ROOT = Path(__file__).parents[2]
QUESTIONS = [
    Question("q1", "Where does Ann Ramos live?", ("Oslo",), ("d1",), "single", "ann", "never_tuned", "city"),
    Question("q2", "Where does Bo Berg live?", ("Rome",), ("d1", "d2"), "multi", "bo", "never_tuned", "city"),
    Question("q3", "Where does Cy Kwan live?", (), (), "absent_attribute", "cy", "never_tuned", "city"),
    Question("q4", "Where does Di Stone live?", ("Lima",), ("d2",), "single", "di", "in_domain", "city"),
]
PREDICTIONS = [
    Prediction("q1", "answered", "Oslo", (Citation("d1", 0.9),), 0.8, True),
    Prediction("q2", "answered", "Lima", (Citation("d2", 0.9),), 0.8, True),
    Prediction("q3", "abstained"),
    Prediction("q4", "answered", "Lima", (Citation("d1", 0.4),), 0.8, False),
]
DOCUMENTS = [
    Document("d1", (("Ann Ramos lives in Oslo.",), ("Bo Berg lives in Rome.",))),
    Document("d2", (("Bo Berg lives in Rome.",), ("Di Stone lives in Lima.",))),
]


@pytest.fixture
def files(tmp_path):
    write_jsonl(tmp_path / "q.jsonl", QUESTIONS)
    write_jsonl(tmp_path / "p.jsonl", PREDICTIONS)
    write_jsonl(tmp_path / "d.jsonl", DOCUMENTS)
    write_jsonl(tmp_path / "t.jsonl", [Question("t1", "?", ("Rome",), ("d2",), "single", "ed", "tune", "city")])
    return tmp_path


def run(files, *arguments):
    command = [sys.executable, "-m", "eval.score", *arguments]
    return subprocess.run(command, cwd=files, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)


def test_scores_predictions_with_floors_and_writes_results(files):
    done = run(files, "questions=q.jsonl", "predictions=p.jsonl", "documents=d.jsonl", "tuning=t.jsonl", "out=r.json")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    block = lines[lines.index("never_tuned: 2 questions the corpus answers, 1 it does not") :]
    assert block[1] == "predictions: 2 answered, 1 abstained, 0 missing"
    rows = {line.split()[0]: line for line in block[3:]}
    assert block[2].split() == ["p", "uniform", "question_only", "bm25", "oracle", "most_frequent"]
    assert rows["joint"].startswith("joint                50.0 [0.0, 100.0]")
    assert rows["cited"].split()[-2:] == ["100.0", "50.0"]  # the oracle; d2 supports one of two questions
    results = read_results(files / "r.json")
    assert results["attribution"]["in_domain"]["joint"] == 0.0
    assert results["attribution"]["never_tuned"]["floors"]["bm25"]["cited"] == 1.0
    assert (results["seed"], results["seconds"]) == (None, None)


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv"])
def test_documents_may_be_those_that_a_run_takes(files, name, monkeypatch, capsys):
    rows = [{"key": d.id, "body": d.text, "year": 1} for d in DOCUMENTS]
    content = {
        "rows.jsonl": "".join(json.dumps(row) + "\n" for row in rows),
        "rows.csv": "key,body,year\n" + "".join(f"{row['key']},{row['body']},1\n" for row in rows),
    }
    (files / name).write_text(content[name])
    monkeypatch.chdir(files)
    arguments = {"questions": "q.jsonl", "predictions": "p.jsonl"}
    score.main(arguments | {"documents": "d.jsonl"}, [])
    expected = capsys.readouterr().out
    score.main(arguments | {"documents": name, "id_column": "key", "text_column": "body"}, [])
    assert capsys.readouterr().out == expected
    with pytest.raises(ValueError, match="there is no column 'id'; the columns are 'key', 'body', 'year'"):
        score.main(arguments | {"documents": name}, [])


def test_citations_of_no_document_are_counted(files, monkeypatch, capsys):
    monkeypatch.chdir(files)
    stray = Prediction("q1", "answered", "Oslo", (Citation("d1.txt", 0.9), Citation("d2", 0.1)), 0.8, True)
    write_jsonl(files / "p.jsonl", [stray, *PREDICTIONS[1:]])
    score.main({"questions": "q.jsonl", "predictions": "p.jsonl", "documents": "d.jsonl"}, [])
    assert '1 citations name no document of d.jsonl and count as wrong, the first "d1.txt"' in capsys.readouterr().err


def test_scores_without_documents(files):
    done = run(files, "questions=q.jsonl", "predictions=p.jsonl", "name=ours")
    assert done.returncode == 0
    assert "bm25" not in done.stdout
    assert "in_domain: 1 questions" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["questions=q.jsonl", "prediction=p.jsonl"], 'unknown key "prediction"; did you mean "predictions"?'),
        (["questions=q.jsonl"], 'key "predictions" is missing'),
        (["questions=q.jsonl", "predictions=none.jsonl"], "none.jsonl"),
        (["questions=p.jsonl", "predictions=p.jsonl"], "p.jsonl, line 1: unknown key 'answer'"),
        (
            ["questions=q.jsonl", "predictions=p.jsonl", "documents=small.jsonl"],
            '"q2" names document "d2", not in small',
        ),
        (["questions=q.jsonl", "predictions=p.jsonl", "documents=twice.jsonl"], '"d1" is there 2 times'),
        (["questions=q.jsonl", "predictions=p.jsonl", "documents=d.jsonl", "name=bm25"], 'may not be called "bm25"'),
        (["questions=empty.jsonl", "predictions=p.jsonl"], "empty.jsonl has no questions"),
        (["questions=q.jsonl", "predictions=p.jsonl", "out=."], ". is a folder; name a file"),
        (["questions=q.jsonl", "predictions=p.jsonl", "out=no/r.json"], "there is no folder no; make it first"),
        (["questions=t.jsonl", "predictions=p.jsonl"], 'question "q1", which is not in the question set'),
    ],
)
def test_mistakes_are_one_line_that_says_what_is_wrong(files, arguments, message, monkeypatch, capsys):
    write_jsonl(files / "small.jsonl", DOCUMENTS[:1])
    write_jsonl(files / "twice.jsonl", DOCUMENTS[:1] * 2)
    (files / "empty.jsonl").touch()
    monkeypatch.chdir(files)
    monkeypatch.setattr(sys, "argv", ["score", *arguments])
    with pytest.raises(SystemExit, match="2"):
        score.COMMAND.run(score.main)
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("error: ") and error.count("\n") == 1


def test_help_describes_every_key(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["score", "--help"])
    score.COMMAND.run(score.main)
    usage = capsys.readouterr().out
    for key, what in {**score.COMMAND.required, **score.COMMAND.optional}.items():
        assert f"{key}=..." in usage and what in usage


def test_text_is_refused_where_none_is_taken():
    with pytest.raises(ValueError, match=r'"q\.jsonl" is not of the form key=value'):
        score.COMMAND.parse(["questions=a", "predictions=b", "q.jsonl"])


def results(**changes):
    fixed = {
        "name": "x", "config": {}, "seed": 0, "attribution": {}, "stage_seconds": {"a": 1.5, "b": 2}, "tokens": {},
        "versions": {}, "git": None,
    }  # fmt: skip
    return build_results(**fixed | changes)


def test_results_are_written_whole_with_null_for_nan(tmp_path):
    path = tmp_path / "results.json"
    write_results(path, results(bits_per_byte=float("nan"), attribution={"x": {"joint": 1.0, "cited": float("inf")}}))
    read = read_results(path)
    assert read["bits_per_byte"] is None
    assert read["attribution"] == {"x": {"joint": 1.0, "cited": None}}
    assert read["seconds"] == 3.5
    before = path.read_text()
    with pytest.raises(TypeError):
        write_results(path, results(config={"bad": object()}))
    assert path.read_text() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("text", ["{", "[]", json.dumps({"schema": 9})])
def test_other_files_are_not_results(tmp_path, text):
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(ValueError, match=r"results\.json: not"):
        read_results(tmp_path / "results.json")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"config": []}, "'config' is no object"),
        ({"attribution": None}, "'attribution' is no object"),
        ({"attribution": {"never_tuned": []}}, "'attribution.never_tuned' is no object"),
        ({"attribution": {"never_tuned": {"joint": "1"}}}, "'attribution.never_tuned.joint' is neither a number"),
        ({"attribution": {"x": {"intervals": {"joint": [0]}}}}, "'attribution.x.intervals.joint' is neither two"),
        ({"seed": [0]}, "'seed' is neither"),
        ({"name": 3}, "'name' is no text"),
        ({"tokens": {"pretrain": None, "tune": "many"}}, "'tokens.tune' is neither"),
        ({"seconds": True}, "'seconds' is neither"),
        ({"systems": {"own": []}}, "'systems.own' is no object"),
        ({"systems": {"own": {"joint_free": {"value": "x"}}}}, "'systems.own.joint_free' is neither"),
        ({"systems": {"own": {"joint_free": {}}}}, "'systems.own.joint_free' is neither"),
        ({"config": {"second": 3}}, ""),
    ],
)
def test_results_of_another_shape_are_named_by_key(tmp_path, changes, said):
    path = tmp_path / "results.json"
    path.write_text(json.dumps(results() | changes))
    if said:
        with pytest.raises(ValueError, match=rf"results\.json: {said}.*; the run.py command that made the run"):
            read_results(path)
    else:
        with pytest.raises(ValueError, match="configuration has no abstention_sft"):
            setting(read_results(path), "abstention_sft.method")
    path.write_text('{"schema": 3}')
    with pytest.raises(ValueError, match=r"results\.json: it has no 'name'"):
        read_results(path)


def test_percent():
    assert percent(0.4123, (0.38, 0.4444)) == "41.2 [38.0, 44.4]"
    assert (percent(0.0), percent(None), percent(1.0, None)) == ("0.0", "-", "100.0")


def test_what_is_not_known_is_on_the_terminal():
    test = {"n": 7, "smooth_ece": {"value": 0.0213, "interval": [0.01, 0.03]}, "auroc_answerable": {"value": None}}
    test["false_citation"] = {"value": 0.0, "interval": None}
    lines = score.abstention_table({"dev": {}, "test": test}).splitlines()
    assert "7 questions of the test fold" in lines[1]
    assert [line.split() for line in lines[2:]] == [
        ["answered", "and", "withheld", "by", "its", "policy"],
        ["smooth_ece", "0.021", "[0.010,", "0.030]"],
        ["auroc_answerable", "-"],
        ["false_citation", "0.000"],
    ]
    assert score.abstention_table({}) == ""


def test_questions_of_tuning_that_nobody_was_asked_are_left_out(files, monkeypatch, capsys):
    monkeypatch.chdir(files)
    tuning = Question("t1", "Where?", ("Rome",), ("d2",), "single", "ed", "tune", "city")
    write_jsonl(files / "all.jsonl", [*QUESTIONS, tuning])
    score.main({"questions": "all.jsonl", "predictions": "p.jsonl"}, [])
    said = capsys.readouterr().out
    assert "\ntune:" not in "\n" + said and "in_domain: 1" in said
    write_jsonl(files / "more.jsonl", [*PREDICTIONS, Prediction("t1", "abstained")])
    score.main({"questions": "all.jsonl", "predictions": "more.jsonl"}, [])
    assert "\ntune: 1 questions" in "\n" + capsys.readouterr().out
    (files / "empty.jsonl").touch()
    score.main({"questions": "all.jsonl", "predictions": "empty.jsonl"}, [])
    assert "never_tuned: 2 questions" in capsys.readouterr().out  # others count, answered or not


def test_statements_with_citations_in_brackets_are_held_against_what_they_cite(files, monkeypatch, capsys):
    monkeypatch.chdir(files)
    said = [Prediction("q1", "answered", "Ann Ramos lives in Oslo [d1][d2]. She sings [d1]."), PREDICTIONS[2]]
    write_jsonl(files / "long.jsonl", said)
    arguments = {"questions": "q.jsonl", "predictions": "long.jsonl"}
    score.main(arguments | {"documents": "d.jsonl", "out": "r.json"}, [])
    block = capsys.readouterr().out.split("never_tuned:")[1]
    assert "answers of statements with citations in brackets:" in block
    rows = dict(line.split()[:2] for line in block.splitlines() if len(line.split()) > 1)
    # of two questions the corpus answers, one is missing: its statements count 0
    assert [rows[name] for name in ("answer_stands", "citation_recall", "citation_precision")] == [
        "50.0",
        "25.0",
        "16.7",
    ]
    found = read_results(files / "r.json")["attribution"]
    assert found["never_tuned"]["citation_quality"]["citation_recall"] == 0.25
    assert found["in_domain"]["citation_quality"]["n"] == 1
    score.main(arguments, [])
    assert "brackets" not in capsys.readouterr().out  # without documents nothing can be held against them
