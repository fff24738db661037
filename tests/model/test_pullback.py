"""Many vectors back at once against one at a time by plain autograd, in double precision."""

import pytest
import torch
from torch import nn

from resablate.model.pullback import Linearization, pull_back
from tests.networks import make_generator, relative_gap

LAYERS = {
    "convolution with bias": [nn.Conv2d(4, 6, 3, padding=1)],
    "stride that drops a pixel": [nn.Conv2d(4, 6, 3, stride=2, padding=1)],
    "stride of a pixel": [nn.Conv2d(4, 6, 1, stride=2)],
    "sides of their own": [nn.Conv2d(4, 6, (3, 5), stride=(2, 3), padding=(0, 2), dilation=(2, 1))],
    "groups": [nn.Conv2d(4, 8, 3, padding=1, groups=2)],
    "padding by name": [nn.Conv2d(4, 6, 3, padding="same", dilation=2), nn.Conv2d(6, 2, 3, padding="valid")],
    "batch norm behind": [nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6)],
    "batch norm before": [nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 6, 3)],
    "batch norm without weights": [nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6, affine=False)],
    "two batch norms": [nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6), nn.BatchNorm2d(6)],
    "something between": [nn.Conv2d(4, 6, 3), nn.ReLU(inplace=True), nn.BatchNorm2d(6)],
    "relu alone": [nn.ReLU()],
    "relu between": [nn.Conv2d(4, 6, 3), nn.ReLU(), nn.Conv2d(6, 5, 3, stride=2), nn.BatchNorm2d(5), nn.ReLU()],
    "in place before": [nn.Conv2d(4, 6, 3), nn.ReLU(inplace=True), nn.Conv2d(6, 5, 3)],
    "in place behind": [nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6), nn.ReLU(inplace=True)],
    "statistics of the batch": [nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6, track_running_stats=False)],
    "other layers": [nn.MaxPool2d(3, 2, 1), nn.GroupNorm(2, 4), nn.SiLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()],
}


def _layers(name: str) -> nn.Sequential:
    layers = nn.Sequential(*LAYERS[name]).double().eval()
    draw = make_generator()
    with torch.no_grad():
        for tensor in [*layers.parameters(), *layers.buffers()]:
            if tensor.is_floating_point():
                middle = 0.0 if tensor.ndim == 4 else 0.6
                tensor.copy_(torch.rand(tensor.shape, generator=draw, dtype=torch.float64) - 0.5 + middle)
    return layers


@pytest.mark.parametrize("name", LAYERS)
def test_vectors_come_back_as_by_autograd(name: str) -> None:
    layers = _layers(name)
    draw = make_generator(1)
    x = torch.randn(3, 4, 11, 12, generator=draw, dtype=torch.float64)
    leaf = x.clone().requires_grad_()
    with Linearization():
        output = layers(leaf)
    plain = x.clone().requires_grad_()
    expected = layers(plain)
    assert torch.equal(output, expected)
    vectors = torch.randn(5, *output.shape, generator=draw, dtype=torch.float64)
    one_by_one = [torch.autograd.grad(expected, plain, vector, retain_graph=True)[0] for vector in vectors]
    assert relative_gap(pull_back(output, leaf, vectors), torch.stack(one_by_one)) < 1e-13
    assert all(parameter.grad is None for parameter in layers.parameters())


@pytest.mark.parametrize("name", ["relu alone", "relu between", "batch norm before", "other layers"])
def test_vectors_are_written_on_only_where_that_is_allowed(name: str) -> None:
    layers = _layers(name)
    leaf = torch.randn(3, 4, 11, 12, generator=make_generator(1), dtype=torch.float64, requires_grad=True)
    with Linearization():
        output = layers(leaf)
    vectors = torch.randn(5, *output.shape, generator=make_generator(2), dtype=torch.float64)
    before = vectors.clone()
    back = pull_back(output, leaf, vectors)
    assert torch.equal(vectors, before)
    assert torch.equal(pull_back(output, leaf, vectors, overwrite=True), back)


def test_what_a_relu_gives_to_two_layers_comes_back_from_both() -> None:
    first, second = nn.Conv2d(4, 6, 3).double(), nn.Conv2d(4, 6, 3).double()

    def shared(x: torch.Tensor) -> torch.Tensor:
        rectified = x.relu() if plainly else torch.nn.functional.relu(x)
        return first(rectified) * 2 + second(rectified) + rectified[:, :1, 1:-1, 1:-1]

    leaf = torch.randn(3, 4, 11, 12, generator=make_generator(1), dtype=torch.float64, requires_grad=True)
    plainly = False
    with Linearization():
        output = shared(leaf)
    vectors = torch.randn(5, *output.shape, generator=make_generator(2), dtype=torch.float64)
    plainly = True
    expected = shared(leaf)
    one_by_one = [torch.autograd.grad(expected, leaf, vector, retain_graph=True)[0] for vector in vectors]
    assert relative_gap(pull_back(output, leaf, vectors), torch.stack(one_by_one)) < 1e-13


def test_what_is_the_input_itself_costs_nothing() -> None:
    leaf, vectors = torch.randn(2, 3, requires_grad=True), torch.randn(4, 2, 3)
    assert pull_back(leaf, leaf, vectors) is vectors


def test_what_does_not_depend_on_the_input_has_no_gradient() -> None:
    leaf, vectors = torch.randn(2, 3, requires_grad=True), torch.randn(4, 2, 5)
    assert torch.equal(pull_back(torch.zeros(2, 5), leaf, vectors), torch.zeros(4, 2, 3))
    parameter = torch.zeros(2, 5, requires_grad=True)
    assert torch.equal(pull_back(2 * parameter, leaf, vectors), torch.zeros(4, 2, 3))
