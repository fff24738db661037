"""The weights of a network before its first step."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import torch
from torch import nn

from resablate.component import Component
from resablate.model.network import ResidualNetwork
from resablate.registry import Registry, with_arguments
from resablate.shortcuts import Shortcut

Initialize = Callable[[ResidualNetwork, torch.Generator | None], None]
"""Draws the weights of a network in place, from torch's global generator where there is none."""


def he_fan_out(network: ResidualNetwork, generator: torch.Generator | None) -> None:
    """Convolutions as N(0, 2 / (k^2 * out_channels)); the classifier uniform, its bias 0.

    Batch norm is 1 and 0 already, a convolution's bias is 0, and a gate keeps the bias its shortcut gave it.

    Source: He et al., arXiv 1502.01852; fan-out as in the authors' code of He et al. 2016.
    """
    _he(network, generator, "fan_out")


def he_fan_in(network: ResidualNetwork, generator: torch.Generator | None) -> None:
    """Convolutions as N(0, 2 / (k^2 * in_channels)); everything else as for `he_fan_out`.

    Source: He et al., arXiv 1502.01852, equation 10; Huang et al., arXiv 1603.09382, released code.
    """
    _he(network, generator, "fan_in")


def torch_default(network: ResidualNetwork, generator: torch.Generator | None) -> None:
    """Weights and biases uniform within one over the square root of the fan-in: what torch's layers do by themselves.

    A gate keeps the bias its shortcut gave it.

    Source: `reset_parameters` of torch's Conv2d and Linear.
    """
    of_shortcuts = {id(layer) for layer in _layers_of_shortcuts(network)}
    for module in _weighted(network):
        bound = prod(module.weight.shape[1:]) ** -0.5
        nn.init.kaiming_uniform_(module.weight, a=5**0.5, generator=generator)
        if module.bias is not None and id(module) not in of_shortcuts:
            nn.init.uniform_(module.bias, -bound, bound, generator=generator)


def fixup(network: ResidualNetwork, generator: torch.Generator | None) -> None:
    """A branch's last convolution 0, the others scaled down by the number of blocks; the classifier 0.

    With m convolutions in a branch and L blocks the factor is L^(-1 / (2m - 2)); what is not in a branch starts as for
    `he_fan_out`. The rest of Fixup is the ordering `fixup` with the norm `bias`.

    Source: Zhang, Dauphin & Ma, arXiv 1901.09321, section 3.
    """
    he_fan_out(network, generator)
    with torch.no_grad():
        for block in network.chain:
            branch = getattr(block, "branch", None)
            if isinstance(branch, nn.Module):
                _fix(branch, blocks=len(network.chain))
        for layer in network.head.modules():
            if isinstance(layer, nn.Linear):
                layer.weight.zero_()


INITIALIZATIONS: Registry[Initialize] = Registry(
    "initialization",
    "initializations",
    {"he_fan_out": he_fan_out, "he_fan_in": he_fan_in, "torch_default": torch_default, "fixup": fixup},
)


def initialize(network: ResidualNetwork, initialization: Component, generator: torch.Generator | None) -> None:
    """Draw the weights of `network` as a row of INITIALIZATIONS says."""
    with_arguments(INITIALIZATIONS, initialization)(network, generator)


def _fix(branch: nn.Module, *, blocks: int) -> None:
    """The convolutions of one of so many branches as Fixup has them."""
    convolutions = [layer for layer in branch.modules() if isinstance(layer, nn.Conv2d)]
    for layer in convolutions[:-1]:
        layer.weight.mul_(blocks ** (-0.5 / (len(convolutions) - 1)))
    for layer in convolutions[-1:]:
        layer.weight.zero_()


def _he(network: nn.Module, generator: torch.Generator | None, fan: str) -> None:
    for module in _weighted(network):
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode=fan, nonlinearity="relu", generator=generator)  # pyright: ignore[reportArgumentType]
        else:
            bound = module.in_features**-0.5
            nn.init.uniform_(module.weight, -bound, bound, generator=generator)
            nn.init.zeros_(module.bias)


def _weighted(network: nn.Module) -> list[nn.Conv2d | nn.Linear]:
    """Convolutions and linear layers that have memory for their weights."""
    found = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    return [module for module in found if not module.weight.is_meta]


def _layers_of_shortcuts(network: nn.Module) -> list[nn.Conv2d]:
    """Convolutions that shortcuts have made themselves; a projection was put into one from outside."""
    shortcuts = [module for module in network.modules() if isinstance(module, Shortcut)]
    given = {id(layer) for shortcut in shortcuts for layer in shortcut.match.modules()}
    layers = [layer for shortcut in shortcuts for layer in shortcut.modules() if id(layer) not in given]
    return [layer for layer in layers if isinstance(layer, nn.Conv2d)]
