"""Words to layers."""

from torch import nn


def layers(words: str, *, in_channels: int, out_channels: int, stride: int = 1) -> nn.Sequential:
    """The layers that `words` names, (B, in_channels, H, W) -> (B, out_channels, ceil(H/stride), ceil(W/stride)).

    Args:
        words: `conv` (3x3, no bias), `bn` and `relu`, separated by spaces; may be empty.
        in_channels: channels that enter.
        out_channels: channels behind the first convolution.
        stride: of the first convolution.

    Raises:
        ValueError: for any other word.
    """
    stack: list[nn.Module] = []
    channels = in_channels
    for word in words.split():
        if word == "conv":
            stack.append(nn.Conv2d(channels, out_channels, 3, stride=stride, padding=1, bias=False))
            channels, stride = out_channels, 1
        elif word == "bn":
            stack.append(nn.BatchNorm2d(channels))
        elif word == "relu":
            # Out of place: analyses keep the inputs of blocks, and a block of "relu conv ..." must not change them.
            stack.append(nn.ReLU())
        else:
            raise ValueError(f"a word is conv, bn or relu, got {word!r} in {words!r}")
    return nn.Sequential(*stack)
