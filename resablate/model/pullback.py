"""Many vectors back through one linearization: the transposed Jacobian as a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, final

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

Pair = int | Sequence[int]


def pull_back(output: Tensor, leaf: Tensor, vectors: Tensor, *, overwrite: bool = False) -> Tensor:
    """Each of `vectors` times the Jacobian of `output` by `leaf`.

    Args:
        output: (B, ...), computed from `leaf` inside `Linearization`; its graph is kept.
        leaf: (B, ...), requires grad.
        vectors: (V, *output.shape).
        overwrite: whether `vectors` may be written on.

    Returns:
        (V, *leaf.shape); `vectors` itself where `output` is `leaf`.
    """
    if output is leaf:
        return vectors
    if not output.requires_grad:
        return leaf.new_zeros(()).expand(len(vectors), *leaf.shape)
    steps = _steps_between(output, leaf)
    if steps is not None:
        for step in steps:
            vectors = step.back(vectors, overwrite=overwrite)
            overwrite = True
        return vectors

    def pull(vector: Tensor) -> Tensor:
        return torch.autograd.grad(output, leaf, vector, retain_graph=True, materialize_grads=True)[0]

    try:
        return torch.func.vmap(pull)(vectors)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError:  # of a layer whose backward pass takes one vector at a time
        return torch.stack([pull(vector) for vector in vectors])


@final
class Linearization(TorchFunctionMode):
    """Inside, a network is made for many vectors to come back through to its input, in eval mode.

    Values are those of torch's own layers, bit for bit. Torch would take the vectors one by one back through a
    convolution, and prepare for each of them what only training needs of a batch norm. Here a convolution goes back
    as one transposed convolution, and its neighbors go with it: a batch norm behind it as a factor for each channel
    of its weights, a ReLU before it as a mask, in place.
    """

    def __init__(self) -> None:
        super().__init__()
        self._last: _Done | None = None

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """`func`, or what stands for it."""
        take = _TAKEN.get(func)
        done = take(self._last, *args, **(kwargs or {})) if take else None
        if done is None:
            return func(*args, **(kwargs or {}))
        self._last = done
        return done.output


class _Step(Protocol):
    """What a layer does to vectors that come back through it."""

    def back(self, vectors: Tensor, *, overwrite: bool) -> Tensor:
        """`vectors` (..., *shape of the output) times the layer's Jacobian; on their place if `overwrite`."""
        ...


@dataclass(frozen=True)
class _Factor:
    """The input times this: a batch norm's factor for each channel, or one where a ReLU's input is positive, else 0."""

    factor: Tensor

    def back(self, vectors: Tensor, *, overwrite: bool) -> Tensor:
        return vectors.mul_(self.factor) if overwrite else vectors * self.factor


@dataclass(frozen=True)
class _Convolution:
    """A convolution, and the factor of what came directly before it."""

    weight: Tensor
    transposed: Mapping[str, Any]
    """How the transposed convolution is called."""
    before: _Factor | None

    def back(self, vectors: Tensor, *, overwrite: bool) -> Tensor:
        flat = functional.conv_transpose2d(vectors.flatten(0, -4), self.weight, **self.transposed)
        vectors = flat.unflatten(0, vectors.shape[:-3])
        return self.before.back(vectors, overwrite=True) if self.before else vectors


@dataclass(frozen=True)
class _Done:
    """A layer that was taken."""

    input: Tensor
    step: _Step
    output: Tensor
    node: Any
    """What autograd holds of the output: another one, once something was done to that in place."""

    @classmethod
    def at(cls, input: Tensor, step: _Step, value: Tensor) -> _Done:
        """`value`, known already, as what `step` belongs to."""
        output = _Known.apply(input, lambda: value, step)
        return cls(input, step, output, output.grad_fn)

    def gave(self, tensor: Tensor) -> bool:
        """Whether `tensor` is what the layer gave, and needs a gradient."""
        return self.node is not None and tensor.grad_fn is self.node


class _Known(torch.autograd.Function):
    """A value with the backward pass of a step."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, value: Callable[[], Tensor], step: _Step) -> Tensor:
        ctx.step = step
        return value()

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        return ctx.step.back(grad_outputs[0], overwrite=False), None, None


def _steps_between(output: Tensor, leaf: Tensor) -> list[_Step] | None:
    """The steps from `output` back to `leaf`, if nothing else is between them."""
    steps: list[_Step] = []
    node: Any = output.grad_fn
    while hasattr(node, "step"):
        steps.append(node.step)
        node = node.next_functions[0][0]
    return steps if getattr(node, "variable", None) is leaf else None


def _rectify(last: _Done | None, input: Tensor, inplace: bool = False) -> _Done | None:
    if inplace:  # who else holds the input must see it change
        return None
    with torch.no_grad():
        value = functional.relu(input)
    return _Done.at(input, _Factor(value.sign()), value)


def _convolve(  # noqa: PLR0917 - torch's signature
    last: _Done | None,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> _Done:
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
    transposed = dict(stride=strides, padding=paddings, output_padding=missing, groups=groups, dilation=dilations)
    before = last.step if last and last.gave(input) and isinstance(last.step, _Factor) else None
    step = _Convolution(weight.detach(), transposed, before)
    return _Done.at(last.input if last and before else input, step, value)


def _normalize(  # noqa: PLR0917 - torch's signature
    last: _Done | None,
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> _Done | None:
    if training or running_var is None:
        return None
    with torch.no_grad():
        value = functional.batch_norm(input, running_mean, running_var, weight, bias, eps=eps)
        factor = torch.rsqrt(running_var + eps)
        factor = factor if weight is None else factor * weight
        factor = factor.view(-1, *[1] * (input.ndim - 2))
    if last and last.gave(input) and isinstance(last.step, _Convolution):
        scaled = replace(last.step, weight=last.step.weight * factor.unsqueeze(-1))
        return _Done.at(last.input, scaled, value)
    return _Done.at(input, _Factor(factor), value)


_TAKEN: Mapping[Callable[..., Any], Callable[..., _Done | None]] = {
    functional.relu: _rectify,
    functional.conv2d: _convolve,
    functional.batch_norm: _normalize,
}
"""What stands for a function of torch's; the function itself where it gives None."""


def _pair(size: Pair) -> Sequence[int]:
    return (size, size) if isinstance(size, int) else size
