"""Putting a network into another mode for a while."""

from collections.abc import Generator
from contextlib import contextmanager

from torch import nn

from resablate.model.network import ResidualNetwork


@contextmanager
def evaluation_mode(network: nn.Module) -> Generator[None]:
    """Every module in eval mode inside; each one's own mode again outside, also after an exception."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    for module in network.modules():
        module.training = False  # also of one whose own `train` keeps some in the other mode
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


@contextmanager
def unscaled(network: ResidualNetwork) -> Generator[None]:
    """Every block's `survival` 1 inside, so that eval mode scales no branch; its own again outside."""
    before = [(block, block.survival) for block in network.chain]
    for block, _ in before:
        block.survival = 1.0
    try:
        yield
    finally:
        for block, survival in before:
            block.survival = survival
