"""Norms, initializations and the released networks, against public definitions."""

import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from resablate.model import INITIALIZATIONS, NORMS, build_network, count_parameters
from resablate.model.norms import GhostBatchNorm
from resablate.shortcuts import LearnedShift
from tests.networks import make_generator, make_images

RELEASED: dict[str, tuple[dict[str, Any], int]] = {
    "ProcResNet_PyTorch's ResNet-164": (
        {
            "network": {
                "name": "resnet",
                "block": "bottleneck",
                "transition": "projection",
                "stage_preactivation": "own",
                "stem": "doubled",
                "projection": "preactivated",
                "bottleneck_stride": "middle",
            },
            "ordering": "full_preactivation",
            "depth": 164,
        },
        1_703_706,
    ),
    "kuangliu's ResNet-18": (
        {"network": {"name": "resnet", "stages": 4, "transition": "projection"}, "depth": 18, "width": 64},
        11_173_962,
    ),
    "WRN-28-10": (
        {
            "network": {
                "name": "resnet",
                "transition": "projection",
                "stem": "raw",
                "stem_width": 16,
                "branch_dropout": 0.3,
            },
            "ordering": "full_preactivation",
            "depth": 26,  # its 28 count the three projections
            "width": 160,
        },
        36_479_194,
    ),
    "ResNeXt-29, 8x64d": (
        {
            "network": {
                "name": "resnet",
                "block": "bottleneck",
                "transition": "projection",
                "stem_width": 64,
                "cardinality": 8,
                "bottleneck_stride": "middle",
            },
            "depth": 29,
            "width": 512,
        },
        None,
    ),
    "Huang et al.'s ResNet-110": (
        {"network": {"name": "resnet", "transition": "pad_average", "convolution_bias": True}, "depth": 110},
        # He et al.'s 1,727,962, and a bias for each channel of 109 convolutions.
        1_727_962 + 16 + 36 * (16 + 32 + 64),
    ),
}


@pytest.mark.parametrize("name", [name for name, (_, count) in RELEASED.items() if count])
def test_released_networks_have_their_parameters(name: str) -> None:
    fields, count = RELEASED[name]
    with torch.device("meta"):
        assert count_parameters(build_network(**fields)) == count


def kernels(branch: nn.Module) -> list[nn.Conv2d]:
    return [layer for layer in branch.modules() if isinstance(layer, nn.Conv2d)]


def test_cardinality_divides_the_middle_kernels() -> None:
    with torch.device("meta"):
        network = build_network(**RELEASED["ResNeXt-29, 8x64d"][0])
    groups = [
        [layer.groups for layer in block.branch.modules() if isinstance(layer, nn.Conv2d)] for block in network.chain
    ]
    assert groups == [[1, 8, 1]] * 9
    with pytest.raises(ValueError, match="cardinality must divide the width, 6; got 4"):
        build_network(network={"name": "resnet", "block": "bottleneck", "cardinality": 4}, depth=11, width=6)


def test_dropout_in_a_branch_is_before_its_last_convolution() -> None:
    network = build_network(branch_dropout=0.3, depth=8, width=2, ordering="full_preactivation")
    kinds = [type(layer).__name__ for layer in network.chain[1].branch]
    assert kinds == ["BatchNorm2d", "ReLU", "Conv2d", "BatchNorm2d", "ReLU", "Dropout", "Conv2d"]


@pytest.mark.parametrize("size", [8, 7])
def test_padding_by_means_and_on_both_sides(size: int) -> None:
    x = torch.randn(2, 4, size, size, generator=make_generator())
    average, both = (
        build_network(transition=name, depth=8, width=4).chain[1].shortcut.match for name in ("pad_average", "pad_both")
    )
    pooled = average(x)
    assert torch.allclose(pooled[:, :4], functional.avg_pool2d(x, 2, 2, ceil_mode=True))
    assert not pooled[:, 4:].any()
    padded = both(x)
    assert torch.equal(padded[:, 2:6], x[:, :, ::2, ::2])
    assert not padded[:, :2].any()
    assert not padded[:, 6:].any()


def test_ghost_batch_norm_is_batch_norm_of_each_part() -> None:
    """As on two GPUs of 3 examples each; the running statistics have seen one part after the other."""
    x = torch.randn(6, 4, 5, 5, generator=make_generator())
    ghost, plain = GhostBatchNorm(4, eps=1e-5, momentum=0.1, ghost_batch_size=4), nn.BatchNorm2d(4)
    assert torch.equal(ghost(x), torch.cat([plain(x[:3]), plain(x[3:])]))
    assert torch.equal(ghost.running_var, plain.running_var)
    assert torch.equal(ghost.eval()(x), plain.eval()(x))


@pytest.mark.parametrize("norm", NORMS)
def test_a_norm_takes_every_place(norm: str) -> None:
    arguments = {"groups": 2} if norm == "group" else {}
    shape = {"depth": 8, "width": 4, "in_channels": 1, "shortcut": "conv1x1"}
    network = build_network(norm={"name": norm, **arguments}, **shape)
    left = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert bool(left) == (norm == "batch")
    images, _ = make_images(4, dtype=torch.float32)
    assert network(images).isfinite().all()


def test_batch_norm_has_its_momentum_and_eps() -> None:
    network = build_network(norm={"name": "batch", "momentum": 0.01, "eps": 1e-3}, depth=8, width=2)
    found = {(m.momentum, m.eps) for m in network.modules() if isinstance(m, nn.BatchNorm2d)}
    assert found == {(0.01, 1e-3)}


def test_layer_norm_is_over_an_example() -> None:
    x = torch.randn(3, 4, 5, 5, generator=make_generator())
    ours = NORMS["layer"](4)(x)
    assert torch.allclose(ours, functional.layer_norm(x, [4, 5, 5]), atol=1e-6)


def test_a_gate_s_bias_is_not_lost() -> None:
    gate = {"name": "exclusive_gate", "batch_norm": True, "bias": -2.0}
    network = build_network(shortcut=gate, norm="layer", depth=8, width=2)
    assert all((block.shortcut.get_parameter("gate.1.bias") == -2).all() for block in network.chain)
    with pytest.raises(ValueError, match="a gate's batch norm holds its bias"):
        build_network(shortcut=gate, norm="none", depth=8, width=2)


def test_torch_s_initialization_is_torch_s() -> None:
    network = build_network(depth=8, width=4, convolution_bias=True)
    INITIALIZATIONS["torch_default"](network, make_generator(5))
    torch.manual_seed(5)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            before = module.weight.detach().clone(), module.bias.detach().clone()
            module.reset_parameters()
            assert torch.equal(module.weight, before[0])
            assert torch.equal(module.bias, before[1])


def test_a_gate_keeps_its_bias_under_every_initialization() -> None:
    for name in INITIALIZATIONS:
        network = build_network(shortcut="exclusive_gate", initialization=name, depth=8, width=2)
        assert all((block.shortcut.get_parameter("gate.bias") == -6).all() for block in network.chain)


@pytest.mark.parametrize(("name", "fan"), [("he_fan_in", 32), ("he_fan_out", 64)])
def test_he_s_initializations(name: str, fan: int) -> None:
    """The standard deviation of 18,432 numbers errs by half a percent."""
    network = build_network(initialization=name, depth=8, width=16, generator=make_generator())
    weight = kernels(network.chain[2].branch)[0].weight
    assert float(weight.detach().std()) == pytest.approx(math.sqrt(2 / (9 * fan)), rel=0.03)


def test_fixup_starts_as_the_identity_and_with_logits_of_zero() -> None:
    """Zhang, Dauphin & Ma: branches are 0, and so is the classifier; the first kernels are scaled by L^(-1/2)."""
    fields: dict[str, Any] = {"ordering": "fixup", "norm": "bias", "depth": 20, "width": 8, "in_channels": 1}
    network, plain = (
        build_network(**fields, initialization=name, generator=make_generator()) for name in ("fixup", "he_fan_out")
    )
    images, _ = make_images(4, dtype=torch.float32)
    x = network.stem(images)
    for block in network.chain:
        assert torch.equal(block(x), functional.relu(block.shortcut.bypass(x)))
        x = block(x)
    assert not network(images).any()
    ours, theirs = (
        next(m.weight for m in built.chain[0].branch.modules() if isinstance(m, nn.Conv2d))
        for built in (network, plain)
    )
    assert torch.allclose(ours, theirs / 3, rtol=1e-6), "nine blocks"
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    assert any(isinstance(module, LearnedShift) for module in network.stem.modules())
