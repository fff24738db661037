"""What an optimizer is: a function from a network and a learning rate to one of torch's optimizers."""

from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch import nn

from resablate.registry import Registry

WEIGHT_DECAYS: Registry[str] = Registry(
    "weight_decay_on",
    "weight_decays",
    {
        "all": "every parameter, batch norm's included: the released code of all three papers",
        "convolutions": "the weights of convolutions and linear layers alone",
    },
)


class Optimizer(Protocol):
    """A row: builds the optimizer of `network`; arguments are further keywords.

    The schedule sets the `lr` of every parameter group before each step. The whole state of the optimizer is kept in a
    checkpoint.
    """

    def __call__(self, network: nn.Module, *, learning_rate: float) -> torch.optim.Optimizer:
        """The optimizer."""
        ...


def parameter_groups(network: nn.Module, *, weight_decay: float, weight_decay_on: str) -> list[dict[str, Any]]:
    """The parameters of `network` in groups: those that decay, and those that do not.

    Args:
        network: what is trained.
        weight_decay: of the first group.
        weight_decay_on: a row of WEIGHT_DECAYS.
    """

    def groups() -> Iterator[dict[str, Any]]:
        everything = list(network.parameters())
        decayed = [p for p in everything if weight_decay_on == "all" or p.ndim > 1]
        others = [p for p in everything if not (weight_decay_on == "all" or p.ndim > 1)]
        for parameters, decay in ((decayed, weight_decay), (others, 0.0)):
            if parameters:
                yield {"params": parameters, "weight_decay": decay}

    return list(groups())
