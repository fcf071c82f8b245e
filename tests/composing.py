"""Configurations composed and checked as the command does it, without any work."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from configs.command import in_one_line, refuse_what_is_merely_like_a_flag
from configs.machine import check_machine
from configs.schema import Config, register

ROOT = Path(__file__).parent.parent
CONFIGS = ROOT / "configs"
# On top of model=pico, for a model of which nothing is asked but that it runs.
NANO = ("model.dim=64", "model.head_dim=32", "model.ffn_dim=128")


def composed(*overrides: str) -> Config:
    _registered()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        config = OmegaConf.to_object(compose("config", overrides=list(overrides)))
    assert isinstance(config, Config)
    return config


_registered = cache(register)  # a third of what composing takes


def said_of(*overrides: str) -> str:
    """What is said of a command line before any work, "" when nothing is wrong with it."""
    try:
        config = composed(*overrides)
        refuse_what_is_merely_like_a_flag(overrides)
        config.check()
        check_machine(config)
    except (HydraException, OmegaConfBaseException) as error:
        return in_one_line(error)
    except ValueError as error:
        return str(error)
    return ""
