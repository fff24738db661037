"""The adapters: where networks of other packages come from. One file each; any network that is a chain is adapted."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from resablate.adapters.akamaster import AKAMASTER
from resablate.adapters.bearpaw import BEARPAW
from resablate.adapters.huggingface import HUGGINGFACE
from resablate.adapters.interface import Adapter as Adapter
from resablate.adapters.interface import Builder as Builder
from resablate.adapters.kuangliu import KUANGLIU
from resablate.adapters.timm import TIMM
from resablate.adapters.torchvision import TORCHVISION
from resablate.adapters.weiaicunzai import WEIAICUNZAI
from resablate.adapters.weights import fill_network, fitting_names, read_weights, refuse_other_weights
from resablate.adapters.wide_resnet import WIDE_RESNET
from resablate.errors import CheckpointError, ResablateError, SpecError, in_a_line
from resablate.model import evaluation_mode
from resablate.model.network import ResidualNetwork
from resablate.registry import Registry
from resablate.tracing import chain_of, probe_images, prove, refuse_draws
from resablate.tracing.wrappers import unwrapped

ADAPTERS: Registry[Adapter] = Registry(
    "adapter",
    "adapters",
    {
        "torchvision": TORCHVISION,
        "timm": TIMM,
        "huggingface": HUGGINGFACE,
        "akamaster": AKAMASTER,
        "kuangliu": KUANGLIU,
        "bearpaw": BEARPAW,
        "weiaicunzai": WEIAICUNZAI,
        "wide_resnet": WIDE_RESNET,
    },
)

_DEFAULT_CLASSES = 1000
_OTHER_CLASSES = 7
"""Another number, by which the last layer is told from all others."""


def adapt(network: nn.Module, images: Tensor | None = None) -> ResidualNetwork:
    """A network of anybody's as a residual network of blocks: every x + f(x) in it is one.

    Parameters and buffers are shared with `network`. Before it is returned it is proved, in eval mode: its logits are
    the network's bit for bit, and in double precision the gradients of its paths add up to the network's to 1e-12. That
    takes a few passes of one or two images, and a copy of the network in double precision for the time. A network on
    `meta` has no numbers, and is not proved. What its forward pass uses in training mode alone, as an auxiliary head,
    is left out.

    Args:
        network: the model; a `ResidualNetwork` is returned as it is, and what is compiled, data-parallel or averaged
            is unwrapped.
        images: two that it takes; noise of a size that it declares, or that is common, where None.

    Raises:
        ResablateError: if it adds nothing, is no chain of blocks, draws at random in eval mode, gives no logits, or
            holds NaN or infinity; the message names the module or parameter.
    """
    network = unwrapped(network)
    if isinstance(network, ResidualNetwork):
        return network
    with evaluation_mode(network):
        images = probe_images(network) if images is None else images
        if images.device.type != "meta":
            refuse_draws(network, images)
        row = next((row for row in ADAPTERS.values() if row.adapt and row.recognizes(network)), None)
        adapted = row.adapt(network) if row and row.adapt else chain_of(network, images)
        if images.device.type != "meta":
            prove(network, adapted, images)
    theirs = set(network.modules())
    for module in adapted.modules():
        if module not in theirs:
            module.training = network.training
    return adapted


def load_pretrained(name: str, *, weights: Path | None) -> nn.Module:
    """A network of another package, in eval mode, for `adapt`.

    It gets as many classes as the last layer in the file has. Nothing in the file is executed.

    Args:
        name: an adapter and a model, such as `torchvision:resnet50`, `timm:vit_small_patch16_224` or
            `akamaster:resnet56`.
        weights: a safetensors file, a state dict that torch wrote, or a checkpoint with one in it; random weights and
            1,000 classes where None.

    Raises:
        SpecError: if there is no such network.
        ResablateError: if the other package is not installed, or the network cannot be adapted, which is known before
            it gets any memory.
        CheckpointError: if the file is missing, holds no weights, or weights of another network.
    """
    build = pretrained_builder(name)
    outline = _outline(build, _DEFAULT_CLASSES)
    if outline is not None:
        adapt(outline)
    if weights is None:
        return _built(build, _DEFAULT_CLASSES, name).eval()
    place = f"{weights}: not the weights of {name}"
    whole = outline if outline is not None else _built(build, _DEFAULT_CLASSES, name)
    state = fitting_names(read_weights(weights), whole.state_dict())
    classes = _classes_in(state, whole, build)
    if classes is None:
        refuse_other_weights(whole, state, place=place)
    network = _built(build, classes or _DEFAULT_CLASSES, name)
    try:
        named = ADAPTERS[name.partition(":")[0]].own_names(network, state)
    except CheckpointError as error:
        raise CheckpointError(f"{place}: {error}") from error
    fill_network(network, named, place=place)
    return network.eval()


def pretrained_builder(name: str) -> Builder:
    """What builds the network called `name`.

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


def _outline(build: Builder, classes: int) -> nn.Module | None:
    """The network without memory; None where it cannot be built so."""
    try:
        with torch.device("meta"):
            return build(num_classes=classes).eval()
    except ResablateError:
        raise
    except Exception:  # of networks that compute with their initial numbers
        return None


def _built(build: Builder, classes: int, name: str) -> nn.Module:
    """The network with random weights.

    Raises:
        ResablateError: whatever the other package raises for what it is asked to build.
    """
    try:
        return build(num_classes=classes)
    except ResablateError:
        raise
    except Exception as error:
        raise ResablateError(f"{name}: the other package does not build it: {in_a_line(error)}") from error


def _classes_in(state: Mapping[str, Tensor], whole: nn.Module, build: Builder) -> int | None:
    """The rows of the last layer in the file, the layer whose size is the number of classes; None where it has none."""
    other = _outline(build, _OTHER_CLASSES)
    sizes = (build(num_classes=_OTHER_CLASSES) if other is None else other).state_dict()
    heads = [name for name, value in whole.state_dict().items() if value.shape != sizes[name].shape]
    head = next((name for name in heads if name in state and state[name].ndim), None)
    return None if head is None else len(state[head])
