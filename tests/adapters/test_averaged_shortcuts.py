"""Networks whose shortcuts average pixels and put channels of zeros beside them, as Huang et al.'s and its ports do."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from resablate.adapters import adapt
from resablate.model import gradients_by_length, path_gradients
from tests.networks import relative_gap

Shortcut = Callable[[Tensor], Tensor]


def _joined(x: Tensor) -> Tensor:
    """As in D-X-Y/ResNeXt-DenseNet: the average is of one pixel, the zeros are x times 0."""
    x = functional.avg_pool2d(x, 1, 2)
    return torch.cat((x, x.mul(0)), 1)


def _padded(x: Tensor) -> Tensor:
    """As in yueatsprograms/Stochastic_Depth: the average of four pixels, zeros behind."""
    x = functional.avg_pool2d(x, 2)
    return functional.pad(x, (0, 0, 0, 0, 0, x.shape[1]))


def _new(x: Tensor) -> Tensor:
    """The zeros are a tensor that the forward pass makes."""
    x = functional.avg_pool2d(x, 2)
    return torch.cat([x, torch.zeros_like(x)], dim=1)


class _Block(nn.Module):
    def __init__(self, entering: int, channels: int, stride: int, shortcut: Shortcut | None) -> None:
        super().__init__()
        self.conv_a = nn.Conv2d(entering, channels, 3, stride=stride, padding=1, bias=False)
        self.bn_a = nn.BatchNorm2d(channels)
        self.conv_b = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn_b = nn.BatchNorm2d(channels)
        self.downsample = shortcut

    def forward(self, x: Tensor) -> Tensor:
        residual = x
        out = functional.relu(self.bn_a(self.conv_a(x)), inplace=True)
        out = self.bn_b(self.conv_b(out))
        if self.downsample is not None:
            residual = self.downsample(x)
        return functional.relu(residual + out, inplace=True)


class _ResNet(nn.Module):
    def __init__(self, shortcut: Shortcut) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        self.stages = nn.Sequential(
            _Block(4, 4, 1, None), _Block(4, 8, 2, shortcut), _Block(8, 8, 1, None), _Block(8, 16, 2, shortcut)
        )
        self.classifier = nn.Linear(16, 5)

    def forward(self, images: Tensor) -> Tensor:
        x = self.stages(self.stem(images))
        return self.classifier(functional.avg_pool2d(x, x.shape[2:]).flatten(1))


@pytest.mark.parametrize("shortcut", [_joined, _padded, _new])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_they_are_the_same_networks(shortcut: Shortcut, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    theirs = _ResNet(shortcut).to(dtype).eval()
    images = torch.randn(3, 3, 16, 16, dtype=dtype)
    ours = adapt(theirs)
    with torch.no_grad():
        assert torch.equal(ours(images), theirs(images))
    assert [block.changes_dimension for block in ours.chain] == [False, True, False, True]


@pytest.mark.parametrize("shortcut", [_joined, _padded, _new])
def test_their_paths_add_up_in_double_precision(shortcut: Shortcut) -> None:
    torch.manual_seed(0)
    ours = adapt(_ResNet(shortcut).double().eval())
    images, labels = torch.randn(3, 3, 16, 16).double(), torch.tensor([0, 1, 4])
    whole = path_gradients(ours, images, labels, routes=None)
    assert relative_gap(gradients_by_length(ours, images, labels).sum(0), whole) < 1e-12
