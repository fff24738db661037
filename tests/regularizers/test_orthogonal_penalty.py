import pytest
import torch
from torch import nn

from resablate.model import ResidualNetwork
from resablate.regularizers import REGULARIZERS
from tests.networks import make_network

IMAGES = torch.zeros(1, 1, 8, 8, dtype=torch.float64)


def penalize(network: ResidualNetwork, *, strength: float) -> torch.Tensor | None:
    """The penalty with target 1 on all layers."""
    return REGULARIZERS["orthogonal_penalty"](network, IMAGES, strength=strength, target=1.0).penalty()


def one_layer(kernel: torch.Tensor) -> ResidualNetwork:
    """A network of one convolution, which takes the images as they are."""
    out, inside, height, width = kernel.shape
    layer = nn.Conv2d(inside, out, (height, width), bias=False).to(kernel.dtype)
    with torch.no_grad():
        layer.weight.copy_(kernel)
    widen = nn.ReplicationPad3d((0, 0, 0, 0, 0, inside - 1)) if inside > 1 else nn.Identity()
    return ResidualNetwork(stem=nn.Sequential(widen, layer), blocks=[], head=nn.Identity())


def weight_of(network: ResidualNetwork) -> nn.Parameter:
    (layer,) = (module for module in network.modules() if isinstance(module, nn.Conv2d))
    return layer.weight


def value(network: ResidualNetwork, strength: float) -> float:
    penalty = penalize(network, strength=strength)
    assert penalty is not None
    return float(penalty.detach())


def test_by_hand() -> None:
    """W = [[1, 2], [0, 3]]: G = W W^T = [[5, 6], [6, 9]], so the gap squares to 16 + 36 + 36 + 64."""
    kernel = torch.tensor([[[[1.0, 2.0]]], [[[0.0, 3.0]]]], dtype=torch.float64)
    # Whole numbers of few digits and a power of two: every sum is exact in whatever order.
    assert value(one_layer(kernel), 1.0) == 152
    assert value(one_layer(kernel), 0.25) == 38


@pytest.mark.parametrize(("out", "inside"), [(3, 5), (20, 2)], ids=["wide", "tall"])
def test_zero_where_all_singular_values_are_one(out: int, inside: int) -> None:
    draw = torch.randn(out, inside * 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    u, _, v = torch.linalg.svd(draw, full_matrices=False)
    assert value(one_layer((u @ v).view(out, inside, 3, 3)), 1.0) == pytest.approx(0, abs=1e-24)
    assert value(one_layer((2 * u @ v).view(out, inside, 3, 3)), 1.0) == pytest.approx(9 * min(out, inside * 9))


def test_it_is_a_function_of_the_singular_values() -> None:
    draw = torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    values = torch.linalg.svdvals(draw.flatten(1))
    assert value(one_layer(draw), 1.0) == pytest.approx(float((values.square() - 1).square().sum()), rel=1e-12)


def test_descent_draws_the_singular_values_to_one() -> None:
    network = one_layer(0.5 * torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64))
    for _ in range(300):
        penalty = penalize(network, strength=0.01)
        assert penalty is not None
        (gradient,) = torch.autograd.grad(penalty, weight_of(network))
        with torch.no_grad():
            weight_of(network).sub_(gradient)
    values = torch.linalg.svdvals(weight_of(network).detach().flatten(1))
    assert torch.allclose(values, torch.ones_like(values), atol=1e-3)


def test_every_convolution_counts_and_nothing_else() -> None:
    network = make_network(shortcut="conv1x1")
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    assert len(layers) == 1 + 3 * 3
    alone = [value(one_layer(layer.weight.detach()), 1.0) for layer in layers]
    assert value(network, 1.0) == pytest.approx(sum(alone), rel=1e-12)
    penalty = penalize(network, strength=1.0)
    assert penalty is not None
    penalty.backward()
    touched = {name for name, parameter in network.named_parameters() if parameter.grad is not None}
    assert touched == {
        name
        for name, parameter in network.named_parameters()
        if parameter.ndim == 4  # convolutions alone have four dimensions
    }


def test_none_adds_nothing() -> None:
    assert REGULARIZERS["none"](make_network(), IMAGES).penalty() is None
