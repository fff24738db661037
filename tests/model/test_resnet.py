import math
from collections import Counter

import pytest
import torch
from torch import nn

from resablate.errors import UnknownName
from resablate.model import ResidualNetwork, Route, build_network, count_parameters
from resablate.model.layers import Convolution, layers
from resablate.orderings import ORDERINGS
from resablate.shortcuts import SHORTCUTS
from tests.networks import ORDER_NAMES, make_generator, make_images, make_network

WORDS = {nn.Conv2d: "conv", nn.BatchNorm2d: "bn", nn.ReLU: "relu"}


def words(module: nn.Module) -> str:
    """The layers of `module` in their order, without what carries no word."""
    return " ".join(WORDS[type(layer)] for layer in module.modules() if type(layer) in WORDS)


@pytest.mark.parametrize("depth", [8, 20, 56])
def test_depth_counts_weighted_layers(depth: int) -> None:
    network = build_network(depth=depth, width=1)
    weighted = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(weighted) == depth
    assert len(network.chain) == (depth - 2) // 2


def test_three_stages_double_the_channels_and_halve_the_image() -> None:
    network = build_network(depth=14, width=3)
    shapes = [(b.shortcut.in_channels, b.shortcut.out_channels, b.shortcut.stride) for b in network.chain]
    assert shapes == [(3, 3, 1), (3, 3, 1), (3, 6, 2), (6, 6, 1), (6, 12, 2), (12, 12, 1)]
    assert [block.changes_dimension for block in network.chain] == [False, False, True, False, True, False]


FIRST_AND_LAST = {
    "original": ("conv bn relu conv bn", ""),
    "bn_after_add": ("conv bn relu conv", ""),
    "relu_before_add": ("conv bn relu conv bn relu", ""),
    "relu_only_preactivation": ("conv bn relu conv bn", "relu"),
    "full_preactivation": ("conv bn relu conv", "bn relu"),
}


@pytest.mark.parametrize("ordering", FIRST_AND_LAST)
def test_first_and_last_unit(ordering: str) -> None:
    """He et al. 2016, appendix: the stem ends in the first pre-activation, the head begins with one more."""
    network = build_network(ordering=ordering, depth=14, width=2)
    row = ORDERINGS[ordering]
    first_branch, head = FIRST_AND_LAST[ordering]
    assert words(network.stem) == "conv bn relu"
    assert words(network.chain[0].branch) == first_branch
    assert [words(block.branch) for block in network.chain[1:]] == [row.branch] * 5
    assert [words(block.after_add) for block in network.chain] == [row.after_add] * 6
    assert words(network.head) == head
    assert [type(layer) for layer in network.head.children()][1:] == [nn.AdaptiveAvgPool2d, nn.Flatten, nn.Linear]


@pytest.mark.parametrize("ordering", ORDER_NAMES)
def test_the_same_components_in_every_ordering(ordering: str) -> None:
    network = build_network(ordering=ordering, depth=14, width=2)
    assert Counter(words(network).split()) == {"conv": 13, "bn": 13, "relu": 13}


@pytest.mark.parametrize("ordering", ORDER_NAMES)
def test_every_ordering_has_equally_many_parameters_but_for_batch_norm_at_the_ends(ordering: str) -> None:
    """What leaves the first unit (`width` channels) comes back behind the last (4 `width` channels)."""
    moved = 2 * (4 * 2 - 2) if ordering == "full_preactivation" else 0
    # Before a convolution batch norm acts on the channels that enter the block.
    narrower = 2 * (2 + 4) if ordering == "full_preactivation" else 0
    ours = count_parameters(build_network(ordering=ordering, depth=14, width=2))
    assert ours == count_parameters(build_network(depth=14, width=2)) + moved - narrower


@pytest.mark.parametrize("shortcut", SHORTCUTS)
@pytest.mark.parametrize("ordering", ORDERINGS)
def test_a_block_is_its_formula(shortcut: str, ordering: str) -> None:
    network = make_network(shortcut=shortcut, ordering=ordering)
    block = network.chain[1]
    x = torch.randn(2, 2, 8, 8, generator=make_generator(), dtype=torch.float64)
    carried, added = block.shortcut(x, block.branch(x))
    assert torch.equal(block(x), block.after_add(carried + added))
    assert torch.equal(block(x, Route.SHORTCUT_ONLY), block.after_add(block.shortcut.bypass(x)))
    for route in (Route.GRADIENT_BY_BRANCH, Route.GRADIENT_BY_SHORTCUT):
        assert torch.equal(block(x, route), block(x)), "the value is the ordinary one"


@pytest.mark.parametrize("ordering", ORDERINGS)
def test_a_network_does_not_write_to_its_input(ordering: str) -> None:
    network = make_network(ordering=ordering)
    x = torch.randn(2, 2, 8, 8, generator=make_generator(), dtype=torch.float64)
    before = x.clone()
    for block in network.chain[:1]:
        block(x)
    assert torch.equal(x, before)


@pytest.mark.parametrize("shortcut", SHORTCUTS)
@pytest.mark.parametrize("size", [(8, 8), (9, 7), (28, 28), (5, 1), (1, 1), (33, 32)])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_size_and_number_of_channels(shortcut: str, size: tuple[int, int], channels: int) -> None:
    network = make_network(shortcut=shortcut, ordering="full_preactivation", in_channels=channels, num_classes=7)
    images, _ = make_images(2, channels=channels, size=size)
    assert network(images).shape == (2, 7)
    assert network(images).isfinite().all()
    assert network.train()(images).shape == (2, 7)


def test_initial_weights_are_he_s_by_fan_out() -> None:
    network = build_network(depth=8, width=32, generator=make_generator())
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            deviation = math.sqrt(2 / (9 * layer.out_channels))
            assert float(layer.weight.detach().std()) == pytest.approx(deviation, rel=0.1)
            assert layer.bias is None
        elif isinstance(layer, nn.BatchNorm2d):
            assert (layer.weight == 1).all()
            assert (layer.bias == 0).all()
    linear = network.head[-1]  # pyright: ignore[reportIndexIssue]
    assert float(linear.weight.detach().abs().max()) <= 128**-0.5
    assert not linear.bias.any()


@pytest.mark.parametrize("shortcut", SHORTCUTS)
def test_initial_weights_come_from_the_generator_alone(shortcut: str) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one = build_network(shortcut=shortcut, depth=8, width=2, generator=make_generator(5)).state_dict()
    assert torch.equal(torch.get_rng_state(), before), "the global generator is left alone"
    torch.manual_seed(2)
    two = build_network(shortcut=shortcut, depth=8, width=2, generator=make_generator(5)).state_dict()
    other = build_network(shortcut=shortcut, depth=8, width=2, generator=make_generator(6)).state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["stem.0.weight"], other["stem.0.weight"])


def test_a_gate_keeps_its_bias() -> None:
    network = build_network(shortcut={"name": "exclusive_gate", "bias": -4.5}, depth=8, width=2)
    for block in network.chain:
        assert (block.shortcut.get_parameter("gate.bias") == -4.5).all()
        assert block.shortcut.get_parameter("gate.weight").any()


@pytest.mark.parametrize("depth", [2, 7, 9, 21, 0, -4])
def test_another_depth_is_refused(depth: int) -> None:
    with pytest.raises(ValueError, match=rf"{depth} is not 6n\+2 for basic blocks"):
        build_network(depth=depth)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UnknownName, match="did you mean 'identity'"):
        build_network(shortcut="idenity")
    with pytest.raises(UnknownName, match="did you mean 'full_preactivation'"):
        build_network(ordering="preactivation")


def test_one_route_for_each_block() -> None:
    network = make_network()
    images, _ = make_images()
    with pytest.raises(ValueError, match="one route for each of the 3 blocks, got 2"):
        network(images, [Route.BOTH] * 2)
    assert torch.equal(network(images, [Route.BOTH] * 3), network(images))


def test_a_word_must_be_known() -> None:
    with pytest.raises(ValueError, match="a word is conv, bn, relu, bias, scale or drop, got 'gelu' in 'conv gelu'"):
        layers("conv gelu", in_channels=1, convolutions=[Convolution(3, 1)])
    with pytest.raises(ValueError, match="one convolution for each conv in 'conv bn conv', got 1"):
        layers("conv bn conv", in_channels=1, convolutions=[Convolution(3, 1)])


def test_only_the_first_convolution_has_the_stride() -> None:
    both = [Convolution(3, 4, 2), Convolution(3, 4)]
    stack = layers("bn relu conv bn relu conv", in_channels=2, convolutions=both)
    convolutions = [layer for layer in stack if isinstance(layer, nn.Conv2d)]
    assert [(c.in_channels, c.out_channels, c.stride) for c in convolutions] == [(2, 4, (2, 2)), (4, 4, (1, 1))]
    assert [layer.num_features for layer in stack if isinstance(layer, nn.BatchNorm2d)] == [2, 4]


def test_a_network_is_its_stem_chain_and_head() -> None:
    network = make_network()
    assert isinstance(network, ResidualNetwork)
    images, _ = make_images()
    x = network.stem(images)
    for block in network.chain:
        x = block(x)
    assert torch.equal(network.head(x), network(images))
