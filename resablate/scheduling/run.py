"""Running a planned sweep: trainings and questions that are missing go to the scheduler, nothing else."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Collection, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from resablate.component import Component
from resablate.datasets import StoredImages, load_dataset
from resablate.devices import check_machine
from resablate.estimates import estimate_seconds
from resablate.plan import SweepPlan
from resablate.result import Status
from resablate.scheduling.batches import run_batches_inline, run_batches_on_ray
from resablate.scheduling.further import FurtherTrainings, Measure
from resablate.scheduling.inline import Scheduler
from resablate.scheduling.lease_keeper import HeldLease, kept_lease
from resablate.scheduling.measure import Measured, answer_now, measure_best, measure_missing
from resablate.scheduling.pending import PendingTrials, check_pruning_inline, completed_result, find_pending
from resablate.scheduling.progress import SweepProgress
from resablate.scheduling.ray_address import check_ray_address
from resablate.scheduling.reruns import notes_on_change, set_aside
from resablate.scheduling.stopping import Stopping
from resablate.scheduling.stored import check_files_there
from resablate.searches.study import check_studies
from resablate.storage.checkpoint_store import CheckpointStore, checkpoint_store
from resablate.storage.locations import TRIALS, tracking_uri, work_folder
from resablate.storage.locks import exclusive_lock, wait_for_workers
from resablate.storage.spool import SPOOL, check_readable
from resablate.tracking import Tracker, open_tracker


@dataclass(frozen=True)
class SweepOutcome:
    """How a submission of a sweep ended."""

    planned: int
    reused: int
    """Trials that were complete before."""
    not_repeated: dict[str, int]
    """Trials that ended before without being complete, and were not run again, by status."""
    scheduled: int
    """Trials that were to run now."""
    counts: dict[Status, int]
    """Trials that ended now, by status."""
    stopped_by: str
    """What ended the sweep early; empty if nothing did."""
    filing_problems: tuple[str, ...]
    measured: int
    """Trials of before that answered questions now."""
    analysis_problems: tuple[str, ...]
    """One line for each question that got no answer."""
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
        return self.planned - self.reused - sum(self.not_repeated.values()) - self.ended

    @property
    def interrupted(self) -> bool:
        """Whether it was stopped before every trial that was to run had ended."""
        return self.ended < self.scheduled

    @property
    def failed(self) -> bool:
        """Whether a trial failed, now or before, did not end, or could not be filed or analyzed."""
        failed = self.counts.get("failed") or self.not_repeated.get("failed")
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
    rerun: str = "",
    max_trials: int | None = None,
    time_budget: float | None = None,
) -> SweepOutcome:
    """Run the trials of `plan` that have not ended, and put to those that have what they were not asked.

    Everything that can be wrong with the request is found before the first trial is scheduled.

    Args:
        plan: by `plan_sweep`.
        scheduler: `ray_tune`, or `inline` for this process.
        command: what the person typed, kept with the results.
        console: where progress is shown.
        uri: of the tracking server; as `open_tracker` finds it where None.
        data_root: where data sets are looked for first.
        retry: statuses; trials of this sweep that ended so are run again.
        rerun: keys of trials that are trained again, `changed` or `all`; none where empty.
        max_trials: run no more than so many; all where None.
        time_budget: seconds after which running trials are stopped, with their checkpoints; no end where None.

    Raises:
        LeaseTaken: if another process runs the sweep; nothing of it was touched then.
        TrackingError: if the tracker cannot be used.
        FilesUnreadable: if a result that waits to be filed cannot be read.
        ResourceError: if a trial asks for what does not exist, or the store of checkpoints is none.
        DatasetError: if a data set is missing.
        SpecError: if the sweep prunes and runs in this process.
    """
    start = time.monotonic()
    place = tracking_uri(uri)
    tracker = open_tracker(place)
    work, address = work_folder() / plan.sweep.name, checkpoint_store(plan.sweep.name)
    _check_request(plan, scheduler)
    plan = plan.identified(data_root)
    with Stopping(time_budget) as stopping, _right_to_run(work, plan.sweep.name, tracker, stopping) as lease:
        _set_aside(plan, tracker, rerun, console)
        where: dict[str, Any] = {"data_root": data_root, "console": console, "stop": lambda: bool(stopping.reason)}
        answer = partial(answer_now, plan, tracker, **where)
        measure = partial(measure_missing, plan, tracker=tracker, scheduler=scheduler, **where)
        told: dict[str, Any] = {"console": console, "retry": retry, "stop": where["stop"]}
        further = FurtherTrainings(plan, tracker, spool=work / SPOOL, measure=measure, **told)
        plan = further.begin()
        knows: dict[str, Any] = {"answer": answer, "retry": retry, "stop": where["stop"], "check_lease": lease.check}
        with find_pending(plan, tracker, spool=work / SPOOL, limit=max_trials, **knows) as pending:
            further.follow(pending)
            store = CheckpointStore(address, may_write=lease.is_confirmed)
            _forget_checkpoints(pending, work / TRIALS, store)
            datasets = _read_datasets(plan, pending, data_root)
            _say_what_ended_before(console, pending)
            progress = _progress(plan, pending, further, console)
            knobs: dict[str, Any] = {"work": work, "command": command, "data_root": data_root, "store": store}
            taken = partial(completed_result, plan=plan, tracker=tracker, answer=answer)
            knobs |= {"tracker": tracker, "lease": lease, "stopping": stopping, "progress": progress}
            knobs |= {"following": further.next, "take": taken}
            if scheduler == "inline" or not (pending.scheduled or further.waits):
                problems = run_batches_inline(plan, pending, **knobs)
            else:
                knobs |= {"uri": place, "datasets": datasets, "console": console}
                problems = run_batches_on_ray(plan, pending, **knobs)
            late = further.measured
            if not problems and not stopping.reason:
                late += _measure(pending, further, measure, ended=progress.counts.total())
                if progress.counts.total() >= pending.total + len(further.trained):
                    late += measure_best(plan, tracker, scheduler=scheduler, **where)
            return SweepOutcome(
                **_counted(pending, further, progress),
                stopped_by=stopping.reason,
                filing_problems=tuple(problems),
                measured=late.measured,
                analysis_problems=(*pending.unanswered(plan.sweep.label), *progress.unanswered, *late.problems),
                records=tracker.ui_hint(),
                wall_seconds=time.monotonic() - start,
            )


def _check_request(plan: SweepPlan, scheduler: Scheduler) -> None:
    if scheduler == "inline" or not os.environ.get("RAY_ADDRESS"):
        check_machine(cpus=plan.sweep.resources.cpus, gpus=plan.sweep.resources.gpus)
    if plan.adaptive:
        check_studies(plan.sweep)
    if scheduler == "inline":
        check_pruning_inline(plan.sweep)
    else:
        check_ray_address()


def _set_aside(plan: SweepPlan, tracker: Tracker, rerun: str, console: Console) -> None:
    """Set aside what is to be trained again, and say what else was made with other code or data."""
    if rerun:
        count = set_aside(plan, tracker, rerun)
        console.print(f"{count} results are set aside, and their trials trained again", highlight=False)
    check_files_there(plan, tracker)
    for note in notes_on_change(plan, tracker):
        console.print(note, markup=False, highlight=False, soft_wrap=True)


def _forget_checkpoints(pending: PendingTrials, folder: Path, store: CheckpointStore) -> None:
    """Remove what a trial would go on from that has come to its end: another process, or the store, was away then."""
    complete = [key for key, trial in pending.before.items() if trial.complete]
    for key in complete:
        if (folder / key).is_dir():
            shutil.rmtree(folder / key, ignore_errors=True)
    store.delete_all(folder, complete)


@contextmanager
def _right_to_run(work: Path, sweep: str, tracker: Tracker, stopping: Stopping) -> Generator[HeldLease]:
    """Holds the sweep's folder and its lease; nothing of the sweep is touched before that."""
    with exclusive_lock(work, sweep, parts=(SPOOL, TRIALS)):
        wait_for_workers(work, sweep)
        with kept_lease(tracker, sweep, stopping) as lease:
            check_readable(work / SPOOL)
            yield lease


def _progress(plan: SweepPlan, pending: PendingTrials, further: FurtherTrainings, console: Console) -> SweepProgress:
    return SweepProgress(
        pending.listed[: pending.limit],
        label=plan.sweep.label,
        work=lambda spec: estimate_seconds(spec, plan.questions(spec)),
        console=console,
        total=lambda: further.scheduled,
    )


def _counted(pending: PendingTrials, further: FurtherTrainings, progress: SweepProgress) -> dict[str, Any]:
    """How many trials a submission had, ran and left, as the fields of its outcome."""
    return {
        "planned": pending.planned + len(further.added),
        "reused": pending.reused + further.reused,
        "not_repeated": further.not_repeated,
        "scheduled": further.scheduled,
        "counts": dict(progress.counts),
    }


def _measure(pending: PendingTrials, further: FurtherTrainings, measure: Measure, *, ended: int) -> Measured:
    """Ask trained networks what they were not asked, once all trainings that were scheduled have ended."""
    if ended != further.scheduled:
        return Measured()
    trained = [*pending.trained_now, *further.trained]
    # One that was interrupted may have passed an epoch before it was asked about.
    found = further.lacking(trained) if trained else []
    return measure([*pending.unmeasured, *found])


def _read_datasets(plan: SweepPlan, pending: PendingTrials, data_root: Path | None) -> dict[Component, StoredImages]:
    """Those of the trials that are to be run now, or of such as a search may propose; each content once."""
    if not pending.scheduled and not plan.sweep.new_seeds:
        return {}
    asked = plan.samples if pending.search else pending.listed[: pending.scheduled]
    if plan.sweep.seeds or plan.sweep.new_seeds:  # what follows may have other data than what is pending
        asked = plan.samples or plan.trials
    found: dict[int, tuple[Component, StoredImages]] = {}
    for dataset in dict.fromkeys(spec.dataset for spec in asked):
        loaded = load_dataset(dataset, data_root)
        found.setdefault(id(loaded), (dataset, loaded))
    return dict(found.values())


def _say_what_ended_before(console: Console, pending: PendingTrials) -> None:
    if pending.reused:
        console.print(f"{pending.reused} of {pending.planned} trials are complete already", highlight=False)
    if failed := pending.not_repeated.get("failed"):
        console.print(
            f"{failed} of {pending.planned} trials failed before and are not run again; --retry failed runs them",
            highlight=False,
        )
