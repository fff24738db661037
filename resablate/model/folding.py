"""Batch norm folded into the convolution before it: one layer less to compute, the same function."""

import copy

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from resablate.model.network import ResidualNetwork


def folded(network: ResidualNetwork) -> ResidualNetwork:
    """A copy of `network` for evaluation, with batch norm folded into convolutions.

    In eval mode batch norm scales and shifts each channel by fixed numbers, which a convolution directly before it
    can do itself. What follows an addition, or comes first in a pre-activation branch, stays, and so does batch norm
    inside of a shortcut that is no sequence of layers (`conv1x1`). Logits are equal but for rounding.

    Args:
        network: in whatever mode; left as it is. The copy is in eval mode and shares nothing with it.
    """
    copied = copy.deepcopy(network).eval()
    for module in list(copied.modules()):
        if type(module) is nn.Sequential:
            _fold(module)
    return copied


def _fold(layers: nn.Sequential) -> None:
    place = 0
    while place + 1 < len(layers):
        layer, after = layers[place], layers[place + 1]
        # Exact types: a subclass may compute something else under the same name, as timm's BatchNormAct2d does.
        if type(layer) is nn.Conv2d and type(after) is nn.BatchNorm2d and after.running_mean is not None:
            layers[place] = fuse_conv_bn_eval(layer, after)
            del layers[place + 1]
            continue
        if type(layer) is nn.Conv2d and type(after) is nn.ReLU:
            # Nobody else sees what the convolution wrote, so no second tensor has to be filled.
            layers[place + 1] = nn.ReLU(inplace=True)
        place += 1
