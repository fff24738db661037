"""Trials one after another in this process: Ray's in-process twin, to step through and to compare with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from resablate.devices import take_device, threads
from resablate.lifecycle import run_session
from resablate.pack_size import best_pack_size
from resablate.packs import Pack
from resablate.plan import SweepPlan
from resablate.result import TrialResult
from resablate.scheduling.packing import PackSizes
from resablate.scheduling.progress import SweepProgress
from resablate.scheduling.result_writer import ResultWriter
from resablate.searches.searcher import Searcher
from resablate.session import PutOff, SessionPlace
from resablate.spec import TrainSpec
from resablate.storage.checkpoint_store import CheckpointStore
from resablate.training import thread_count

Scheduler = Literal["ray_tune", "inline"]
"""Where trials run: on Ray, or one after another in this process."""


def run_inline(
    trials: Sequence[TrainSpec] | Searcher,
    *,
    plan: SweepPlan,
    data_root: Path | None,
    folder: Path,
    writer: ResultWriter,
    progress: SweepProgress,
    search: Searcher | None,
    put_off: Callable[[TrainSpec], None],
    store: CheckpointStore,
) -> None:
    """Run `trials` in order, in packs; one that fails is filed as failed and the next one runs.

    Args:
        trials: canonical specs, or what proposes them one by one.
        plan: that the trials are of; CPUs of a pack become threads.
        data_root: where data sets are looked for first.
        folder: for checkpoints, one folder for each key.
        writer: told of everything.
        progress: told of everything.
        search: told of every result, if there is one.
        put_off: told of the trials that another sweep trains or has completed.
        store: gets every checkpoint too.

    Raises:
        DeviceLost: if the GPU is of no more use to this process.
    """
    resources = plan.sweep.resources
    device = take_device(resources.gpus, memory_gib=resources.gpu_memory_gib)
    place = SessionPlace(device=device, folder=folder, data_root=data_root, store=store)
    sizes = PackSizes(
        resources.pack,
        slots=1,
        measure=lambda shapes: [best_pack_size(spec, most, device=device) for spec, most in shapes],
        say=progress.say,
    )
    with thread_count(threads(resources.cpus)):
        if isinstance(trials, Searcher):
            sizes.foresee(trials, plan)
        for pack in _packs(trials, sizes):
            progress.started(*pack)
            for event in run_session(list(map(plan.request, pack)), place=place, sink=writer):
                if isinstance(event, PutOff):
                    progress.put_off(event.spec.key)
                    put_off(event.spec)
                elif isinstance(event, TrialResult):
                    progress.ended_with(event)
                    if search:
                        search.tell(event)
                else:
                    progress.epoch(event.key, event.metrics.epoch, event.metrics.val_error)


def _packs(trials: Sequence[TrainSpec] | Searcher, sizes: PackSizes) -> Iterable[Pack]:
    return iter(partial(sizes.next_pack, trials), ()) if isinstance(trials, Searcher) else sizes.packs(trials)
