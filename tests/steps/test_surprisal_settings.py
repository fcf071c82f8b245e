"""Stages that surprisal is fed back in are keyed by it, and no others; a model gets it once."""

from __future__ import annotations

from typing import Any

import pytest
from composing import composed

from steps.train import fed_back, settings_of


class Prepared:
    key = "prepared"


@pytest.mark.parametrize(
    ("overrides", "pretrained", "taught"),
    [
        ((), False, False),
        (("surprisal=own",), True, True),
        (("surprisal=own", "surprisal.begins=abstention_sft"), False, True),
    ],
)
def test_what_trains_with_it_is_keyed_by_it(overrides: tuple[str, ...], pretrained: bool, taught: bool) -> None:
    config, prepared = composed(*overrides), Prepared()
    found = [settings_of(config, prepared, stage) for stage in ("pretrain", "abstention_sft")]  # type: ignore[arg-type]
    assert [("surprisal" in settings) for settings in found] == [pretrained, taught]
    plain: dict[str, Any] = settings_of(composed(), prepared, "pretrain")  # type: ignore[arg-type]
    assert all(settings.items() >= plain.items() for settings in found)


def test_it_is_given_once_and_kept(make_model) -> None:
    late = composed("surprisal=shuffled", "surprisal.begins=abstention_sft", "surprisal.dropout=0.3")
    model = make_model()
    assert fed_back(model, late, "pretrain").surprisal is None
    given = fed_back(model, late, "abstention_sft").surprisal
    assert given is not None and (given.source, given.dropout) == ("shuffled", 0.3)
    assert fed_back(model, late, "abstention_sft").surprisal is given
