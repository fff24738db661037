"""Reading a job's log while it runs, and its end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TYPE_CHECKING

from resablate.errors import SubmissionError
from resablate.submission.limits import limited

if TYPE_CHECKING:
    from ray.job_submission import JobDetails, JobSubmissionClient

LOST_SECONDS = 120
"""How long a cluster that is followed may be out of reach: a tunnel that is opened again, a head that restarts."""
ASK_SECONDS = 30
"""How often a cluster is asked for the job while its log is silent."""
_STOPPED = 143
_OWN_ERRORS = ("JOB_ENTRYPOINT_COMMAND_ERROR", None)
"""What a job fails by that ran: its log says why."""


def follow(client: JobSubmissionClient, job: str, write: Callable[[str], None]) -> JobDetails:
    """Pass on the job's log from its beginning until the job has ended.

    Args:
        client: by `connect`.
        job: its submission id.
        write: given the log in pieces.

    Raises:
        SubmissionError: if the cluster cannot be reached any more; the job may go on.
    """
    import aiohttp

    log = _Log(write)
    while True:
        try:
            asyncio.run(_tail(client, job, log))
            found = limited(partial(client.get_job_info, job))
            log.heard = time.monotonic()
            if found.status.is_terminal():
                log.whole(limited(partial(client.get_job_logs, job)))
                return found
        except (RuntimeError, OSError, aiohttp.ClientError) as error:
            if time.monotonic() - log.heard > LOST_SECONDS:
                raise SubmissionError(
                    f"{client.get_address()}: the cluster has not answered for {LOST_SECONDS} s ({error}); job {job}"
                    " may go on without being followed. Submit again to see, and to continue if it does not"
                ) from error
        time.sleep(1)


async def _tail(client: JobSubmissionClient, job: str, log: _Log) -> None:
    """Pass on the log until it or the job ends; a log that is silent says nothing of the cluster, so that is asked."""
    log.rewind()
    passing = asyncio.ensure_future(_pass_on(client.tail_job_logs(job), log))
    ended = False
    try:
        while not ended and not (await asyncio.wait([passing], timeout=ASK_SECONDS))[0]:
            found = await asyncio.to_thread(limited, partial(client.get_job_info, job))
            log.heard = time.monotonic()
            ended = found.status.is_terminal()
    finally:
        passing.cancel()
    if not ended:
        await passing


async def _pass_on(texts: AsyncIterator[str], log: _Log) -> None:
    async for text in texts:
        log.more(text)


class _Log:
    """Passes on what it has not passed on: whoever asks again for a log gets it from its beginning."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._written = 0
        self._read = 0
        self.heard = time.monotonic()
        """When the cluster last said something."""

    def rewind(self) -> None:
        self._read = 0

    def more(self, text: str) -> None:
        new = text[max(0, self._written - self._read) :]
        self._read += len(text)
        self._written = max(self._written, self._read)
        self.heard = time.monotonic()
        self._write(new)

    def whole(self, text: str) -> None:
        self.rewind()
        self.more(text)


def exit_code(job: JobDetails) -> int:
    """Of the job's command, as a shell says it; 143 where it was stopped.

    Raises:
        SubmissionError: if the command could not be started.
    """
    if job.status.value == "SUCCEEDED":
        return 0
    if job.status.value == "STOPPED":
        return _STOPPED
    if job.error_type not in _OWN_ERRORS:
        why = " ".join((job.message or "no reason given").split())
        raise SubmissionError(f"job {job.submission_id} could not be started on the cluster ({job.error_type}): {why}")
    code = job.driver_exit_code
    return 1 if not code else code if code > 0 else 128 - code
