"""ResNets for CIFAR whose modules are called as in github.com/kuangliu/pytorch-cifar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, final

from torch import Tensor, nn
from torch.nn import functional

from resablate.adapters.interface import Adapter, Builder
from resablate.errors import UnknownName

_WIDTHS = (64, 128, 256, 512)
_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
_DEEPEST_BASIC = 34


class _Shape(NamedTuple):
    entering: int
    width: int
    leaving: int
    stride: int

    def convolutions(self) -> list[nn.Conv2d]:
        """Two 3x3, or where more channels leave than the width, 1x1, 3x3 and 1x1."""
        if self.leaving == self.width:
            return [_conv(self.entering, self.width, 3, self.stride), _conv(self.width, self.width, 3)]
        return [
            _conv(self.entering, self.width, 1),
            _conv(self.width, self.width, 3, self.stride),
            _conv(self.width, self.leaving, 1),
        ]

    @property
    def changes(self) -> bool:
        return self.stride != 1 or self.entering != self.leaving

    def projection(self) -> nn.Conv2d:
        return _conv(self.entering, self.leaving, 1, self.stride)


def _conv(entering: int, leaving: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(entering, leaving, kernel, stride=stride, padding=kernel // 2, bias=False)


@final
class _Block(nn.Module):
    def __init__(self, shape: _Shape) -> None:
        super().__init__()
        self.count = len(shape.convolutions())
        for number, layer in enumerate(shape.convolutions(), start=1):
            self.add_module(f"conv{number}", layer)
            self.add_module(f"bn{number}", nn.BatchNorm2d(layer.out_channels))
        projection = [shape.projection(), nn.BatchNorm2d(shape.leaving)] if shape.changes else []
        self.shortcut = nn.Sequential(*projection)

    def forward(self, x: Tensor) -> Tensor:
        out = x
        for number in range(1, self.count + 1):
            out = self.get_submodule(f"bn{number}")(self.get_submodule(f"conv{number}")(out))
            if number < self.count:
                out = functional.relu(out)
        out += self.shortcut(x)
        return functional.relu(out)


@final
class _PreactivatedBlock(nn.Module):
    def __init__(self, shape: _Shape) -> None:
        super().__init__()
        self.count = len(shape.convolutions())
        for number, layer in enumerate(shape.convolutions(), start=1):
            self.add_module(f"bn{number}", nn.BatchNorm2d(layer.in_channels))
            self.add_module(f"conv{number}", layer)
        if shape.changes:
            self.shortcut = nn.Sequential(shape.projection())

    def forward(self, x: Tensor) -> Tensor:
        out = functional.relu(self.get_submodule("bn1")(x))
        carried = self.shortcut(out) if hasattr(self, "shortcut") else x
        out = self.get_submodule("conv1")(out)
        for number in range(2, self.count + 1):
            out = self.get_submodule(f"conv{number}")(functional.relu(self.get_submodule(f"bn{number}")(out)))
        out += carried
        return out


@final
class KuangliuResNet(nn.Module):
    """A ResNet of four stages with a 3x3 stem: (B, 3, 32, 32) -> (B, classes)."""

    def __init__(
        self, blocks: Sequence[int], *, expansion: int, block: type[_Block | _PreactivatedBlock], num_classes: int
    ) -> None:
        super().__init__()
        self.conv1 = _conv(3, 64, 3)
        self.bn1 = nn.Identity() if block is _PreactivatedBlock else nn.BatchNorm2d(64)
        self.activates = block is _Block
        entering = 64
        for stage, (count, width) in enumerate(zip(blocks, _WIDTHS, strict=True), start=1):
            layers: list[nn.Module] = []
            for place in range(count):
                stride = 2 if stage > 1 and place == 0 else 1
                layers.append(block(_Shape(entering, width, width * expansion, stride)))
                entering = width * expansion
            self.add_module(f"layer{stage}", nn.Sequential(*layers))
        self.linear = nn.Linear(entering, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of `images`."""
        x = self.bn1(self.conv1(images))
        if self.activates:
            x = functional.relu(x)
        for stage in range(1, len(_WIDTHS) + 1):
            x = self.get_submodule(f"layer{stage}")(x)
        x = functional.avg_pool2d(x, 4)
        return self.linear(x.view(x.size(0), -1))


def _builder(model: str) -> Builder:
    known = {f"{kind}{depth}": (kind, depth) for kind in ("ResNet", "PreActResNet") for depth in _BLOCKS}
    if model not in known:
        raise UnknownName("network of kuangliu", model, known)
    kind, depth = known[model]

    def build(*, num_classes: int) -> nn.Module:
        return KuangliuResNet(
            _BLOCKS[depth],
            expansion=1 if depth <= _DEEPEST_BASIC else 4,
            block=_Block if kind == "ResNet" else _PreactivatedBlock,
            num_classes=num_classes,
        )

    return build


KUANGLIU = Adapter(
    networks="CIFAR ResNets and pre-activation ResNets with the parameters' names of kuangliu/pytorch-cifar",
    builder=_builder,
)
