"""What submissions asked for: the sweep, and the list of its trials, which grows while a search proposes them.

A list is never written over where it stands: each of its files has two names, which take turns, and a tag that says
which holds it now, with its digest.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from resablate.errors import DamagedResult, SpecError, UnknownSweep
from resablate.plain_json import read_json
from resablate.redaction import redact
from resablate.spec import TrainSpec
from resablate.storage.files import digest
from resablate.storage.locations import is_sweep_name
from resablate.sweep import SweepSpec, parse_sweep
from resablate.tracking.folder_submissions import SUBMIT_ANEW
from resablate.tracking.mlflow_experiments import refuse_other_records
from resablate.tracking.mlflow_runs import log_values
from resablate.tracking.mlflow_store import ADVICE, KIND, SCHEMA, SCHEMA_VERSION, SWEEP, MlflowStore
from resablate.tracking.trial_lists import RECENT_FILE, TRIALS_FILE, TrialList, read_trial_list
from resablate.tracking.unknown_sweeps import unknown_sweep, where_else

if TYPE_CHECKING:
    from mlflow.entities import Run

log = logging.getLogger(__name__)
T = TypeVar("T")

SWEEP_FILE = "sweep.json"
_LIST = "resablate.list."
"""Begins the names of tags; after it stands a file, and the value is its SHA-256 and the name under which it lies."""
ORDER = "resablate.order"
"""Counts a sweep's submissions: at least one more than that of each before it, whatever their clocks say."""
_LAST_ORDER = 10**9 - 1
"""Nobody comes so far; where somebody wrote it nevertheless, clocks decide among those that have it."""
_PAUSES = (0.1, 0.5)
"""Seconds before a file that cannot be made sense of is read again: it may have been replaced meanwhile."""
_SUBMISSIONS = f"tags.`{KIND}` = 'sweep' AND tags.`{SCHEMA}` = '{SCHEMA_VERSION}'"


class Submission(NamedTuple):
    """One submission of a sweep."""

    run: Run
    sweep: SweepSpec


def write_sweep(store: MlflowStore, run_id: str, sweep: SweepSpec) -> None:
    """Store the sweep, after its list of trials; only then the run counts as a submission."""
    content = sweep.model_dump_json(indent=1)
    store.client().log_text(run_id, content, SWEEP_FILE)
    log_values(store, run_id, tags={**_list_tag(SWEEP_FILE, SWEEP_FILE, content), KIND: "sweep"})


def write_trials(store: MlflowStore, run_id: str, trials: TrialList, *, times: int) -> str:
    """Store the part of the list that is not stored, and return the name of its file.

    Args:
        store: where the run is.
        run_id: of the submission.
        trials: the list.
        times: how often it has been stored before: names take turns.
    """
    name, content = trials.next_file()
    place = PurePath(name)
    stored = f"{place.stem}-2{place.suffix}" if times % 2 else name
    store.client().log_text(run_id, content, stored)
    log_values(store, run_id, tags=_list_tag(name, stored, content))
    trials.mark_written(name)
    return name


def _list_tag(name: str, stored: str, content: str) -> dict[str, str]:
    return {f"{_LIST}{name}": f"{digest(content.encode())} {stored}"}


def latest_submission(store: MlflowStore, name: str) -> Submission:
    """The latest submission of the sweep called `name` whose file can be read; a damaged one is passed over.

    Raises:
        UnknownSweep: if there is no such sweep; the message names those there are.
        DamagedResult: if it was submitted and none of its submissions can be read.
        TrackingError: if records of another version are filed under this name.
    """
    place = redact(store.uri)
    if not store.exists():
        raise UnknownSweep(f"{place}: no sweep {name!r}, there is no database there yet. {ADVICE}{where_else(name)}")
    refuse_other_records(store, name)
    damaged: list[DamagedResult] = []
    named = submissions(store, name) if is_sweep_name(name) else ()  # a quote would end it in MLflow's search
    for run in sorted(named, key=_order, reverse=True):
        try:
            found = Submission(run, _read_sweep(store, run))
        except DamagedResult as error:
            damaged.append(error)
            continue
        for error in damaged:
            log.warning("%s; a submission before it is read instead", error)
        return found
    if damaged:
        raise DamagedResult(f"{damaged[0]}; no other submission of {name} can be read: {SUBMIT_ANEW}")
    known = dict.fromkeys(run.data.tags[SWEEP] for run in submissions(store))
    raise unknown_sweep(place, name, known)


def submissions(store: MlflowStore, name: str = "") -> Iterator[Run]:
    """All submissions of a sweep, or of all sweeps where `name` is empty; by their clocks, the latest first.

    Runs that name no sweep, or what no sweep can be called, are none: a name becomes a path.
    """
    found = store.runs(f"{_SUBMISSIONS} AND tags.`{SWEEP}` = '{name}'" if name else _SUBMISSIONS)
    return (run for run in found if is_sweep_name(run.data.tags.get(SWEEP, "")))


def misnamed(store: MlflowStore) -> Iterator[Run]:
    """Runs that pass for submissions of what no sweep can be called."""
    return (run for run in store.runs(_SUBMISSIONS) if not is_sweep_name(run.data.tags.get(SWEEP, "")))


def next_order(store: MlflowStore, experiment_id: str) -> int:
    """The number of a sweep's next submission; for who holds its lease, so that nobody takes the same."""
    highest = max(map(_order, store.runs(_SUBMISSIONS, experiment_ids=[experiment_id])), default=0)
    return min(highest + 1, _LAST_ORDER)


def _order(run: Run) -> int:
    order = run.data.tags.get(ORDER, "")
    return int(order) if order.isdecimal() and len(order) <= len(str(_LAST_ORDER)) else 0


def listed_trials(store: MlflowStore, run: Run) -> list[TrainSpec]:
    """The trials that a submission consists of.

    Raises:
        DamagedResult: if their list is damaged or missing.
    """

    def read(tags: dict[str, str]) -> list[TrainSpec]:
        recent = _read(store, run, tags, RECENT_FILE) if f"{_LIST}{RECENT_FILE}" in tags else None
        return read_trial_list(_read(store, run, tags, TRIALS_FILE), recent)

    return _patiently(store, run, TRIALS_FILE, read)


def _read_sweep(store: MlflowStore, run: Run) -> SweepSpec:
    return _patiently(store, run, SWEEP_FILE, lambda tags: _named(run, _read(store, run, tags, SWEEP_FILE)))


def _named(run: Run, content: bytes) -> SweepSpec:
    """The sweep in a file; ValueError where the run says that it is another: what is done to one is not the other's."""
    # Not pydantic's own reading: it leaves the lists of JSON where an axis had tuples.
    sweep = parse_sweep(read_json(content))
    if sweep.name != run.data.tags[SWEEP]:
        raise ValueError(f"it is of sweep {sweep.name!r}, and the run says {run.data.tags[SWEEP]!r}")
    return sweep


def _patiently(store: MlflowStore, run: Run, file: str, read: Callable[[dict[str, str]], T]) -> T:
    """What `read` makes of the run's tags, which may change while its files are read."""
    tags, problem = run.data.tags, ""
    for pause in (*_PAUSES, None):
        try:
            return read(tags)
        except (SpecError, ValueError) as error:
            problem = str(error).strip().partition("\n")[0]
        if pause is not None:
            time.sleep(pause)
            tags = store.client().get_run(run.info.run_id).data.tags
    raise DamagedResult(f"{redact(store.uri)}: {file} of run {run.info.run_id} is not what was filed there ({problem})")


def _read(store: MlflowStore, run: Run, tags: dict[str, str], name: str) -> bytes:
    expected, _, stored = tags.get(f"{_LIST}{name}", "").partition(" ")
    content = store.read_file(run.info.run_id, str(run.info.artifact_uri), stored) if stored else None
    if content is None:
        raise ValueError("it is not there")
    if digest(content) != expected:
        raise ValueError("its content is not what was filed")
    return content
