"""Many vectors back through one linearization: the transposed Jacobian as a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

Pair = int | Sequence[int]


def pull_back(output: Tensor, leaf: Tensor, vectors: Tensor) -> Tensor:
    """Each of `vectors` times the Jacobian of `output` by `leaf`.

    Args:
        output: (B, ...), computed from `leaf` inside `Linearization`; its graph is kept.
        leaf: (B, ...), requires grad.
        vectors: (V, *output.shape).

    Returns:
        (V, *leaf.shape); `vectors` itself where `output` is `leaf`.
    """
    if output is leaf:
        return vectors
    if not output.requires_grad:
        return leaf.new_zeros(()).expand(len(vectors), *leaf.shape)

    def pull(vector: Tensor) -> Tensor:
        return torch.autograd.grad(output, leaf, vector, retain_graph=True, materialize_grads=True)[0]

    return torch.func.vmap(pull)(vectors)


@final
class Linearization(TorchFunctionMode):
    """Inside, convolutions and batch norms of fixed statistics are made for many vectors to come back through.

    Values are those of torch's own layers, bit for bit. Torch would take the vectors one by one back through a
    convolution, and prepare for each of them what only training needs of a batch norm. Here a convolution goes back
    as one transposed convolution, and a batch norm as a factor for each channel: of the weights, if it follows one.
    """

    def __init__(self) -> None:
        super().__init__()
        self._last: _Convolved | None = None

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """`func`, or what stands for it."""
        if func is functional.conv2d:
            output, self._last = _convolve(*args, **(kwargs or {}))
            return output
        if func is functional.batch_norm:
            return _normalize(self._last, *args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


@dataclass(frozen=True)
class _Convolved:
    """A convolution and what its backward pass needs."""

    input: Tensor
    weight: Tensor
    back: Mapping[str, Any]
    """How the transposed convolution is called."""
    node: Any
    """What autograd holds of its output: another one, once something was done to that in place."""


def _convolve(  # noqa: PLR0917 - torch's signature
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> tuple[Tensor, _Convolved]:
    with torch.no_grad():
        value = functional.conv2d(input, weight, bias, stride, padding, dilation, groups)
    strides, dilations = _pair(stride), _pair(dilation)
    reach = [d * (k - 1) for d, k in zip(dilations, weight.shape[2:], strict=True)]
    # "same" pads by half of the reach; torch allows it for odd kernels and strides of 1.
    paddings = [r // 2 if padding == "same" else 0 for r in reach] if isinstance(padding, str) else _pair(padding)
    # A stride takes several sizes to the same one, of which the transposed convolution would give the smallest.
    missing = [
        input.shape[2 + i] - ((value.shape[2 + i] - 1) * strides[i] - 2 * paddings[i] + reach[i] + 1) for i in (0, 1)
    ]
    back = dict(stride=strides, padding=paddings, output_padding=missing, groups=groups, dilation=dilations)
    output = _Convolution.apply(value, input, weight.detach(), back)
    return output, _Convolved(input, weight.detach(), back, output.grad_fn)


class _Convolution(torch.autograd.Function):
    """`value`, known already, with the backward pass of the convolution of `x` that it comes from."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, x: Tensor, weight: Tensor, back: Mapping[str, Any]) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.back = back
        return value.clone()  # what is done to it in place must not meet a view

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        (weight,) = ctx.saved_tensors
        return None, functional.conv_transpose2d(grad_outputs[0], weight, **ctx.back), None, None


def _normalize(  # noqa: PLR0917 - torch's signature
    last: _Convolved | None,
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    if training or running_var is None:
        return functional.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    with torch.no_grad():
        value = functional.batch_norm(input, running_mean, running_var, weight, bias, eps=eps)
        factor = torch.rsqrt(running_var + eps)
        factor = factor if weight is None else factor * weight
    if last and last.node and input.grad_fn is last.node:
        return _Convolution.apply(value, last.input, last.weight * factor.view(-1, 1, 1, 1), last.back)
    # The difference is zero, and carries the gradient.
    return value + (input - input.detach()) * factor.view(-1, *[1] * (input.ndim - 2))


def _pair(size: Pair) -> Sequence[int]:
    return (size, size) if isinstance(size, int) else size
