"""Networks of many families, each as a chain of blocks: the same network, bit for bit."""

import copy

import pytest
import torch
from torch import nn

from resablate.adapters import adapt, pretrained_builder
from resablate.analyses import lesion
from resablate.datasets import Examples
from resablate.model import Route
from resablate.tracing import logits_of, probe_images
from tests.adapters.families import FAMILIES, QUICK

EVERY = {name: count for names in FAMILIES.values() for name, count in names.items()}
PACKAGES = {"timm": "timm", "huggingface": "transformers"}


def _theirs(name: str) -> nn.Module:
    if package := PACKAGES.get(name.partition(":")[0]):
        pytest.importorskip(package)
    torch.manual_seed(0)
    network = pretrained_builder(name)(num_classes=10).eval()
    with torch.no_grad():  # no gain is zero, as before training, and no bias: what is left out would show
        for parameter in network.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape))
    return network


def test_there_are_enough() -> None:
    assert len(EVERY) >= 100
    assert len(FAMILIES) >= 10
    assert set(QUICK) <= set(EVERY)


@pytest.mark.parametrize("name", QUICK)
def test_a_dozen(name: str) -> None:
    _assert_the_same(name, QUICK[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERY)
def test_a_hundred(name: str) -> None:
    _assert_the_same(name, EVERY[name])


def _assert_the_same(name: str, blocks: int) -> None:
    """On other images, and another number of them, than those of the proof."""
    theirs = _theirs(name)
    untouched = copy.deepcopy(theirs)
    ours = adapt(theirs)
    assert len(ours.chain) == blocks
    images = torch.randn(3, *probe_images(theirs).shape[1:])
    with torch.no_grad():
        expected = logits_of(untouched, images)
        assert expected.std() > 0
        assert torch.equal(ours(images), expected)
        assert torch.equal(logits_of(theirs, images), expected), "the network is as it was"
    assert {id(p) for p in ours.parameters()} == {id(p) for p in theirs.parameters()}
    # A constant is what the forward pass makes of no images, such as EVA's angles of positions.
    shared = {id(b) for name, b in ours.named_buffers() if "_tensor_constant" not in name}
    assert shared <= {id(b) for b in theirs.buffers()}


@pytest.mark.parametrize(
    ("name", "block", "branch_ends"),
    [
        ("timm:deit_tiny_patch16_224", 5, "blocks.2.mlp.fc2"),
        ("timm:deit_tiny_patch16_224", 4, "blocks.2.attn.proj"),
        ("akamaster:resnet20", 3, "layer2.0.bn2"),
        ("timm:convnext_atto", 2, "stages.1.blocks.0.mlp.fc2"),
    ],
)
def test_a_lesion_is_the_network_whose_branch_gives_nothing(name: str, block: int, branch_ends: str) -> None:
    """What the carried side is, is known from the outside: zero the end of the branch in the original."""
    theirs = _theirs(name)
    ours = adapt(theirs)
    images = torch.randn(2, *probe_images(theirs).shape[1:])
    routes = [Route.SHORTCUT_ONLY if index == block else Route.BOTH for index in range(len(ours.chain))]
    with torch.no_grad():
        lesioned, whole = ours(images, routes), theirs(images)
        for parameter in theirs.get_submodule(branch_ends).parameters():
            parameter.zero_()
        assert torch.equal(lesioned, theirs(images))
    assert not torch.equal(lesioned, whole)


@pytest.mark.parametrize("side", [32, 96])
def test_positions_follow_the_size_of_the_images(side: int) -> None:
    """The function that fits them to it cannot be traced, and is called as it is."""
    theirs = _theirs("timm:test_vit")
    images = torch.randn(2, 3, side, side)
    with torch.no_grad():
        assert torch.equal(adapt(theirs)(images), theirs(images))


def test_a_study_of_a_vision_transformer() -> None:
    theirs = _theirs("timm:deit_tiny_patch16_224")
    generator = torch.Generator().manual_seed(1)
    examples = Examples(torch.randn(2, 3, 224, 224, generator=generator), torch.tensor([1, 2]))
    result = lesion(adapt(theirs), examples)
    assert len(result.table["block"]) == 24
    assert result.table["changes_dimension"] == [0.0] * 24
