"""What an optimizer remembers between steps, as tensors of a checkpoint."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

_PREFIX = "optimizer"
_STATE, _GROUP = "state", "group"
_NUMBER = "_number"
"""Behind the kind of what is no tensor in the optimizer, such as a count of steps."""
_OF_THE_DEVICE = ("capturable", "fused")
"""Which of torch's kernels a group takes, where it trains now: no state."""


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Name -> tensor: what `optimizer` keeps for each parameter, and the numbers of its groups.

    Numbers are kept as they are, floats in double precision, so that a training continues bit for bit. Values of other
    kinds are settings, which do not change while a network trains.
    """
    found: dict[str, Tensor] = {}
    for kind, index, holder in _holders(optimizer):
        for name, value in holder.items():
            if name in _OF_THE_DEVICE:
                continue
            if isinstance(value, Tensor):
                found[f"{_PREFIX}.{kind}.{index}.{name}"] = value
            elif isinstance(value, bool | int | float):
                exact = torch.float64 if isinstance(value, float) else None
                found[f"{_PREFIX}.{kind}{_NUMBER}.{index}.{name}"] = torch.tensor(value, dtype=exact)
    return found


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` gave; other names are left alone.

    What has a parameter's shape gets its device and its layout; a tensor of another shape, such as a count of steps, is
    kept on the CPU, or on the parameter's device where the optimizer counts there (`capturable` or `fused`).

    Raises:
        RuntimeError: if the tensors are of an optimizer with more parameters or groups.
    """
    parameters = _parameters(optimizer)
    places = places_of_counts(optimizer)
    for name, value in tensors.items():
        prefix, *parts = name.split(".", 3)
        if prefix != _PREFIX:
            continue
        kind, index, entry = parts
        there = optimizer.param_groups if kind.startswith(_GROUP) else parameters
        if int(index) >= len(there):
            raise RuntimeError(f"{name}: the optimizer has {len(there)} of its kind, counted from 0")
        if entry in _OF_THE_DEVICE:
            continue
        if kind.startswith(_GROUP):
            optimizer.param_groups[int(index)][entry] = value.item() if kind.endswith(_NUMBER) else value
            continue
        parameter = parameters[int(index)]
        if kind.endswith(_NUMBER):
            kept: Any = value.item()
        else:
            fits = value.shape == parameter.shape
            kept = torch.empty_like(parameter).copy_(value) if fits else value.to(places[int(index)])
        optimizer.state[parameter][entry] = kept


def _holders(optimizer: torch.optim.Optimizer) -> Iterator[tuple[str, int, Mapping[str, Any]]]:
    """Kind, place and content of everything that holds values."""
    for index, parameter in enumerate(_parameters(optimizer)):
        yield _STATE, index, optimizer.state.get(parameter, {})
    for index, group in enumerate(optimizer.param_groups):
        yield _GROUP, index, group


def _parameters(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def places_of_counts(optimizer: torch.optim.Optimizer) -> list[torch.device]:
    """Where the optimizer counts the steps of each parameter."""
    return [
        parameter.device if group.get("capturable") or group.get("fused") else torch.device("cpu")
        for group in optimizer.param_groups
        for parameter in group["params"]
    ]
