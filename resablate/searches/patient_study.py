"""A study whose database may be away for a while: what is asked of it waits, and is done once.

Whoever has lost the lease of the sweep asks for nothing more and tells nothing more: another process does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, final

from resablate.errors import LeaseLost
from resablate.patience import patiently
from resablate.searches.dashboard import KEYS
from resablate.searches.study import AskedPoint, PointOutcome, distributions, study_errors, trial_state
from resablate.sweep import SweepSpec

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

REASON, DISCARDED = "resablate.reason", "resablate.discarded"
"""User attributes: of a point, why it has no number; of the study, the points that do not count."""
Keys = Callable[[dict[str, object]], tuple[Sequence[str], str]]
"""A point's params -> the keys of its trials, or why there are none."""


class _Told(NamedTuple):
    """What the study is to be told of a point."""

    trial: Trial
    outcome: PointOutcome


@final
class PatientStudy:
    """Asks a study for points and tells it what came of them.

    Args:
        study: of the sweep.
        sweep: with an adaptive search.
        stop: whether to wait no longer for a database that is away.
    """

    def __init__(self, study: Study, sweep: SweepSpec, *, stop: Callable[[], bool]) -> None:
        self._study = study
        self._sweep = sweep
        self._stop = stop
        self._distributions = distributions(sweep)
        self._open: set[int] = set()
        """Numbers of the points that were asked for, and whose end the study has not been told."""
        self._to_tell: deque[_Told] = deque()
        self._interrupted = False
        """Whether the database went away while a point was asked for."""

    def ask(self, sampler: Callable[[], BaseSampler], keys_of: Keys) -> tuple[Trial, str] | None:
        """The next point, with the reason why it is no valid trial; None where nobody waits for the database any more.

        There is none either where the lease is lost.

        Args:
            sampler: makes what proposes it, anew for each try, so that each proposes the same.
            keys_of: called once for each point that is asked for, also where the database goes away afterwards.
        """

        def ask() -> tuple[Trial, str]:
            with study_errors(self._sweep):
                self._tell_all()
                if self._interrupted:
                    self._discard_lost()
                self._interrupted = True
                self._study.sampler = sampler()
                trial = self._study.ask(self._distributions)
                keys, reason = keys_of(trial.params)
                trial.set_user_attr(KEYS, list(keys))
                self._interrupted = False
            self._open.add(trial.number)
            return trial, reason

        with suppress(LeaseLost):
            return patiently(ask, stop=self._stop)
        return None

    def tell(self, asked: AskedPoint | Trial, outcome: PointOutcome) -> None:
        """Tell the study of a point whose trials have all ended; later, where the database is away until the end."""
        self._to_tell.append(_Told(asked.trial if isinstance(asked, AskedPoint) else asked, outcome))

        def tell() -> None:
            with study_errors(self._sweep):
                self._tell_all()

        with suppress(LeaseLost):
            patiently(tell, stop=self._stop)

    def _tell_all(self) -> None:
        while self._to_tell:
            trial, outcome = self._to_tell[0]
            for epoch, value in outcome.by_epoch.items():
                trial.report(value, epoch)
            if outcome.reason:
                trial.set_user_attr(REASON, outcome.reason)
            # The answer to an earlier try may have been lost.
            self._study.tell(trial, outcome.values, outcome.state, skip_if_finished=True)
            self._open.discard(trial.number)
            self._to_tell.popleft()

    def _discard_lost(self) -> None:
        """Take points out of the way whose asking was interrupted; one that was drawn in full is proposed again."""
        lost = self._study.get_trials(deepcopy=False, states=[trial_state("RUNNING")])
        lost = [trial for trial in lost if trial.number not in self._open]
        discarded: list[int] = self._study.user_attrs.get(DISCARDED, [])
        self._study.set_user_attr(DISCARDED, sorted({*discarded, *(trial.number for trial in lost)}))
        for trial in lost:
            # The rest of one that was not would be drawn from another part of the sampler's random numbers.
            discard(self._study, trial, again=trial.params.keys() == self._distributions.keys())


def discard(study: Study, trial: FrozenTrial, *, again: bool) -> None:
    """End a point that does not count.

    Args:
        study: that it is of.
        trial: the point.
        again: propose it again, before any new one.
    """
    if not trial.state.is_finished():
        study.tell(trial.number, state=trial_state("FAIL"))
    if again and trial.params:
        study.enqueue_trial(trial.params)
