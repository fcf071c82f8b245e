"""A stage made by other code is another stage; by the same code in other words of comment, the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.code import ROOT, code_digest, reached

PROBE = '"""A probe."""\nfrom eval.shared import helper\n\ndef probe():\n    return helper() + 1\n'


@pytest.fixture
def house(tmp_path: Path) -> Path:
    (tmp_path / "eval" / "probes").mkdir(parents=True)
    (tmp_path / "eval" / "probes" / "one.py").write_text(PROBE)
    (tmp_path / "eval" / "shared.py").write_text("import data.records\n\ndef helper():\n    return 1\n")
    (tmp_path / "eval" / "other.py").write_text("VALUE = 1\n")
    return tmp_path


def digest(root: Path) -> str:
    return code_digest(["eval.probes.one"], root)


@pytest.mark.parametrize(
    ("path", "old", "new", "other"),
    [
        ("eval/probes/one.py", "+ 1", "+ 2", True),
        ("eval/shared.py", "return 1", "return 2", True),
        ("eval/probes/one.py", "A probe.", "The probe.", False),
        ("eval/shared.py", "return 1", "return (1)  # one", False),
        ("eval/other.py", "VALUE = 1", "VALUE = 2", False),
    ],
)
def test_what_it_does_counts_and_how_it_is_told_does_not(
    house: Path, path: str, old: str, new: str, other: bool
) -> None:
    before = digest(house)
    text = (house / path).read_text()
    assert old in text
    (house / path).write_text(text.replace(old, new))
    assert (digest(house) != before) is other


def test_a_module_of_a_package_named_alone_is_reached_and_one_that_is_not_there_is_told(house: Path) -> None:
    (house / "eval" / "probes" / "one.py").write_text("def probe():\n    from eval import other\n")
    assert reached(["eval.probes.one"], house) == {"eval.probes.one", "eval.other"}
    with pytest.raises(OSError, match="two"):
        code_digest(["eval.probes.two"], house)


def test_probes_and_answers_are_keyed_by_no_code_but_theirs() -> None:
    probe = reached(["steps.evaluation.evaluated", "steps.evaluation.probes", "eval.probes.memorization.dominance"])
    assert not probe & {
        "eval.probes.memorization.membership",
        "eval.probes.beliefs.self_evidence",
        "eval.answerers.retrievers.bm25",
    }
    assert {"eval.answerers.lm_answerer", "model.generate"} <= probe
    answering = reached(["steps.evaluation.evaluated", "steps.evaluation.answer"])
    assert not any(name.startswith(("eval.results", "eval.selective", "eval.report")) for name in answering)
    assert (ROOT / "stages" / "code.py").is_file()
