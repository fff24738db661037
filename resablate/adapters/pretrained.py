"""Networks of torchvision and timm by name, with weights from a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from resablate.errors import CheckpointError, ResablateError, SpecError, UnknownName

_PACKAGES = ("torchvision", "timm")
_NESTED = ("state_dict", "model")
"""Where training scripts keep the weights beside an optimizer's state."""
_PARALLEL = "module."
"""What DataParallel puts before every name."""
_SHOWN = 5
_DEFAULT_CLASSES = 1000


def load_pretrained(name: str, *, weights: Path | None) -> nn.Module:
    """A network that nobody here wrote, in eval mode, for `adapt`.

    It gets as many classes as the last layer in the file has. Nothing in the file is executed.

    Args:
        name: `torchvision:NAME` for one of torchvision's ResNets, or `timm:NAME`.
        weights: a safetensors file or a state dict that torch wrote; random weights and 1,000 classes where None.

    Raises:
        SpecError: if there is no such network.
        ResablateError: if timm is not installed.
        CheckpointError: if the file is missing, holds no weights, or weights of another network.
    """
    build, head = pretrained_builder(name)
    if weights is None:
        return build(num_classes=_DEFAULT_CLASSES).eval()
    state = _read(weights)
    if head not in state or not state[head].ndim:
        raise CheckpointError(f"{weights}: not the weights of {name}: there is no {head} among {_some(state)}")
    network = build(num_classes=len(state[head]))
    _fill(network, state, place=f"{weights}: not the weights of {name}")
    return network.eval()


def pretrained_builder(name: str) -> tuple[Callable[..., nn.Module], str]:
    """What builds the network, and the name of its last layer's weight.

    Raises:
        SpecError: if there is no such network.
        ResablateError: if timm is not installed.
    """
    package, colon, model = name.partition(":")
    if package not in _PACKAGES or not colon:
        choices = " or ".join(f"{package}:NAME" for package in _PACKAGES)
        raise SpecError(f"networks of other packages are named {choices}, such as torchvision:resnet50; got {name!r}")
    return _torchvision(model) if package == "torchvision" else _timm(model)


def _torchvision(model: str) -> tuple[Callable[..., nn.Module], str]:
    from torchvision import models

    known = models.list_models(models, include=["*resnet*", "*resnext*"])
    if model not in known:
        raise UnknownName("ResNet of torchvision", model, known)
    return models.get_model_builder(model), "fc.weight"


def _timm(model: str) -> tuple[Callable[..., nn.Module], str]:
    try:
        import timm  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise ResablateError(f"timm:{model} needs the package timm: pip install timm") from None
    library = cast(Any, timm)
    if not library.is_model(model):
        raise UnknownName("ResNet of timm", model, library.list_models(["resne*", "wide_resnet*", "seresne*"]))

    def build(*, num_classes: int) -> nn.Module:
        return library.create_model(model, pretrained=False, num_classes=num_classes)

    return build, "head.fc.weight" if model.startswith("resnetv2") else "fc.weight"


def _read(path: Path) -> dict[str, Tensor]:
    """The tensors in a safetensors file or a state dict, by name."""
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    try:
        if path.suffix == ".safetensors":
            content: Any = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what a file that is no archive of tensors makes torch raise is not told
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise CheckpointError(
            f"{path}: neither a safetensors file (by its ending .safetensors) nor weights that torch can read without"
            f" running code ({type(error).__name__}: {reason})"
        ) from None
    for inner in _NESTED:
        if isinstance(content, Mapping) and isinstance(content.get(inner), Mapping):
            content = content[inner]
    if not isinstance(content, Mapping) or not content or not all(isinstance(v, Tensor) for v in content.values()):
        kind = f"names {_some(content)}" if isinstance(content, Mapping) and content else type(content).__name__
        raise CheckpointError(f"{path}: not a state dict, which has a tensor for each name; got {kind}")
    return {str(name).removeprefix(_PARALLEL): tensor for name, tensor in content.items()}


def _fill(network: nn.Module, state: Mapping[str, Tensor], *, place: str) -> None:
    """Load `state`, or raise CheckpointError with what is missing, too many, or of another shape."""
    own = network.state_dict()
    # Counts of batches are of no use to anybody, and old files have none.
    missing = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    extra = [name for name in state if name not in own]
    shapes = [
        f"{name} {tuple(state[name].shape)} for {tuple(own[name].shape)}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    problems = [
        f"{text}: {_some(names)}"
        for text, names in (("missing", missing), ("not in the network", extra), ("shapes that do not fit", shapes))
        if names
    ]
    if problems:
        raise CheckpointError("\n".join([place, *(f"  {problem}" for problem in problems)]))
    network.load_state_dict(dict(state), strict=False)


def _some(names: Sequence[object] | Mapping[str, object]) -> str:
    listed = [str(name) for name in names]
    return ", ".join(listed[:_SHOWN]) + (f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else "")
