"""What README and docs/ tell their readers to type is what the code takes."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import re
import shlex
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from pages import PAGES, README, ROOT, blocks, spans

from configs.command import every_key
from configs.schema import register

TYPED = ("python ", "make ", "torchrun ", "srun ")
GROUPS = {path.name for path in (ROOT / "configs").iterdir() if path.is_dir()} - {"__pycache__"}
KEYS = set(every_key())
SECTIONS = {key.partition(".")[0] for key in KEYS if "." in key}


def typed(page: Path) -> list[str]:
    """The commands in the blocks of a page, without a prompt and what is said of them."""
    lines = "".join(block.text for block in blocks(page)).replace("\\\n", " ").splitlines()
    lines = [line.removeprefix("$ ").split("  #")[0].strip() for line in lines]
    return [line for line in lines if line.startswith(TYPED)]


# Those of extending.md are of code that the page adds: test_extending.py runs them.
COMMANDS = list(dict.fromkeys(command for page in PAGES if page.name != "extending.md" for command in typed(page)))
NAMED = [(page.name, span) for page in PAGES for span in dict.fromkeys(spans(page))]
WITHIN = [(name, span) for name, span in NAMED if span.startswith(TYPED)]
FILES = [(name, span) for name, span in NAMED if re.fullmatch(r"[\w./-]+\.(py|md|yaml|toml)", span)]


class Parsed(Exception):
    """Arguments were taken; nothing was done."""


def takes(command: str, monkeypatch: pytest.MonkeyPatch, whole: bool = True) -> None:
    """Raises unless the code takes this command; of one that is not whole, unless there is such a command."""
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
        inside = f"{words[2]}.__main__" if (ROOT / words[2].replace(".", "/")).is_dir() else words[2]
        assert importlib.util.find_spec(inside)
        if whole:
            module = importlib.import_module(inside)
            if hasattr(module, "COMMAND"):
                module.COMMAND.parse(words[3:])
                return
            monkeypatch.setattr(argparse.ArgumentParser, "parse_args", _only_parsed(argparse.ArgumentParser.parse_args))
            with pytest.raises(Parsed):
                module.main(words[3:])


def _only_parsed(parse_args):
    def parsed(parser, arguments):
        parse_args(parser, arguments)
        raise Parsed

    return parsed


def test_readme_has_commands():
    commands = typed(README)
    assert any(command.startswith("make demo") for command in commands)
    assert len(commands) >= 10


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_readme_and_docs_is_one_that_the_code_takes(command, monkeypatch):
    takes(command, monkeypatch)


@pytest.mark.parametrize(("page", "command"), WITHIN)
def test_a_command_within_a_sentence_is_there(page, command, monkeypatch):
    takes(command, monkeypatch, whole=False)


@pytest.mark.parametrize(("page", "file"), FILES)
def test_a_file_that_is_named_is_there(page, file):
    assert (ROOT / file).is_file()


def test_a_key_that_is_named_is_one():
    assert not [
        (page, word) for page, span in NAMED if not span.startswith(TYPED) for word in span.split() if unknown(word)
    ]


def unknown(word: str) -> bool:
    """Whether this looks like a key, an override or a module and is none."""
    found = re.fullmatch(r"([a-z_]+(?:\.[a-z0-9_]+)*)(=.*)?", word)
    if not found:
        return False
    name, value = found.groups()
    if value:
        return not (name in KEYS or name in GROUPS or name.startswith("hydra."))
    inside = name.partition(".")[0] in SECTIONS and "." in name
    return inside and not (name in KEYS or (ROOT / f"{name.replace('.', '/')}.py").exists())


@pytest.mark.parametrize("word", ["tags.recall", "tags.recall=0.5", "second=graded", "batch.rows=8", "eval.knowing"])
def test_what_is_no_key_is_noticed(word):
    assert unknown(word)


@pytest.mark.parametrize("word", ["tags.id_to_text", "ids=given", "cache_bytes=1", "eval.ask", "meta.id", "answers"])
def test_what_is_a_key_or_none_at_all_passes(word):
    assert not unknown(word)
