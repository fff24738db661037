"""What an optimizer is: a function from a network and a learning rate to one of torch's optimizers."""

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
    """A row: builds the optimizer of `network`; arguments are further keywords with defaults.

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

    Raises:
        UnknownName: if there is no such row.
    """
    WEIGHT_DECAYS[weight_decay_on]
    parameters = list(network.parameters())
    decay = [weight_decay_on == "all" or parameter.ndim > 1 for parameter in parameters]
    groups: list[dict[str, Any]] = [
        {"params": [p for p, decays in zip(parameters, decay, strict=True) if decays], "weight_decay": weight_decay},
        {"params": [p for p, decays in zip(parameters, decay, strict=True) if not decays], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
