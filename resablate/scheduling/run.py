"""Running a planned sweep: what is complete is left alone, the rest goes to the scheduler."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from rich.console import Console

from resablate.datasets import load_dataset
from resablate.errors import ResourceError
from resablate.plan import SweepPlan, estimate_cpu_seconds
from resablate.result import Status
from resablate.scheduling.filing import Filing
from resablate.scheduling.inline import Scheduler, check_machine, run_inline
from resablate.scheduling.progress import SweepProgress
from resablate.scheduling.searching import Left, analyze_best, check_pruning_inline, what_is_left
from resablate.spec import TrialSpec
from resablate.tracking import Tracker, open_tracker, tracking_uri, work_folder

SPOOL, TRIALS, LOCK = "spool", "trials", "lock"
"""What a sweep keeps in its folder: results that wait to be filed, checkpoints, and who is at work."""


@dataclass(frozen=True)
class SweepOutcome:
    """How a submission of a sweep ended."""

    planned: int
    reused: int
    """Trials that were complete before."""
    counts: dict[Status, int]
    """Trials that ended now, by status."""
    filing_problems: tuple[str, ...]
    analysis_problems: tuple[str, ...]
    """Of the best trials, where `analyze_best` asks for them."""
    records: str
    """Where they are, and how to look at them."""
    wall_seconds: float

    @property
    def ended(self) -> int:
        """Trials that ended now."""
        return sum(self.counts.values())

    @property
    def interrupted(self) -> bool:
        """Whether somebody stopped it before every trial had ended."""
        return self.reused + self.ended < self.planned

    @property
    def failed(self) -> bool:
        """Whether a trial failed, did not end, or could not be filed or analyzed."""
        failed = self.counts.get("failed") or self.filing_problems or self.analysis_problems
        return bool(failed) or self.interrupted


def run_sweep(
    plan: SweepPlan,
    *,
    scheduler: Scheduler,
    command: str,
    console: Console,
    uri: str | None = None,
    data_root: Path | None = None,
) -> SweepOutcome:
    """Run the trials of `plan` that are not complete yet.

    Everything that can be wrong with the request is found before the first trial is scheduled.

    Args:
        plan: by `plan_sweep`.
        scheduler: `ray_tune`, or `inline` for this process.
        command: what the person typed, kept with the results.
        console: where progress is shown.
        uri: of the tracking server; as `open_tracker` finds it where None.
        data_root: where data sets are looked for first.

    Raises:
        TrackingError: if the tracker cannot be used.
        ResourceError: if a trial asks for what does not exist.
        DatasetError: if a data set is missing.
        SpecError: if the sweep prunes and runs in this process.
    """
    start = time.monotonic()
    place = tracking_uri(uri)
    tracker = open_tracker(place)
    work = work_folder() / plan.sweep.name
    if scheduler == "inline" or not os.environ.get("RAY_ADDRESS"):
        check_machine(plan.sweep.resources)
    if scheduler == "inline":
        check_pruning_inline(plan.sweep)
    with _alone(work, plan.sweep.name), what_is_left(plan, tracker, spool=work / SPOOL) as left:
        asked = plan.samples if left.search and left.total else left.listed
        for name in dict.fromkeys(spec.dataset for spec in asked):
            load_dataset(name, data_root)
        if left.reused:
            count = len(left.reused)
            console.print(f"{count} of {count + left.total} trials are complete already", highlight=False)
        progress = SweepProgress(
            left.listed,
            label=plan.sweep.label,
            work=estimate_cpu_seconds,
            console=console,
            total=lambda: left.total,
        )
        if not left.total or scheduler == "inline":
            problems = _run_inline(
                plan, left, tracker=tracker, work=work, command=command, data_root=data_root, progress=progress
            )
        else:
            problems = _run_on_ray(
                plan,
                left,
                uri=place,
                work=work,
                command=command,
                data_root=data_root,
                progress=progress,
                console=console,
            )
        over = not problems and progress.sweep_status() != "interrupted"
        unanalyzed = analyze_best(plan.sweep, tracker, scheduler, data_root, console) if over else ()
        return SweepOutcome(
            planned=len(left.reused) + left.total,
            reused=len(left.reused),
            counts=dict(progress.counts),
            filing_problems=tuple(problems),
            analysis_problems=unanalyzed,
            records=tracker.ui_hint(),
            wall_seconds=time.monotonic() - start,
        )


def _recorded(plan: SweepPlan, left: Left) -> list[TrialSpec]:
    """What the record of this submission begins with: all trials, or those that the search knows already."""
    return list(left.reused.values()) if left.search else list(plan.trials)


@contextmanager
def _alone(work: Path, name: str) -> Generator[None]:
    """Holds the sweep's lock: two processes in one folder would write over each other's checkpoints.

    Raises:
        ResourceError: if another process runs the sweep, which is named, or the folder cannot be made.
    """
    try:
        lock = _locked(work)
    except OSError as error:
        raise ResourceError(f"{work}: not writable, and checkpoints need a folder ({error.strerror})") from None
    if isinstance(lock, str):
        raise ResourceError(
            f"sweep {name!r} is being run by process {lock} in this folder; wait until it has ended, then run the"
            " command again for what is left"
        )
    with lock:
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        try:
            yield
        finally:
            (work / LOCK).unlink()
            for folder in (work / SPOOL, work / TRIALS, work, work.parent):
                with suppress(OSError):  # it holds what the sweep will continue from
                    folder.rmdir()


def _locked(work: Path) -> TextIO | str:
    """The sweep's lock file, open and held, or the number of the process that holds it."""
    while True:
        work.mkdir(parents=True, exist_ok=True)
        lock = (work / LOCK).open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            with lock:
                return lock.read().strip() or "unknown"
        # Whoever held it before has deleted it; if that was after it was opened here, it locks nothing.
        with suppress(FileNotFoundError):
            if (work / LOCK).stat().st_ino == os.fstat(lock.fileno()).st_ino:
                return lock
        lock.close()


def _run_inline(
    plan: SweepPlan,
    left: Left,
    *,
    tracker: Tracker,
    work: Path,
    command: str,
    data_root: Path | None,
    progress: SweepProgress,
) -> list[str]:
    filing = Filing(tracker, spool=work / SPOOL)
    filing.start(plan.sweep, trials=_recorded(plan, left), command=command)
    with progress, suppress(KeyboardInterrupt):  # the record is closed all the same, and says so
        run_inline(
            left.trials,
            resources=plan.sweep.resources,
            data_root=data_root,
            folder=work / TRIALS,
            filing=filing,
            progress=progress,
        )
    for spec in left.search.reused.values() if left.search else ():
        filing.note_trial(spec)
    return filing.end(progress.sweep_status())


def _run_on_ray(
    plan: SweepPlan,
    left: Left,
    *,
    uri: str,
    work: Path,
    command: str,
    data_root: Path | None,
    progress: SweepProgress,
    console: Console,
) -> list[str]:
    import ray

    from resablate.scheduling.ray_tune import connect_ray, ray_capacity, run_ray, start_filing

    connect_ray()
    capacity = ray_capacity(plan.sweep.resources)
    console.print(f"Ray: {capacity.description}; {capacity.concurrent} trials at a time", highlight=False)
    filing = start_filing(uri=uri, spool=work / SPOOL)
    ray.get(filing.start.remote(plan.sweep, _recorded(plan, left), command))
    try:
        with progress:
            run_ray(
                left.trials,
                pruning=plan.sweep.search.pruning,
                epochs=max(spec.epochs for spec in (*plan.trials, *plan.samples)),
                resources=plan.sweep.resources,
                capacity=capacity,
                data_root=data_root,
                folder=work / TRIALS,
                filing=filing,
                progress=progress,
            )
    finally:
        for spec in left.search.reused.values() if left.search else ():
            filing.note_trial.remote(spec)
        problems: list[str] = ray.get(filing.end.remote(progress.sweep_status()))
    return problems
