"""One Ray job at a time for a sweep."""

from __future__ import annotations

import hashlib
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from resablate.errors import SubmissionError
from resablate.submission.limits import limited
from resablate.submission.package import Package
from resablate.submission.ray_private import may_pass
from resablate.submission.server import server_errors, stop_command
from resablate.sweep import SweepSpec

if TYPE_CHECKING:
    from ray.job_submission import JobDetails, JobSubmissionClient

START_SECONDS = 180
"""How long a cluster that has just started may take until it has somebody to give a job to."""
SWEEP, CONTENT, PACKAGE = "resablate_sweep", "resablate_content", "resablate_package"
"""What a job's metadata tells: a sweep's name, the digest of what it asks, and the digest of the files it runs on."""


@dataclass(frozen=True)
class Job:
    """A sweep's job on a cluster."""

    id: str
    attached: bool
    """Whether it was running already."""
    note: str = ""
    """What the person should know of a job that was running already."""


def submit_sweep(
    client: JobSubmissionClient,
    sweep: SweepSpec,
    *,
    file: str,
    words: Sequence[str],
    package: Package,
    environment: Mapping[str, str],
    say: Callable[[str], None],
) -> Job:
    """The job that runs `sweep`: the one that is under way, else a new one.

    Trials that are complete are never run again, so a new job after one that ended continues where that was.

    Args:
        client: by `connect`.
        sweep: what `file` holds.
        file: relative to the working directory.
        words: more of the command line of `resablate sweep`.
        package: the working directory.
        environment: variables of the job.
        say: told why it takes long.

    Raises:
        SubmissionError: if the cluster refuses it, or another sweep of this name is under way.
    """
    content = _digest(sweep)
    entrypoint = shlex.join(["python", "-m", "resablate", "sweep", file, *words])
    metadata = {SWEEP: sweep.name, CONTENT: content, PACKAGE: package.digest}
    runtime_env = {"working_dir": str(package.file), "env_vars": dict(environment)}
    address, deadline, told = client.get_address(), time.monotonic() + START_SECONDS, False
    while True:
        with server_errors(address):
            jobs = limited(client.list_jobs)
        if running := _running(jobs, sweep.name):
            return _attached(running, metadata, entrypoint=entrypoint, address=address)
        chosen = _free_id(f"resablate-{sweep.name}-{content}", jobs)
        with server_errors(address):
            try:
                limited(
                    partial(
                        client.submit_job,
                        entrypoint=entrypoint,
                        submission_id=chosen,
                        runtime_env=runtime_env,
                        metadata=metadata,
                    ),
                    upload_bytes=package.size_bytes,
                )
                return Job(chosen, attached=False)
            except TimeoutError as error:
                raise SubmissionError(
                    f"{address}: the cluster does not answer ({error}); whether it has taken the job is not known:"
                    " submit again, which attaches to the job if it has"
                ) from error
            except RuntimeError as error:
                # Somebody else may have submitted it since the jobs were listed.
                if not may_pass(error) or time.monotonic() > deadline:
                    raise
        if not told:
            say("the cluster has nobody to give the job to yet; trying again")
            told = True
        time.sleep(1)


def _digest(sweep: SweepSpec) -> str:
    """Of what the sweep asks: comments, and the order of its keys other than its axes, play no part."""
    return hashlib.sha256(sweep.model_dump_json().encode()).hexdigest()[:10]


def _running(jobs: Sequence[JobDetails], name: str) -> JobDetails | None:
    own = [job for job in jobs if (job.metadata or {}).get(SWEEP) == name and not job.status.is_terminal()]
    return max(own, key=lambda job: job.start_time or 0) if own else None


def _attached(job: JobDetails, asked: Mapping[str, str], *, entrypoint: str, address: str) -> Job:
    there, found = job.metadata or {}, job.submission_id or ""
    if there.get(CONTENT) != asked[CONTENT]:
        raise SubmissionError(
            f"{address}: job {found} runs sweep {asked[SWEEP]!r} as another file or other words asked for it; wait"
            f" until it has ended, stop it ({stop_command(found, address)}), or give this sweep another name"
        )
    differs = ["this folder's files as they were when it was submitted"] if there.get(PACKAGE) != asked[PACKAGE] else []
    differs += [f"the command {job.entrypoint}"] if job.entrypoint != entrypoint else []
    return Job(found, attached=True, note=f"it runs {' and '.join(differs)}" if differs else "")


def _free_id(base: str, jobs: Sequence[JobDetails]) -> str:
    """`base`, or with the number of the attempt: Ray takes an id once, also after the job has ended."""
    taken = {job.submission_id for job in jobs}
    attempt = 1
    while (chosen := base if attempt == 1 else f"{base}-{attempt}") in taken:
        attempt += 1
    return chosen
