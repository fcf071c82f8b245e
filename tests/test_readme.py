"""What README tells its readers to type is what the code takes."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from configs.schema import register

ROOT = Path(__file__).parent.parent
BLOCKS = re.findall(r"```\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
LINES = "".join(BLOCKS).replace("\\\n", " ").splitlines()
TYPED = ("python ", "make ", "torchrun ", "srun ")
COMMANDS = [line.split("  #")[0].strip() for line in LINES if line.startswith(TYPED)]


def test_readme_has_commands():
    assert any(command.startswith("make demo") for command in COMMANDS)
    assert len(COMMANDS) >= 10


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_readme_is_one_that_the_code_takes(command):
    words = shlex.split(command)
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    elif "run.py" in words:
        register()
        overrides = [word for word in words[words.index("run.py") + 1 :] if not word.startswith("-")]
        single = [override for override in overrides if "," not in override]
        with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
            compose("config", overrides=single, return_hydra_config=True)
    else:
        assert words[1] == "-m"
        importlib.import_module(words[2]).COMMAND.parse(words[3:])
