"""Filing results that were kept in a folder: those of `sweep --offline`, and those of a report."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from resablate.errors import DamagedResult, ResablateError, UnknownSweep
from resablate.result import COMPLETE, TrialResult, weights_file
from resablate.scheduling.pictures import pictures
from resablate.spec import TrainSpec
from resablate.storage.locations import RESULTS, SWEEP_FILE
from resablate.sweep import SweepSpec, load_sweep
from resablate.torch_missing import check_is_torch
from resablate.tracking import BEAT_SECONDS, Tracker, TrialState
from resablate.tracking.folder_results import RESULTS as KEPT_RESULTS
from resablate.tracking.folder_submissions import SUBMISSION, SUBMIT_ANEW, read_submission
from resablate.tracking.folder_tracker import FolderTracker

log = logging.getLogger(__name__)


class Synced(NamedTuple):
    """What came of one sweep."""

    sweep: str
    filed: int
    """Results that were not in the records."""
    amended: int
    """Results that were there without some of their measurements."""
    there: int
    """Results that were there."""
    without_weights: int
    """Networks whose weights are in neither place: what they were not asked, they cannot be asked any more."""


class _Kept(NamedTuple):
    """One sweep as it lies in a folder."""

    sweep: SweepSpec
    trials: list[TrainSpec]
    results: list[TrialResult]
    command: str
    run_ids: Mapping[str, str]
    """Key -> run in `records`."""
    records: FolderTracker | None
    """Holds the weights, if there are any."""


def sync(place: Path, tracker: Tracker) -> list[Synced]:
    """File every result in `place` that the records lack, each once, however often this is done.

    What `damaged_sweeps` names is passed over.

    Args:
        place: what `sweep --offline` filled, or a report.
        tracker: where the results go.

    Raises:
        ResablateError: if there is nothing of the kind in `place`.
        TrackingError: if the records cannot be written, or another process runs one of the sweeps.
    """
    return [_sync(kept, tracker) for kept in _kept_sweeps(place)]


def damaged_sweeps(place: Path) -> dict[str, str]:
    """Name -> why nothing is filed of it, of those in the folder of which nobody can read any more what was asked."""
    found: dict[str, str] = {}
    names = (KEPT_RESULTS, SUBMISSION)
    for folder in sorted({path.parent for name in names for path in place.absolute().glob(f"*/{name}")}):
        try:
            if read_submission(folder) is None and any(folder.glob(f"{KEPT_RESULTS}/[!.]*")):
                found[folder.name] = f"{folder / SUBMISSION}: is not there, beside results; {SUBMIT_ANEW}"
        except DamagedResult as error:
            found[folder.name] = str(error)
    return found


def _kept_sweeps(place: Path) -> list[_Kept]:
    if (place / RESULTS).is_file():
        return [_kept_report(place)]
    records = FolderTracker(place.absolute())
    found: list[_Kept] = []
    damaged = damaged_sweeps(place)
    for name in records.sweeps():
        if name not in damaged:
            record = records.load_sweep(name)
            trials = records.submitted(name)[1]
            found.append(_Kept(record.sweep, trials, record.results, record.command, record.run_ids, records))
    if not found and damaged:
        raise DamagedResult(next(iter(damaged.values())))
    if not found:
        raise ResablateError(
            f"{place}: neither the folder of `resablate sweep --offline` nor a report with its {RESULTS}"
        )
    return found


def _kept_report(place: Path) -> _Kept:
    if not (place / SWEEP_FILE).is_file():
        raise ResablateError(f"{place}: {RESULTS} says what came out, but {SWEEP_FILE}, what was asked, is not there")
    results: list[TrialResult] = []
    for number, line in enumerate((place / RESULTS).read_text(encoding="utf-8").splitlines(), start=1):
        try:
            results.append(TrialResult.from_json(line))
        except ValueError as error:
            reason = str(error).partition("\n")[0]
            raise ResablateError(f"{place / RESULTS}, line {number}: no result of this version ({reason})") from None
    sweep = load_sweep(place / SWEEP_FILE)
    trials = _asked_for(sweep, [result.spec for result in results])
    return _Kept(sweep, trials, results, f"resablate sync {place}", {}, None)


def _asked_for(sweep: SweepSpec, ended: list[TrainSpec]) -> list[TrainSpec]:
    """All trials of a grid, of which those in a report may be a part; those alone where the rest cannot be told.

    What is not there was asked of the same data: its keys are final like those of `ended`.
    """
    if sweep.search.method != "grid" or sweep.seeds is not None:
        return ended  # which come as others end
    try:
        from resablate.plan import plan_sweep
    except ModuleNotFoundError as missing:
        check_is_torch(missing)
        return ended
    asked = plan_sweep(sweep).identified_by(ended).trials
    known = {spec.key for spec in asked}
    told = all(spec.fingerprint for spec in asked) and all(spec.key in known for spec in ended)
    return list(asked) if told else ended


def _sync(kept: _Kept, tracker: Tracker) -> Synced:
    states = tracker.states(kept.sweep.name)
    new = [result for result in kept.results if not _is_there(result, states.get(result.key))]
    amended = 0
    for result in kept.results:
        state = states.get(result.key)
        if state and state.status in COMPLETE:
            amended += _amend(result, state, tracker)
    without = 0
    if new or not _is_known(kept.sweep.name, tracker):
        tracker.start_sweep(kept.sweep, trials=kept.trials, command=kept.command)
        without = _file(kept, new, tracker)
    elif amended:
        tracker.update_cells(kept.sweep.name)
    return Synced(kept.sweep.name, len(new), amended, len(kept.results) - len(new) - amended, without)


def _is_known(name: str, tracker: Tracker) -> bool:
    try:
        tracker.submitted(name)
    except (UnknownSweep, DamagedResult):
        return False
    return True


def _is_there(result: TrialResult, state: TrialState | None) -> bool:
    """Whether the records hold the result, or a complete one of the same trial."""
    if state is None:
        return False
    return state.status in COMPLETE or (state.status, state.reason) == (result.status, result.reason)


def _amend(result: TrialResult, state: TrialState, tracker: Tracker) -> bool:
    new = [measurement for measurement in result.measurements if measurement.question.id not in state.measured]
    if not new:
        return False
    part = result.model_copy(update={"measurements": tuple(new), "failed_measurements": (), "kept_epochs": ()})
    tracker.amend_trial(state.run_id, part, figures=pictures(part, tracker))
    return True


def _file(kept: _Kept, new: list[TrialResult], tracker: Tracker) -> int:
    """File results; how many finished networks have no weights."""
    without, beat = 0, time.monotonic()
    complete = False
    try:
        for result in new:
            if time.monotonic() - beat > BEAT_SECONDS:
                tracker.keep_alive()
                beat = time.monotonic()
            tracker.start_trial(result.spec)
            with _weights(kept, result) as weights:
                without += result.status == "finished" and weights_file(None) not in weights
                stored = tuple(epoch for epoch in result.kept_epochs if weights_file(epoch) in weights)
                told = result.model_copy(update={"kept_epochs": stored})
                tracker.finish_trial(told, weights=weights, figures=pictures(told, tracker))
        ended = {result.key for result in kept.results if result.status in COMPLETE}
        tracker.update_cells(kept.sweep.name)
        complete = all(spec.key in ended for spec in kept.trials)
    finally:
        tracker.end_sweep("finished" if complete else "interrupted")
    return without


@contextmanager
def _weights(kept: _Kept, result: TrialResult) -> Generator[dict[str, Path]]:
    """Name -> file of the weights that are there."""
    with tempfile.TemporaryDirectory() as folder:
        found: dict[str, Path] = {}
        if kept.records:
            run_id = kept.run_ids[result.key]
            for epoch in kept.records.stored_epochs(run_id):
                try:
                    file = kept.records.load_weights_file(run_id, Path(folder), epoch=epoch)
                except DamagedResult as error:
                    log.warning("%s; its result is filed without it", error)
                else:
                    found[file.name] = file
        yield found
