"""`Searcher`: proposes the trials of an adaptive search one by one, and is told how each ended."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np

from resablate.errors import LeaseLost, SpecError, TrackerAway
from resablate.packs import Pack, shape_key
from resablate.patience import patiently
from resablate.result import TrialResult
from resablate.searches import SEARCHES
from resablate.searches.dashboard import KEYS, note_winner
from resablate.searches.interface import Adaptive
from resablate.searches.objectives import is_measured
from resablate.searches.patient_study import DISCARDED, REASON, PatientStudy, discard
from resablate.searches.points import point_of
from resablate.searches.study import (
    AskedPoint,
    PointOutcome,
    distributions,
    opened_study,
    params_of,
    point_from,
    point_outcome,
    study_errors,
    trial_state,
    unchecked,
)
from resablate.spec import TrainSpec
from resablate.sweep import Point, SweepSpec

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

log = logging.getLogger(__name__)


@final
class Searcher:
    """Drives the sweep's Optuna study by ask and tell. Use it in a `with`.

    The tracker's results are the truth, and the study is brought in line with them at the start: points that the study
    believes to be running are told as failed, points whose results the tracker lacks are proposed again, before any new
    one, and results that the study lacks are added. Each point is drawn with a seed of its own, so that a search that
    was interrupted proposes the same as one that was not.

    Apart from what Optuna does, `next` and `tell` take the same time however many points there are.

    Args:
        sweep: with an adaptive search.
        trials_of: the trials of a point.
        past: results of the sweep's trials that ended before.
        complete: key -> the result of a trial that some other sweep completed, None where there is none; a result
            without what this sweep minimizes does not count, and the trial is given to run, to be measured.
        limit: the most trials that are given to run; all where None.
        stop: whether to wait no longer for a database that is away.
        check_lease: as that of `opened_study`.

    Attributes:
        specs: key -> every trial that was given to run or waits for it.
        reused: key -> the trials of points that some other sweep had completed, with what is minimized.
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
        stop: Callable[[], bool] = lambda: False,
        check_lease: Callable[[], None] = unchecked,
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
        self._stop = stop
        self._given = 0
        self._points = sweep.search.trials or 0
        self._results: dict[str, TrialResult] = {}
        self._waiting: dict[str, list[AskedPoint]] = {}
        self._queue: deque[TrainSpec] = deque()
        self._open = ExitStack()
        self._study: Study = self._open.enter_context(opened_study(sweep, check_lease=check_lease))
        self._asking = PatientStudy(self._study, sweep, stop=stop)
        try:
            with study_errors(sweep):
                self.past = self._reconcile(list(past))
        except BaseException:
            self._open.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self._open.close()

    def note_winner(self) -> None:
        """Keep the best point so far with the study; to be called as long as the lease is held."""
        with suppress(TrackerAway, LeaseLost), study_errors(self._sweep):  # the next submission notes it
            note_winner(self._study, list(self._results.values()), self._sweep)

    @property
    def left(self) -> int:
        """How many points are still to be proposed."""
        return max(0, self._points - self._count)

    @property
    def point_size(self) -> int:
        """How many trials a point has."""
        return len(self._sweep.search.seeds or [0])

    @property
    def total(self) -> int:
        """How many trials have been or may still be given to run, if no point repeats another."""
        return len(self.specs) + self.left * self.point_size

    @property
    def scheduled(self) -> int:
        """How many of these are to be run now."""
        return self.total if self._limit is None else min(self._limit, self.total)

    def next(self) -> TrainSpec | None:
        """The next trial to run; None once all have been proposed, or as many as `limit` allows."""
        if self._given == self._limit:
            return None
        while not self._queue and self.left and self._ask():
            continue
        if not self._queue:
            return None
        self._given += 1
        return self._queue.popleft()

    def next_pack(self, size_of: Callable[[TrainSpec], int]) -> Pack:
        """The next trials to run, all of one shape; none once all have been proposed, or as many as `limit` allows.

        Points are asked for until there are enough trials of the shape of the first, or as many of others wait.

        Args:
            size_of: a trial -> how many of its shape make a pack.
        """
        first = self.next()
        if first is None:
            return ()
        pack, size, shape = [first], size_of(first), shape_key(first)
        while len(pack) < size and self._given != self._limit:
            if alike := next((spec for spec in self._queue if shape_key(spec) == shape), None):
                self._queue.remove(alike)
                self._given += 1
                pack.append(alike)
            elif not (self.left and len(self._queue) < size and self._ask()):
                break
        return tuple(pack)

    def tell(self, result: TrialResult) -> None:
        """Note how a proposed trial ended."""
        self._results[result.key] = result.without_tables()
        for asked in self._waiting.pop(result.key, ()):
            asked.running.discard(result.key)
            if not asked.running:
                self._asking.tell(asked, self._outcome_of(asked.keys))

    def _ask(self) -> bool:
        """Ask for one point; False where nobody waits for the database any more."""
        specs: dict[str, TrainSpec] = {}

        def keys_of(params: dict[str, Any]) -> tuple[Sequence[str], str]:
            specs.clear()
            try:
                specs.update((spec.key, spec) for spec in self._trials_of(point_from(params, self._sweep)))
            except SpecError as error:
                return (), str(error)
            return tuple(specs), ""

        seed = np.random.SeedSequence([self._sweep.search.seed, self._count]).generate_state(1)[0]
        found = self._asking.ask(lambda: self._sampler(int(seed), self._points), keys_of)
        if found is None:
            return False
        trial, problem = found
        self._count += 1
        if problem:
            log.warning("point %s of sweep %s is no valid trial: %s", trial.params, self._sweep.name, problem)
            self._asking.tell(trial, PointOutcome(trial_state("FAIL"), reason=problem))
            return True
        for key, spec in specs.items():
            if key not in self._results and key not in self.specs and not self._reuse(key):
                self.specs[key] = spec
                self._queue.append(spec)
        asked = AskedPoint(trial, tuple(specs), {key for key in specs if key not in self._results})
        for key in asked.running:
            self._waiting.setdefault(key, []).append(asked)
        if not asked.running:
            self._asking.tell(asked, self._outcome_of(asked.keys))
        return True

    def _reuse(self, key: str) -> bool:
        """Whether some other sweep has completed the trial; then its result is taken."""
        known = patiently(lambda: self._complete(key), stop=self._stop)
        if known is None or not is_measured(known, self._sweep.search.minimize, self._sweep.analyses):
            return False
        self._results[key] = known.without_tables()
        self.reused[key] = known.spec
        return True

    def _outcome_of(self, keys: Sequence[str]) -> PointOutcome:
        """What came of a point with these trials, all of which have ended."""
        return point_outcome([self._results[key] for key in keys], self._sweep)

    def _reconcile(self, past: Sequence[TrialResult]) -> list[TrainSpec]:
        """Bring the study in line with the tracker's results, and return the trials of those that are the sweep's."""
        discarded: set[int] = set(self._study.user_attrs.get(DISCARDED, []))
        counted = [
            trial
            for trial in self._study.get_trials(deepcopy=False)
            if trial.number not in discarded and trial.state != trial_state("WAITING")
        ]
        points = self._points_of(past, counted)
        self._results = {result.key: result.without_tables() for result in past if result.key in points}
        known: set[str] = set()
        for trial in counted:
            keys: list[str] | None = trial.user_attrs.get(KEYS)
            ended = keys is not None and all(key in self._results or self._reuse(key) for key in keys)
            if keys is not None and ended and trial.state == self._outcome_of(keys).state:
                known.update(keys)
                continue
            discarded.add(trial.number)
            discard(self._study, trial, again=not ended)
        self._study.set_user_attr(DISCARDED, sorted(discarded))
        for key, point in points.items():
            if key not in known:
                known.update(self._add(point))
        waiting = len(self._study.get_trials(deepcopy=False, states=[trial_state("WAITING")]))
        self._count = len(self._study.get_trials(deepcopy=False)) - len(discarded) - waiting
        return [result.spec for result in past if result.key in points]

    def _points_of(self, past: Sequence[TrialResult], counted: Sequence[FrozenTrial]) -> dict[str, Point]:
        """Key -> point, of the results that are the sweep's and hold what it minimizes."""
        asked = {key: trial.params for trial in counted for key in trial.user_attrs.get(KEYS, ())}
        points: dict[str, Point] = {}
        for result in past:
            if not is_measured(result, self._sweep.search.minimize, self._sweep.analyses):
                continue  # it is proposed again, and what it lacks is measured
            if result.key in asked:
                points[result.key] = point_from(asked[result.key], self._sweep)
                continue
            # A trial of an earlier wording of the sweep, whose study is gone, belongs to no point of this one.
            point = point_of(result.spec, self._sweep)
            if result.key in self._keys(point):
                points[result.key] = point
        return points

    def _keys(self, point: Point) -> list[str]:
        try:
            return [spec.key for spec in self._trials_of(point)]
        except SpecError:
            return []

    def _add(self, point: Point) -> set[str]:
        """Add a point to the study and return the keys of its trials; nothing where some of them have not ended."""
        from optuna.trial import create_trial

        keys = self._keys(point)
        if not all(key in self._results for key in keys):
            return set()
        outcome = self._outcome_of(keys)
        fields: dict[str, Any] = {"values": outcome.values} if outcome.values is not None else {}
        last = list(outcome.by_epoch.values())[-1:]
        if outcome.state == trial_state("PRUNED") and last and len(self._study.directions) == 1:
            fields["values"] = last  # as `tell` does it
        self._study.add_trial(
            create_trial(
                state=outcome.state,
                params=params_of(point, self._sweep),
                distributions=distributions(self._sweep),
                user_attrs={KEYS: keys, **({REASON: outcome.reason} if outcome.reason else {})},
                intermediate_values=outcome.by_epoch,
                **fields,
            )
        )
        return set(keys)
