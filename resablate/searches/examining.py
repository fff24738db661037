"""A study, looked at while no search runs."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from resablate.searches.dashboard import KEYS
from resablate.searches.patient_study import DISCARDED
from resablate.searches.study import opened_study, refuse_records, study_address, study_errors, trial_state
from resablate.storage.locations import sqlite_file
from resablate.sweep import SweepSpec

if TYPE_CHECKING:
    from optuna import Study


def running_points(sweep: SweepSpec) -> dict[int, Sequence[str]] | None:
    """Number -> keys of the points that are said to be tried; None where there is no study.

    Raises:
        TrackingError: if the database cannot be read.
    """
    with _kept_study(sweep) as study:
        if study is None:
            return None
        running = study.get_trials(deepcopy=False, states=[trial_state("RUNNING")])
        return {trial.number: trial.user_attrs.get(KEYS, ()) for trial in running}


def has_proposed_all(sweep: SweepSpec) -> bool | None:
    """Whether the search has tried all its points; None where there is no study.

    Raises:
        TrackingError: if the database cannot be read.
    """
    with _kept_study(sweep) as study:
        if study is None:
            return None
        discarded = study.user_attrs.get(DISCARDED, [])
        open_states = [trial_state("RUNNING"), trial_state("WAITING")]
        counted = [trial for trial in study.get_trials(deepcopy=False) if trial.number not in discarded]
        return sum(trial.state not in open_states for trial in counted) >= (sweep.search.trials or 0)


@contextmanager
def _kept_study(sweep: SweepSpec) -> Generator[Study | None]:
    """The sweep's study as it is; nothing is made where there is none."""
    import optuna
    from sqlalchemy import create_engine, inspect

    address = study_address()
    file = sqlite_file(address)
    if file is not None and not file.exists():
        yield None
        return
    with study_errors(sweep):
        refuse_records(address)
        engine = create_engine(address)  # Optuna would make tables where there are none
        try:
            has_studies = inspect(engine).has_table("studies")
        finally:
            engine.dispose()
        if not has_studies:
            yield None
            return
        storage = optuna.storages.RDBStorage(address)
        try:
            there = sweep.name in optuna.get_all_study_names(storage)
            yield optuna.load_study(study_name=sweep.name, storage=storage) if there else None
        finally:
            storage.remove_session()
            storage.engine.dispose()


def end_points(sweep: SweepSpec, numbers: Sequence[int]) -> None:
    """Tell the study that nothing came of the points of these numbers; a search proposes them again.

    Raises:
        TrackingError: if the database cannot be used.
    """
    with opened_study(sweep) as study, study_errors(sweep):
        for number in numbers:
            study.tell(number, state=trial_state("FAIL"))
