"""How a training step computes: precision of products, and order of a tensor's axes in memory.

Nothing of it outlives an epoch: parameters, batch norm's statistics, evaluations and analyses are in float32 and
contiguous, whatever a training used.
"""

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import nn

from resablate.registry import Registry


@dataclass(frozen=True)
class Precision:
    """A row of the table."""

    text: str
    tf32: bool = False
    """Whether a GPU multiplies float32 numbers in TF32."""
    forward: torch.dtype | None = None
    """What autocast makes of a forward pass; left alone where None."""

    def autocast(self, device: torch.device) -> AbstractContextManager[object]:
        """The context of a forward pass on `device`."""
        return nullcontext() if self.forward is None else torch.autocast(device.type, dtype=self.forward)


PRECISIONS: Registry[Precision] = Registry(
    "precision",
    "precisions",
    {
        "float32": Precision("IEEE single precision, on GPUs too"),
        "tf32": Precision(
            "a GPU rounds what it multiplies to 10 bits of mantissa (Ampere and later); elsewhere as float32", tf32=True
        ),
        "bf16": Precision(
            "the forward pass in bfloat16 where autocast does so; parameters, statistics and loss in float32",
            forward=torch.bfloat16,
        ),
    },
)


@dataclass(frozen=True)
class MemoryFormat:
    """A row of the table."""

    text: str
    layout: torch.memory_format


MEMORY_FORMATS: Registry[MemoryFormat] = Registry(
    "memory_format",
    "memory_formats",
    {
        "contiguous": MemoryFormat("channels before pixels (NCHW)", torch.contiguous_format),
        "channels_last": MemoryFormat(
            "a pixel's channels side by side (NHWC), as tensor cores take them", torch.channels_last
        ),
    },
)


@contextmanager
def float32_products(precision: Precision = PRECISIONS["float32"]) -> Generator[None]:
    """A GPU's products of float32 numbers as `precision` says inside, and as they were outside.

    Torch's own default is neither: convolutions in TF32, matrix products not.
    """
    # The older switches: torch's compiler reads them, and fails where only `fp32_precision` is (its issue 166387).
    products, convolutions = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("highest")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision.tf32
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(products)
        torch.backends.cudnn.allow_tf32 = convolutions


@contextmanager
def kernels_in(network: nn.Module, memory_format: MemoryFormat) -> Generator[None]:
    """The convolutions' kernels in that format inside, and contiguous again outside: the same parameters and values."""
    if memory_format.layout is torch.contiguous_format:
        yield
        return
    _lay_out(network, memory_format.layout)
    try:
        yield
    finally:
        _lay_out(network, torch.contiguous_format)


def _lay_out(network: nn.Module, layout: torch.memory_format) -> None:
    for parameter in network.parameters():
        if parameter.ndim == 4:  # noqa: PLR2004 - a kernel
            # A copy: for a 1x1 kernel both formats are the same bytes, and `contiguous` would keep the other's strides.
            parameter.data = parameter.data.clone(memory_format=layout)
