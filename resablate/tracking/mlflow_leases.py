"""Leases in MLflow: runs that are RUNNING, of submissions and of trials. `leases` says how they work."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING, final

from resablate.errors import TrialComplete
from resablate.tracking.leases import (
    BEAT_SECONDS,
    TAKEN,
    Claim,
    Lease,
    LeaseState,
    Owner,
    Watch,
    lease_is_lost,
    running_seconds,
    sweep_is_taken,
    this_process,
    trial_is_taken,
)
from resablate.tracking.mlflow_experiments import find_experiment, refuse_other_records
from resablate.tracking.mlflow_leftovers import RUN_STATUS, close_trials, delete_trials
from resablate.tracking.mlflow_store import KEY, KIND, PARENT, SCHEMA, SCHEMA_VERSION, SWEEP, MlflowStore
from resablate.tracking.mlflow_trials import RUNNING, TrialRun, key_runs

if TYPE_CHECKING:
    from mlflow.entities import Run

OWNER = "resablate.owner"
"""Host, process, the process's start and its machine's identity, of whoever writes the records of a submission."""
ALIVE = "resablate.alive"
"""Changes every BEAT_SECONDS while the owner is at work."""
_OPENED = f"tags.`{OWNER}` != '' AND attributes.status = 'RUNNING'"
_AT_ONCE_SECONDS = 1.0
"""Two that claim a sweep at the same moment withdraw, and try again within so long."""
_TRIES = 5


@final
class MlflowLeases:
    """The lease that this process holds, and what it knows of the others'."""

    def __init__(self, store: MlflowStore) -> None:
        self._store = store
        self._watch = Watch()
        self._sweep = ""
        self._asked = 0.0
        """When the server last said that the lease is held, by `running_seconds`."""
        self._beats = count()
        self.submission = ""
        """The run id of the submission that is leased; empty where none is."""

    def claim(self, sweep: str) -> str:
        """The lease of a sweep, as the run id of a new submission.

        Raises:
            LeaseTaken: if another process holds it; names it.
        """
        client = self._store.client()
        experiment_id = find_experiment(self._store, sweep)
        refuse_other_records(self._store, sweep)
        other: Claim | None = None
        for _ in range(_TRIES):
            for claim, state in self._watch.wait_for_ended(sweep, lambda: self._opened(experiment_id)):
                self._revoke(claim, experiment_id, state)
            asked = running_seconds()
            run = client.create_run(
                experiment_id,
                tags={SCHEMA: SCHEMA_VERSION, SWEEP: sweep, OWNER: this_process().tag},
                run_name=f"{sweep} {datetime.now():%Y-%m-%d %H:%M:%S}",
            )
            mine = run.info.run_id
            other = next((claim for claim in self._opened(experiment_id) if claim.submission != mine), None)
            if other is None:
                self._sweep, self._asked, self.submission = sweep, asked, mine
                return mine
            client.delete_run(mine)
            time.sleep(random.uniform(0.0, _AT_ONCE_SECONDS))
        assert other
        raise sweep_is_taken(sweep, other.owner)

    def adopt(self, submission: str) -> None:
        """Go on with a lease that the driver of this process has claimed; its death is the lease's end from now on."""
        self._store.client().set_tag(submission, OWNER, this_process().tag)
        self._sweep = self._store.client().get_run(submission).data.tags[SWEEP]
        self.submission, self._asked = submission, 0.0
        self.check()

    def submission_of(self, sweep: str) -> str:
        """The submission that is leased, if it is one of this sweep."""
        return self.submission if self._sweep == sweep else ""

    def renew(self) -> None:
        """Keep the lease.

        Raises:
            LeaseLost: if it is not held any more; names who holds it.
        """
        self._ask()
        beat = f"{next(self._beats)} {time.time():.0f}"
        self._store.client().set_tag(self.submission, ALIVE, beat)

    def check(self) -> None:
        """Raise LeaseLost if the lease may not be held any more; to be called before every write."""
        if self.submission and running_seconds() - self._asked > BEAT_SECONDS:
            self._ask()

    def _ask(self) -> None:
        asked = running_seconds()
        run = self._store.client().get_run(self.submission)
        if run.info.status == "RUNNING" and run.info.lifecycle_stage == "active":
            self._asked = asked
            return
        now = next((claim for claim in self._opened(run.info.experiment_id)), None)
        raise lease_is_lost(self._sweep, now.owner if now else None)

    def check_trial(self, key: str, run_id: str) -> None:
        """Raise LeaseTaken if another sweep trains the trial that this one has opened, or has completed it.

        A run whose submission has ended, or is silent, is none to wait for, and neither is the submission.

        Args:
            key: of the trial.
            run_id: of this process's own open run of it.
        """
        for other in key_runs(self._store, key):
            if other.run_id == run_id:
                continue
            if other.complete:
                raise TrialComplete(f"trial {key} is complete: run {other.run_id} holds its result")
            if other.status != RUNNING or other.run_status != "RUNNING":
                continue
            claim = self._claim_of(other)
            if claim is None or claim.submission == self.submission:
                continue
            state = self._watch.state(claim)
            if state in TAKEN:
                raise trial_is_taken(key, claim)
            self._revoke(claim, other.experiment_id, state)

    def leases(self, *, watch_seconds: float) -> list[Lease]:
        """All leases; arguments as those of `Tracker.leases`."""
        if not self._store.exists():
            return []
        deadline = running_seconds() + watch_seconds
        while True:
            claims = list(self._opened())
            states: dict[str, LeaseState] = {claim.submission: self._watch.state(claim) for claim in claims}
            if "unheard" not in states.values() or running_seconds() >= deadline:
                break
            time.sleep(min(1.0, watch_seconds))
        keys: dict[str, set[str]] = {claim.submission: set() for claim in claims}
        opened = f"attributes.status = 'RUNNING' AND tags.`{KIND}` = 'trial'"
        for run in self._store.runs(opened) if claims else ():
            if (parent := run.data.tags.get(PARENT)) in keys:
                keys[parent].add(run.data.tags.get(KEY, ""))
        return [Lease(claim, states[claim.submission], frozenset(keys[claim.submission])) for claim in claims]

    def release(self) -> None:
        """Give the lease back if it is held, and close what is left open; what is no submission yet is removed."""
        if not self.submission:
            return
        client, mine = self._store.client(), self.submission
        self.submission = ""
        run = client.get_run(mine)
        if run.info.status != "RUNNING" or run.info.lifecycle_stage != "active":
            return
        if KIND not in run.data.tags:
            client.delete_run(mine)
            return
        close_trials(self._store, run.info.experiment_id, parent=mine)
        client.set_terminated(mine, RUN_STATUS["interrupted"])

    def _claim_of(self, run: TrialRun) -> Claim | None:
        """The submission of a trial's run, if it is open."""
        client = self._store.client()
        submission = client.get_run(run.run_id).data.tags.get(PARENT)
        same = f"attributes.run_id = '{submission}' AND {_OPENED}"
        found = self._store.runs(same, experiment_ids=[run.experiment_id]) if submission else iter(())
        return next(map(_claim, found), None)

    def _opened(self, experiment_id: str | None = None) -> Iterator[Claim]:
        """The submissions that somebody has opened and nobody has closed, of one experiment or of all."""
        places = None if experiment_id is None else [experiment_id]
        return map(_claim, self._store.runs(_OPENED, experiment_ids=places))

    def _revoke(self, claim: Claim, experiment_id: str, state: LeaseState) -> None:
        """Take a lease from who has ended; what may still be on its way from a silent one will meet no run."""
        self._store.client().set_terminated(claim.submission, RUN_STATUS["interrupted"])
        if state == "silent":
            delete_trials(self._store, experiment_id, parent=claim.submission)
        close_trials(self._store, experiment_id, parent=claim.submission)


def _claim(run: Run) -> Claim:
    tags = run.data.tags
    owner, beat = Owner.parse(tags.get(OWNER, "")), tags.get(ALIVE, "")
    return Claim(run.info.run_id, tags.get(SWEEP, ""), owner, beat, run.info.start_time)
