"""A study, looked at while no search runs."""

from __future__ import annotations

from resablate.searches.study import opened_study, study_address, study_errors, trial_state
from resablate.storage.locations import sqlite_file
from resablate.sweep import SweepSpec


def running_points(sweep: SweepSpec) -> list[int] | None:
    """The numbers of the points that are said to be tried; None where there is no study.

    Raises:
        TrackingError: if the database cannot be read.
    """
    import optuna
    from sqlalchemy import create_engine, inspect

    address = study_address()
    file = sqlite_file(address)
    if file is not None and not file.exists():
        return None
    with study_errors(sweep):
        engine = create_engine(address)  # Optuna would make tables where there are none
        try:
            if not inspect(engine).has_table("studies"):
                return None
        finally:
            engine.dispose()
        storage = optuna.storages.RDBStorage(address)
        try:
            if sweep.name not in optuna.get_all_study_names(storage):
                return None
            study = optuna.load_study(study_name=sweep.name, storage=storage)
            running = study.get_trials(deepcopy=False, states=[trial_state("RUNNING")])
            return [trial.number for trial in running]
        finally:
            storage.remove_session()
            storage.engine.dispose()


def end_points(sweep: SweepSpec) -> None:
    """Tell the study that nothing came of the points that are said to be tried; a search proposes them again.

    Raises:
        TrackingError: if the database cannot be used.
    """
    running = running_points(sweep)
    if not running:
        return
    with opened_study(sweep) as study, study_errors(sweep):
        for number in running:
            study.tell(number, state=trial_state("FAIL"))
