"""ResNets for CIFAR whose modules are called as in github.com/bearpaw/pytorch-classification."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn

from resablate.adapters.interface import Adapter, Builder
from resablate.errors import UnknownName

_DEPTHS = (20, 32, 44, 56, 110, 164, 272, 1001, 1202)
_WIDTHS = (16, 32, 64)
_BOTTLENECK = 4


def _conv(entering: int, leaving: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(entering, leaving, kernel, stride=stride, padding=kernel // 2, bias=False)


@final
class _Block(nn.Module):
    """conv-BN-ReLU, or BN-ReLU-conv; the ReLU is one module for all."""

    def __init__(self, entering: int, width: int, stride: int, *, expansion: int, preactivated: bool) -> None:
        super().__init__()
        leaving = width * expansion
        sizes = (
            [(entering, width, 3, stride), (width, width, 3, 1)]
            if expansion == 1
            else [(entering, width, 1, 1), (width, width, 3, stride), (width, leaving, 1, 1)]
        )
        self.count, self.preactivated = len(sizes), preactivated
        for number, (one, other, kernel, step) in enumerate(sizes, start=1):
            self.add_module(f"bn{number}", nn.BatchNorm2d(one if preactivated else other))
            self.add_module(f"conv{number}", _conv(one, other, kernel, step))
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or entering != leaving:
            norm = [] if preactivated else [nn.BatchNorm2d(leaving)]
            self.downsample = nn.Sequential(_conv(entering, leaving, 1, stride), *norm)

    def forward(self, x: Tensor) -> Tensor:
        residual = x if self.downsample is None else self.downsample(x)
        out = x
        for number in range(1, self.count + 1):
            norm, convolution = self.get_submodule(f"bn{number}"), self.get_submodule(f"conv{number}")
            if self.preactivated:
                out = convolution(self.relu(norm(out)))
            else:
                out = norm(convolution(out))
                out = self.relu(out) if number < self.count else out
        out += residual
        return out if self.preactivated else self.relu(out)


@final
class BearpawResNet(nn.Module):
    """A ResNet of three stages, pre-activated or not: (B, 3, 32, 32) -> (B, classes)."""

    def __init__(self, depth: int, *, expansion: int, preactivated: bool, num_classes: int) -> None:
        super().__init__()
        self.preactivated = preactivated
        self.conv1 = _conv(3, 16, 3)
        count = (depth - 2) // (9 if expansion > 1 else 6)
        entering = 16
        for stage, width in enumerate(_WIDTHS, start=1):
            layers: list[nn.Module] = []
            for place in range(count):
                stride = 2 if stage > 1 and place == 0 else 1
                layers.append(_Block(entering, width, stride, expansion=expansion, preactivated=preactivated))
                entering = width * expansion
            self.add_module(f"layer{stage}", nn.Sequential(*layers))
        # The pre-activated network has its batch norm behind the blocks, under another name.
        self.add_module("bn" if preactivated else "bn1", nn.BatchNorm2d(entering if preactivated else 16))
        self.relu = nn.ReLU(inplace=True)
        self.avgpool = nn.AvgPool2d(8)
        self.fc = nn.Linear(entering, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of `images`."""
        x = self.conv1(images)
        if not self.preactivated:
            x = self.relu(self.get_submodule("bn1")(x))
        for stage in range(1, len(_WIDTHS) + 1):
            x = self.get_submodule(f"layer{stage}")(x)
        if self.preactivated:
            x = self.relu(self.get_submodule("bn")(x))
        x = self.avgpool(x)
        return self.fc(x.view(x.size(0), -1))


def _builder(model: str) -> Builder:
    known: dict[str, tuple[bool, int, int]] = {}
    for depth in _DEPTHS:
        for kind in ("resnet", "preresnet"):
            for block, expansion, period in (("", 1, 6), ("_bottleneck", _BOTTLENECK, 9)):
                if (depth - 2) % period == 0:
                    known[f"{kind}{depth}{block}"] = (kind == "preresnet", depth, expansion)
    if model not in known:
        raise UnknownName("network of bearpaw", model, known)
    preactivated, depth, expansion = known[model]

    def build(*, num_classes: int) -> nn.Module:
        return BearpawResNet(depth, expansion=expansion, preactivated=preactivated, num_classes=num_classes)

    return build


BEARPAW = Adapter(
    networks="CIFAR ResNets and PreResNets with the parameters' names of bearpaw/pytorch-classification",
    builder=_builder,
)
