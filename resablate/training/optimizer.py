"""Stochastic gradient descent as the papers use it."""

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


def build_sgd(
    network: nn.Module,
    *,
    learning_rate: float,
    momentum: float,
    weight_decay: float,
    weight_decay_on: str = "all",
    nesterov: bool = False,
) -> torch.optim.SGD:
    """SGD on the network's parameters.

    Args:
        network: what is trained.
        learning_rate: of the first step; a schedule changes it.
        momentum: plain, or Nesterov's.
        weight_decay: L2 penalty.
        weight_decay_on: a row of WEIGHT_DECAYS.
        nesterov: whether the momentum looks ahead; it needs some.

    Source: He et al. 2016, appendix; Nesterov and all parameters: the trainer their released code was run with.
    """
    decayed: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for parameter in network.parameters():
        (decayed if weight_decay_on == "all" or parameter.ndim > 1 else others).append(parameter)
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.SGD(
        [group for group in groups if group["params"]],
        lr=learning_rate,
        momentum=momentum,
        nesterov=nesterov and momentum > 0,
    )
