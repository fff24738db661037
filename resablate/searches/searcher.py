"""`Searcher`: proposes the trials of an adaptive search one by one, and is told how each ended."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from math import isfinite
from statistics import fmean
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np

from resablate.errors import ResablateError, SpecError
from resablate.result import TrialResult
from resablate.searches import SEARCHES
from resablate.searches.interface import Adaptive
from resablate.searches.objectives import objective
from resablate.searches.points import point_of
from resablate.searches.study import distributions, opened_study, params_of, point_from, study_errors
from resablate.spec import TrainSpec
from resablate.sweep import Point, SweepSpec

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import TrialState

log = logging.getLogger(__name__)

KEYS, REASON, DISCARDED = "resablate.keys", "resablate.reason", "resablate.void"
"""User attributes: of a point, its trials and why it has no number; of the study, the points that do not count."""


@dataclass
class _Asked:
    """A point whose trials have not all ended."""

    trial: Trial
    keys: tuple[str, ...]


@dataclass(frozen=True)
class _PointOutcome:
    """What the study is told of a point."""

    state: TrialState
    values: list[float] | None = None
    reason: str = ""
    by_epoch: dict[int, float] = field(default_factory=dict[int, float])
    """What a pruning went by."""


@final
class Searcher:
    """Drives the sweep's Optuna study by ask and tell. Use it in a `with`.

    The tracker's results are the truth, and the study is brought in line with them at the start: points that it
    believes to run are told as failed, those that the tracker lacks are proposed again, before any new one, and
    results that it lacks are added. Each point is drawn with a seed of its own, so that a search that was interrupted
    proposes the same as one that was not.

    Args:
        sweep: with an adaptive search.
        trials_of: the trials of a point.
        past: results of the sweep's trials that ended before.
        complete: key -> the result of a trial that some other sweep completed, None where there is none.
        limit: gives no more trials to run than so many; all where None.

    Attributes:
        specs: by key, every trial that was to be run.
        reused: by key, trials that a point asked for and some other sweep had completed.
        past: the trials of those results that belong to the sweep as it is now.

    Raises:
        TrackingError: if the database cannot be used, or holds a study of another question under the sweep's name.
    """

    def __init__(
        self,
        sweep: SweepSpec,
        *,
        trials_of: Callable[[Point], Sequence[TrainSpec]],
        past: Iterable[TrialResult] = (),
        complete: Callable[[str], TrialResult | None] = lambda key: None,
        limit: int | None = None,
    ) -> None:
        method = SEARCHES[sweep.search.method]
        assert isinstance(method, Adaptive)
        self.specs: dict[str, TrainSpec] = {}
        self.reused: dict[str, TrainSpec] = {}
        self._sweep = sweep
        self._sampler = method.sampler
        self._trials_of = trials_of
        self._complete = complete
        self._limit = limit
        self._given = 0
        self._points = sweep.search.trials or 0
        self._results: dict[str, TrialResult] = {}
        self._asked: dict[int, _Asked] = {}
        self._queue: deque[TrainSpec] = deque()
        self._open = ExitStack()
        self._study: Study = self._open.enter_context(opened_study(sweep))
        self._distributions = distributions(sweep)
        try:
            with study_errors(sweep):
                self.past = self._reconcile(list(past))
        except BaseException:
            self._open.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    @property
    def left(self) -> int:
        """Points that are still to be proposed."""
        return max(0, self._points - self._count)

    @property
    def total(self) -> int:
        """Trials that were to be run and may still be, if no point repeats another."""
        return len(self.specs) + self.left * len(self._sweep.search.seeds or [0])

    @property
    def scheduled(self) -> int:
        """Trials of these that are to be run now."""
        return self.total if self._limit is None else min(self._limit, self.total)

    def next(self) -> TrainSpec | None:
        """The next trial to run, None where all were proposed or as many were given as may be."""
        if self._given == self._limit:
            return None
        while not self._queue and self.left:
            with study_errors(self._sweep):
                self._ask()
        if not self._queue:
            return None
        self._given += 1
        return self._queue.popleft()

    def tell(self, result: TrialResult) -> None:
        """Note how a proposed trial ended."""
        self._results[result.key] = result.without_tables()
        with study_errors(self._sweep):
            self._tell_ended()

    def _ask(self) -> None:
        seed = np.random.SeedSequence([self._sweep.search.seed, self._count]).generate_state(1)[0]
        self._study.sampler = self._sampler(int(seed), self._points)
        trial = self._study.ask(self._distributions)
        self._count += 1
        try:
            specs = {spec.key: spec for spec in self._trials_of(point_from(trial.params, self._sweep))}
        except SpecError as error:
            log.warning("point %s of sweep %s is no valid trial: %s", trial.params, self._sweep.name, error)
            trial.set_user_attr(KEYS, [])
            trial.set_user_attr(REASON, str(error))
            self._study.tell(trial, state=_state("FAIL"))
            return
        trial.set_user_attr(KEYS, list(specs))
        self._asked[trial.number] = _Asked(trial, tuple(specs))
        for key, spec in specs.items():
            if key not in self._results and key not in self.specs and not self._reuse(key):
                self.specs[key] = spec
                self._queue.append(spec)
        self._tell_ended()

    def _reuse(self, key: str) -> bool:
        """Whether some other sweep has completed the trial, which is not run again then."""
        if (known := self._complete(key)) is None:
            return False
        self._results[key] = known.without_tables()
        self.reused[key] = known.spec
        return True

    def _tell_ended(self) -> None:
        """Tell the study of every point whose trials have all ended."""
        for number, asked in list(self._asked.items()):
            if not all(key in self._results for key in asked.keys):
                continue
            verdict = self._verdict_of(asked.keys)
            for epoch, value in verdict.by_epoch.items():
                asked.trial.report(value, epoch)
            if verdict.reason:
                asked.trial.set_user_attr(REASON, verdict.reason)
            self._study.tell(asked.trial, verdict.values, verdict.state)
            del self._asked[number]

    def _verdict_of(self, keys: Sequence[str]) -> _PointOutcome:
        """What the trials of one point make of it; a point that is no valid trial has none and has failed."""
        results = [self._results[key] for key in keys]
        names = self._sweep.search.minimize
        by_epoch: dict[int, float] = {}
        if self._sweep.search.pruning != "none" and results:
            name = "val_loss" if names == ("val_loss",) else "val_error"
            values_by_epoch = {row.epoch: float(getattr(row, name)) for row in results[0].history}
            by_epoch = {epoch: value for epoch, value in values_by_epoch.items() if isfinite(value)}
        reason = next((result.reason for result in results if result.reason), "")
        if not results or any(result.status == "failed" for result in results):
            return _PointOutcome(_state("FAIL"), reason=reason)
        if any(result.status == "pruned" for result in results):
            return _PointOutcome(_state("PRUNED"), reason=reason, by_epoch=by_epoch)
        try:
            values = [fmean(objective(result, name) for result in results) for name in names]
        except ResablateError as error:
            return _PointOutcome(_state("FAIL"), reason=str(error))
        return _PointOutcome(_state("COMPLETE"), values, reason, by_epoch)

    def _reconcile(self, past: Sequence[TrialResult]) -> list[TrainSpec]:
        """Bring the study in line with what the tracker holds; the trials of those results that are the sweep's."""
        # Trials of an earlier wording of the sweep, whose study is gone, are none of the points of this one.
        points = {result.key: point_of(result.spec, self._sweep) for result in past}
        points = {key: point for key, point in points.items() if key in self._keys(point)}
        self._results = {result.key: result.without_tables() for result in past if result.key in points}
        void: set[int] = set(self._study.user_attrs.get(DISCARDED, []))
        known: set[str] = set()
        for trial in self._study.get_trials(deepcopy=False):
            if trial.number in void or trial.state == _state("WAITING"):
                continue
            keys: list[str] | None = trial.user_attrs.get(KEYS)
            ended = keys is not None and all(key in self._results or self._reuse(key) for key in keys)
            if keys is not None and ended and trial.state == self._verdict_of(keys).state:
                known.update(keys)
                continue
            if not trial.state.is_finished():
                self._study.tell(trial.number, state=_state("FAIL"))
            void.add(trial.number)
            if trial.params and not ended:
                self._study.enqueue_trial(trial.params)
        self._study.set_user_attr(DISCARDED, sorted(void))
        for key, point in points.items():
            if key not in known:
                known.update(self._add(point))
        waiting = len(self._study.get_trials(deepcopy=False, states=[_state("WAITING")]))
        self._count = len(self._study.get_trials(deepcopy=False)) - len(void) - waiting
        return [result.spec for result in past if result.key in points]

    def _keys(self, point: Point) -> list[str]:
        try:
            return [spec.key for spec in self._trials_of(point)]
        except SpecError:
            return []

    def _add(self, point: Point) -> set[str]:
        """Add a point that has ended to the study; the keys of its trials, none where some have not ended."""
        from optuna.trial import create_trial

        keys = self._keys(point)
        if not all(key in self._results for key in keys):
            return set()
        verdict = self._verdict_of(keys)
        fields: dict[str, Any] = {"values": verdict.values} if verdict.values is not None else {}
        last = list(verdict.by_epoch.values())[-1:]
        if verdict.state == _state("PRUNED") and last and len(self._study.directions) == 1:
            fields["values"] = last  # as `tell` does it
        self._study.add_trial(
            create_trial(
                state=verdict.state,
                params=params_of(point),
                distributions=self._distributions,
                user_attrs={KEYS: keys, **({REASON: verdict.reason} if verdict.reason else {})},
                intermediate_values=verdict.by_epoch,
                **fields,
            )
        )
        return set(keys)


def _state(name: str) -> TrialState:
    from optuna.trial import TrialState

    return TrialState[name]
