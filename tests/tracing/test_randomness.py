"""Networks that draw at random in eval mode are refused with the name of the module; those that only could are not."""

import random

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from resablate.adapters import adapt
from resablate.errors import ResablateError

IMAGES = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


class _Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x)


class _Always(_Layer):
    def forward(self, x: Tensor) -> Tensor:
        return x + functional.dropout(self.conv(x), 0.5, True)


class _StochasticDepth(_Layer):
    def forward(self, x: Tensor) -> Tensor:
        return x if torch.rand(1).item() < 0.5 else x + self.conv(x)


class _OfPython(_Layer):
    def forward(self, x: Tensor) -> Tensor:
        return x if random.random() < 0.5 else x + self.conv(x)


class _OfNumpy(_Layer):
    def forward(self, x: Tensor) -> Tensor:
        return x + float(np.random.rand()) * self.conv(x)


class _Harmless(_Layer):
    """Draws, and asks for the mode behind that."""

    def forward(self, x: Tensor) -> Tensor:
        return x if torch.rand(1).item() < 0.5 and self.training else x + self.conv(x)


class _Kept(nn.Sequential):
    """As for samples of a posterior: no call of `eval` reaches its dropout."""

    def train(self, mode: bool = True) -> nn.Module:
        return super().train(True)


def _network(*layers: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    return nn.Sequential(nn.Conv2d(3, 4, 3), _Layer(), *layers, *head)


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("kind", [_Always, _StochasticDepth, _OfPython, _OfNumpy])
def test_the_module_that_draws_is_named(kind: type[nn.Module], training: bool) -> None:
    network = _network(kind(), kind()).train(training)
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1]
    with pytest.raises(
        ResablateError,
        match=r"^Sequential: draws at random in eval mode too, in 2, 3, so .* network\.eval\(\) and adapt$",
    ):
        adapt(network, IMAGES)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert np.array_equal(np.random.get_state()[1], states[2])
    assert network.training == training


def test_what_is_drawn_and_not_used_is_no_matter() -> None:
    network = _network(_Harmless())
    assert len(adapt(network, IMAGES).chain) == 2


def test_dropout_that_eval_does_not_reach_is_off_here() -> None:
    network = _network(_Kept(_Layer(), nn.Dropout(0.5)))
    assert len(adapt(network, IMAGES).chain) == 2
    assert network.get_submodule("2.1").training
