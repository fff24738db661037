"""What a trial died of, in words, and whether it deserves another try."""

from __future__ import annotations

import errno
import gc
import logging
from collections.abc import Callable, Generator
from typing import NamedTuple, TypeVar

from resablate.errors import FilesLost, ResourceError

Step = TypeVar("Step")
Result = TypeVar("Result")
log = logging.getLogger(__name__)


class Failure(NamedTuple):
    """Why there is no result."""

    reason: str
    """In one line."""
    out_of_memory: bool = False
    """Whether memory ran out, of the GPU or of the machine."""
    files_lost: bool = False
    """Whether somebody removed or damaged what it had stored."""

    @property
    def deserves_retry(self) -> bool:
        """Whether it deserves another try in this process, and is told by its reason alone."""
        return self.out_of_memory or self.files_lost


class DeviceLost(ResourceError):
    """The process can compute nothing more on its GPU: it has to end, and another one may try the trial again.

    Nothing of a trial is lost but the epoch that it was in. The text is all that it holds, so that it may be pickled.
    """


def attempt(
    steps: Callable[[], Generator[Step, None, Result]], *, name: str
) -> Generator[Step, None, Result | Failure]:
    """The steps, and what they return, or why they return nothing: one failure ends no session.

    Args:
        steps: leave nothing in memory when they fail.
        name: of what is tried, for the log; it gets no word of what deserves another try, for the caller goes on and
            says how.

    Raises:
        DeviceLost: if the GPU is of no more use to this process, whatever it runs.
    """
    try:
        return (yield from steps())
    except Exception as error:  # one trial's failure is its result; the sweep goes on
        failure = Failure(reason_of(error), _is_out_of_memory(error), isinstance(error, FilesLost))
        if not failure.deserves_retry:
            log.exception("%s failed", name)
        raise_if_device_lost(error, name)
    if failure.out_of_memory:
        free_memory()  # not above, where the error's traceback still holds it
    return failure


def retry_once(
    steps: Callable[[], Generator[Step, None, Result]], *, name: str
) -> Generator[Step, None, Result | Failure]:
    """As `attempt`, and once more where memory ran out, which another trial may have held, or its files were lost.

    Nothing else deserves a second attempt in this process: a full disk stays full, and what a trial does wrong it does
    wrong again.

    Args:
        steps: leave nothing in memory when they fail, and continue from a checkpoint.
        name: of what is tried, for the log.

    Raises:
        DeviceLost: as `attempt` does.
    """
    outcome = yield from attempt(steps, name=name)
    if isinstance(outcome, Failure) and outcome.deserves_retry:
        log.warning("%s: %s; it is tried once more", name, outcome.reason)
        outcome = yield from attempt(steps, name=name)
        if isinstance(outcome, Failure) and outcome.deserves_retry:
            log.error("%s failed: %s", name, outcome.reason)
    return outcome


def failure_of(attempt: Callable[[], object], *, doing: str) -> Failure | None:
    """None once `attempt` has succeeded, else why it has not: what is wrong before a trial begins is its failure too.

    An error that leaves a process of Ray's while it starts looks like the death of the process, and its text is lost.

    Args:
        attempt: what must be done before the trial.
        doing: that, in words: "preparing the folder".

    Raises:
        DeviceLost: as `retry_once` does.
    """
    try:
        attempt()
    except Exception as error:
        log.exception("%s failed", doing)
        raise_if_device_lost(error, doing)
        return Failure(f"{doing}: {reason_of(error)}")
    return None


def reason_of(error: BaseException) -> str:
    """The error as the reason of a failed trial, in one line; what a machine ran out of comes first.

    An error that Ray brings from another process counts as what it was there.
    """
    from resablate.torch_errors import is_out_of_gpu_memory  # the process that files results does without torch

    while isinstance(cause := getattr(error, "cause", None), BaseException):
        error = cause
    line = str(error).strip().partition("\n")[0]
    if isinstance(error, DeviceLost):
        return line
    text = f"{type(error).__name__}: {line}"
    if is_out_of_gpu_memory(error):
        return f"out of GPU memory: {text}"
    if _is_out_of_memory(error):
        return f"out of memory: {text}"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"disk full: {text}"
    return text


def free_memory() -> None:
    """Give back what Python and torch keep for later."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def raise_if_device_lost(error: Exception, name: str) -> None:
    """Raise DeviceLost if the error says that the GPU is of no more use to this process.

    Args:
        error: what was raised.
        name: of what raised it, for the message.

    Raises:
        DeviceLost: if it does.
    """
    from resablate.torch_errors import is_device_lost

    if isinstance(error, DeviceLost):
        raise error
    if is_device_lost(error):
        raise DeviceLost(f"the GPU failed during {name}, and its process had to end: {reason_of(error)}") from error


def _is_out_of_memory(error: BaseException) -> bool:
    from resablate.torch_errors import is_out_of_memory

    return is_out_of_memory(error)
