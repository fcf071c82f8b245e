"""`python run.py --help`: every key with its value, what it means and what it may be, from where it is declared."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import Field
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from configs.keys import Section, allowed, declared, joined, shown

WIDTH, INDENT = 118, 35  # characters


def describe(config: DictConfig) -> str:
    """The help on a composed configuration."""
    return "\n".join(_section(config, _defaults(config), "")).strip("\n")


def _defaults(config: DictConfig) -> Section:
    section = OmegaConf.get_type(config)
    assert section is not None
    return section()


def _section(config: DictConfig, defaults: Section, path: str) -> Iterator[str]:
    yield f"\n{f'{path}: ' if path else ''}{(inspect.getdoc(defaults) or '').splitlines()[0]}"
    inner = []
    for item in declared(defaults):
        value = OmegaConf.select(config, item.name, throw_on_missing=False)
        if isinstance(value, DictConfig):
            default = getattr(defaults, item.name)
            inner.append((value, default if isinstance(default, Section) else _defaults(value), item.name))
        elif "about" in item.metadata:
            yield from _key(joined(path, item.name), value, getattr(defaults, item.name), item)
    for value, default, name in inner:
        yield from _section(value, default, joined(path, name))


def _key(where: str, value: Any, default: Any, item: Field[Any]) -> Iterator[str]:
    plain = OmegaConf.to_container(value) if isinstance(value, ListConfig) else value
    notes = [allowed(item).words] if allowed(item).words else []
    if plain != default and "${" not in str(default):
        notes.append(f"default {shown(default)}")
    about = item.metadata["about"] + (f" [{'; '.join(notes)}]" if notes else "")
    first = f"  {where}={shown(plain)}".ljust(INDENT - 1)
    yield from textwrap.wrap(about, WIDTH, initial_indent=f"{first} ", subsequent_indent=" " * INDENT)
