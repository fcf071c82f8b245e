"""What is typed or read by an old name is refused in one line that names the new one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from configs.command import every_key
from configs.renamed import KEYS, renamed_key
from data.records import Question, RecordError
from eval.results.results import read_results
from eval.selective.policy import read_policies


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("tune.tokens=0", "unknown key tune.tokens; it is sft.tokens now"),
        ("tune.optimizer.lr=1", "unknown key tune.optimizer.lr; it is sft.optimizer.lr now"),
        ("second.absent=0.1", "unknown key second.absent; it is abstention_sft.idk_fraction now"),
        ("second=graded", "unknown key second; it is abstention_sft now"),
        ("tags=footnote_recall", "unknown option tags=footnote_recall; it is tags=footnote_bidirectional now"),
    ],
)
def test_an_old_override_names_the_new_one(override: str, said: str) -> None:
    done = subprocess.run([sys.executable, "run.py", override], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr.strip()) == (2, f"error: {said}")


def test_every_new_name_is_a_key() -> None:
    known = set(every_key()) | {key.partition(".")[0] for key in every_key()}
    assert set(KEYS.values()) <= known
    assert not known & set(KEYS)
    assert renamed_key("sft.tokens") is None


def test_files_made_before_are_named(tmp_path: Path) -> None:
    results, policy = tmp_path / "results.json", tmp_path / "policy.json"
    results.write_text('{"schema": 1}')
    policy.write_text(json.dumps({"weighed": {"answer": {}, "source": None, "weigher": {}}}))
    with pytest.raises(ValueError, match=r"results\.json: made before the renaming"):
        read_results(results)
    with pytest.raises(ValueError, match=r"policy\.json: .*made before the renaming"):
        read_policies(policy)


def test_an_old_split_names_the_new_one() -> None:
    with pytest.raises(RecordError, match="'second'; it is 'relabel' now"):
        Question("q", "Who?", ("A",), ("d",), "single", "A", "second")
