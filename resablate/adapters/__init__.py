"""The adapters: networks of other packages, seen as a stem, a chain of blocks and a head. One file each."""

from pathlib import Path

from torch import nn

from resablate.adapters.interface import Adapter as Adapter
from resablate.adapters.interface import PretrainedBuilder as PretrainedBuilder
from resablate.adapters.timm import TIMM
from resablate.adapters.torchvision import TORCHVISION
from resablate.adapters.weights import fill_network, listed, read_weights
from resablate.errors import CheckpointError, ResablateError, SpecError
from resablate.model.network import ResidualNetwork
from resablate.registry import Registry

ADAPTERS: Registry[Adapter] = Registry("adapter", "adapters", {"torchvision": TORCHVISION, "timm": TIMM})

_DEFAULT_CLASSES = 1000


def adapt(network: nn.Module) -> ResidualNetwork:
    """A network that one of ADAPTERS recognizes, such as a torchvision ResNet, as a residual network of blocks.

    Parameters and buffers are shared with `network`, and the logits are equal bit for bit, so that every analysis
    works on pretrained weights.

    Args:
        network: the model; a `ResidualNetwork` is returned as it is.

    Raises:
        ResablateError: if the architecture does not fit; the message names the module and what was expected.
    """
    if isinstance(network, ResidualNetwork):
        return network
    for row in ADAPTERS.values():
        if row.recognizes(network):
            return row.adapt(network).train(network.training)
    kind = type(network)
    raise ResablateError(
        f"{kind.__name__}: no adapter knows the class {kind.__module__}.{kind.__qualname__}; what can be adapted:"
        f" {'; '.join(row.networks for row in ADAPTERS.values())}"
    )


def load_pretrained(name: str, *, weights: Path | None) -> nn.Module:
    """A network of another package, in eval mode, for `adapt`.

    It gets as many classes as the last layer in the file has. Nothing in the file is executed.

    Args:
        name: an adapter and a model, such as `torchvision:resnet50` or `timm:resnetv2_50`.
        weights: a safetensors file or a state dict that torch wrote; random weights and 1,000 classes where None.

    Raises:
        SpecError: if there is no such network.
        ResablateError: if the other package is not installed.
        CheckpointError: if the file is missing, holds no weights, or weights of another network.
    """
    build, head = pretrained_builder(name)
    if weights is None:
        return build(num_classes=_DEFAULT_CLASSES).eval()
    state = read_weights(weights)
    if head not in state or not state[head].ndim:
        raise CheckpointError(f"{weights}: not the weights of {name}: there is no {head} among {listed(state)}")
    network = build(num_classes=len(state[head]))
    fill_network(network, state, place=f"{weights}: not the weights of {name}")
    return network.eval()


def pretrained_builder(name: str) -> PretrainedBuilder:
    """What builds the network called `name`, and the name of its last layer's weight.

    Args:
        name: an adapter and a model, such as `torchvision:resnet50`.

    Raises:
        SpecError: if there is no such network.
        ResablateError: if the other package is not installed.
    """
    package, colon, model = name.partition(":")
    if package not in ADAPTERS or not colon:
        choices = " or ".join(f"{package}:NAME" for package in ADAPTERS)
        raise SpecError(f"networks of other packages are named {choices}, such as torchvision:resnet50; got {name!r}")
    return ADAPTERS[package].builder(model)
