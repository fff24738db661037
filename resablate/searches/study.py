"""The Optuna study of a sweep: in a database, under the sweep's name, so that optuna-dashboard opens it."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from resablate.component import Component
from resablate.component_tables import takes_whole_numbers
from resablate.errors import ResablateError, TrackerAway, TrackingError, without_statement
from resablate.redaction import redact, without_password
from resablate.result import TrialResult
from resablate.searches.dashboard import name_objectives
from resablate.searches.objectives import objective, objective_names
from resablate.searches.points import ends
from resablate.storage.locations import absolute_address, home, sqlite_file
from resablate.storage.locks import file_lock
from resablate.sweep import CASE, Point, Range, SweepSpec

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.distributions import BaseDistribution
    from optuna.trial import TrialState
    from sqlalchemy.engine import Engine

ADDRESS_VARIABLE = "RESABLATE_STUDY_STORAGE"
_ASKED = "resablate.asked"
"""User attribute of the study: the part of the sweep that its numbers depend on."""
_BUSY_SECONDS = 60
"""How long a write waits for a dashboard or another sweep that is writing to the same sqlite file."""
_SQLITE_LATER = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
"""Sqlite's codes where a file cannot be written for a while."""
_PRIMARY = 0xFF
"""The part of a code that says which kind it is. Source: sqlite.org/rescode.html."""
_MLFLOW_TABLES = {"experiments", "runs", "latest_metrics"}
_SIMPLE = (bool, int, float, str, type(None))


def study_address() -> str:
    """SQLAlchemy's URL of the studies: `$RESABLATE_STUDY_STORAGE`, else `optuna.db` at home."""
    return absolute_address(os.environ.get(ADDRESS_VARIABLE) or "sqlite:///optuna.db")


def check_studies(sweep: SweepSpec) -> None:
    """Raise TrackingError if the database of studies cannot be used; nothing is made in it."""
    with study_errors(sweep):
        refuse_records(study_address())


def unchecked() -> None:
    """The check of who needs none: a person, while no search runs."""


@contextmanager
def opened_study(sweep: SweepSpec, *, check_lease: Callable[[], None] = unchecked) -> Generator[Study]:
    """The sweep's study; it is created where there is none.

    Args:
        sweep: with an adaptive search.
        check_lease: called before every statement that changes anything; what it raises leaves the study as it was.

    Raises:
        TrackingError: if the database cannot be used, or holds a study of another question under this name.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    address = study_address()
    options: dict[str, Any] = {"pool_pre_ping": True}  # a server that was away has closed the pool's connections
    if sqlite_file(address):
        options = {"connect_args": {"timeout": _BUSY_SECONDS}}
    with study_errors(sweep), _table_lock(address):
        refuse_records(address)
        check_lease()
        try:
            storage = optuna.storages.RDBStorage(address, engine_kwargs=options)
        except RuntimeError as error:  # how Optuna says that another version made the tables
            raise OSError(str(error)) from None
    _check_before_writing(storage.engine, check_lease)
    try:
        with study_errors(sweep):
            study = optuna.create_study(
                storage=storage,
                study_name=sweep.name,
                directions=[optuna.study.StudyDirection.MINIMIZE] * len(sweep.search.minimize),
                load_if_exists=True,
            )
            _check_question(study, sweep, redact(address))
            name_objectives(study, sweep)
        yield study
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _check_before_writing(engine: Engine, check_lease: Callable[[], None]) -> None:
    """Have the lease checked before every statement that is no question."""
    from sqlalchemy import event

    def check(connection: Any, cursor: Any, statement: str, *more: Any) -> None:
        if not statement.lstrip().upper().startswith("SELECT"):
            check_lease()

    event.listen(engine, "before_cursor_execute", check)


def forget_study(sweep: SweepSpec) -> None:
    """Delete the study of a search, if there is one.

    Raises:
        TrackingError: if the database cannot be used.
    """
    import optuna

    address = study_address()
    if (file := sqlite_file(address)) is not None and not file.exists():
        return
    with study_errors(sweep), suppress(KeyError):
        optuna.delete_study(study_name=sweep.name, storage=address)


@contextmanager
def study_errors(sweep: SweepSpec) -> Generator[None]:
    """Raises what the database raises inside as a `TrackingError`."""
    from optuna.exceptions import OptunaError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, OptunaError, ImportError, OSError) as error:
        cause = error.__cause__ if isinstance(error.__cause__, SQLAlchemyError) else error  # Optuna's own says less
        reason = without_password(without_statement(cause), study_address())
        kind = TrackerAway if _is_away(cause) else TrackingError
        raise kind(
            f"{redact(study_address())}: the study of sweep {sweep.name!r} cannot be used: {reason}."
            f" ${ADDRESS_VARIABLE} is an SQLAlchemy URL, with a user name and password that the database takes; without"
            " it, studies are kept in optuna.db at home"
        ) from error


def _is_away(error: BaseException) -> bool:
    """Whether the database does not answer, is too busy, or has no room: the same request may succeed later."""
    from sqlalchemy.exc import InterfaceError, OperationalError

    if sqlite_file(study_address()) is None:
        return isinstance(error, OperationalError | InterfaceError)
    code: int = getattr(error.orig, "sqlite_errorcode", 0) if isinstance(error, OperationalError) else 0
    return code & _PRIMARY in _SQLITE_LATER


def distributions(sweep: SweepSpec) -> dict[str, BaseDistribution]:
    """The axes and the cases as Optuna's distributions: a list is a choice, a range a number."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, BaseDistribution] = {}
    for axis, span in sweep.space.items():
        if not isinstance(span, Range):
            found[axis] = CategoricalDistribution([_choice(axis, value, sweep) for value in span])
        elif takes_whole_numbers(axis):
            low, high = ends(axis, span)
            found[axis] = IntDistribution(int(low), int(high), log=span.log)
        else:
            found[axis] = FloatDistribution(span.low, span.high, log=span.log)
    return found


def params_of(point: Point, sweep: SweepSpec) -> dict[str, Any]:
    """A point as Optuna holds it."""
    return {axis: _choice(axis, value, sweep) for axis, value in point.items()}


def point_from(params: Mapping[str, Any], sweep: SweepSpec) -> Point:
    """The point that Optuna's parameters stand for, its axes in the sweep's order."""
    point: Point = {}
    for axis, span in sweep.space.items():
        value = params[axis]
        point[axis] = value if isinstance(span, Range) else next(v for v in span if _choice(axis, v, sweep) == value)
    return point


@dataclass(frozen=True)
class AskedPoint:
    """A point whose trials have not all ended."""

    trial: Trial
    keys: tuple[str, ...]
    running: set[str]
    """Those of `keys` that have not ended."""


@dataclass(frozen=True)
class PointOutcome:
    """What a study is told of a point."""

    state: TrialState
    values: list[float] | None = None
    reason: str = ""
    by_epoch: dict[int, float] = field(default_factory=dict[int, float])
    """Epoch -> what the study compares pruned trials by."""


def point_outcome(results: Sequence[TrialResult], sweep: SweepSpec) -> PointOutcome:
    """What a study is told of a point with these results; a point that is no valid trial has none and has failed."""
    names = sweep.search.minimize
    by_epoch: dict[int, float] = {}
    if sweep.search.pruning != "none" and results:
        name = "val_loss" if names == ("val_loss",) else "val_error"
        values_by_epoch: dict[int, float | None] = {row.epoch: getattr(row, name) for row in results[0].history}
        by_epoch = {epoch: value for epoch, value in values_by_epoch.items() if value is not None and isfinite(value)}
    reason = next((result.reason for result in results if result.reason), "")
    if not results or any(result.status == "failed" for result in results):
        return PointOutcome(trial_state("FAIL"), reason=reason)
    if any(result.status == "pruned" for result in results):
        return PointOutcome(trial_state("PRUNED"), reason=reason, by_epoch=by_epoch)
    try:
        values = [fmean(objective(result, name, sweep.analyses) for result in results) for name in names]
    except ResablateError as error:
        return PointOutcome(trial_state("FAIL"), reason=str(error))
    return PointOutcome(trial_state("COMPLETE"), values, reason, by_epoch)


def trial_state(name: str) -> TrialState:
    """Optuna's state of a trial."""
    from optuna.trial import TrialState

    return TrialState[name]


def _choice(axis: str, value: Any, sweep: SweepSpec) -> Any:
    """A listed value as Optuna's database takes it: a component by its name, or as JSON with its arguments.

    A case is written out as JSON, so that optuna-dashboard shows what it sets.
    """
    if axis == CASE:
        return json.dumps({name: _plain(part) for name, part in sweep.cases[value].items()}, sort_keys=True)
    plain = _plain(value)
    return plain if isinstance(plain, _SIMPLE) else json.dumps(plain)


def _plain(value: Any) -> Any:
    """As a sweep file holds it."""
    return value.brief() if isinstance(value, Component) else value


def _check_question(study: Study, sweep: SweepSpec, place: str) -> None:
    """Raise TrackingError if the study answers another question than the sweep asks."""
    asked: dict[str, Any] = sweep.model_dump(mode="json", include={"base", "axes", "cases"})
    asked["minimize"] = list(sweep.search.minimize)
    asked["seeds"] = sweep.search.seeds and list(sweep.search.seeds)
    # Other analyses may be asked later; those that are minimized are part of the question.
    names = objective_names(sweep.analyses)
    measured = [name.partition("/")[0] for name in sweep.search.minimize]
    asked["analyses"] = {name: names[name].brief() for name in measured if name in names}
    if not study.trials and _ASKED not in study.user_attrs:
        study.set_user_attr(_ASKED, asked)
    before: dict[str, Any] = study.user_attrs.get(_ASKED, {})
    if changed := [name for name, value in asked.items() if before.get(name) != value]:
        raise TrackingError(
            f"{place}: the study {sweep.name!r} was begun with other {', '.join(changed)}, so its numbers do not answer"
            " this sweep; give the sweep another name"
        )


def refuse_records(address: str) -> None:
    """Raise TrackingError where MLflow keeps its records: both number their schemas in a table of one name."""
    from sqlalchemy import create_engine, inspect

    if (file := sqlite_file(address)) is not None and not file.exists():
        return
    engine = create_engine(address)
    try:
        tables = set(inspect(engine).get_table_names())
    finally:
        engine.dispose()
    if _MLFLOW_TABLES <= tables:
        raise TrackingError(
            f"{redact(address)}: holds MLflow's records, which a study of a search in the same database would make"
            f" unusable; set ${ADDRESS_VARIABLE} to another database, or leave it out: then it is optuna.db at home"
        )


@contextmanager
def _table_lock(address: str) -> Generator[None]:
    """Holds a lock beside the database's file: processes that make the tables of one sqlite file at once fail."""
    database = sqlite_file(address)
    if database is None:
        yield
        return
    if database.parent == home():
        home().mkdir(parents=True, exist_ok=True)
    with file_lock(Path(f"{database}.lock")):
        yield
