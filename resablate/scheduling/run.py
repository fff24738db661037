"""Running a planned sweep: what is complete is left alone, the rest goes to the scheduler."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from resablate.datasets import StoredImages, load_dataset
from resablate.estimates import estimate_cpu_seconds
from resablate.plan import SweepPlan
from resablate.result import Status
from resablate.scheduling.result_writer import ResultWriter
from resablate.scheduling.inline import Scheduler, check_machine, run_inline
from resablate.storage.locks import exclusive_lock, wait_for_workers
from resablate.storage.checkpoint_store import checkpoint_store
from resablate.scheduling.progress import SweepProgress
from resablate.scheduling.searching import PendingTrials, analyze_best, check_pruning_inline, find_pending
from resablate.scheduling.status import SPOOL
from resablate.scheduling.stopping import Stopping
from resablate.spec import TrainSpec
from resablate.tracking import Tracker, open_tracker, tracking_uri, work_folder

TRIALS = "trials"
"""Where a sweep keeps checkpoints, in its folder."""


@dataclass(frozen=True)
class SweepOutcome:
    """How a submission of a sweep ended."""

    planned: int
    reused: int
    """Trials that were complete before."""
    left: dict[str, int]
    """Trials that ended before without being complete, and were left as they are, by status."""
    scheduled: int
    """Trials that were to run now."""
    counts: dict[Status, int]
    """Trials that ended now, by status."""
    stopped_by: str
    """What ended the sweep early; empty if nothing did."""
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
    def remaining(self) -> int:
        """Trials that have not ended."""
        return self.planned - self.reused - sum(self.left.values()) - self.ended

    @property
    def interrupted(self) -> bool:
        """Whether it was stopped before every trial that was to run had ended."""
        return self.ended < self.scheduled

    @property
    def failed(self) -> bool:
        """Whether a trial failed, now or before, did not end, or could not be filed or analyzed."""
        failed = self.counts.get("failed") or self.left.get("failed")
        return bool(failed or self.filing_problems or self.analysis_problems) or self.interrupted


def run_sweep(
    plan: SweepPlan,
    *,
    scheduler: Scheduler,
    command: str,
    console: Console,
    uri: str | None = None,
    data_root: Path | None = None,
    retry: Collection[Status] = (),
    max_trials: int | None = None,
    time_budget: float | None = None,
) -> SweepOutcome:
    """Run the trials of `plan` that have not ended yet.

    Everything that can be wrong with the request is found before the first trial is scheduled.

    Args:
        plan: by `plan_sweep`.
        scheduler: `ray_tune`, or `inline` for this process.
        command: what the person typed, kept with the results.
        console: where progress is shown.
        uri: of the tracking server; as `open_tracker` finds it where None.
        data_root: where data sets are looked for first.
        retry: statuses; trials of this sweep that ended so are run again.
        max_trials: run no more than so many; all where None.
        time_budget: seconds after which running trials are stopped, with their checkpoints; no end where None.

    Raises:
        TrackingError: if the tracker cannot be used.
        ResourceError: if a trial asks for what does not exist, or the store of checkpoints is none.
        DatasetError: if a data set is missing.
        SpecError: if the sweep prunes and runs in this process.
    """
    start = time.monotonic()
    place = tracking_uri(uri)
    tracker = open_tracker(place)
    work, store = work_folder() / plan.sweep.name, checkpoint_store(plan.sweep.name)
    if scheduler == "inline" or not os.environ.get("RAY_ADDRESS"):
        check_machine(plan.sweep.resources)
    if scheduler == "inline":
        check_pruning_inline(plan.sweep)
    with Stopping(time_budget) as stopping, exclusive_lock(work, plan.sweep.name, parts=(SPOOL, TRIALS)):
        wait_for_workers(work, plan.sweep.name)
        with find_pending(plan, tracker, spool=work / SPOOL, retry=retry, limit=max_trials) as left:
            datasets = _read_datasets(plan, left, data_root)
            _say_what_is_left_alone(console, left)
            progress = SweepProgress(
                left.listed[:max_trials],
                label=plan.sweep.label,
                work=estimate_cpu_seconds,
                console=console,
                total=lambda: left.scheduled,
            )
            knobs: dict[str, Any] = dict(
                work=work, command=command, data_root=data_root, progress=progress, store=store
            )
            if not left.scheduled or scheduler == "inline":
                problems = _run_inline(plan, left, tracker=tracker, **knobs)
            else:
                problems = _run_on_ray(
                    plan, left, uri=place, datasets=datasets, stopping=stopping, console=console, **knobs
                )
            unanalyzed: tuple[str, ...] = ()
            if not problems and progress.counts.total() == left.total:
                unanalyzed = analyze_best(plan.sweep, tracker, scheduler, data_root, console)
            return SweepOutcome(
                planned=left.planned,
                reused=left.reused,
                left=left.left_alone,
                scheduled=left.scheduled,
                counts=dict(progress.counts),
                stopped_by=stopping.reason,
                filing_problems=tuple(problems),
                analysis_problems=unanalyzed,
                records=tracker.ui_hint(),
                wall_seconds=time.monotonic() - start,
            )


def _read_datasets(plan: SweepPlan, left: PendingTrials, data_root: Path | None) -> dict[str, StoredImages]:
    """By name, those of the trials that are to be run now, or of such as a search may propose."""
    if not left.scheduled:
        return {}
    asked = plan.samples if left.search else left.listed[: left.scheduled]
    return {name: load_dataset(name, data_root) for name in dict.fromkeys(spec.dataset for spec in asked)}


def _say_what_is_left_alone(console: Console, left: PendingTrials) -> None:
    if left.reused:
        console.print(f"{left.reused} of {left.planned} trials are complete already", highlight=False)
    if failed := left.left_alone.get("failed"):
        console.print(
            f"{failed} of {left.planned} trials failed before and are left as they are; --retry failed runs them again",
            highlight=False,
        )


def _recorded(plan: SweepPlan, left: PendingTrials) -> list[TrainSpec]:
    """What the record of this submission begins with: all trials, or those that the search knows already."""
    return left.known if left.search else list(plan.trials)


def _run_inline(
    plan: SweepPlan,
    left: PendingTrials,
    *,
    tracker: Tracker,
    work: Path,
    command: str,
    data_root: Path | None,
    progress: SweepProgress,
    store: str,
) -> list[str]:
    filing = ResultWriter(tracker, spool=work / SPOOL)
    filing.start(plan.sweep, trials=_recorded(plan, left), command=command)
    with progress, suppress(KeyboardInterrupt):  # the record is closed all the same, and says so
        run_inline(
            left.trials,
            resources=plan.sweep.resources,
            data_root=data_root,
            folder=work / TRIALS,
            filing=filing,
            progress=progress,
            store=store,
        )
    for spec in left.search.reused.values() if left.search else ():
        filing.note_trial(spec)
    return filing.end(progress.sweep_status())


def _run_on_ray(
    plan: SweepPlan,
    left: PendingTrials,
    *,
    uri: str,
    work: Path,
    command: str,
    data_root: Path | None,
    datasets: Mapping[str, StoredImages],
    progress: SweepProgress,
    store: str,
    stopping: Stopping,
    console: Console,
) -> list[str]:
    import ray
    from ray.exceptions import RayTaskError

    from resablate.scheduling.ray_tune import connect_ray, has_failed, ray_capacity, run_ray, start_result_writer

    connect_ray()
    stopping.listen()  # Ray takes SIGTERM, and has it end the process at once
    capacity = ray_capacity(plan.sweep.resources)
    console.print(f"Ray: {capacity.description}; {capacity.concurrent} trials at a time", highlight=False)
    filing = start_result_writer(uri=uri, spool=work / SPOOL)
    # The trials' processes start meanwhile. What they send is kept until the record is open.
    opening = filing.start.remote(plan.sweep, _recorded(plan, left), command)
    try:
        # A second Ctrl-C raises; then too the record is closed and says so.
        with progress, suppress(KeyboardInterrupt), stopping.polled():
            run_ray(
                left.trials,
                pruning=plan.sweep.search.pruning,
                epochs=max(spec.epochs for spec in (*plan.trials, *plan.samples)),
                resources=plan.sweep.resources,
                capacity=capacity,
                data_root=data_root,
                datasets=datasets,
                folder=work / TRIALS,
                filing=filing,
                progress=progress,
                stop=lambda: bool(stopping.reason) or has_failed(opening),
                store=store,
            )
    finally:
        try:
            ray.get(opening)
        except RayTaskError as error:
            raise error.cause from None
        for spec in left.search.reused.values() if left.search else ():
            filing.note_trial.remote(spec)
        problems: list[str] = ray.get(filing.end.remote(progress.sweep_status()))
    return problems
