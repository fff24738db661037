"""Networks of other packages with weights from a file, and files that are something else."""

import os
import pickle
import warnings
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn

from resablate.adapters import adapt, load_pretrained, pretrained_builder
from resablate.errors import CheckpointError, ResablateError, SpecError, UnknownName

IMAGES = torch.randn(2, 3, 40, 40, generator=torch.Generator().manual_seed(0))


def trained(name: str = "resnet18", classes: int = 7) -> nn.Module:
    torch.manual_seed(3)
    network = getattr(torchvision.models, name)(num_classes=classes)
    network(IMAGES)  # so that running means are not 0
    return network.eval()


def logits(network: nn.Module) -> Tensor:
    with torch.no_grad():
        return network(IMAGES)


WRITERS: dict[str, Callable[[dict[str, Tensor], Path], None]] = {
    "weights.safetensors": save_file,
    "weights.pth": torch.save,
    "legacy.pth": lambda state, path: torch.save(state, path, _use_new_zipfile_serialization=False),
    "checkpoint.pth.tar": lambda state, path: torch.save(
        {"epoch": 90, "arch": "resnet18", "state_dict": {f"module.{name}": value for name, value in state.items()}},
        path,
    ),
    "old.pt": lambda state, path: torch.save(
        {name: value for name, value in state.items() if "num_batches" not in name}, path
    ),
}


@pytest.mark.parametrize("file", WRITERS)
def test_the_weights_in_the_file_are_those_of_the_network(file: str, tmp_path: Path) -> None:
    theirs = trained()
    WRITERS[file](theirs.state_dict(), tmp_path / file)
    network = load_pretrained("torchvision:resnet18", weights=tmp_path / file)
    assert not network.training
    assert logits(network).shape == (2, 7), "as many classes as the file's last layer"
    assert torch.equal(logits(network), logits(theirs))
    assert torch.equal(logits(adapt(network)), logits(theirs))


def test_a_network_of_timm(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    for name in ("resnet10t", "resnetv2_18"):
        theirs = timm.create_model(name, num_classes=4).eval()
        torch.save(theirs.state_dict(), tmp_path / "weights.pth")
        network = load_pretrained(f"timm:{name}", weights=tmp_path / "weights.pth")
        assert torch.equal(logits(network), logits(theirs))
    with pytest.raises(UnknownName, match=r"^unknown network of timm 'resnet5O'; did you mean 'resnet50'"):
        load_pretrained("timm:resnet5O", weights=None)


def test_timm_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    with pytest.raises(ResablateError, match=r"^timm:resnet50d needs the package timm: pip install timm$"):
        load_pretrained("timm:resnet50d", weights=None)


def test_random_weights_only_where_they_are_asked_for() -> None:
    assert logits(load_pretrained("torchvision:resnet18", weights=None)).shape == (2, 1000)
    with pytest.raises(TypeError, match="weights"):
        load_pretrained("torchvision:resnet18")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet50", r"are named torchvision:NAME or timm:NAME or .*, such as torchvision:resnet50; got 'resnet50'$"),
        ("keras:resnet50", "got 'keras:resnet50'"),
        ("torchvision:resnet55", r"^unknown network of torchvision 'resnet55'; did you mean 'resnet50'"),
        ("akamaster:resnet21", r"^unknown network of akamaster 'resnet21'; did you mean .*\(known: resnet20, resnet32"),
        ("wide_resnet:wrn_27_2", r"^unknown network of wide_resnet \(wrn_DEPTH_FACTOR, DEPTH = 6n\+4\) 'wrn_27_2'"),
    ],
)
def test_an_unknown_network_is_answered_with_those_there_are(name: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        load_pretrained(name, weights=None)


class Harmful:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, ("harmed",)


def write_script(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch would rather have another way to write networks
        torch.jit.save(torch.jit.script(nn.Linear(2, 2)), path)


def write_other_numbers(path: Path) -> None:
    state = trained().state_dict()
    state["conv1.weight"] = state["conv1.weight"] + 1j
    state["bn1.weight"] = state["bn1.weight"].to(torch.int8)
    state["bn1.bias"] = state["bn1.bias"] > 0
    state["fc.weight"] = state["fc.weight"].to_sparse()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch would rather have no such files any more
        state["fc.bias"] = torch.quantize_per_tensor(state["fc.bias"], 0.1, 0, torch.qint8)
    state["layer1.0.bn1.bias"] = state["layer1.0.bn1.bias"].half()  # rounded, and the same numbers
    torch.save(state, path)


FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "no such file$"),
    "text": (
        lambda path: path.write_text("<html>404</html>"),
        r"nor weights that torch .* code \(\w+: not an archive of tensors\)$",
    ),
    "empty": (lambda path: path.write_bytes(b""), "neither a safetensors file"),
    "code": (
        lambda path: torch.save({"fc.weight": Harmful()}, path),
        r"without running code \(UnpicklingError: it asks for (posix|os|nt)\.mkdir\)$",
    ),
    "plain-pickle": (lambda path: path.write_bytes(pickle.dumps({"fc.weight": Harmful()})), "without running code"),
    "whole-network": (lambda path: torch.save(trained(), path), "without running code"),
    "script": (write_script, "without running code .*: not an archive of tensors"),
    "tensor": (lambda path: torch.save(torch.zeros(2), path), "not a state dict, .*; got Tensor$"),
    "no-tensors": (
        lambda path: torch.save({"epoch": 3, "loss": 0.1}, path),
        "not a state dict, .*; got names epoch, l",
    ),
    "nothing": (lambda path: torch.save({}, path), "not a state dict, .*; got dict$"),
    "no-head": (
        lambda path: torch.save(nn.Linear(2, 2).state_dict(), path),
        r"not the weights of torchvision:resnet18: 0 of its 102 tensors are there in their shape\n"
        r"  missing, 102: conv1\.weight, .* and 97 more\n  not in the network, 2: weight, bias$",
    ),
    "another-head": (
        lambda path: torch.save(
            {name.replace("fc.", "classifier."): value for name, value in trained().state_dict().items()}, path
        ),
        r"resnet18: 100 of its 102 tensors are there in their shape\n"
        r"  missing, 2: fc\.weight, fc\.bias\n  not in the network, 2: classifier\.weight, classifier\.bias$",
    ),
    "another-architecture": (
        lambda path: torch.save(pretrained_builder("akamaster:resnet20")(num_classes=10).state_dict(), path),
        r"resnet18: 0 of its 102 tensors are there in their shape\n  missing, \d+: .* more\n"
        r"  not in the network, \d+: layer1\.2\.conv1\.weight, .* more\n  shapes that do not fit, \d+: conv1\.weight",
    ),
    "other-numbers": (
        write_other_numbers,
        r"102 of its 102 tensors .*\n  numbers of another kind, 5: conv1\.weight complex for real, bn1\.weight whole"
        r" for real, bn1\.bias true or false for real, fc\.weight sparse for real, fc\.bias quantized for real$",
    ),
    "no-numbers": (
        lambda path: torch.save(trained().to("meta").state_dict(), path),
        r"tensors without numbers \(device meta\), 122: conv1\.weight, .* more$",
    ),
    "deeper": (
        lambda path: torch.save(trained("resnet34").state_dict(), path),
        r"resnet18: 102 of its 102 tensors .*\n  not in the network, \d+: layer1.2.conv1.weight, .* more$",
    ),
    "wider": (
        lambda path: torch.save(trained("resnet50").state_dict(), path),
        r"(?s)not the weights of .*shapes that do not fit, \d+: layer1\.0\.conv1\.weight \(64, 64, 1, 1\) for ",
    ),
    "half": (
        lambda path: torch.save({k: v for k, v in trained().state_dict().items() if "layer4" not in k}, path),
        r"resnet18: 77 of its 102 tensors .*\n  missing, 25: layer4\.0\.conv1\.weight, .* and \d+ more$",
    ),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_is_something_else(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write, message = FILES[kind]
    write(tmp_path / "weights.pth")
    with warnings.catch_warnings(record=True) as warned, pytest.raises(CheckpointError, match=message) as caught:
        warnings.simplefilter("always")
        load_pretrained("torchvision:resnet18", weights=tmp_path / "weights.pth")
    assert not warned
    assert str(caught.value).startswith(str(tmp_path / "weights.pth"))
    assert not (tmp_path / "harmed").exists()


def test_a_damaged_safetensors_file(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(trained().state_dict(), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"neither a safetensors file .*SafetensorError"):
        load_pretrained("torchvision:resnet18", weights=path)


class _Module(nn.Module):
    """As Lightning keeps a network."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model


def _lightning(theirs: nn.Module) -> object:
    return {
        "epoch": 3,
        "pytorch-lightning_version": "2.5.0",
        "state_dict": _Module(theirs).state_dict(),
        "hyper_parameters": Namespace(lr=0.1, milestones=[30, 60]),
        "optimizer_states": [torch.optim.SGD(theirs.parameters(), lr=0.1).state_dict()],
    }


def _wrapped(name: str, prefix: str) -> Callable[[nn.Module], object]:
    return lambda theirs: {name: {f"{prefix}{key}": value for key, value in theirs.state_dict().items()}, "epoch": 2}


CHECKPOINTS: dict[str, Callable[[nn.Module], object]] = {
    "net": _wrapped("net", "module."),
    "model": _wrapped("model", ""),
    "state_dict": _wrapped("state_dict", "module._orig_mod."),
    "compiled": lambda theirs: torch.compile(theirs).state_dict(),
    "data-parallel": lambda theirs: nn.DataParallel(theirs).state_dict(),
    "ema": _wrapped("ema", "module."),
    "averaged": lambda theirs: torch.optim.swa_utils.AveragedModel(theirs).state_dict(),
    "lightning": _lightning,
    "timm": lambda theirs: {
        "epoch": 1,
        "arch": "resnet18",
        "state_dict": theirs.state_dict(),
        "args": Namespace(model="resnet18", lr=0.1, mean=None),
        "version": 2,
        "state_dict_ema": {name: torch.zeros_like(value) for name, value in theirs.state_dict().items()},
    },
}


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_weights_wherever_training_scripts_keep_them(kind: str, tmp_path: Path) -> None:
    theirs = trained()
    torch.save(CHECKPOINTS[kind](theirs), tmp_path / "checkpoint.pth")
    network = load_pretrained("torchvision:resnet18", weights=tmp_path / "checkpoint.pth")
    assert torch.equal(logits(network), logits(theirs))


@pytest.mark.parametrize(
    "name",
    ["akamaster:resnet20", "kuangliu:PreActResNet18", "bearpaw:preresnet20_bottleneck", "wide_resnet:wrn_10_1"],
)
def test_the_formats_of_cifar_code_bases(name: str, tmp_path: Path) -> None:
    """The network gets as many classes as the file has, under whatever name the last layer goes."""
    torch.manual_seed(1)
    theirs = pretrained_builder(name)(num_classes=10).eval()
    torch.save({"net": nn.DataParallel(theirs).state_dict(), "acc": 93.0, "epoch": 7}, tmp_path / "ckpt.pth")
    network = load_pretrained(name, weights=tmp_path / "ckpt.pth")
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(network(images), theirs(images))
        assert torch.equal(adapt(network)(images), theirs(images))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("torchvision:vgg11", r"^VGG: no two activations of one shape are added anywhere, so there is no shortcut"),
        (
            "torchvision:densenet121",
            r"^DenseNet: .* \(they are joined in features\.denseblock1\.denselayer2, .* more\)",
        ),
    ],
)
def test_what_cannot_be_adapted_is_refused_before_it_is_built(
    name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nn.init, "kaiming_normal_", lambda tensor, *_, **__: _only_on_meta(tensor))
    with pytest.raises(ResablateError, match=message):
        load_pretrained(name, weights=tmp_path / "not_even_looked_at.pth")


def _only_on_meta(tensor: Tensor) -> Tensor:
    assert tensor.is_meta, "the network got memory"
    return tensor


def test_a_plain_sentence_without_color_codes(tmp_path: Path) -> None:
    torch.save({"fc.weight": Harmful()}, tmp_path / "weights.pth")
    with pytest.raises(CheckpointError) as caught:
        load_pretrained("torchvision:resnet18", weights=tmp_path / "weights.pth")
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
