from importlib import import_module
from typing import Any

import pytest
import torch

from resablate.component import Component
from resablate.model import build_network, count_multiply_adds, count_parameters, network_cost
from resablate.orderings import ORDERINGS
from resablate.shortcuts import SHORTCUTS


def cost(**changed: object) -> tuple[int, int, int]:
    fields = {
        "shortcut": "identity",
        "ordering": "original",
        "depth": 8,
        "width": 2,
        "in_channels": 1,
        "num_classes": 3,
        "size": (8, 8),
    }
    return network_cost(**{**fields, **changed})  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("depth", "millions", "exact"),
    [(20, 0.27, 269_722), (32, 0.46, 464_154), (44, 0.66, 658_586), (56, 0.85, 853_018), (110, 1.7, 1_727_962)],
)
def test_parameters_as_published(depth: int, millions: float, exact: int) -> None:
    """He et al., arXiv 1512.03385, Table 6, and the same by arithmetic."""
    per_stage = (depth - 2) // 6
    convolutions = 9 * 3 * 16
    norms = 2 * 16
    for stage, channels in enumerate((16, 32, 64)):
        first = 16 if stage == 0 else channels // 2
        convolutions += 9 * channels * (first + (2 * per_stage - 1) * channels)
        norms += 2 * per_stage * 2 * channels
    assert exact == convolutions + norms + 64 * 10 + 10
    ours = cost(depth=depth, width=16, in_channels=3, num_classes=10, size=(32, 32))
    assert ours.parameters == exact  # pyright: ignore[reportAttributeAccessIssue]
    digits = 1 if millions > 1 else 2
    assert round(exact / 1e6, digits) == millions


def test_multiply_adds_by_hand() -> None:
    stem = 9 * 1 * 2 * 64
    first = 2 * 9 * 2 * 2 * 64
    second = 9 * 2 * 4 * 16 + 9 * 4 * 4 * 16
    third = 9 * 4 * 8 * 4 + 9 * 8 * 8 * 4
    head = 8 * 3
    parameters = 18 + 4 + 72 + 8 + 216 + 16 + 864 + 32 + 27
    adds = stem + first + second + third + head
    put_out = 3 * 2 * 64 + 2 * 4 * 16 + 2 * 8 * 4 + 3
    assert cost() == (parameters, adds, 3, 8, put_out, adds), "no layer puts out 16 channels"


def test_multiply_adds_of_odd_images() -> None:
    """Halves are rounded up: 7x5 becomes 4x3 and then 2x2."""
    expected = 9 * 2 * 35 + 2 * 36 * 35 + (72 + 144) * 12 + (288 + 576) * 4 + 24
    assert cost(size=(7, 5))[1] == expected


def test_resnet_110_on_cifar() -> None:
    """0.25 billion: three stages of 36 convolutions of 2.36 million each, less the two that enter with half."""
    ours = cost(depth=110, width=16, in_channels=3, num_classes=10, size=(32, 32))[1]
    layer = 9 * 16 * 16 * 32 * 32
    assert ours == 9 * 3 * 16 * 1024 + 3 * 36 * layer - 2 * layer // 2 + 640


ROWS = [
    *({"shortcut": name} for name in SHORTCUTS),
    *({"ordering": name} for name in ORDERINGS if name != "fixup"),
    {"network": {"name": "vgg", "batch_norm": True}},
    {"network": {"name": "resnet", "transition": "pad_average"}},
    {"network": {"name": "resnet", "block": "bottleneck", "transition": "bare"}, "depth": 13},
]


@pytest.mark.parametrize("rows", ROWS, ids=str)
def test_counting_builds_the_same_network(rows: dict[str, Any]) -> None:
    """And counts all of its products, as torch's own counter does."""
    network = build_network(**{"depth": 8, "width": 2, "in_channels": 1, "num_classes": 3, **rows}).eval()
    ours = cost(**rows)
    assert ours[:2] == (count_parameters(network), count_multiply_adds(network, torch.zeros(1, 1, 8, 8)))


def test_gates_and_projections_cost_what_they_add() -> None:
    plain = cost()
    gates = [(2 * 2 + 2, 4, 64), (4 * 4 + 4, 16, 16), (8 * 8 + 8, 64, 4)]
    gated = cost(shortcut="exclusive_gate")
    assert gated[0] - plain[0] == sum(parameters for parameters, _, _ in gates)
    assert gated[1] - plain[1] == sum(weights * pixels for _, weights, pixels in gates)
    projected = cost(shortcut=Component("conv1x1", {"batch_norm": False}))
    assert projected[0] - plain[0] == 2 * 2 + 2 * 4 + 4 * 8
    assert cost(shortcut="none") == cost(shortcut="constant_scale") == cost(shortcut="dropout") == plain


def test_a_frozen_parameter_is_not_counted() -> None:
    network = build_network(depth=8, width=2)
    whole = count_parameters(network)
    frozen = next(network.parameters()).requires_grad_(False)
    assert count_parameters(network) == whole - frozen.numel()


def test_equal_networks_are_counted_once() -> None:
    """Components can be hashed, whatever form they are given in; recorded defaults count like arguments."""
    counted = import_module("resablate.model.cost")
    counted._cost.cache_clear()
    forms = [
        {"name": "resnet", "block": "single"},
        Component("resnet", {"block": "single"}),
        Component("resnet", {}, {"block": "single"}),
    ]
    costs = [cost(network=form, depth=5) for form in forms]
    assert counted._cost.cache_info().misses == 1
    assert costs == [cost(block="single", depth=5)] * 3
    assert cost(network=Component("resnet"), depth=8) != costs[0]
