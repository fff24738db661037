"""Sizes of the published networks as this code builds them, beside the published figures.

    python -m tests.benchmarks.networks

writes reports/benchmarks/networks.md. Networks are built on the meta device: nothing is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torchvision

from resablate.adapters import adapt
from resablate.model import NetworkCost, count_multiply_adds, count_parameters, network_cost

REPORT = Path(__file__).parents[2] / "reports" / "benchmarks" / "networks.md"


class Published(NamedTuple):
    """A network and what was published of its size."""

    name: str
    knobs: dict[str, Any]
    millions: str
    """Parameters in millions, with the digits of the source; empty where none was found."""
    source: str


_TABLE6 = "arXiv 1512.03385, Table 6"
_HE2016 = "He et al. 2016, Table 4"
_CHAINER = "README of zaeemzadeh/ProcResNet"
_TORCH = "README of zaeemzadeh/ProcResNet_PyTorch"
_BOTTLENECK = {"network": {"name": "resnet", "block": "bottleneck", "transition": "projection"}}
_PREACTIVATED = {**_BOTTLENECK, "ordering": "full_preactivation"}
_BARE = {**_PREACTIVATED, "network": {"name": "resnet", "block": "bottleneck", "transition": "bare"}}

CIFAR: Sequence[Published] = (
    *(
        Published(f"ResNet-{depth}", {"depth": depth}, millions, _TABLE6)
        for depth, millions in {20: "0.27", 32: "0.46", 44: "0.66", 56: "0.85", 110: "1.7", 1202: "19.4"}.items()
    ),
    Published("ResNet-110, pre-activated", {"depth": 110, "ordering": "full_preactivation"}, "", _HE2016),
    Published(
        "ResNet-110, one convolution per block",
        {"depth": 110, "network": {"name": "resnet", "block": "single"}},
        "",
        "He et al. 2016, Table 3",
    ),
    Published("ResNet-164", {"depth": 164, **_BOTTLENECK}, "1.7", _HE2016),
    Published("ResNet-164, pre-activated", {"depth": 164, **_PREACTIVATED}, "1.71", _CHAINER),
    Published("ResNet-272, pre-activated", {"depth": 272, **_PREACTIVATED}, "2.82", _TORCH),
    Published("ResNet-632, pre-activated", {"depth": 632, **_PREACTIVATED}, "6.52", _TORCH),
    Published("ResNet-1001", {"depth": 1001, **_BOTTLENECK}, "10.2", _HE2016),
    Published("ResNet-1001, pre-activated", {"depth": 1001, **_PREACTIVATED}, "10.32", _TORCH),
    Published("ProcResNet-166", {"depth": 166, **_BARE}, "1.72", _CHAINER),
    Published("ProcResNet-274", {"depth": 274, **_BARE}, "2.83", _TORCH),
    Published("ProcResNet-634", {"depth": 634, **_BARE}, "6.53", _TORCH),
    Published("ProcResNet-1003", {"depth": 1003, **_BARE}, "10.33", _TORCH),
    Published(
        "VGG, 15 layers of 128", {"network": "vgg", "depth": 15, "width": 128}, "", "Veit et al. 2016, section 4.1"
    ),
)
_IMAGENET = {"network": {"name": "imagenet_resnet", "transition": "projection"}, "width": 64}
IMAGENET_200 = Published(
    "ResNet-200, pre-activated",
    {**_IMAGENET, "depth": 200, "ordering": "full_preactivation"},
    "64.7",
    "facebook/fb.resnet.torch, preresnet",
)
TORCHVISION = (
    *(f"resnet{depth}" for depth in (18, 34, 50, 101, 152)),
    "wide_resnet50_2",
    "resnext50_32x4d",
)


def cifar_cost(knobs: dict[str, Any]) -> NetworkCost:
    """For one image of CIFAR-10."""
    return network_cost(size=(32, 32), in_channels=3, num_classes=10, **knobs)


def imagenet_cost(knobs: dict[str, Any]) -> NetworkCost:
    """For one image of ImageNet."""
    return network_cost(size=(224, 224), in_channels=3, num_classes=1000, **knobs)


class Theirs(NamedTuple):
    """A network of torchvision: counted after `adapt`, and as torchvision states."""

    adapted: NetworkCost
    parameters: int
    giga_multiply_adds: float


def torchvision_cost(name: str) -> Theirs:
    """The network called `name`, on the meta device, and what is stated with its weights."""
    meta = torchvision.models.get_model_weights(name).DEFAULT.meta  # type: ignore[attr-defined]
    with torch.device("meta"):
        network = adapt(torchvision.models.get_model(name).eval())
        image = torch.empty(1, 3, 224, 224)
    adapted = NetworkCost(count_parameters(network), count_multiply_adds(network, image), len(network.chain))
    return Theirs(adapted, meta["num_params"], meta["_ops"])


HEAD = """# Sizes of the published networks

Written by `python -m tests.benchmarks.networks`; a test holds this file to what the script writes. Nothing was trained
or timed: networks were built without memory and counted. Parameters are trainable numbers; multiply-adds are those of
all convolutions and linear layers for one image.

## CIFAR-10 (images of 32x32)
"""
ON_CIFAR = """
No multiply-adds were published for these networks, and no size of Veit's VGG. Where counted and published millions
differ in the last digit, the source cut what is rounded here; two figures are neither: ResNet-164's 1.71 and
ResNet-1001's 10.2.

## ImageNet (images of 224x224)
"""
BESIDE_TORCHVISION = """
### Beside torchvision

Built here: `imagenet_resnet` with projections. Adapted: torchvision's own network seen through `adapt`. Stated: what
torchvision says of its weights.
"""


def write() -> str:
    """The report."""
    return "\n".join(
        [
            HEAD,
            *_published_table([(row, cifar_cost(row.knobs)) for row in CIFAR]),
            ON_CIFAR,
            *_published_table([(IMAGENET_200, imagenet_cost(IMAGENET_200.knobs))]),
            BESIDE_TORCHVISION,
            *_torchvision_table(),
            "",
        ]
    )


def _published_table(rows: Sequence[tuple[Published, NetworkCost]]) -> list[str]:
    lines = [
        "| network | blocks | parameters | millions | published millions | multiply-adds (millions) | source |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    for row, cost in rows:
        digits = len(row.millions.partition(".")[2]) if row.millions else 2
        lines.append(
            f"| {row.name} | {cost.blocks} | {cost.parameters:,} | {cost.parameters / 1e6:.{digits}f} |"
            f" {row.millions or '-'} | {cost.multiply_adds / 1e6:,.1f} | {row.source} |"
        )
    return lines


def _torchvision_table() -> list[str]:
    lines = [
        "| network | blocks | parameters: built here | adapted | stated |"
        " billions of multiply-adds: built here | adapted | stated |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name in TORCHVISION:
        theirs = torchvision_cost(name)
        adapted = theirs.adapted
        parameters, multiply_adds = "-", "-"
        if (depth := name.removeprefix("resnet")).isdigit():
            ours = imagenet_cost({**_IMAGENET, "depth": int(depth)})
            parameters, multiply_adds = f"{ours.parameters:,}", f"{ours.multiply_adds / 1e9:.3f}"
        lines.append(
            f"| {name} | {adapted.blocks} | {parameters} | {adapted.parameters:,} | {theirs.parameters:,} |"
            f" {multiply_adds} | {adapted.multiply_adds / 1e9:.3f} | {theirs.giga_multiply_adds:.3f} |"
        )
    return lines


if __name__ == "__main__":
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(write(), encoding="utf-8")
    print(REPORT)
