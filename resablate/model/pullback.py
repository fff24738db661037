"""Many vectors back through one linearization: the transposed Jacobian as a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    """Inside, layers with parameters are made for many vectors to come back through.

    Values are those of torch's own layers. Torch would take the vectors one by one back through a convolution, and
    prepare for every one of them what only training needs of a batch norm.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """What stands for `func`."""
        return _INSTEAD.get(func, func)(*args, **(kwargs or {}))


def _conv2d(  # noqa: PLR0917 - torch's signature
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    if isinstance(padding, str):
        return functional.conv2d(input, weight, bias, stride, padding, dilation, groups)
    how = dict(stride=_pair(stride), padding=_pair(padding), dilation=_pair(dilation), groups=groups)
    return _Convolution.apply(input, weight.detach(), None if bias is None else bias.detach(), how)


class _Convolution(torch.autograd.Function):
    """A convolution whose backward pass is one transposed convolution of all vectors."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, how: Mapping[str, Any]) -> Tensor:
        ctx.save_for_backward(weight)
        y = functional.conv2d(x, weight, bias, **how)
        # A stride takes several sizes to the same one, of which the transposed convolution would give the smallest.
        missing = [
            x.shape[2 + side]
            - (y.shape[2 + side] - 1) * how["stride"][side]
            + 2 * how["padding"][side]
            - how["dilation"][side] * (weight.shape[2 + side] - 1)
            - 1
            for side in (0, 1)
        ]
        ctx.how = {**how, "output_padding": missing}
        return y

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        (weight,) = ctx.saved_tensors
        return functional.conv_transpose2d(grad_outputs[0], weight, **ctx.how), None, None, None


def _batch_norm(  # noqa: PLR0917 - torch's signature
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
        factor = (factor if weight is None else factor * weight).view(-1, *[1] * (input.ndim - 2))
    return value + (input - input.detach()) * factor  # the difference is zero, and carries the gradient


def _pair(size: Pair) -> Sequence[int]:
    return (size, size) if isinstance(size, int) else size


_INSTEAD: Mapping[Callable[..., Any], Callable[..., Any]] = {
    functional.conv2d: _conv2d,
    functional.batch_norm: _batch_norm,
}
