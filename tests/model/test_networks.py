"""The networks of the papers: published sizes, and the rules at their ends."""

import itertools

import pytest
import torch
import torchvision

from resablate.model import (
    BLOCKS,
    STAGE_PREACTIVATIONS,
    TRANSITIONS,
    NetworkCost,
    Route,
    build_network,
    gradients_by_length,
    network_cost,
    path_gradients,
)
from tests.networks import ORDER_NAMES, SHORTCUT_NAMES, make_generator, make_images, relative_gap


def cost(**keywords: object) -> NetworkCost:
    fields = {"in_channels": 3, "num_classes": 10, "size": (32, 32), **keywords}
    return network_cost(**fields)  # type: ignore[arg-type]


BOTTLENECKS = {"block": "bottleneck", "ordering": "full_preactivation"}


@pytest.mark.parametrize(
    ("keywords", "blocks", "parameters", "published"),
    [
        ({"depth": 1202}, 600, 19_421_274, 19.4e6),
        ({"depth": 164, "transition": "projection", **BOTTLENECKS}, 54, 1_703_258, 1.70e6),
        ({"depth": 1001, "transition": "projection", **BOTTLENECKS}, 333, 10_327_706, 10.3e6),
        ({"depth": 166, "transition": "bare", **BOTTLENECKS}, 54, 1_715_018, 1.72e6),
        ({"depth": 274, "transition": "bare", **BOTTLENECKS}, 90, 2_827_850, 2.83e6),
        ({"depth": 634, "transition": "bare", **BOTTLENECKS}, 210, 6_537_290, 6.53e6),
        ({"depth": 1003, "transition": "bare", **BOTTLENECKS}, 333, 10_339_466, 10.33e6),
        ({"depth": 110, "block": "single"}, 108, 1_727_962, 1.7e6),
    ],
)
def test_sizes_are_the_published_ones(
    keywords: dict[str, object], blocks: int, parameters: int, published: float
) -> None:
    """He et al. 2016, Table 4 and arXiv 1512.03385, Table 6; the Procrustes ResNets' READMEs."""
    counted = cost(**keywords)
    assert (counted.blocks, counted.parameters) == (blocks, parameters)
    assert counted.parameters == pytest.approx(published, rel=0.02)


@pytest.mark.parametrize("depth", [18, 34, 50, 101, 152])
def test_imagenet_shapes_have_torchvisions_parameters(depth: int) -> None:
    with torch.device("meta"):
        theirs = getattr(torchvision.models, f"resnet{depth}")()
    ours = cost(network="imagenet_resnet", depth=depth, width=64, transition="projection", num_classes=1000)
    assert ours.parameters == sum(p.numel() for p in theirs.parameters())


def test_resnet_200_has_66_blocks() -> None:
    assert cost(network="imagenet_resnet", depth=200, width=64, transition="projection").blocks == 66


DEPTHS = {"basic": 8, "bottleneck": 11, "single": 5}


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("transition", TRANSITIONS)
@pytest.mark.parametrize("ordering", ORDER_NAMES)
def test_the_paths_sum_to_the_gradient(ordering: str, transition: str, block: str) -> None:
    images, labels = make_images(2)
    depth = DEPTHS[block] + (2 if transition == "bare" else 0)
    for shortcut, start in itertools.product(SHORTCUT_NAMES, STAGE_PREACTIVATIONS):
        network = build_network(
            shortcut=shortcut,
            ordering=ordering,
            block=block,
            transition=transition,
            stage_preactivation=start,
            depth=depth,
            width=2,
            in_channels=1,
            num_classes=3,
            generator=make_generator(),
        ).double()
        network(images.repeat(4, 1, 1, 1))  # running statistics
        whole = path_gradients(network, images, labels, routes=None)
        assert relative_gap(gradients_by_length(network, images, labels).sum(0), whole) < 1e-12


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"depth": 165, "block": "bottleneck"}, r"165 is not 9n\+2 for bottleneck .* nearest: 164, 173"),
        ({"depth": 164, "block": "bottleneck", "transition": "bare"}, r"9n\+4 .* bare; nearest: 157, 166"),
        ({"depth": 111, "block": "single"}, r"3n\+2 .* nearest: 110, 113"),
        ({"depth": 2}, r"2 is not 6n\+2 .* nearest: 8"),
        ({"network": "imagenet_resnet", "depth": 20}, "there are 18, 34, 50, 101, 152, 200"),
        ({"network": "vgg", "depth": 3}, "too shallow for a vgg"),
    ],
)
def test_a_depth_that_does_not_fit_is_named(keywords: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_network(**keywords)  # type: ignore[arg-type]


def test_a_bare_transition_stays_when_its_block_is_removed() -> None:
    network = build_network(depth=10, transition="bare", ordering="full_preactivation", width=2, in_channels=1).eval()
    block = network.chain[1]
    x = torch.randn(1, 2, 8, 8)
    assert block.changes_dimension
    assert torch.equal(block(x, Route.SHORTCUT_ONLY), block.get_submodule("entry")(x))
    assert [type(layer).__name__ for layer in network.stem] == ["Conv2d"]


def test_a_projection_takes_the_pre_activated_input() -> None:
    network = build_network(depth=8, transition="projection", ordering="full_preactivation", width=2).eval()
    block = network.chain[1]
    assert [type(layer).__name__ for layer in block.get_submodule("entry")] == ["BatchNorm2d", "ReLU"]
    assert [type(layer).__name__ for layer in block.get_submodule("shortcut.match")] == ["Conv2d"]
    after = build_network(depth=8, transition="projection", ordering="original", width=2).chain[1]
    assert [type(layer).__name__ for layer in after.get_submodule("shortcut.match")] == ["Conv2d", "BatchNorm2d"]


def test_every_layer_of_a_vgg_can_be_removed() -> None:
    network = build_network(network="vgg", depth=15, width=4).eval()
    images = torch.randn(2, 3, 32, 32)
    assert len(network.chain) == 14
    whole = network(images)
    for block in range(14):
        routes = [Route.SHORTCUT_ONLY if index == block else Route.BOTH for index in range(14)]
        assert not torch.equal(network(images, routes), whole)
    norms = [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    plain = build_network(network="vgg", depth=15, width=4, batch_norm=False)
    assert len(norms) == 14
    assert not [m for m in plain.modules() if isinstance(m, torch.nn.BatchNorm2d)]
