"""Folded networks compute the same function with fewer layers."""

import copy

import pytest
import torch
import torchvision
from torch import nn

from resablate.adapters import adapt
from resablate.model import BLOCKS, TRANSITIONS, ResidualNetwork, folded
from tests.networks import ORDER_NAMES, SHORTCUT_NAMES, make_images, make_network, relative_gap

DEPTHS = {"basic": 14, "bottleneck": 20, "single": 8}
TOLERANCES = {torch.float64: 1e-10, torch.float32: 1e-4}


def _norms(network: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def _assert_equal_logits(network: ResidualNetwork, dtype: torch.dtype, channels: int = 1) -> None:
    images, _ = make_images(3, channels=channels, size=(16, 16), dtype=dtype)
    with torch.no_grad():
        assert relative_gap(folded(network)(images), network.eval()(images)) < TOLERANCES[dtype]


@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("transition", TRANSITIONS)
@pytest.mark.parametrize("shortcut", SHORTCUT_NAMES)
@pytest.mark.parametrize("ordering", ORDER_NAMES)
def test_logits_are_equal(ordering: str, shortcut: str, transition: str, block: str, dtype: torch.dtype) -> None:
    depth = DEPTHS[block] + 2 * (transition == "bare")
    keywords = {"ordering": ordering, "shortcut": shortcut, "transition": transition, "block": block, "depth": depth}
    _assert_equal_logits(make_network(dtype=dtype, width=4, **keywords), dtype)


@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
@pytest.mark.parametrize("batch_norm", [True, False])
def test_logits_of_a_vgg_are_equal(batch_norm: bool, dtype: torch.dtype) -> None:
    network = make_network(network="vgg", depth=7, width=8, batch_norm=batch_norm, dtype=dtype)
    _assert_equal_logits(network, dtype)
    assert _norms(folded(network)) == 0


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_logits_of_adapted_networks_are_equal_and_no_batch_norm_is_left(name: str) -> None:
    torch.manual_seed(0)
    network = adapt(getattr(torchvision.models, name)(num_classes=5).double())
    _assert_equal_logits(network, torch.float64, channels=3)
    assert _norms(folded(network)) == 0


@pytest.mark.parametrize(
    ("ordering", "left"),
    [
        ("original", 0),
        ("bn_after_add", 6),  # one behind each addition
        ("relu_before_add", 0),
        ("relu_only_preactivation", 0),
        ("full_preactivation", 6),  # the first of each branch but the first block's, and the head's
    ],
)
def test_what_no_convolution_precedes_stays(ordering: str, left: int) -> None:
    network = make_network(ordering=ordering, depth=14)
    assert _norms(network) == 13
    assert _norms(folded(network)) == left


def test_the_original_is_left_alone_and_nothing_is_shared() -> None:
    network = make_network(depth=14).train()
    before = copy.deepcopy(network.state_dict())
    small = folded(network)
    with torch.no_grad():
        for parameter in small.parameters():
            parameter.zero_()
    assert not small.training
    assert all(module.training for module in network.modules())
    assert network.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_batch_norm_without_running_statistics_and_a_subclass_stay() -> None:
    class Activated(nn.BatchNorm2d):
        pass

    network = make_network(depth=8)
    branch = network.chain[0].branch
    branch[1] = nn.BatchNorm2d(2, track_running_stats=False, dtype=torch.float64)
    branch[4] = Activated(2, dtype=torch.float64)
    assert _norms(folded(network)) == 2
    _assert_equal_logits(network, torch.float64)
