"""What an error of torch means: by its class where torch has one, else by its text.

A text that is not recognized makes the error an ordinary one: the trial fails with it, and the process goes on.

Source: torch 2.11 to 2.14 (c10/cuda/CUDAException.cpp, aten/src/ATen/cuda/Exceptions.h), CUDA 12 and 13 (cudaError_t).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import torch

_CPU_ALLOCATOR = "DefaultCPUAllocator"
"""Names itself in the plain RuntimeError that it raises where memory ends."""
_DEVICE_FAULT = re.compile(r"\b(CUDA|HIP|cuDNN|cuSOLVER|MIOpen) error\b|\b(CUBLAS|CUDNN|CUSOLVER)_STATUS_", re.I)
_NO_DEVICE_MEMORY = re.compile(r"\bout of memory\b|_STATUS_ALLOC_FAILED\b", re.I)
_REFUSED_CALL = re.compile(
    r"\binvalid (argument|configuration argument|device function|device ordinal|resource handle)\b"
    r"|\bno kernel image is available\b|\boperation not supported\b"
    r"|_STATUS_(NOT_SUPPORTED|BAD_PARAM|INVALID_VALUE|ARCH_MISMATCH)\b",
    re.I,
)
"""The library refuses what it was asked before it does any of it, and the device goes on."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, of the GPU or of the machine."""
    if isinstance(error, MemoryError):
        return True
    return is_out_of_gpu_memory(error) or (isinstance(error, RuntimeError) and _CPU_ALLOCATOR in str(error))


def is_out_of_gpu_memory(error: BaseException) -> bool:
    """Whether a GPU's memory ran out, for torch itself or for a library that it calls."""
    return isinstance(error, torch.OutOfMemoryError) or (_is_of_device(error) and _says(_NO_DEVICE_MEMORY, error))


def is_device_lost(error: BaseException) -> bool:
    """Whether this process can compute nothing more on its GPU.

    After an illegal access, a failed assertion in a kernel, an uncorrectable error of its memory or the loss of the
    device, every later call of the process fails as well, whatever it is. An error that came up while another was
    handled counts by that other one too. Memory that ran out and a call that was refused leave the device usable; what
    cannot be told from a fault counts as one, because a new process costs seconds and a dead one every later trial.
    """
    return any(_is_device_fault(each) for each in _chain(error))


def _is_device_fault(error: BaseException) -> bool:
    return _is_of_device(error) and not _says(_NO_DEVICE_MEMORY, error) and not _says(_REFUSED_CALL, error)


def _is_of_device(error: BaseException) -> bool:
    if isinstance(error, torch.OutOfMemoryError):
        return False
    if isinstance(error, torch.AcceleratorError | torch.cuda.CudaError):
        return True
    return isinstance(error, RuntimeError) and _says(_DEVICE_FAULT, error)


def _says(pattern: re.Pattern[str], error: BaseException) -> bool:
    """Whether it stands before torch's advice, which begins on the next line and names other things."""
    return pattern.search(str(error).strip().partition("\n")[0]) is not None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, and those that it came from or came up with, each once."""
    waiting, seen = [error], set[int]()
    while waiting:
        each = waiting.pop()
        if id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting += [other for other in (each.__cause__, each.__context__) if other is not None]
