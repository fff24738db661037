"""The convolutions that a regularizer acts on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from resablate.errors import AnalysisError
from resablate.model import ResidualNetwork, evaluation_mode
from resablate.model.block import Block
from resablate.registry import Registry
from resablate.shortcuts import Shortcut
from resablate.spectral import applied_convolution


@dataclass(frozen=True)
class Site:
    """A convolution where it stands in a network."""

    name: str
    layer: nn.Conv2d
    size: tuple[int, int]
    """(H, W) of the images that enter it."""
    is_stem: bool
    is_transition: bool
    """Whether it changes channels or resolution itself, outside a block's branch."""

    @property
    def stride(self) -> int:
        """Of the convolution, equal along both sides."""
        return int(self.layer.stride[0])

    @property
    def has_symbol(self) -> bool:
        """Whether the operator falls apart into frequencies: its stride divides the images' sides, or it is 1x1.

        Otherwise, as on images of odd sides, only the operator as a whole has a polar factor and singular values,
        which are too many for every step of a training.
        """
        return self.layer.kernel_size == (1, 1) or not any(side % self.stride for side in self.size)

    def target(self, target: str | float) -> float:
        """The singular value that all are drawn to.

        Args:
            target: a row of SV_TARGETS, or the number itself.

        Raises:
            UnknownName: for another name.
        """
        return SV_TARGETS[target](self) if isinstance(target, str) else float(target)


def _backward(site: Site) -> float:
    """sqrt(out / in), which keeps the norm of gradients on average: Zaeemzadeh et al. 2020 and its released code."""
    return (site.layer.out_channels / site.layer.in_channels) ** 0.5


def _forward(site: Site) -> float:
    """The stride times sqrt(in / min(in, out)), which keeps the norm of activations on average."""
    entering, leaving = site.layer.in_channels, site.layer.out_channels
    return site.stride * (entering / min(entering, leaving)) ** 0.5


SV_TARGETS: Registry[Callable[[Site], float]] = Registry(
    "regularizer_target", "regularizer_targets", {"backward": _backward, "forward": _forward}
)
"""A convolution -> the singular value that all of its own are drawn to."""

SV_LAYERS: Registry[str] = Registry(
    "choice of layers",
    "regularizer_layers",
    {
        "all": "every convolution",
        "transitions": "those that change dimensions outside the branches: projections and bare transitions",
        "stem+transitions": "these and the network's first convolution: Zaeemzadeh et al. 2020",
    },
)


def find_sites(network: ResidualNetwork, images: Tensor, *, layers: str) -> list[Site]:
    """The convolutions called `layers`, from the input on, and the sizes of what enters them.

    Args:
        network: left as it is.
        images: (B, C, H, W), what the network takes; one image is enough.
        layers: a row of SV_LAYERS.

    Raises:
        UnknownName: for a name that is not in SV_LAYERS.
        AnalysisError: for a convolution that applies something else than its weights on zero-padded images, equally
            along both sides: a subclass, another padding mode, two strides or two dilations.
    """
    for name, layer in chosen_convolutions(network, layers=layers):
        _check_plain(name, layer)
    return _sites(network, images, layers=layers)


def find_applied_sites(network: ResidualNetwork, images: Tensor) -> list[Site]:
    """Every convolution, from the input on, as the plain one that it applies: a subclass may transform its weights.

    Args:
        network: left as it is; in eval mode.
        images: (B, C, H, W), what the network takes; one image is enough.

    Raises:
        AnalysisError: for a convolution that applies no plain one on zero-padded images, equally along both sides.
    """
    found: list[Site] = []
    for site in _sites(network, images, layers="all"):
        try:
            layer = applied_convolution(site.layer, size=site.size)
        except ValueError as error:
            raise AnalysisError(f"{site.name} has no kernel whose singular values are known: {error}") from None
        _check_plain(site.name, layer)
        found.append(replace(site, layer=layer))
    return found


def _sites(network: ResidualNetwork, images: Tensor, *, layers: str) -> list[Site]:
    sizes = _input_sizes(network, images)
    stem, moving = _stem(network), set(_transitions(network))
    return [
        Site(name, layer, sizes[layer], is_stem=layer is stem, is_transition=layer in moving)
        for name, layer in chosen_convolutions(network, layers=layers)
        if layer in sizes
    ]


def chosen_convolutions(network: ResidualNetwork, *, layers: str) -> list[tuple[str, nn.Conv2d]]:
    """Name and layer of the convolutions called `layers`, from the input on; the network may be on `meta`.

    Args:
        network: left as it is.
        layers: a row of SV_LAYERS.

    Raises:
        UnknownName: for a name that is not in SV_LAYERS.
    """
    SV_LAYERS[layers]
    stem, moving = _stem(network), set(_transitions(network))
    return [
        (name, layer)
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Conv2d)
        and (layers == "all" or layer in moving or (layers == "stem+transitions" and layer is stem))
    ]


def _check_plain(name: str, layer: nn.Conv2d) -> None:
    """A subclass may transform its weights or pad on its own, which neither weights nor attributes tell."""
    if type(layer) is not nn.Conv2d:
        found = f"a {type(layer).__module__}.{type(layer).__name__}"
    elif layer.padding_mode != "zeros":
        found = f"padding_mode={layer.padding_mode!r}"
    elif len(set(layer.stride)) > 1 or len(set(layer.dilation)) > 1:
        found = f"stride={layer.stride}, dilation={layer.dilation}"
    else:
        return
    raise AnalysisError(
        f"{name}: singular values are known of plain nn.Conv2d with padding_mode='zeros' and equal strides and"
        f" dilations alone, got {found}"
    )


def _stem(network: ResidualNetwork) -> nn.Conv2d | None:
    return next((layer for layer in network.stem.modules() if isinstance(layer, nn.Conv2d)), None)


def _transitions(network: ResidualNetwork) -> Iterator[nn.Conv2d]:
    # A block that changes dimensions may have gates too, or convolve once more what its entry has brought into shape.
    for block in network.chain:
        for layer in _outside_branch(block):
            if isinstance(layer, nn.Conv2d) and (layer.in_channels != layer.out_channels or set(layer.stride) != {1}):
                yield layer


def _outside_branch(block: Block) -> Iterator[nn.Module]:
    for name, part in block.named_children():
        if name != "branch":
            scaling = {module for scale in _scales(part) for module in scale.modules()}
            yield from (module for module in part.modules() if module not in scaling)


def _scales(part: nn.Module) -> tuple[nn.Module, ...]:
    return part.scales if isinstance(part, Shortcut) else ()


def _input_sizes(network: nn.Module, images: Tensor) -> dict[nn.Module, tuple[int, int]]:
    sizes: dict[nn.Module, tuple[int, int]] = {}

    def note(layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        entered = cast(Tensor, inputs[0])
        sizes[layer] = (entered.shape[2], entered.shape[3])

    convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    hooks = [layer.register_forward_pre_hook(note) for layer in convolutions]
    try:
        with evaluation_mode(network), torch.no_grad():
            network(images[:1])
    finally:
        for hook in hooks:
            hook.remove()
    return sizes
