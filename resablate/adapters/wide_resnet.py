"""Wide ResNets for CIFAR whose modules are called as in github.com/xternalz/WideResNet-pytorch."""

from __future__ import annotations

import re
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from resablate.adapters.interface import Adapter, Builder
from resablate.errors import UnknownName

_WIDTHS = (16, 32, 64)
_NAME = re.compile(r"wrn_(\d+)_(\d+)")
_EXAMPLES = ("wrn_16_4", "wrn_28_10", "wrn_40_2")


@final
class _Block(nn.Module):
    def __init__(self, entering: int, leaving: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(entering)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(entering, leaving, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(leaving)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(leaving, leaving, 3, padding=1, bias=False)
        self.convShortcut = None if entering == leaving else nn.Conv2d(entering, leaving, 1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu1(self.bn1(x))
        carried = x if self.convShortcut is None else self.convShortcut(out)
        out = self.conv2(self.relu2(self.bn2(self.conv1(out))))
        return torch.add(carried, out)


@final
class _Stage(nn.Module):
    def __init__(self, count: int, entering: int, leaving: int, stride: int) -> None:
        super().__init__()
        blocks = [_Block(leaving if i else entering, leaving, 1 if i else stride) for i in range(count)]
        self.layer = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


@final
class WideResNet(nn.Module):
    """A ResNet of 6n+4 layers, so many times as wide: (B, 3, 32, 32) -> (B, classes)."""

    def __init__(self, depth: int, factor: int, *, num_classes: int) -> None:
        super().__init__()
        count = (depth - 4) // 6
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        entering = 16
        for stage, width in enumerate(_WIDTHS, start=1):
            self.add_module(f"block{stage}", _Stage(count, entering, width * factor, 2 if stage > 1 else 1))
            entering = width * factor
        self.bn1 = nn.BatchNorm2d(entering)
        self.relu = nn.ReLU(inplace=True)
        self.fc = nn.Linear(entering, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of `images`."""
        x = self.conv1(images)
        for stage in range(1, len(_WIDTHS) + 1):
            x = self.get_submodule(f"block{stage}")(x)
        x = functional.avg_pool2d(self.relu(self.bn1(x)), 8)
        return self.fc(x.view(-1, x.size(1)))


def _builder(model: str) -> Builder:
    named = _NAME.fullmatch(model)
    if named is None or (int(named[1]) - 4) % 6 or int(named[1]) <= 4 or not int(named[2]):  # noqa: PLR2004
        raise UnknownName("network of wide_resnet (wrn_DEPTH_FACTOR, DEPTH = 6n+4)", model, _EXAMPLES)
    depth, factor = int(named[1]), int(named[2])

    def build(*, num_classes: int) -> nn.Module:
        return WideResNet(depth, factor, num_classes=num_classes)

    return build


WIDE_RESNET = Adapter(
    networks="CIFAR Wide ResNets with the parameters' names of xternalz/WideResNet-pytorch", builder=_builder
)
