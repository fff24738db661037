"""Adam with decoupled weight decay."""

from typing import Annotated

import torch
from annotated_types import Ge, Interval
from torch import nn

from resablate.component import PER_MEMBER
from resablate.optimizers.interface import WEIGHT_DECAYS, parameter_groups


def adamw(
    network: nn.Module,
    *,
    learning_rate: float,
    beta1: Annotated[float, Interval(ge=0, lt=1)] = 0.9,
    beta2: Annotated[float, Interval(ge=0, lt=1)] = 0.999,
    weight_decay: Annotated[float, Ge(0), PER_MEMBER] = 1e-2,
    weight_decay_on: Annotated[str, WEIGHT_DECAYS] = "all",
) -> torch.optim.AdamW:
    """Adam, with weight decay that is no part of the gradient.

    Args:
        network: what is trained.
        learning_rate: of the first step; a schedule changes it. The default of a trial, 0.1, suits SGD; 0.001 this.
        beta1: decay of the mean of gradients.
        beta2: decay of the mean of their squares.
        weight_decay: what is taken off the weights in each step, times the learning rate.
        weight_decay_on: a row of WEIGHT_DECAYS.

    Source: Loshchilov & Hutter, arXiv 1711.05101; defaults of torch.
    """
    return torch.optim.AdamW(
        parameter_groups(network, weight_decay=weight_decay, weight_decay_on=weight_decay_on),
        lr=learning_rate,
        betas=(beta1, beta2),
    )
