"""Words to layers."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from torch import nn

from resablate.shortcuts import LearnedScale, LearnedShift


class Convolution(NamedTuple):
    """One convolution of a branch."""

    kernel: int
    """Side in pixels, odd; padded so that stride 1 keeps the size."""
    out_channels: int
    stride: int = 1
    groups: int = 1
    bias: bool = False


def layers(
    words: str, *, in_channels: int, convolutions: Sequence[Convolution] = (), dropout: float = 0.0
) -> nn.Sequential:
    """The layers that `words` names: (B, in_channels, H, W) -> (B, channels of the last convolution, H', W').

    Args:
        words: `conv`, `bn`, `relu`, `bias` (a learned number that is added), `scale` (one that multiplies) and `drop`
            (dropout), separated by spaces; may be empty.
        in_channels: channels that enter.
        convolutions: one for each `conv`.
        dropout: part of the values that each `drop` sets to zero.

    Raises:
        ValueError: for any other word, or another number of convolutions.
    """
    if words.split().count("conv") != len(convolutions):
        raise ValueError(f"one convolution for each conv in {words!r}, got {len(convolutions)}")
    stack: list[nn.Module] = []
    channels = in_channels
    waiting = iter(convolutions)
    for word in words.split():
        if word == "conv":
            convolution = next(waiting)
            stack.append(_convolution(channels, convolution))
            channels = convolution.out_channels
        elif word == "bn":
            stack.append(nn.BatchNorm2d(channels))
        elif word == "relu":
            # Out of place: analyses keep the inputs of blocks, and a block of "relu conv ..." must not change them.
            stack.append(nn.ReLU())
        elif word in _LEARNED:
            stack.append(_LEARNED[word]())
        elif word == "drop":
            stack.append(nn.Dropout(dropout))
        else:
            raise ValueError(f"a word is conv, bn, relu, {', '.join(_LEARNED)} or drop, got {word!r} in {words!r}")
    return nn.Sequential(*stack)


_LEARNED: Mapping[str, Callable[[], nn.Module]] = {"bias": LearnedShift, "scale": LearnedScale}


def _convolution(in_channels: int, convolution: Convolution) -> nn.Conv2d:
    kernel, out_channels, stride, groups, bias = convolution
    layer = nn.Conv2d(in_channels, out_channels, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=bias)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
