"""`MemberPruning`: the prunings for trials that train beside each other in one process."""

from __future__ import annotations

from typing import Any, final

from resablate.searches.pruning import PAUSING, PRUNINGS, pruned_reason


@final
class _Member:
    """A trial as far as a scheduler of Tune looks at it."""

    def __init__(self, key: str) -> None:
        self.trial_id = key
        self.epoch = 0
        """The latest that the scheduler was told of."""
        self.stopped = False


@final
class MemberPruning:
    """Decides for each member of a pack by Tune's scheduler, which is told of every member as of a trial of its own.

    So a rule stops the same trials whether or not they are packed. Tune itself sees the pack alone.

    Args:
        pruning: a row of PRUNINGS that pauses no trial.
        epochs: the most that a trial has.
    """

    def __init__(self, pruning: str, *, epochs: int) -> None:
        assert pruning not in PAUSING
        from ray.tune.schedulers import TrialScheduler

        self._pruning = pruning
        self._scheduler: Any = PRUNINGS[pruning](epochs)
        self._stop = TrialScheduler.STOP
        self._members: dict[str, _Member] = {}

    def reason(self, key: str, epoch: int, val_error: float) -> str:
        """Why a trial is stopped after this epoch, which is not its last; empty if it goes on.

        An epoch that is told again, after the process of its trial died, changes nothing, and a trial that is stopped
        stays so.
        """
        member = self._members.get(key)
        if member is None:
            member = self._members[key] = _Member(key)
            self._scheduler.on_trial_add(None, member)
        if epoch > member.epoch and not member.stopped:
            member.epoch = epoch
            decision = self._scheduler.on_trial_result(None, member, {"epoch": epoch, "val_error": val_error})
            member.stopped = decision == self._stop
        return pruned_reason(self._pruning, epoch) if member.stopped else ""
