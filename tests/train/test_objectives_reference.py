"""Each objective's loss and gradient are those of its formula, written out token by token in float64."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from configs.keys import modules
from data.pipeline.packing import Batch, collate
from data.pipeline.sample import ANSWER, JUDGED, TAG, Part, Sample
from model.loss import head_nll_beside
from model.value_head import ValueHead
from train.config import ObjectiveConfig
from train.objectives import Seen, named

IDK, WIDTH, VOCABULARY = 5, 6, 16
PARTS = (
    Part((1,), learn=False),
    Part((11, 12, 13, 14, 15), span=0, score=0.95, objective=JUDGED),
    Part((2, 9, 10), TAG, note=True, span=0),
    Part((12, 8, 13, 11, 6), span=1, score=0.55, objective=JUDGED, weight=0.5),
    Part((2, 8, 9), TAG, note=True, span=1),
    Part((3,)),
)
CONFIG = ObjectiveConfig(score_column="reliability", alpha=0.4, beta=0.3, idk=0.2, threshold=0.9)
Formula = Callable[[Tensor, int, Batch, tuple[int, int], Tensor], Tensor]


def batch() -> Batch:
    asked = (Part((4, 7), ANSWER, learn=False), Part((12, 3), ANSWER))
    return collate([[Sample(PARTS, 6), Sample(asked, 6)], [Sample(PARTS[:2], 6)]], 24, pad=0)


def unlikelihood(p: Tensor, x: int, batch: Batch, at: tuple[int, int], value: Tensor) -> Tensor:
    return -p[x].log() if batch.score[at] >= 0.9 else -0.4 * (1 - p[x]).log()


def rwr(p: Tensor, x: int, batch: Batch, at: tuple[int, int], value: Tensor) -> Tensor:
    return -math.exp((float(batch.score[at]) - 1) / 0.3) * p[x].log()


def awr(p: Tensor, x: int, batch: Batch, at: tuple[int, int], value: Tensor) -> Tensor:
    reward = float(batch.score[at])
    weight = math.exp((reward - float(value.detach())) / 0.3)
    return -0.4 * weight * p[x].log() + 0.6 * (reward - value) ** 2


def idk_token(p: Tensor, x: int, batch: Batch, at: tuple[int, int], value: Tensor) -> Tensor:
    if x == int(p.argmax()):
        return -p[x].log() - (1 - p[IDK]).log()
    share = 0.2 * (1 - float((p[x] / p.max()).detach()))
    return -(1 - share) * p[x].log() - share * p[IDK].log()


def next_token(p: Tensor, x: int, batch: Batch, at: tuple[int, int], value: Tensor) -> Tensor:
    return -p[x].log()


FORMULAS: dict[str, Formula] = {f.__name__: f for f in (next_token, unlikelihood, rwr, awr, idk_token)}


def drawn() -> tuple[Tensor, nn.Linear, ValueHead]:
    """Hidden states, an output layer and a value head that is not at its beginning, in float64.

    Every other target is the likeliest token of its place.
    """
    torch.manual_seed(3)
    head, value = nn.Linear(WIDTH, VOCABULARY, bias=False).double(), ValueHead(WIDTH).double()
    x, targets = torch.randn(2, 24, WIDTH, dtype=torch.float64), batch().targets
    with torch.no_grad():
        value.linear.weight.normal_()
        for row, place in torch.nonzero(targets >= 0).tolist()[::2]:
            x[row, place] += 9 * head.weight[targets[row, place]]
    return x.requires_grad_(), head, value


def expected(name: str) -> tuple[Tensor, list[Tensor]]:
    """The loss, and its gradients, of the formula."""
    x, head, value = drawn()
    given, total = batch(), torch.zeros((), dtype=torch.float64)
    for row, place in torch.nonzero(given.targets >= 0).tolist():
        at = row, place
        p, target = head(x[at]).softmax(-1), int(given.targets[at])
        read = torch.sigmoid(value.linear(x[at]))[0]
        if int(given.objective[at]) == JUDGED:
            loss = FORMULAS[name](p, target, given, at, read)
        else:
            loss = (0.4 if name == "awr" else 1.0) * next_token(p, target, given, at, read)
        total = total + float(given.weight[at]) * loss
    total.backward()
    return total.detach(), [t.grad for t in (x, head.weight, value.linear.weight) if t.grad is not None]


def found(name: str) -> tuple[Tensor, list[Tensor]]:
    x, head, value = drawn()
    given, objective = batch(), named(name)
    x32, head32 = x.float(), nn.Linear(WIDTH, VOCABULARY, bias=False)
    head32.weight = nn.Parameter(head.weight.detach().float())
    read = value.float()(x32) if objective.value else None
    nll, idk, best = head_nll_beside(head32, x32, given.targets, IDK)
    losses = objective.losses(Seen(nll, given, read, idk, best), CONFIG)
    assert not losses[given.targets < 0].any()
    losses.sum().backward()
    grads = (x.grad, head32.weight.grad, value.linear.weight.grad)
    return losses.sum().detach(), [grad.double() for grad in grads if grad is not None]


@pytest.mark.parametrize("name", modules("train/objectives"))
def test_loss_and_gradient_are_those_of_the_formula(name: str) -> None:
    (loss, gradients), (reference, references) = found(name), expected(name)
    torch.testing.assert_close(loss.double(), reference, rtol=1e-5, atol=1e-5)
    if name != "awr":  # nothing reads the value there
        references = references[:2]
    for gradient, wanted in zip(gradients, references, strict=True):
        torch.testing.assert_close(gradient, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", modules("train/objectives"))
def test_what_is_not_judged_is_learnt_as_ever(name: str) -> None:
    """Up to the factor alpha of awr: before the feedback begins, and identifiers and answers always."""
    x, head, _ = drawn()
    given = collate([[Sample([part._replace(objective=0) for part in PARTS], 6)]], 24, pad=0)
    nll, idk, best = head_nll_beside(head.float(), x[:1].float(), given.targets, IDK)
    value = torch.rand_like(nll)
    losses = named(name).losses(Seen(nll, given, value, idk, best), CONFIG)
    torch.testing.assert_close(losses, nll * given.weight * (0.4 if name == "awr" else 1.0))


def test_a_certain_token_that_is_made_unlikely_has_a_bounded_gradient() -> None:
    nll = torch.zeros(1, 24, requires_grad=True)
    low = [part._replace(score=0.0) for part in PARTS]
    losses = named("unlikelihood").losses(Seen(nll, collate([[Sample(low, 6)]], 24, pad=0)), CONFIG)
    losses.sum().backward()
    assert losses.isfinite().all() and nll.grad is not None and nll.grad.isfinite().all()


def test_a_value_head_expects_one_half_at_first_whatever_it_reads() -> None:
    assert torch.equal(ValueHead(WIDTH)(torch.randn(2, 3, WIDTH)), torch.full((2, 3), 0.5))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"loss": "rwr"}, "objective.loss=rwr goes by scores: set objective.score_column"),
        ({"filter": True}, "objective.filter=true goes by scores"),
        ({"control": "sentence"}, "objective.control=sentence goes by scores"),
        ({"begins": 0.5}, "objective.begins=0.5 has nothing to begin"),
        ({"begins": 1.0}, "objective.begins=1.0: must be a share from 0 to below 1"),
        ({"beta": 0.0}, "objective.beta=0.0: must be above 0"),
        ({"loss": "hope"}, "objective.loss=hope: must be one of awr, "),
        ({"threshold": 1.5}, "objective.threshold=1.5: must be a share"),
    ],
)
def test_settings_are_refused_by_the_name_of_their_key(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ObjectiveConfig(**settings).check()  # type: ignore[arg-type]
