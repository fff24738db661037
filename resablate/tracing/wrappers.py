"""What people put around a network: compilers, data-parallel copies, averages of weights."""

from __future__ import annotations

from torch import nn

_INSIDE = {
    "torch._dynamo.eval_frame.OptimizedModule": "_orig_mod",
    "torch.nn.parallel.data_parallel.DataParallel": "module",
    "torch.nn.parallel.distributed.DistributedDataParallel": "module",
    "torch.optim.swa_utils.AveragedModel": "module",
}
"""Class -> the child that is the network itself."""


def unwrapped(network: nn.Module) -> nn.Module:
    """The network inside of whatever is around it."""
    while inside := _INSIDE.get(f"{type(network).__module__}.{type(network).__qualname__}"):
        network = network.get_submodule(inside)
    return network
