"""Many vectors back through one linearization: the transposed Jacobian as a function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

_BATCH_NORM = inspect.signature(functional.batch_norm)


def pull_back(output: Tensor, leaf: Tensor, vectors: Tensor) -> Tensor:
    """Each of `vectors` times the Jacobian of `output` by `leaf`.

    Args:
        output: (B, ...), computed from `leaf` inside `FixedNorms`; its graph is kept.
        leaf: (B, ...), requires grad.
        vectors: (V, *output.shape).

    Returns:
        (V, *leaf.shape); `vectors` itself where `output` is `leaf`.
    """
    if output is leaf:
        return vectors
    if not output.requires_grad:
        return leaf.new_zeros(()).expand(len(vectors), *leaf.shape)
    (found,) = torch.autograd.grad(
        output, leaf, vectors, retain_graph=True, is_grads_batched=True, materialize_grads=True
    )
    return found.expand(len(vectors), *leaf.shape)


@final
class FixedNorms(TorchFunctionMode):
    """Inside, a batch norm of fixed statistics goes backward as what it is: one factor for each channel.

    Its values are torch's own. Torch's backward pass of a batch norm would also prepare what training needs, for
    every one of many vectors, which took half of the time.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """`func`, or the batch norm above in its place."""
        if func is not functional.batch_norm:
            return func(*args, **(kwargs or {}))
        call = _BATCH_NORM.bind(*args, **(kwargs or {}))
        call.apply_defaults()
        if call.arguments["training"]:
            return func(*args, **(kwargs or {}))
        return _fixed_norm(**call.arguments)


def _fixed_norm(
    *,
    input: Tensor,  # torch's name
    running_mean: Tensor,
    running_var: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    **_: Any,
) -> Tensor:
    with torch.no_grad():
        factor = torch.rsqrt(running_var + eps)
        factor = (factor if weight is None else factor * weight).view(-1, *[1] * (input.ndim - 2))
        value = functional.batch_norm(input, running_mean, running_var, weight, bias, eps=eps)
    return value + (input - input.detach()) * factor  # the difference is zero, and carries the gradient
