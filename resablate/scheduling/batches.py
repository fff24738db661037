"""The batches of a submission under one record: what is pending, and what follows once that has ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from resablate.component import Component
from resablate.datasets import StoredImages
from resablate.plan import SweepPlan
from resablate.result import TrialResult
from resablate.scheduling.inline import run_inline
from resablate.scheduling.lease_keeper import HeldLease
from resablate.scheduling.pending import PendingTrials
from resablate.scheduling.progress import SweepProgress
from resablate.scheduling.result_writer import ResultWriter
from resablate.scheduling.shared_trials import SharedTrials
from resablate.scheduling.stopping import Stopping
from resablate.spec import TrainSpec
from resablate.storage.checkpoint_store import CheckpointStore
from resablate.storage.locations import TRIALS
from resablate.storage.spool import SPOOL
from resablate.tracking import SweepStatus, Tracker

if TYPE_CHECKING:
    from resablate.scheduling.ray_warnings import ToldWarnings

_LAST_WARNINGS_SECONDS = 2.0
"""So long the driver waits at the end for what it has not been told."""
WRITER_ENDED = "the process that files results has been killed"
"""Why a sweep stops whose writer was killed."""
Take = Callable[[str], TrialResult | None]
"""Run id of a trial that another sweep completed -> its result; None where it is damaged."""
Following = Callable[[Callable[[TrainSpec], object]], Sequence[TrainSpec]]
"""What adds a training to the record -> the next batch; empty where there is none."""


def _recorded(plan: SweepPlan, pending: PendingTrials) -> list[TrainSpec]:
    """What the record of this submission begins with: all trials, or those that the search knows already."""
    return pending.known if pending.search else list(plan.trials)


def run_batches_inline(
    plan: SweepPlan,
    pending: PendingTrials,
    *,
    tracker: Tracker,
    lease: HeldLease,
    work: Path,
    command: str,
    data_root: Path | None,
    progress: SweepProgress,
    store: CheckpointStore,
    stopping: Stopping,
    following: Following,
    take: Take,
) -> list[str]:
    """Run what is pending in this process, and then what follows from it.

    Returns:
        One line for everything that could not be filed.
    """
    writer = ResultWriter(tracker, spool=work / SPOOL)
    shared = SharedTrials(
        tracker, take=take, progress=progress, search=pending.search, stop=lambda: bool(stopping.reason)
    )
    writer.start(plan.sweep, trials=_recorded(plan, pending), command=command)
    try:
        with progress, suppress(KeyboardInterrupt):
            batch = pending.trials if pending.scheduled else following(writer.note_trial)
            while batch:
                run_inline(
                    batch,
                    plan=plan,
                    data_root=data_root,
                    folder=work / TRIALS,
                    writer=writer,
                    progress=progress,
                    search=pending.search,
                    put_off=shared.put_off,
                    store=store,
                )
                batch = shared.next(writer.note_trial) or following(writer.note_trial)
        _end_search(pending, writer.note_trial)
    finally:  # the record is closed whatever happened, and says so
        lease.ending.set()
        problems = writer.end(progress.sweep_status())
    return problems


def run_batches_on_ray(
    plan: SweepPlan,
    pending: PendingTrials,
    *,
    tracker: Tracker,
    uri: str,
    lease: HeldLease,
    work: Path,
    command: str,
    data_root: Path | None,
    datasets: Mapping[Component, StoredImages],
    progress: SweepProgress,
    store: CheckpointStore,
    stopping: Stopping,
    console: Console,
    following: Following,
    take: Take,
) -> list[str]:
    """Run what is pending on Ray, and then what follows from it.

    Returns:
        One line for everything that could not be filed.
    """
    from resablate.scheduling.ray_capacity import ray_capacity
    from resablate.scheduling.ray_pack_size import pack_sizes_on_ray
    from resablate.scheduling.ray_tune import connect_ray, run_ray, start_result_writer
    from resablate.scheduling.ray_warnings import ToldWarnings

    connect_ray()
    stopping.listen()  # Ray takes SIGTERM, and has it end the process at once
    capacity = ray_capacity(plan.sweep.resources)
    console.print(f"Ray: {capacity.in_words(plan.sweep.resources)}", highlight=False)
    writer = start_result_writer(uri=uri, spool=work / SPOOL, claim=lease.claim)
    alive, warned = writer.until_end.remote(), ToldWarnings(writer)
    lease.report_to(writer.confirm_lease.remote)
    # The trials' processes start meanwhile. What they send is kept until the record is open.
    opening = writer.start.remote(plan.sweep, _recorded(plan, pending), command)
    ends = partial(_is_to_end, stopping, opening, alive, warned)
    sizes = pack_sizes_on_ray(plan.sweep, capacity, say=progress.say, stop=ends)
    shared = SharedTrials(tracker, take=take, progress=progress, search=pending.search, stop=ends)
    note = writer.note_trial.remote
    knobs: dict[str, Any] = {"plan": plan, "capacity": capacity, "data_root": data_root, "datasets": datasets}
    knobs |= {"folder": work / TRIALS, "progress": progress, "store": store}
    try:
        # A second Ctrl-C raises; then too the record is closed and says so.
        with progress, suppress(KeyboardInterrupt), stopping.polled():
            batch = pending.trials if pending.scheduled else following(note)
            while batch:
                run_ray(
                    batch, sizes=sizes, search=pending.search, put_off=shared.put_off, writer=writer, stop=ends, **knobs
                )
                batch = () if ends() else shared.next(note) or following(note)
        _end_search(pending, note)
    finally:
        lease.ending.set()
        problems = _closed(writer, opening, status=progress.sweep_status(), stopping=stopping)
        warned.tell(seconds=_LAST_WARNINGS_SECONDS)
    return problems


def _end_search(pending: PendingTrials, note: Callable[[TrainSpec], object]) -> None:
    """Complete what is recorded of a search, as long as its lease is held."""
    if pending.search:
        for spec in pending.search.reused.values():
            note(spec)
        pending.search.note_winner()


def _closed(writer: Any, opening: Any, *, status: SweepStatus, stopping: Stopping) -> list[str]:
    """Close the record of the submission; one line for everything that could not be filed."""
    import ray
    from ray.exceptions import RayActorError, RayTaskError

    try:
        ray.get(opening)
        return ray.get(writer.end.remote(status))
    except RayTaskError as error:
        raise error.cause from None
    except RayActorError:  # whoever holds the lease closes the record, and results wait in the spool
        stopping.note(WRITER_ENDED)
        return []


def _is_to_end(stopping: Stopping, opening: Any, alive: Any, warned: ToldWarnings) -> bool:
    """Whether no other trial is to begin: it was asked for, or the record could not be opened or is not written.

    As it is asked all the time, it tells what the sweep's processes have warned of meanwhile.
    """
    from resablate.scheduling.ray_tune import has_failed

    warned.tell()
    if has_failed(alive) and not has_failed(opening):
        stopping.note(WRITER_ENDED)
    return bool(stopping.reason) or has_failed(opening)
