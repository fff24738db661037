"""What is wrong with the records of a sweep, each kind by a function of its own.

Nothing is changed by looking. What mends a record does what the next submission of the sweep would do.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, final

from resablate.errors import DamagedResult, UnknownSweep
from resablate.result import COMPLETE, RESULT_FILE
from resablate.sweep import SweepSpec
from resablate.tracking.digest_tags import RECORD, recorded, stored_weights
from resablate.tracking.leases import SILENT_SECONDS, Lease, LeaseState
from resablate.tracking.measured_tags import is_measured_tag
from resablate.tracking.mlflow_away import files_away
from resablate.tracking.mlflow_experiments import lies_where_it_should
from resablate.tracking.mlflow_leases import MlflowLeases
from resablate.tracking.mlflow_leftovers import close_trials
from resablate.tracking.mlflow_reader import MlflowReader
from resablate.tracking.mlflow_records import RunFiles, damaged_answers, read_record
from resablate.tracking.mlflow_runs import log_values
from resablate.tracking.mlflow_store import (
    CELL_KIND,
    EPOCH,
    KEY,
    KIND,
    REPORT_KIND,
    SCHEMA,
    SCHEMA_VERSION,
    STATUS,
    SWEEP,
    MlflowStore,
)
from resablate.tracking.mlflow_submissions import latest_submission, listed_trials, misnamed
from resablate.tracking.record_keeping import SUPERSEDED

if TYPE_CHECKING:
    from mlflow.entities import Run

_WATCH_SECONDS = SILENT_SECONDS + 1
"""What is heard of a lease by then, is all that is ever heard of it."""
_LEFT: dict[LeaseState, str] = {
    "gone": "a submission is open whose process has ended ({})",
    "silent": "a submission is open whose process says nothing ({}, another machine)",
}
_FILING_SECONDS = 600
"""A cell's means or a report are filed in seconds, by a process that may hold no lease."""
_AHEAD_SECONDS = 300
"""Clocks that differ by less hide nothing: submissions are not made within minutes of each other."""


class WrongRecord(NamedTuple):
    """A record that is not as it should be."""

    place: str
    problem: str
    mend: Callable[[], None] | None = None
    """Does what the next submission would do; None where that, or nobody but a person, mends it."""
    remedy: str = ""
    """Where it is another than that of its kind."""


@final
class MlflowExaminer:
    """Looks at one store.

    Args:
        uri: as `location.tracking_uri` gives it.

    Raises:
        TrackingError: if nothing of the kind can be at `uri`, or the server does not answer.
    """

    def __init__(self, uri: str) -> None:
        self._store = MlflowStore(uri)
        self._reader = MlflowReader(self._store)
        self._leases: list[Lease] | None = None
        self._runs: dict[str, list[Run]] = {}
        self._places: dict[str, str] = {}
        """Sweep -> by `_away`."""

    @property
    def database(self) -> Path | None:
        """The file of the store; None where it is a server's."""
        return self._store.database

    def sweeps(self) -> list[str]:
        """The names of the sweeps that were submitted."""
        return list(self._reader.sweeps())

    def sweep(self, name: str) -> SweepSpec | None:
        """The sweep of this name as it was submitted last; None where there is none that can be read."""
        try:
            with self._store.errors(f"reading sweep {name!r}"):
                return latest_submission(self._store, name).sweep
        except (UnknownSweep, DamagedResult):
            return None

    def misnamed(self) -> Iterator[WrongRecord]:
        """Submissions of what no sweep can be called: they count nowhere, and their names become no paths."""
        if not self._store.exists():
            return
        with self._store.errors("looking for sweeps"):
            for run in misnamed(self._store):
                name = run.data.tags.get(SWEEP, "")
                yield WrongRecord(f"run {run.info.run_id}", f"it is of sweep {name!r}, and no sweep can be called so")

    def running(self) -> dict[str, str]:
        """Sweep -> who runs it, of those that are being run.

        Waits until that is known of holders on other machines.
        """
        return {lease.claim.sweep: str(lease.claim.owner) for lease in self._all_leases() if lease.taken}

    def abandoned(self, name: str) -> Iterator[WrongRecord]:
        """Runs that are open although nobody is at work on them; to be asked of sweeps that are not being run."""
        if not (experiment := self._experiment(name)):
            return
        with self._store.errors("looking for open runs"):
            for claim, state, _ in self._all_leases():
                if claim.sweep == name and state in _LEFT:
                    end = partial(self._store.client().set_terminated, claim.submission, "KILLED")
                    yield WrongRecord(f"run {claim.submission}", _LEFT[state].format(claim.owner), end)
            open_trials = [run for run in self._trials(name) if run.info.status == "RUNNING"]
        if open_trials:
            ids = ", ".join(run.info.run_id for run in open_trials)
            close = partial(close_trials, self._store, experiment)
            yield WrongRecord(f"run {ids}", f"{len(open_trials)} trials are said to run, and no process does", close)
        yield from self._half_filed(experiment)

    def begun(self, name: str) -> dict[str, bool]:
        """Key -> whether a run of it is open, of the trials that have begun."""
        found: dict[str, bool] = {}
        for run in self._trials(name):
            if key := run.data.tags.get(KEY):
                found[key] = found.get(key, False) or run.info.status == "RUNNING"
        return found

    def listed(self, name: str) -> Iterator[WrongRecord]:
        """A submission whose sweep or list of trials cannot be read."""
        if self._away(name):
            return
        try:
            with self._store.errors("reading the submission"):
                listed_trials(self._store, latest_submission(self._store, name).run)
        except UnknownSweep:  # it has a folder, and was never submitted here
            return
        except DamagedResult as error:
            yield WrongRecord(f"sweep {name}", str(error))

    def results(self, name: str) -> Iterator[WrongRecord]:
        """Trials that are said to be complete and whose result is missing, damaged or another trial's."""
        if place := self._away(name):
            problem = f"none of the files of its {len(self._complete(name))} complete trials is there"
            yield WrongRecord(place, problem, None, "put the folder back, or mount its disk; --mend leaves the records")
            return
        for run in self._complete(name):
            if problem := self._problem(run):
                yield WrongRecord(f"run {run.info.run_id}", problem, self._delete(run))

    def answers(self, name: str) -> Iterator[WrongRecord]:
        """Later measurements that are missing or damaged, of results that are whole."""
        for run in () if self._away(name) else self._complete(name):
            files, tags = RunFiles.of(self._store, run), run.data.tags
            with self._store.errors("reading answers"):
                damaged = damaged_answers(files, key=tags[KEY], record=recorded(tags))
            for file, problem in damaged.items():
                parts = [tag for tag in tags if is_measured_tag(tag) and tag.split(".")[2:3] == [Path(file).stem]]
                forget = dict.fromkeys([f"{RECORD}{file}", *parts], "")
                mend = partial(log_values, self._store, run.info.run_id, tags=forget)
                yield WrongRecord(f"run {run.info.run_id}", f"{problem}; its questions count as answered", mend)

    def weights(self, name: str) -> Iterator[WrongRecord]:
        """Weights that are missing or damaged."""
        for run in () if self._away(name) else self._complete(name):
            files = RunFiles.of(self._store, run)
            for expected, file in stored_weights(run.data.tags).values():
                try:
                    files.read_whole(file, expected)
                except DamagedResult as error:
                    yield WrongRecord(f"run {run.info.run_id}", str(error))

    def claimed(self, name: str) -> Iterator[WrongRecord]:
        """Runs that say that they are complete trials and of which none counts, because nothing was filed there."""
        for run in self._trials(name):
            tags = run.data.tags
            if tags.get(SCHEMA) != SCHEMA_VERSION or KEY not in tags:
                yield WrongRecord(f"run {run.info.run_id}", "it has not the tags of a trial, and does not count")
            elif not lies_where_it_should(self._store, str(run.info.artifact_uri)):
                yield WrongRecord(f"run {run.info.run_id}", "its files lie where no results lie; it does not count")
            elif tags.get(STATUS) in COMPLETE and RESULT_FILE not in recorded(tags):
                yield WrongRecord(f"run {run.info.run_id}", "it says that it is complete, and has no result")

    def twice(self, name: str) -> Iterator[WrongRecord]:
        """Runs of a trial beside the one that holds its result, but for those that `--rerun` keeps on purpose."""
        runs = [run for run in self._trials(name) if KEY in run.data.tags and run.data.tags.get(STATUS) != SUPERSEDED]
        complete = {run.data.tags[KEY]: run.info.run_id for run in reversed(self._complete(name))}
        for run in runs:
            key = run.data.tags[KEY]
            if complete.get(key, run.info.run_id) == run.info.run_id:
                continue
            place = f"run {run.info.run_id}"
            if run in self._complete(name):
                yield WrongRecord(place, f"it is trial {key} once more, which run {complete[key]} holds too")
            else:
                problem = f"it was left of trial {key}, whose result is in run {complete[key]}"
                yield WrongRecord(place, problem, self._delete(run))

    def curves(self, name: str) -> Iterator[WrongRecord]:
        """Curves in which an epoch stands twice."""
        for run in self._trials(name):
            with self._store.errors("reading a curve"):
                history = self._store.client().get_metric_history(run.info.run_id, EPOCH)
            repeated = [step for step, count in Counter(point.step for point in history).items() if count > 1]
            if repeated:
                steps = ", ".join(map(str, sorted(repeated)))
                yield WrongRecord(f"run {run.info.run_id}", f"epochs {steps} stand twice in its curves")

    def ahead(self, name: str) -> Iterator[WrongRecord]:
        """Runs from the future: they hide whatever is submitted before that."""
        if not (experiment := self._experiment(name)):
            return
        latest = 1000 * (time.time() + _AHEAD_SECONDS)
        with self._store.errors("looking at times"):
            for run in self._store.runs(f"tags.`{KIND}` != ''", experiment_ids=[experiment]):
                if run.info.start_time > latest:
                    hours = (run.info.start_time / 1000 - time.time()) / 3600
                    yield WrongRecord(f"run {run.info.run_id}", f"it began {hours:.1f} hours from now, by its clock")

    def _half_filed(self, experiment: str) -> Iterator[WrongRecord]:
        """Means and reports whose filing was cut off; the next one makes them anew."""
        opened = f"attributes.status = 'RUNNING' AND tags.`{KIND}` != ''"
        latest = 1000 * (time.time() - _FILING_SECONDS)
        with self._store.errors("looking for open runs"):
            for run in self._store.runs(opened, experiment_ids=[experiment]):
                if (kind := run.data.tags[KIND]) in (CELL_KIND, REPORT_KIND) and run.info.start_time < latest:
                    problem = f"a {kind} of which a part was filed, by a process that is gone"
                    yield WrongRecord(f"run {run.info.run_id}", problem, self._delete(run))

    def _all_leases(self) -> list[Lease]:
        if self._leases is None:
            with self._store.errors("looking for leases"):
                self._leases = MlflowLeases(self._store).leases(watch_seconds=_WATCH_SECONDS)
        return self._leases

    def _experiment(self, name: str) -> str:
        with self._store.errors(f"looking for sweep {name!r}"):
            found = self._store.client().get_experiment_by_name(name) if self._store.exists() else None
        return found.experiment_id if found and found.lifecycle_stage == "active" else ""

    def _trials(self, name: str) -> Sequence[Run]:
        if name not in self._runs:
            experiment = self._experiment(name)
            with self._store.errors(f"looking for the trials of sweep {name!r}"):
                wanted = f"tags.`{KIND}` = 'trial'"
                self._runs[name] = list(self._store.runs(wanted, experiment_ids=[experiment])) if experiment else []
        return self._runs[name]

    def _complete(self, name: str) -> Sequence[Run]:
        """Those that count as complete."""
        return [
            run
            for run in self._trials(name)
            if run.data.tags.get(SCHEMA) == SCHEMA_VERSION
            and KEY in run.data.tags
            and run.data.tags.get(STATUS) in COMPLETE
            and RESULT_FILE in recorded(run.data.tags)
            and lies_where_it_should(self._store, str(run.info.artifact_uri))
        ]

    def _away(self, name: str) -> str:
        """Where the files of all its complete trials ought to lie, if not one is there."""
        if name not in self._places:
            runs = ((run.info.run_id, str(run.info.artifact_uri)) for run in self._complete(name))
            self._places[name] = files_away(self._store, runs)
        return self._places[name]

    def _problem(self, run: Run) -> str:
        tags = run.data.tags
        try:
            read_record(RunFiles.of(self._store, run), key=tags[KEY], record={RESULT_FILE: recorded(tags)[RESULT_FILE]})
        except DamagedResult as error:
            return str(error)
        return ""

    def _delete(self, run: Run) -> Callable[[], None]:
        """MLflow can bring it back."""
        return partial(self._store.client().delete_run, run.info.run_id)
