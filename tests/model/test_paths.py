"""The walk over all paths of each length against every path by itself, in double precision."""

import itertools
import math

import pytest
import torch
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from resablate.adapters import adapt
from resablate.model import (
    BLOCKS,
    TRANSITIONS,
    ResidualNetwork,
    Route,
    build_network,
    gradients_by_length,
    path_gradients,
    path_norms,
    paths,
)
from tests.model.enumeration import all_paths, path_squares, sums_by_length
from tests.networks import (
    ORDER_NAMES,
    SHORTCUT_NAMES,
    ScaledGradient,
    draw_batch_norms,
    make_generator,
    make_images,
    make_network,
    make_scaling_network,
    relative_gap,
)

EXACT = 1e-12
NINE_BLOCKS = {
    (block, transition): 9 * len(kind.kernels) + (4 if transition == "bare" else 2)
    for (block, kind), transition in itertools.product(BLOCKS.items(), TRANSITIONS)
}
"""Depth of the network of nine blocks, by block and transition."""


def _assert_exact(network: ResidualNetwork, images: torch.Tensor, labels: torch.Tensor) -> None:
    expected = sums_by_length(network, images, labels)
    actual = gradients_by_length(network, images, labels)
    whole = path_gradients(network, images, labels, routes=None)
    assert actual.shape == expected.shape
    assert whole.norm() > 0
    assert relative_gap(actual.sum(0), whole) < EXACT
    for found, exact in zip(actual, expected, strict=True):
        assert relative_gap(found, exact) < EXACT if exact.any() else not found.any()


def test_the_enumeration_is_that_of_the_routes() -> None:
    network = make_network(ordering="full_preactivation", depth=14)
    images, labels = make_images(2)
    for path, found in enumerate(all_paths(network, images, labels)):
        routes = [Route.GRADIENT_BY_BRANCH if path >> i & 1 else Route.GRADIENT_BY_SHORTCUT for i in range(6)]
        assert relative_gap(found, path_gradients(network, images, labels, routes=routes)) < EXACT


@pytest.mark.parametrize("ordering", ORDER_NAMES)
@pytest.mark.parametrize("shortcut", SHORTCUT_NAMES)
def test_nine_blocks_of_every_shortcut_and_ordering(shortcut: str, ordering: str) -> None:
    _assert_exact(make_network(shortcut=shortcut, ordering=ordering, depth=20), *make_images(2))


@pytest.mark.parametrize("ordering", ORDER_NAMES)
@pytest.mark.parametrize(("block", "transition"), NINE_BLOCKS)
def test_nine_blocks_of_every_kind_and_transition(block: str, transition: str, ordering: str) -> None:
    depth = NINE_BLOCKS[block, transition]
    network = make_network(block=block, transition=transition, ordering=ordering, depth=depth)
    assert len(network.chain) == 9
    _assert_exact(network, *make_images(2))


@pytest.mark.parametrize(
    ("block", "layers", "fields"),
    [
        (BasicBlock, [2, 2, 2, 2], {}),
        (Bottleneck, [1, 1, 1, 2], {}),
        (Bottleneck, [1, 1, 1, 2], {"groups": 8, "width_per_group": 4}),
        (Bottleneck, [1, 1, 1, 2], {"width_per_group": 128}),
    ],
    ids=["resnet18", "bottleneck", "resnext", "wide"],
)
def test_an_adapted_network(block: type[BasicBlock | Bottleneck], layers: list[int], fields: dict[str, int]) -> None:
    torch.manual_seed(0)
    theirs = ResNet(block, layers, num_classes=5, **fields).double().eval()
    draw_batch_norms(theirs)
    network = adapt(theirs)
    assert len(network.chain) == sum(layers)
    _assert_exact(network, *make_images(1, channels=3, size=(32, 32)))


@pytest.mark.parametrize("shortcut", ["identity", "none", "exclusive_gate"])
def test_pieces_and_parts_and_scales_change_nothing(shortcut: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = make_network(shortcut=shortcut, depth=20, transition="projection")
    images, labels = make_images(4)
    signs = _signs(9, 3, 4)
    whole, norms = gradients_by_length(network, images, labels), path_norms(network, images, labels, signs=signs)
    monkeypatch.setattr(paths, "_PIECE_NUMBERS", {"cpu": 1000})
    monkeypatch.setattr(paths, "_WALK_NUMBERS", {"cpu": 10_000})
    monkeypatch.setattr(paths, "_LARGEST_EXPONENT", 0)
    monkeypatch.setattr(paths, "_RESCALE_EVERY", 1)
    assert relative_gap(gradients_by_length(network, images, labels), whole) < 1e-13
    assert relative_gap(path_norms(network, images, labels, signs=signs), norms) < 1e-13


def test_frozen_parameters_are_no_obstacle() -> None:
    network = make_network()
    expected = gradients_by_length(network, *make_images())
    network.requires_grad_(False)
    # Not bit for bit: torch may choose other kernels where no parameter needs a gradient.
    assert relative_gap(gradients_by_length(network, *make_images()), expected) < EXACT


def test_statistics_of_a_batch_are_no_fixed_ones() -> None:
    """A batch norm that keeps no statistics takes those of the batch, and its examples couple."""
    network = make_network(depth=14)
    network.chain[1].branch[1] = torch.nn.BatchNorm2d(2, track_running_stats=False, dtype=torch.float64)
    images, labels = make_images(4)
    whole = path_gradients(network, images, labels, routes=None)
    assert relative_gap(gradients_by_length(network, images, labels).sum(0), whole) < EXACT


def test_over_all_signs_the_squares_are_those_of_single_paths() -> None:
    """The expectation over signs is a mean over 2^6 of them, so that it can be taken exactly."""
    network = make_network(depth=14, shortcut="shortcut_only_gate", ordering="full_preactivation")
    images, labels = make_images(1)
    signs = torch.tensor(list(itertools.product((1, -1), repeat=6))).T.unsqueeze(2)
    norms = path_norms(network, images, labels, signs=signs)
    assert norms.shape == (7, 65, 1)
    assert norms[:, 1:, 0].square().mean(dim=1).tolist() == pytest.approx(
        path_squares(network, images, labels), rel=EXACT
    )


def test_each_example_has_its_own_signs() -> None:
    network = make_network(depth=14)
    images, labels = make_images(3)
    signs = _signs(6, 2, 3)
    together = path_norms(network, images, labels, signs=signs)
    alone = path_norms(network, images[1:2], labels[1:2], signs=signs[:, :, 1:2])
    assert relative_gap(together[:, :, 1:2], alone) < EXACT
    assert relative_gap(together[:, 0], gradients_by_length(network, images, labels).flatten(2).norm(dim=2)) < EXACT


@pytest.mark.parametrize(("carried", "added"), [(1.0, 1.0), (3.0, 0.1), (0.05, 2.0), (1.0, 1e-3)])
def test_single_precision_holds_a_thousand_blocks(carried: float, added: float) -> None:
    """Sums by length are C(n, k) carried^(n-k) added^k times the gradient: far outside of single precision."""
    network = make_scaling_network([ScaledGradient(carried, added)] * 1000, dtype=torch.float32)
    images, labels = make_images(1, size=(2, 2), dtype=torch.float32)
    last = path_gradients(make_scaling_network([], dtype=torch.float32), images, labels, routes=None).norm().item()
    for k, norm in enumerate(path_norms(network, images, labels)[:, 0, 0].tolist()):
        log = math.lgamma(1001) - math.lgamma(k + 1) - math.lgamma(1001 - k) + math.log(last)
        log += (1000 - k) * math.log(carried) + k * math.log(added)
        if abs(log) < 700:  # what double precision holds
            assert math.log(norm) == pytest.approx(log, abs=1e-2)


def test_single_precision_holds_a_deep_network_before_training() -> None:
    """240 blocks: there the long paths' gradients are far below 1e-45, the least number of single precision."""
    network = build_network(depth=242, block="single", ordering="full_preactivation", width=2)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
    network.train()(torch.randn(32, 3, 8, 8, generator=make_generator()))
    images, labels = make_images(1, channels=3, dtype=torch.float32)
    signs = _signs(240, 1, 1)
    norms = path_norms(network, images, labels, signs=signs)
    double = path_norms(network.double(), images.double(), labels, signs=signs)
    held = double > 1e-300
    assert double[held].min() < 1e-60
    # Single precision rounds the forward pass too, which moves the masks of the ReLUs.
    assert (norms.log10() - double.log10())[held].abs().max() < 0.5


@pytest.mark.parametrize("label", [3, -1, -100])
def test_a_label_outside_the_classes_is_one_clear_error(label: int) -> None:
    network, (images, labels) = make_network(), make_images(4)
    labels[1] = label
    message = rf"^labels must be the network's classes, 0 to 2, but got \[{label}\]$"
    with pytest.raises(ValueError, match=message):
        path_gradients(network, images, labels, routes=None)
    for walk in (gradients_by_length, path_norms):
        with pytest.raises(ValueError, match=message):
            walk(network, images, labels)


def _signs(*shape: int) -> torch.Tensor:
    return torch.randint(2, shape, generator=make_generator(3)) * 2 - 1
