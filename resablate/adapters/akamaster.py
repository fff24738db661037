"""ResNets for CIFAR whose modules are called as in github.com/akamaster/pytorch_resnet_cifar10."""

from __future__ import annotations

import re
from typing import final

from torch import Tensor, nn
from torch.nn import functional

from resablate.adapters.interface import Adapter, Builder
from resablate.errors import UnknownName

_NAMES = ("resnet20", "resnet32", "resnet44", "resnet56", "resnet110", "resnet1202")
_WIDTHS = (16, 32, 64)


@final
class _PadBothSides(nn.Module):
    """Option A: every second pixel, and new channels of zeros, half of them before and half behind."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.each = channels // 4

    def forward(self, x: Tensor) -> Tensor:
        return functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.each, self.each))


@final
class _Block(nn.Module):
    def __init__(self, entering: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(entering, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        same = stride == 1 and entering == channels
        self.shortcut = nn.Sequential() if same else _PadBothSides(channels)

    def forward(self, x: Tensor) -> Tensor:
        out = functional.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += self.shortcut(x)
        return functional.relu(out)


@final
class AkamasterResNet(nn.Module):
    """A ResNet of 6n+2 layers: (B, 3, 32, 32) -> (B, classes)."""

    def __init__(self, blocks: int, *, num_classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        entering = 16
        stages: list[nn.Sequential] = []
        for stage, channels in enumerate(_WIDTHS):
            strides = [2 if stage else 1, *[1] * (blocks - 1)]
            stages.append(
                nn.Sequential(*(_Block(entering if i == 0 else channels, channels, s) for i, s in enumerate(strides)))
            )
            entering = channels
        self.layer1, self.layer2, self.layer3 = stages
        self.linear = nn.Linear(64, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of `images`."""
        x = functional.relu(self.bn1(self.conv1(images)))
        x = self.layer3(self.layer2(self.layer1(x)))
        x = functional.avg_pool2d(x, x.size()[3])
        return self.linear(x.view(x.size(0), -1))


def _builder(model: str) -> Builder:
    if model not in _NAMES:
        raise UnknownName("network of akamaster", model, _NAMES)
    blocks = (int(re.sub(r"\D", "", model)) - 2) // 6

    def build(*, num_classes: int) -> nn.Module:
        return AkamasterResNet(blocks, num_classes=num_classes)

    return build


AKAMASTER = Adapter(
    networks="CIFAR ResNets with the parameters' names of akamaster/pytorch_resnet_cifar10, option A", builder=_builder
)
