"""What torch's errors mean, by the texts that torch and CUDA give them."""

import pytest
import torch

from resablate.torch_errors import is_device_lost, is_out_of_gpu_memory, is_out_of_memory

ADVICE = (
    "\nCUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be"
    " incorrect.\nFor debugging consider passing CUDA_LAUNCH_BLOCKING=1\n"
)
LOST = [
    torch.AcceleratorError(f"CUDA error: {text}{ADVICE}")
    for text in (
        "an illegal memory access was encountered",
        "device-side assert triggered",
        "uncorrectable ECC error encountered",
        "unspecified launch failure",
        "misaligned address",
        "an illegal instruction was encountered",
        "the launch timed out and was terminated",
        "CUDA-capable device(s) is/are busy or unavailable",
        "GPU is lost",
        "unknown error",
    )
] + [
    torch.AcceleratorError("HIP error: unspecified launch failure"),
    torch.cuda.CudaError(719),
    RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm( handle, opa)`"),
    RuntimeError("CUDA error: CUBLAS_STATUS_INTERNAL_ERROR when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR"),
    RuntimeError("cusolver error: CUSOLVER_STATUS_EXECUTION_FAILED, when calling `cusolverDnCreate(handle)`"),
]
NO_GPU_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    torch.AcceleratorError(f"CUDA error: out of memory{ADVICE}"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
]
NO_MEMORY = [
    MemoryError(),
    RuntimeError("[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"),
]
REFUSED = [
    torch.AcceleratorError(f"CUDA error: invalid configuration argument{ADVICE}"),
    torch.AcceleratorError(f"CUDA error: no kernel image is available for execution on the device{ADVICE}"),
    torch.AcceleratorError(f"CUDA error: invalid device ordinal{ADVICE}"),
    RuntimeError(
        "cuDNN error: CUDNN_STATUS_NOT_SUPPORTED. This error may appear if you passed in a non-contiguous input."
    ),
    RuntimeError("cuDNN error: CUDNN_STATUS_BAD_PARAM"),
]
OTHERS = [
    ValueError("CUDA error: device-side assert triggered"),
    RuntimeError("Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!"),
    RuntimeError("mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)"),
    RuntimeError(f"sizes do not match{ADVICE}CUDA error"),
    RuntimeError("No CUDA GPUs are available"),
    OSError("out of memory"),
]


def _shown(error: object) -> str:
    return str(error).partition("\n")[0][:50]


@pytest.mark.parametrize("error", LOST, ids=_shown)
def test_faults_that_end_the_use_of_a_device(error: Exception) -> None:
    assert is_device_lost(error)
    assert not is_out_of_memory(error)


@pytest.mark.parametrize("error", NO_GPU_MEMORY, ids=_shown)
def test_memory_of_the_gpu_that_ran_out(error: Exception) -> None:
    assert is_out_of_memory(error)
    assert is_out_of_gpu_memory(error)
    assert not is_device_lost(error)


@pytest.mark.parametrize("error", NO_MEMORY, ids=lambda error: type(error).__name__)
def test_memory_of_the_machine_that_ran_out(error: Exception) -> None:
    assert is_out_of_memory(error)
    assert not is_out_of_gpu_memory(error)
    assert not is_device_lost(error)


@pytest.mark.parametrize("error", [*REFUSED, *OTHERS], ids=_shown)
def test_errors_that_leave_the_device_as_it_is(error: Exception) -> None:
    assert not is_device_lost(error)
    assert not is_out_of_memory(error)


def test_a_fault_under_another_error_counts() -> None:
    """What ends an analysis may be raised again as its own error, or come up while the network is set right."""
    fault, explained = LOST[0], ValueError("the analysis failed")
    explained.__cause__ = fault
    while_handled = KeyError("block")
    while_handled.__context__ = explained
    fault.__context__ = while_handled  # as a loop that catches and raises may make it
    assert is_device_lost(explained)
    assert is_device_lost(while_handled)
    fault.__context__ = None


def test_an_error_after_memory_ran_out_is_no_fault() -> None:
    later = ValueError("the analysis failed")
    later.__cause__ = NO_GPU_MEMORY[0]
    assert not is_device_lost(later)
    assert not is_out_of_memory(later)


def test_the_classes_are_those_of_torch() -> None:
    assert issubclass(torch.AcceleratorError, RuntimeError)
    assert issubclass(torch.OutOfMemoryError, RuntimeError)
    assert not issubclass(torch.OutOfMemoryError, torch.AcceleratorError)
