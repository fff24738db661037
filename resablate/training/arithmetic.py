"""How a training step computes: precision of products, and order of a tensor's axes in memory.

Nothing of it outlives an epoch: parameters, batch norm's statistics, evaluations and analyses are in float32 and
contiguous, whatever a training used.
"""

from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

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


class KernelLayout:
    """The memory of a network's convolution kernels in steps and outside of them: the same parameters and values.

    Both places stay where they are from epoch to epoch: a recorded step knows them.

    Args:
        network: whose kernels are contiguous.
        memory_format: of the steps.
    """

    def __init__(self, network: nn.Module, memory_format: MemoryFormat) -> None:
        kernels = [parameter for parameter in network.parameters() if parameter.ndim == 4]  # noqa: PLR2004
        self._kernels = [] if memory_format.layout is torch.contiguous_format else kernels
        # Copies: for a 1x1 kernel both formats are the same bytes, and `contiguous` would keep the other's strides.
        self._of_steps = [kernel.data.clone(memory_format=memory_format.layout) for kernel in self._kernels]

    @contextmanager
    def of_steps(self) -> Generator[None]:
        """The kernels in the steps' format inside, and contiguous again outside."""
        outside = [kernel.data for kernel in self._kernels]
        self._move(self._of_steps)
        try:
            yield
        finally:
            self._move(outside)

    def _move(self, places: Sequence[Tensor]) -> None:
        for kernel, place in zip(self._kernels, places, strict=True):
            kernel.data = place.copy_(kernel.data)
