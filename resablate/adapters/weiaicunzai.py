"""ResNets for CIFAR-100 whose modules are called as in github.com/weiaicunzai/pytorch-cifar100."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from torch import Tensor, nn

from resablate.adapters.interface import Adapter, Builder
from resablate.errors import UnknownName

_WIDTHS = (64, 128, 256, 512)
_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
_DEEPEST_BASIC = 34


def _layers(*sizes: tuple[int, int, int, int]) -> list[nn.Module]:
    """conv-BN-ReLU-...-conv-BN of (entering, leaving, kernel, stride)."""
    found: list[nn.Module] = []
    for entering, leaving, kernel, stride in sizes:
        convolution = nn.Conv2d(entering, leaving, kernel, stride=stride, padding=kernel // 2, bias=False)
        found += [convolution, nn.BatchNorm2d(leaving), nn.ReLU(inplace=True)]
    return found[:-1]


@final
class _Block(nn.Module):
    def __init__(self, entering: int, width: int, stride: int, *, expansion: int) -> None:
        super().__init__()
        leaving = width * expansion
        sizes = (
            [(entering, width, 3, stride), (width, leaving, 3, 1)]
            if expansion == 1
            else [(entering, width, 1, 1), (width, width, 3, stride), (width, leaving, 1, 1)]
        )
        self.residual_function = nn.Sequential(*_layers(*sizes))
        changes = stride != 1 or entering != leaving
        self.shortcut = nn.Sequential(*(_layers((entering, leaving, 1, stride)) if changes else []))

    def forward(self, x: Tensor) -> Tensor:
        return nn.ReLU(inplace=True)(self.residual_function(x) + self.shortcut(x))


@final
class WeiaicunzaiResNet(nn.Module):
    """A ResNet of four stages with a 3x3 stem: (B, 3, 32, 32) -> (B, classes)."""

    def __init__(self, blocks: Sequence[int], *, expansion: int, num_classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(*_layers((3, 64, 3, 1)), nn.ReLU(inplace=True))
        entering = 64
        for stage, (count, width) in enumerate(zip(blocks, _WIDTHS, strict=True), start=2):
            layers: list[nn.Module] = []
            for place in range(count):
                stride = 2 if stage > 2 and place == 0 else 1  # noqa: PLR2004 - the first stage of blocks
                layers.append(_Block(entering, width, stride, expansion=expansion))
                entering = width * expansion
            self.add_module(f"conv{stage}_x", nn.Sequential(*layers))
        self.avg_pool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(entering, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of `images`."""
        x = self.conv1(images)
        for stage in range(2, len(_WIDTHS) + 2):
            x = self.get_submodule(f"conv{stage}_x")(x)
        x = self.avg_pool(x)
        return self.fc(x.view(x.size(0), -1))


def _builder(model: str) -> Builder:
    known = {f"resnet{depth}": depth for depth in _BLOCKS}
    if model not in known:
        raise UnknownName("network of weiaicunzai", model, known)
    depth = known[model]

    def build(*, num_classes: int) -> nn.Module:
        expansion = 1 if depth <= _DEEPEST_BASIC else 4
        return WeiaicunzaiResNet(_BLOCKS[depth], expansion=expansion, num_classes=num_classes)

    return build


WEIAICUNZAI = Adapter(
    networks="CIFAR ResNets with the parameters' names of weiaicunzai/pytorch-cifar100", builder=_builder
)
