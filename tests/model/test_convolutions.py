"""Standardized kernels: the public definition, the variances that they keep, and what is said of them."""

import math
from typing import Any

import pytest
import torch
from torch import nn

from resablate.analyses import spectrum
from resablate.datasets import Examples
from resablate.errors import UnknownName
from resablate.model import ResidualNetwork, build_network
from resablate.model.convolutions import StandardizedConvolution
from tests.networks import make_generator

FREE: dict[str, Any] = {
    "shortcut": "normalizer_free",
    "ordering": "full_preactivation",
    "norm": "none",
    "initialization": "he_fan_in",
    "depth": 20,
    "width": 16,
}


def _network(convolution: str = "standardized", **more: Any) -> ResidualNetwork:
    network = {"name": "resnet", "stem": "raw", "convolution": convolution}
    return build_network(**{**FREE, "network": network, "generator": make_generator(), **more}).eval()


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3])
def test_the_public_definition(kernel: int, groups: int) -> None:
    torch.manual_seed(0)
    plain = nn.Conv2d(8, 6, kernel, stride=2, padding=kernel // 2, groups=groups).double()
    layer = StandardizedConvolution(plain, gamma=1.7)
    with torch.no_grad():
        layer.gain.uniform_(0.5, 1.5)
        flat = plain.weight.reshape(6, -1)
        count = kernel**2 * 8 // groups
        assert flat.shape[1] == count
        deviation = ((flat - flat.mean(1, keepdim=True)) ** 2).mean(1, keepdim=True).sqrt()
        written = 1.7 * layer.gain.view(6, 1) * (flat - flat.mean(1, keepdim=True)) / (deviation * math.sqrt(count))
        x = torch.randn(3, 8, 9, 9, dtype=torch.float64)
        expected = nn.functional.conv2d(x, written.view_as(plain.weight), plain.bias, 2, kernel // 2, groups=groups)
        torch.testing.assert_close(layer(x), expected, rtol=1e-12, atol=1e-12)


def test_it_is_timm_s() -> None:
    """But for what it adds to the variance, which is a millionth unless one says otherwise."""
    std_conv = pytest.importorskip("timm.layers.std_conv")
    torch.manual_seed(0)
    theirs = std_conv.ScaledStdConv2d(8, 16, 3, padding=1, gamma=1.7, eps=1e-14).double()
    plain = nn.Conv2d(8, 16, 3, padding=1).double()
    plain.load_state_dict({name: value for name, value in theirs.state_dict().items() if name != "gain"})
    x = torch.randn(2, 8, 7, 7, dtype=torch.float64)
    torch.testing.assert_close(StandardizedConvolution(plain, gamma=1.7)(x), theirs(x), rtol=1e-9, atol=1e-9)


def test_variances_are_those_that_beta_counts_on_whatever_the_weights_are() -> None:
    """Behind n blocks of a stage 1 + n alpha^2, also where the weights have grown and moved, as they do in training."""
    network = _network(width=64, shortcut={"name": "normalizer_free", "alpha": 1.0})
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, StandardizedConvolution):
                layer.weight.mul_(7).add_(0.1)
        x = network.stem(torch.randn(16, 3, 32, 32, generator=make_generator()))
        for place, block in enumerate(network.chain[:3], start=1):
            x = block(x)
            assert float(x.var(dim=(0, 2, 3)).mean()) == pytest.approx(1 + place, rel=0.25)


def test_gates_keep_their_kernels_and_every_other_convolution_is_standardized() -> None:
    network = _network(shortcut="exclusive_gate")
    kinds = {name: type(layer) for name, layer in network.named_modules() if isinstance(layer, nn.Conv2d)}
    assert all((kind is nn.Conv2d) == (".shortcut." in name) for name, kind in kinds.items())
    assert sum(kind is StandardizedConvolution for kind in kinds.values()) == 19


def test_a_projection_behind_the_shared_preactivation_makes_up_for_its_relu() -> None:
    kind = {"name": "resnet", "stem": "raw", "transition": "projection", "convolution": "standardized"}
    network = _network(network=kind)
    (projection,) = (m for m in network.chain[3].get_submodule("shortcut.match").modules() if isinstance(m, nn.Conv2d))
    assert isinstance(projection, StandardizedConvolution)
    assert projection.gamma == pytest.approx(math.sqrt(2 / (1 - 1 / math.pi)))
    (stem,) = (layer for layer in network.stem.modules() if isinstance(layer, StandardizedConvolution))
    assert stem.gamma == 1


def test_weights_start_as_those_of_the_plain_network_and_learn() -> None:
    ours, plain = _network(), _network("plain")
    own = ours.state_dict()
    assert all(torch.equal(own[name], value) for name, value in plain.state_dict().items())
    ours(torch.randn(2, 3, 16, 16)).square().sum().backward()
    gains = [layer.gain.grad for layer in ours.modules() if isinstance(layer, StandardizedConvolution)]
    assert all(gain is not None and bool(gain.any()) for gain in gains)


def test_the_spectrum_is_that_of_what_is_convolved_with() -> None:
    network = _network(depth=8)
    examples = Examples(torch.randn(2, 3, 8, 8, generator=make_generator()), torch.tensor([0, 1]))
    before = spectrum(network, examples).table
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, StandardizedConvolution):
                layer.weight.mul_(3)
    after = spectrum(network, examples).table
    column = next(name for name in before if "largest" in name or "max" in name)
    assert before[column] == pytest.approx(after[column], rel=1e-4)


def test_an_unknown_row() -> None:
    with pytest.raises(UnknownName, match="unknown convolution 'standard'; did you mean 'standardized'"):
        _network("standard")
