"""What becomes of a trial's error: a second attempt, a reason, or the end of the process."""

import errno
import pickle
import subprocess
import sys
from collections.abc import Generator
from functools import partial
from pathlib import Path

import pytest
import torch
from ray.exceptions import RayTaskError

from resablate.errors import FilesLost, ResourceError
from resablate.failures import DeviceLost, Failure, failure_of, reason_of, retry_once

ASSERTED = "CUDA error: device-side assert triggered\nCompile with `TORCH_USE_CUDA_DSA` to enable assertions."


class Attempts:
    """Each makes a step; raises these errors one after the other, then succeeds."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors, self.made = list(errors), 0

    def __call__(self) -> Generator[int, None, str]:
        self.made += 1
        yield self.made
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def _run(attempt: Attempts) -> tuple[list[int], str | Failure]:
    """The steps of all attempts, and what comes of them."""
    steps, session = list[int](), retry_once(attempt, name="trial k")
    while True:
        try:
            steps.append(next(session))
        except StopIteration as end:
            return steps, end.value


def _raise(error: BaseException) -> None:
    raise error


def test_what_succeeds_is_not_tried_again() -> None:
    assert _run(Attempts()) == ([1], "done")


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory."), MemoryError(), torch.AcceleratorError("CUDA error: out of memory")],
)
def test_memory_that_ran_out_is_a_reason_for_a_second_attempt_alone(error: Exception) -> None:
    assert _run(Attempts(error)) == ([1, 2], "done")
    steps, failure = _run(Attempts(error, error, error))
    assert steps == [1, 2]
    assert isinstance(failure, Failure)
    assert failure.reason.startswith("out of ")


def test_memory_that_ran_out_is_a_line_and_any_other_error_has_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    _run(Attempts(MemoryError("first"), MemoryError("second")))
    assert [(record.levelname, record.getMessage(), record.exc_info) for record in caplog.records] == [
        ("WARNING", "trial k: out of memory: MemoryError: first; it is tried once more", None),
        ("ERROR", "trial k failed: out of memory: MemoryError: second", None),
    ]
    caplog.clear()
    _run(Attempts(ValueError("depth")))
    [record] = caplog.records
    assert (record.levelname, record.getMessage()) == ("ERROR", "trial k failed")
    assert record.exc_info


def test_files_that_were_lost_are_a_reason_for_a_second_attempt_and_a_line(caplog: pytest.LogCaptureFixture) -> None:
    assert _run(Attempts(FilesLost("weights: lost"))) == ([1, 2], "done")
    assert _run(Attempts(FilesLost("weights: lost"), FilesLost("again")))[1] == Failure("FilesLost: again", False, True)
    told = [(record.levelname, record.getMessage()) for record in caplog.records if not record.exc_info]
    assert told[1:] == [
        ("WARNING", "trial k: FilesLost: weights: lost; it is tried once more"),
        ("ERROR", "trial k failed: FilesLost: again"),
    ]
    assert len(told) == len(caplog.records), "none has a traceback"


def test_another_error_is_the_trial_s_failure_at_once() -> None:
    assert _run(Attempts(ValueError("depth"))) == ([1], Failure("ValueError: depth"))


def test_another_error_in_the_second_attempt() -> None:
    assert _run(Attempts(MemoryError(), ValueError("depth"))) == ([1, 2], Failure("ValueError: depth"))


def test_who_ends_it_early_is_not_a_failure() -> None:
    """As Tune does where it prunes a trial."""
    attempt = Attempts()
    session = retry_once(attempt, name="trial k")
    assert next(session) == 1
    session.close()
    assert attempt.made == 1


@pytest.mark.parametrize("before", [(), (torch.OutOfMemoryError("CUDA out of memory."),)])
def test_a_lost_device_is_not_the_trial_s_failure(before: tuple[Exception, ...]) -> None:
    with pytest.raises(DeviceLost) as caught:
        _run(Attempts(*before, torch.AcceleratorError(ASSERTED)))
    expected = (
        "the GPU failed during trial k, and its process had to end:"
        " AcceleratorError: CUDA error: device-side assert triggered"
    )
    assert str(caught.value) == reason_of(caught.value) == expected
    assert isinstance(caught.value.__cause__, torch.AcceleratorError)


def test_a_lost_device_is_told_in_another_process_as_here() -> None:
    with pytest.raises(DeviceLost) as caught:
        _run(Attempts(torch.AcceleratorError(ASSERTED)))
    copy = pickle.loads(pickle.dumps(caught.value))
    assert isinstance(copy, DeviceLost)
    assert str(copy) == str(caught.value)
    assert isinstance(copy, ResourceError)
    by_ray = RayTaskError("step", "Traceback\n...", copy, proctitle="p", pid=1, ip="127.0.0.1")
    assert reason_of(by_ray) == reason_of(by_ray.as_instanceof_cause()) == str(caught.value)


def test_a_lost_device_is_told_once() -> None:
    """As where a step has seen it, and what called the step sees it again."""
    with pytest.raises(DeviceLost, match=r"^the GPU failed during trial j$"):
        _run(Attempts(DeviceLost("the GPU failed during trial j")))


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    failure = failure_of((tmp_path / "file" / "k").mkdir, doing="preparing the trial's process")
    assert failure == Failure(
        "preparing the trial's process: NotADirectoryError:"
        f" [Errno {errno.ENOTDIR}] Not a directory: '{tmp_path}/file/k'"
    )
    assert failure_of((tmp_path / "k").mkdir, doing="preparing the trial's process") is None
    assert (tmp_path / "k").is_dir()


def test_a_device_that_is_lost_before_a_trial_begins() -> None:
    with pytest.raises(DeviceLost, match=r"^the GPU failed during preparing, and its process had to end: "):
        failure_of(partial(_raise, torch.AcceleratorError(ASSERTED)), doing="preparing")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("first\nsecond"), "ValueError: first"),
        (ValueError("\n  first  "), "ValueError: first"),
        (OSError(errno.ENOSPC, "No space left"), f"disk full: OSError: [Errno {errno.ENOSPC}] No space left"),
        (OSError(errno.EDQUOT, "Quota"), f"disk full: OSError: [Errno {errno.EDQUOT}] Quota"),
        (MemoryError(), "out of memory: MemoryError: "),
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried"),
            "out of GPU memory: OutOfMemoryError: CUDA out of memory. Tried",
        ),
        (
            RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"),
            "out of GPU memory: RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`",
        ),
    ],
)
def test_reasons_in_one_line(error: Exception, reason: str) -> None:
    assert reason_of(error) == reason
    by_ray = RayTaskError("step", "Traceback\n...", error, proctitle="p", pid=1, ip="127.0.0.1")
    assert reason_of(by_ray) == reason_of(by_ray.as_instanceof_cause()) == reason


def test_the_cpu_s_allocator_as_torch_has_it() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert reason_of(caught.value).startswith("out of memory: RuntimeError: ")


@pytest.mark.gpu
def test_a_real_fault_ends_the_use_of_the_gpu() -> None:
    """In a process of its own, which computes nothing more on the GPU after it."""
    code = """
import torch
from resablate.failures import DeviceLost, retry_once
from resablate.torch_errors import is_device_lost

def fault():
    yield 1
    torch.zeros(4, device="cuda")[torch.tensor([9], device="cuda")]
    torch.cuda.synchronize()

try:
    list(retry_once(fault, name="trial k"))
except DeviceLost as error:
    print(error)
for attempt in (lambda: torch.ones(3, device="cuda").sum().item(), lambda: torch.ones(3).cuda() @ torch.ones(3).cuda()):
    try:
        attempt()
    except Exception as error:
        print(is_device_lost(error))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    first, *later = done.stdout.splitlines()
    assert first.startswith("the GPU failed during trial k, and its process had to end: ")
    assert later == ["True", "True"]
