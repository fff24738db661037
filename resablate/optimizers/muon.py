"""Muon: momentum, made orthogonal."""

from collections.abc import Callable
from typing import Annotated, Any, final

import torch
from annotated_types import Ge, Gt, Interval
from torch import Tensor, nn

from resablate.optimizers.interface import WEIGHT_DECAYS, parameter_groups

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic of Newton and Schulz; torch's, which are those of the released code."""
_ITERATIONS = 5
_SMALLEST_NORM = 1e-7


def muon(
    network: nn.Module,
    *,
    learning_rate: float,
    momentum: Annotated[float, Interval(ge=0, lt=1)] = 0.95,
    nesterov: bool = True,
    weight_decay: Annotated[float, Ge(0)] = 0.1,
    weight_decay_on: Annotated[str, WEIGHT_DECAYS] = "all",
    others_factor: Annotated[float, Gt(0)] = 1.0,
) -> torch.optim.Optimizer:
    """Momentum whose direction is made orthogonal, for convolutions; SGD for everything else.

    A kernel counts as a matrix of its output channels by all others, and its step is as long as torch's `original`
    adjustment says. Classifier, batch norm and biases take plain steps along the same momentum.

    Args:
        network: what is trained.
        learning_rate: of the first step; a schedule changes it.
        momentum: weight of what was before in the running mean of gradients.
        nesterov: whether the momentum looks ahead.
        weight_decay: what is taken off the weights in each step, times the learning rate.
        weight_decay_on: a row of WEIGHT_DECAYS.
        others_factor: multiplies the learning rate of all but the convolutions.

    Source: Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024; torch.optim.Muon, which
        takes matrices alone.
    """
    kernels = {id(layer.weight) for layer in network.modules() if isinstance(layer, nn.Conv2d)}
    groups = [
        {**group, "turned": turned, "params": [p for p in group["params"] if (id(p) in kernels) == turned]}
        for group in parameter_groups(network, weight_decay=weight_decay, weight_decay_on=weight_decay_on)
        for turned in (True, False)
    ]
    return _Muon(
        [group for group in groups if group["params"]],
        {"lr": learning_rate, "momentum": momentum, "nesterov": nesterov, "others_factor": others_factor},
    )


@final
class _Muon(torch.optim.Optimizer):
    """The update; a rate may be a tensor, which is not read by the program."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One update by the gradients there are."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    _update(parameter, parameter.grad, self.state[parameter], group)


def _update(parameter: Tensor, gradient: Tensor, state: dict[str, Tensor], group: dict[str, Any]) -> None:
    mean = state.setdefault("momentum_buffer", torch.zeros_like(parameter))
    mean.lerp_(gradient, 1 - group["momentum"])
    step = gradient.lerp(mean, group["momentum"]) if group["nesterov"] else mean
    rate = group["lr"]
    parameter.mul_(1 - rate * group["weight_decay"])
    if group["turned"]:
        matrix = step.flatten(1)
        longer = max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5
        parameter.sub_((orthogonal(matrix).view_as(step) * (rate * longer)).to(parameter.dtype))
    else:
        parameter.sub_((step * (rate * group["others_factor"])).to(parameter.dtype))


def orthogonal(matrix: Tensor) -> Tensor:
    """A matrix with the singular vectors of `matrix` (rows, columns), and singular values from about 0.7 to 1.2.

    Computed in bfloat16, as in the released code and in torch.
    """
    first, second, third = _COEFFICIENTS
    upright = matrix.shape[0] > matrix.shape[1]
    x = matrix.bfloat16()
    x = x.T if upright else x
    x = x / x.norm().clamp(min=_SMALLEST_NORM)
    for _ in range(_ITERATIONS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=second, alpha=third), x, beta=first)
    return x.T if upright else x
