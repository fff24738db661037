"""Networks of torchvision and timm, seen as blocks."""

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import nn

from resablate.adapters import ADAPTERS, adapt
from resablate.analyses import lesion
from resablate.datasets import Examples
from resablate.errors import ResablateError
from resablate.model import build_network, gradients_by_length, path_gradients
from tests.networks import lesion_routes, make_images, relative_gap

ROOT = Path(__file__).parents[2]
SHALLOW = ("resnet18", "resnet50", "resnext50_32x4d")
DEEP = (
    *("resnet34", "wide_resnet50_2", "resnet101", "resnet152"),
    *("wide_resnet101_2", "resnext101_32x8d", "resnext101_64x4d"),
)
TIMM: list[tuple[str, dict[str, Any]]] = [
    ("resnet18", {}),
    ("resnet50", {}),
    ("resnext50_32x4d", {}),
    ("resnet50d", {}),
    ("resnetblur50", {}),
    ("seresnet50", {}),
    ("resnet50_gn", {}),
    ("resnet18", {"act_layer": nn.SiLU}),
    ("resnet18", {"drop_path_rate": 0.5}),
    ("resnet50", {"drop_rate": 0.5, "drop_block_rate": 0.2}),
    ("resnetv2_18", {}),
    ("resnetv2_50", {}),
    ("resnetv2_50d", {"drop_path_rate": 0.5, "drop_rate": 0.5}),
    ("resnetv2_50x1_bit", {}),
]


def _theirs(name: str) -> nn.Module:
    torch.manual_seed(0)
    return _half_trained(getattr(torchvision.models, name)(num_classes=5))


def _timm(name: str, **keywords: Any) -> nn.Module:
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    return _half_trained(timm.create_model(name, num_classes=5, **keywords))


def _half_trained(network: nn.Module) -> nn.Module:
    """No parameter is what it was at the start: timm begins with branches that give zero, which would prove nothing."""
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim < 2:
                parameter.uniform_(0.2, 0.8)
    return network.eval()


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("name", [*SHALLOW, *(pytest.param(name, marks=pytest.mark.slow) for name in DEEP)])
def test_torchvision_s(name: str, training: bool) -> None:
    _assert_the_same(_theirs(name), training)


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize(("name", "keywords"), TIMM, ids=str)
def test_timm_s(name: str, keywords: dict[str, Any], training: bool) -> None:
    _assert_the_same(_timm(name, **keywords), training)


def _assert_the_same(theirs: nn.Module, training: bool) -> None:
    """Logits and batch statistics bit for bit, and the weights themselves are shared."""
    theirs.train(training)
    copied = copy.deepcopy(theirs)
    ours = adapt(copied)
    assert ours.training == training
    images = torch.randn(2, 3, 48, 40)
    with torch.no_grad():
        torch.manual_seed(1)  # for dropout and the like
        expected = theirs(images)
        torch.manual_seed(1)
        assert torch.equal(ours(images), expected)
    assert expected.std() > 0
    assert {id(p) for p in ours.parameters()} == {id(p) for p in copied.parameters()}
    assert {id(b) for b in ours.buffers()} == {id(b) for b in copied.buffers()}
    assert all(module.training == training for module in ours.modules())
    assert all(torch.equal(a, b) for a, b in zip(theirs.buffers(), copied.buffers(), strict=True))


@pytest.mark.parametrize("name", ["resnet50d", "seresnet50", "resnetv2_18", "resnetv2_50"])
def test_the_paths_of_timm_s_sum_to_the_gradient(name: str) -> None:
    theirs = _timm(name).double()
    images, labels = make_images(2, channels=3, size=(32, 32))
    leaf = images.clone().requires_grad_()
    nn.functional.cross_entropy(theirs(leaf), labels, reduction="sum").backward()
    assert leaf.grad is not None
    assert relative_gap(gradients_by_length(adapt(theirs), images, labels).sum(0), leaf.grad) < 1e-10


@pytest.mark.parametrize("name", ["resnet50d", "resnetv2_50"])
def test_a_lesion_of_timm_s_keeps_the_downsample(name: str) -> None:
    """A block whose last convolution is zero gives what its lesion gives."""
    theirs = _timm(name)
    network = adapt(theirs)
    place = {"resnet50d": "layer2.0", "resnetv2_50": "stages.1.blocks.0"}[name]
    images = torch.randn(2, 3, 48, 40)
    block = [block.changes_dimension for block in network.chain].index(True, 1)
    with torch.no_grad():
        lesioned = network(images, lesion_routes(network, block))
        last = theirs.get_submodule(place)
        for module in [last.conv3, *([last.bn3] if hasattr(last, "bn3") else [])]:
            for parameter in module.parameters():
                parameter.zero_()
        assert torch.equal(lesioned, theirs(images))


def test_the_analyses_work_on_them() -> None:
    network = adapt(_theirs("resnet18").double())
    images, labels = make_images(2, channels=3, size=(32, 32))
    whole = path_gradients(network, images, labels, routes=None)
    assert relative_gap(gradients_by_length(network, images, labels).sum(0), whole) < 1e-12
    result = lesion(network, Examples(images, labels))
    assert len(result.table["block"]) == 8
    assert result.table["changes_dimension"] == [0, 0, 1, 0, 1, 0, 1, 0]


class _OtherForward(torchvision.models.ResNet):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * super().forward(x)


class _OtherInside(torchvision.models.ResNet):
    def _forward_impl(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * super()._forward_impl(x)


class _OtherSequential(nn.Sequential):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * super().forward(x)


@pytest.mark.parametrize("kind", [_OtherForward, _OtherInside], ids=["forward", "inside"])
def test_a_subclass_with_its_own_forward_is_what_it_computes(kind: type[torchvision.models.ResNet]) -> None:
    torch.manual_seed(0)
    _assert_the_same(_half_trained(kind(torchvision.models.resnet.BasicBlock, [1, 1, 1, 1])), training=False)


def test_a_subclass_that_only_starts_otherwise_is_adapted() -> None:
    class Small(torchvision.models.ResNet):
        def __init__(self) -> None:
            super().__init__(torchvision.models.resnet.BasicBlock, [1, 1, 1, 1], num_classes=5)

    _assert_the_same(_half_trained(Small()), training=False)


@pytest.mark.parametrize("place", ["", "layer1", "layer2.0"])
@pytest.mark.parametrize("register", ["register_forward_hook", "register_forward_pre_hook"])
def test_hooks_on_what_is_taken_apart_are_refused(place: str, register: str) -> None:
    network = _theirs("resnet18")
    handle = getattr(network.get_submodule(place), register)(lambda *_: None)
    with pytest.raises(ResablateError, match=f"^{place or 'ResNet'}: it has hooks"):
        adapt(network)
    handle.remove()
    adapt(network)


@pytest.mark.parametrize("place", ["", "stages", "stages.1", "stages.1.blocks", "stages.1.blocks.0"])
def test_hooks_on_timm_s_second_version_are_refused(place: str) -> None:
    network = _timm("resnetv2_18")
    network.get_submodule(place).register_forward_hook(lambda *_: None)
    with pytest.raises(ResablateError, match=f"^{place or 'ResNetV2'}: it has hooks"):
        adapt(network)


def test_hooks_of_layers_that_stay_whole_are_called() -> None:
    network = _theirs("resnet18")
    network.get_submodule("layer1.0.conv1").register_forward_hook(lambda _module, _inputs, output: 2 * output)
    images = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(adapt(network)(images), network(images))


def test_a_head_that_only_training_uses_is_left_out() -> None:
    network = _theirs("resnet18")
    network.add_module("aux", nn.Linear(2, 2).requires_grad_(False))
    adapted = adapt(network)
    assert not {id(p) for p in network.get_submodule("aux").parameters()} & {id(p) for p in adapted.parameters()}
    assert not any(p.requires_grad for p in network.get_submodule("aux").parameters()), "left as it was"
    images = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(adapted(images), network(images))


@pytest.mark.parametrize("stage", [_OtherSequential(nn.Identity())], ids=["sequential"])
def test_a_stage_with_a_forward_of_its_own_is_what_it_computes(stage: nn.Module) -> None:
    network = _theirs("resnet18")
    stage.extend(network.get_submodule("layer1"))  # type: ignore[operator]
    network.add_module("layer1", stage)
    _assert_the_same(network, training=False)


def test_a_forward_that_one_instance_has_is_what_it_computes() -> None:
    network = _theirs("resnet18")
    block = network.get_submodule("layer2.1")
    theirs = block.forward
    block.forward = lambda x: theirs(x) + theirs(x)  # type: ignore[method-assign]
    with pytest.raises(ResablateError, match=r"layer2\.1"):
        adapt(network)


def test_a_network_of_ours_is_itself() -> None:
    network = build_network(depth=8)
    assert adapt(network) is network


def test_the_table_of_adapters() -> None:
    assert list(ADAPTERS) == [
        *("torchvision", "timm", "huggingface"),
        *("akamaster", "kuangliu", "bearpaw", "weiaicunzai", "wide_resnet"),
    ]


def test_an_adapter_asks_for_no_package_that_is_not_used() -> None:
    packages = ("timm", "torchvision", "transformers")
    script = f"import sys, resablate.adapters; print([name for name in {packages} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
