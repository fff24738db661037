"""The Optuna study of a sweep: in a database, under the sweep's name, so that optuna-dashboard opens it."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resablate.redaction import redact, without_password
from resablate.errors import TrackingError
from resablate.searches.points import ends, takes_whole_numbers
from resablate.sweep import Point, Range, SweepSpec
from resablate.storage.locations import home, sqlite_file

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution

ADDRESS_VARIABLE = "RESABLATE_STUDY_STORAGE"
_ASKED = "resablate.asked"
"""What the study's numbers are an answer to: its user attribute of this name."""
_BUSY_SECONDS = 60
"""How long a write waits for a dashboard or another sweep that writes to the same sqlite file."""
_Simple = (bool, int, float, str, type(None))


def study_address() -> str:
    """SQLAlchemy's URL of the studies: `$RESABLATE_STUDY_STORAGE`, else `optuna.db` at home."""
    return os.environ.get(ADDRESS_VARIABLE) or f"sqlite:///{home() / 'optuna.db'}"


@contextmanager
def opened_study(sweep: SweepSpec) -> Generator[Study]:
    """The sweep's study, made where there is none.

    Raises:
        TrackingError: if the database cannot be used, or holds a study of another question under this name.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    address = study_address()
    options = {"connect_args": {"timeout": _BUSY_SECONDS}} if sqlite_file(address) else None
    with study_errors(sweep), _alone(address):
        storage = optuna.storages.RDBStorage(address, engine_kwargs=options)
    try:
        with study_errors(sweep):
            study = optuna.create_study(
                storage=storage,
                study_name=sweep.name,
                directions=[optuna.study.StudyDirection.MINIMIZE] * len(sweep.search.minimize),
                load_if_exists=True,
            )
            _check_question(study, sweep, redact(address))
        yield study
    finally:
        storage.remove_session()
        storage.engine.dispose()


@contextmanager
def study_errors(sweep: SweepSpec) -> Generator[None]:
    """What the database raises inside, as a `TrackingError`."""
    from optuna.exceptions import OptunaError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, OptunaError, ImportError, OSError) as error:
        reason = without_password(" ".join(str(error).split()), study_address())
        raise TrackingError(
            f"{redact(study_address())}: the study of sweep {sweep.name!r} cannot be used: {reason}."
            f" ${ADDRESS_VARIABLE} is an SQLAlchemy URL, with a user name and password that the database takes; without"
            " it, studies are kept in optuna.db at home"
        ) from error


def distributions(sweep: SweepSpec) -> dict[str, BaseDistribution]:
    """The axes in Optuna's words: a list is a choice, a range a number."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, BaseDistribution] = {}
    for axis, span in sweep.axes.items():
        if not isinstance(span, Range):
            found[axis] = CategoricalDistribution([_choice(value) for value in span])
        elif takes_whole_numbers(axis):
            low, high = ends(axis, span)
            found[axis] = IntDistribution(int(low), int(high), log=span.log)
        else:
            found[axis] = FloatDistribution(span.low, span.high, log=span.log)
    return found


def params_of(point: Point) -> dict[str, Any]:
    """A point as Optuna holds it."""
    return {axis: _choice(value) for axis, value in point.items()}


def point_from(params: Mapping[str, Any], sweep: SweepSpec) -> Point:
    """The point that Optuna's parameters stand for."""
    point: Point = {}
    for axis, value in params.items():
        span = sweep.axes[axis]
        point[axis] = value if isinstance(span, Range) else next(v for v in span if _choice(v) == value)
    return point


def _choice(value: Any) -> Any:
    """A listed value as Optuna's database takes it: lists and mappings as JSON."""
    return value if isinstance(value, _Simple) else json.dumps(value, sort_keys=True)


def _check_question(study: Study, sweep: SweepSpec, place: str) -> None:
    asked: dict[str, Any] = sweep.model_dump(mode="json", include={"base", "axes"})
    asked["minimize"] = list(sweep.search.minimize)
    asked["seeds"] = sweep.search.seeds and list(sweep.search.seeds)
    if not study.trials and _ASKED not in study.user_attrs:
        study.set_user_attr(_ASKED, asked)
    before: dict[str, Any] = study.user_attrs.get(_ASKED, {})
    if changed := [name for name, value in asked.items() if before.get(name) != value]:
        raise TrackingError(
            f"{place}: the study {sweep.name!r} was begun with other {', '.join(changed)}, and its numbers are no"
            " answer to this sweep; give the sweep another name"
        )


@contextmanager
def _alone(address: str) -> Generator[None]:
    """Holds the database's lock file: processes that make the tables of one sqlite file at once fail."""
    database = sqlite_file(address)
    if database is None:
        yield
        return
    if database.parent == home():
        home().mkdir(parents=True, exist_ok=True)
    with Path(f"{database}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
