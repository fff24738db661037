"""Stochastic gradient descent as the papers use it."""

from typing import Annotated

import torch
from annotated_types import Ge, Interval
from torch import nn

from resablate.component import PER_MEMBER
from resablate.optimizers.interface import WEIGHT_DECAYS, parameter_groups


def sgd(
    network: nn.Module,
    *,
    learning_rate: float,
    momentum: Annotated[float, Interval(ge=0, lt=1), PER_MEMBER] = 0.9,
    nesterov: bool = False,
    weight_decay: Annotated[float, Ge(0), PER_MEMBER] = 1e-4,
    weight_decay_on: Annotated[str, WEIGHT_DECAYS] = "all",
) -> torch.optim.SGD:
    """SGD with momentum.

    Args:
        network: what is trained.
        learning_rate: of the first step; a schedule changes it.
        momentum: plain, or Nesterov's.
        nesterov: whether the momentum looks ahead; it needs some.
        weight_decay: L2 penalty, added to the gradient.
        weight_decay_on: a row of WEIGHT_DECAYS.

    Source: He et al. 2016, appendix; Nesterov and all parameters: the trainer their released code was run with.
    """
    return torch.optim.SGD(
        parameter_groups(network, weight_decay=weight_decay, weight_decay_on=weight_decay_on),
        lr=learning_rate,
        momentum=momentum,
        nesterov=nesterov and momentum > 0,
    )
