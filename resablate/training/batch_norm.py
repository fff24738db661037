"""The batch norms of a network, and their counters of batches."""

from collections.abc import Generator
from contextlib import contextmanager

from torch import nn

Norm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d


def batch_norms(network: nn.Module) -> list[Norm]:
    """Those of `network`, from the input on."""
    return [module for module in network.modules() if isinstance(module, Norm)]


@contextmanager
def batches_counted_at_once(network: nn.Module, steps: int) -> Generator[None]:
    """The counters of batches raised by `steps` at the end of the block, and left alone in it.

    Each is a kernel of its own in every step, a tenth of a deep thin network's forward pass, and means nothing there:
    running statistics move by a fixed momentum. A norm whose momentum is None averages by its counter, and keeps it.
    After an error the counters are as they were.
    """
    norms = [norm for norm in batch_norms(network) if norm.momentum is not None]
    counters = [norm.num_batches_tracked for norm in norms]
    for norm in norms:
        norm.num_batches_tracked = None
    try:
        yield
    finally:
        for norm, counter in zip(norms, counters, strict=True):
            norm.num_batches_tracked = counter
    for counter in counters:
        if counter is not None:
            counter.add_(steps)
