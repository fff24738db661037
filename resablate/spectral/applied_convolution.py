"""What a layer convolves with: a subclass of a convolution may transform its weights, or pad on its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

_Pair = tuple[int, int]


@dataclass(frozen=True)
class _Call:
    """The arguments of `torch.conv2d`."""

    images: Tensor
    weight: Tensor
    bias: Tensor | None = None
    stride: Any = 1
    padding: Any = 0
    dilation: Any = 1
    groups: int = 1


def applied_convolution(layer: nn.Conv2d, *, size: _Pair) -> nn.Conv2d:
    """The plain convolution with zero padding that `layer` applies; `layer` itself where it is one.

    What it convolves, and with what, is seen while it runs on noise. Where it pads more on one side than on the other,
    zeros before the kernel make the padding even, so that the kernel is larger than the layer's.

    Args:
        layer: a convolution or of a subclass, in eval mode.
        size: (H, W) of the images that enter.

    Raises:
        ValueError: if what it applies is no such convolution, or another one for other images; says why.
    """
    if type(layer) is nn.Conv2d and layer.padding_mode == "zeros" and not isinstance(layer.padding, str):
        return layer
    draw = torch.Generator().manual_seed(0)
    shape = (1, layer.in_channels, *size)
    drawn = (torch.randn(shape, generator=draw).to(layer.weight) for _ in range(2))
    (call, above), (other, _) = [_observe(layer, images) for images in drawn]
    if not torch.equal(call.weight, other.weight):
        raise ValueError("its kernel depends on the images")
    dilation = _pair(call.dilation)
    sides = _zeros_around(call, size=size, above=above, dilation=dilation)
    uneven = [behind - before for before, behind in sides]
    if any(zeros % step for zeros, step in zip(uneven, dilation, strict=True)):
        raise ValueError(f"it pads {sides[0]} pixels above and below, and {sides[1]} left and right")
    down, right = (zeros // step for zeros, step in zip(uneven, dilation, strict=True))
    zeros = (max(right, 0), max(-right, 0), max(down, 0), max(-down, 0))
    weight = functional.pad(call.weight.detach(), zeros)
    plain = nn.Conv2d(
        layer.in_channels,
        layer.out_channels,
        (weight.shape[2], weight.shape[3]),
        stride=_pair(call.stride),
        padding=(max(sides[0]), max(sides[1])),
        dilation=dilation,
        groups=call.groups,
        bias=False,
        device="meta",
    )
    plain.weight = nn.Parameter(weight, requires_grad=False)
    return plain


def _observe(layer: nn.Conv2d, images: Tensor) -> tuple[_Call, _Pair]:
    """The one convolution that `layer` consists of, and how many zeros it puts above and left of `images` before."""
    watch = _Watch()
    with torch.no_grad(), watch:
        output: Tensor = layer(images)
    if len(watch.calls) != 1 or output is not watch.results[0]:
        raise ValueError("what it gives is not what one convolution of its images gives")
    call = watch.calls[0]
    more = [whole - side for whole, side in zip(call.images.shape[2:], images.shape[2:], strict=True)]
    for top in range(more[0] + 1):
        for left in range(more[1] + 1):
            if torch.equal(call.images, functional.pad(images, (left, more[1] - left, top, more[0] - top))):
                return call, (top, left)
    raise ValueError("what it convolves is not its images with zeros around them")


def _zeros_around(call: _Call, *, size: _Pair, above: _Pair, dilation: _Pair) -> list[_Pair]:
    """Zeros before and behind the images, down and right: those that the layer adds and those of the convolution."""
    if call.padding == "same":
        spans = [step * (taps - 1) for step, taps in zip(dilation, call.weight.shape[2:], strict=True)]
        inside = [(span // 2, span - span // 2) for span in spans]
    else:
        inside = [(pad, pad) for pad in _pair(0 if call.padding == "valid" else call.padding)]
    whole = call.images.shape[2:]
    return [
        (before + first, entered - side - first + behind)
        for entered, side, first, (before, behind) in zip(whole, size, above, inside, strict=True)
    ]


def _pair(value: int | Sequence[int]) -> _Pair:
    return (value, value) if isinstance(value, int) else (value[0], value[-1])


@final
class _Watch(TorchFunctionMode):
    """Keeps the two-dimensional convolutions that run inside."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[_Call] = []
        self.results: list[Any] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """`func` itself."""
        named = dict(kwargs or {})
        result = func(*args, **named)
        if func is torch.conv2d:
            if "input" in named:
                named["images"] = named.pop("input")
            self.calls.append(_Call(*args, **named))
            self.results.append(result)
        return result
