"""Every row of SHORTCUTS, the same suite."""

import inspect
from typing import Any

import pytest
import torch
from torch import Tensor

from resablate.component import Component
from resablate.registry import keyword_defaults
from resablate.shortcuts import SHORTCUTS, Addends, Place, Shortcut, build_shortcut

SHAPES = [
    pytest.param(stride, factor, size, id=f"stride{stride}-width{factor}-{size[0]}x{size[1]}")
    for stride in (1, 2)
    for factor in (1, 2)
    for size in ((8, 8), (7, 5))
]
CHANNELS = 3

pytestmark = pytest.mark.parametrize("name", SHORTCUTS)


def make_shortcut(name: str, *, factor: int = 1, stride: int = 1, **known: Any) -> Shortcut:
    torch.manual_seed(0)
    row, channels = Component(name, known), factor * CHANNELS
    module = build_shortcut(row, in_channels=CHANNELS, out_channels=channels, stride=stride, place=Place(1, 4, 1, 1))
    return module.double()


def make_pair(*, factor: int = 1, stride: int = 1, size: tuple[int, int] = (8, 8)) -> tuple[Tensor, Tensor]:
    """x, and a residual of the shape that a 3x3 convolution with padding gives."""
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(2, CHANNELS, *size, generator=draw, dtype=torch.float64)
    small = [-(-length // stride) for length in size]
    return x, torch.randn(2, factor * CHANNELS, *small, generator=draw, dtype=torch.float64)


@pytest.mark.parametrize(("stride", "factor", "size"), SHAPES)
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_addends_and_bypass_have_the_shape_of_the_residual(
    name: str, stride: int, factor: int, size: tuple[int, int], training: bool
) -> None:
    shortcut = make_shortcut(name, factor=factor, stride=stride).train(training)
    x, residual = make_pair(factor=factor, stride=stride, size=size)
    addends = shortcut(x, residual)
    assert isinstance(addends, Addends)
    assert addends.carried.shape == addends.added.shape == residual.shape
    assert shortcut.bypass(x).shape == residual.shape
    assert addends.carried.dtype == addends.added.dtype == residual.dtype


@pytest.mark.parametrize(("stride", "factor", "size"), SHAPES)
def test_a_gradient_reaches_x(name: str, stride: int, factor: int, size: tuple[int, int]) -> None:
    shortcut = make_shortcut(name, factor=factor, stride=stride).eval()
    x, _ = make_pair(factor=factor, stride=stride, size=size)
    x.requires_grad_()
    branch = torch.nn.Conv2d(CHANNELS, factor * CHANNELS, 3, stride=stride, padding=1).double()
    carried, added = shortcut(x, branch(x))
    (whole,) = torch.autograd.grad((carried + added).square().sum(), x, retain_graph=True)
    assert whole.abs().max() > 0
    (by_branch,) = torch.autograd.grad(added.square().sum(), x, retain_graph=True)
    assert bool(by_branch.abs().max() > 0) == shortcut.adds, "a learned factor of 0: the path is not there yet"
    if not shortcut.carries:
        assert not carried.requires_grad, "the plain network's gradient comes by the branch alone"
    else:
        (by_shortcut,) = torch.autograd.grad(carried.square().sum(), x)
        assert by_shortcut.abs().max() > 0


@pytest.mark.parametrize("stride", [1, 2])
def test_the_bypass_is_what_is_carried(name: str, stride: int) -> None:
    """A lesion removes the branch and nothing else; only a plain network, which carries nothing, connects its x."""
    shortcut = make_shortcut(name, factor=stride, stride=stride).eval()
    x, residual = make_pair(factor=stride, stride=stride)
    expected = shortcut.match(x) if not shortcut.carries else shortcut(x, residual).carried
    assert torch.equal(shortcut.bypass(x), expected)


def test_neither_x_nor_the_residual_is_written_to(name: str) -> None:
    shortcut = make_shortcut(name)
    x, residual = make_pair()
    before = x.clone(), residual.clone()
    shortcut(x, residual)
    shortcut.bypass(x)
    assert torch.equal(x, before[0])
    assert torch.equal(residual, before[1])


def test_state_survives_a_round_trip(name: str) -> None:
    shortcut = make_shortcut(name, factor=2, stride=2).eval()
    with torch.no_grad():
        for parameter in shortcut.parameters():
            parameter.add_(0.25)
    torch.manual_seed(9)
    fresh = make_shortcut(name, factor=2, stride=2).eval()
    fresh.load_state_dict(shortcut.state_dict())
    x, residual = make_pair(factor=2, stride=2)
    for ours, theirs in zip(fresh(x, residual), shortcut(x, residual), strict=True):
        assert torch.equal(ours, theirs)


def test_the_paper_is_named(name: str) -> None:
    text = inspect.getdoc(SHORTCUTS[name]) or ""
    assert "Source: " in text
    for argument in keyword_defaults(SHORTCUTS[name]):
        assert f"    {argument}: " in text, f"{argument} is not described"


def test_an_unknown_argument_is_refused(name: str) -> None:
    with pytest.raises(TypeError, match="colour"):
        make_shortcut(name, colour=1)
