"""torchvision's networks, seen as blocks."""

import pytest
import torch
import torchvision
from torch import nn

from resablate.analyses import lesion
from resablate.datasets import Examples
from resablate.errors import ResablateError
from resablate.model import adapt, build_network, gradients_by_length, path_gradients
from tests.networks import make_images, relative_gap

NAMES = ("resnet18", "resnet50", "wide_resnet50_2", "resnext50_32x4d")


def _theirs(name: str) -> nn.Module:
    torch.manual_seed(0)
    return getattr(torchvision.models, name)(num_classes=5).eval()


@pytest.mark.parametrize("name", NAMES)
def test_logits_are_equal_bit_for_bit_and_weights_are_shared(name: str) -> None:
    theirs = _theirs(name)
    ours = adapt(theirs)
    images = torch.randn(2, 3, 48, 40)
    with torch.no_grad():
        assert torch.equal(ours(images), theirs(images))
    assert {id(p) for p in ours.parameters()} == {id(p) for p in theirs.parameters()}
    assert {id(b) for b in ours.buffers()} == {id(b) for b in theirs.buffers()}


def test_the_analyses_work_on_them() -> None:
    network = adapt(_theirs("resnet18").double())
    images, labels = make_images(2, channels=3, size=(32, 32))
    whole = path_gradients(network, images, labels, routes=None)
    assert relative_gap(gradients_by_length(network, images, labels).sum(0), whole) < 1e-12
    result = lesion(network, Examples(images, labels))
    assert len(result.table["block"]) == 8
    assert result.table["changes_dimension"] == [0, 0, 1, 0, 1, 0, 1, 0]


def test_what_does_not_fit_says_why() -> None:
    with pytest.raises(ResablateError, match="VGG: not a ResNet of torchvision or timm: it has no conv1"):
        adapt(torchvision.models.vgg11())
    strange = _theirs("resnet18")
    strange.get_submodule("layer2")[1] = nn.Conv2d(1, 1, 1)  # type: ignore[operator]
    with pytest.raises(ResablateError, match=r"layer2\.1: torch\.Conv2d is no block that can be adapted"):
        adapt(strange)
    added = _theirs("resnet18")
    added.get_submodule("layer3.0").add_module("attention", nn.Identity())
    with pytest.raises(ResablateError, match=r"layer3\.0: .* whose place is unknown: attention"):
        adapt(added)


def test_a_network_of_ours_is_itself() -> None:
    network = build_network(depth=8)
    assert adapt(network) is network
