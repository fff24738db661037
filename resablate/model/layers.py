"""Words to layers."""

from collections.abc import Sequence
from typing import NamedTuple

from torch import nn


class Convolution(NamedTuple):
    """One convolution of a branch."""

    kernel: int
    """Side in pixels, odd; padded so that stride 1 keeps the size."""
    out_channels: int
    stride: int = 1


def layers(words: str, *, in_channels: int, convolutions: Sequence[Convolution] = ()) -> nn.Sequential:
    """The layers that `words` names: (B, in_channels, H, W) -> (B, channels of the last convolution, H', W').

    Args:
        words: `conv` (without bias), `bn` and `relu`, separated by spaces; may be empty.
        in_channels: channels that enter.
        convolutions: one for each `conv`.

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
            kernel, out_channels, stride = next(waiting)
            stack.append(nn.Conv2d(channels, out_channels, kernel, stride=stride, padding=kernel // 2, bias=False))
            channels = out_channels
        elif word == "bn":
            stack.append(nn.BatchNorm2d(channels))
        elif word == "relu":
            # Out of place: analyses keep the inputs of blocks, and a block of "relu conv ..." must not change them.
            stack.append(nn.ReLU())
        else:
            raise ValueError(f"a word is conv, bn or relu, got {word!r} in {words!r}")
    return nn.Sequential(*stack)
