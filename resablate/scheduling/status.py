"""Where the trials of a sweep stand, by the records and by what waits in this folder to be filed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from resablate.errors import SpecError, TrackingError
from resablate.question import TEST, Question, missing_questions
from resablate.result import COMPLETE
from resablate.searches import is_adaptive
from resablate.spec import TrainSpec
from resablate.storage.locations import sweep_folder
from resablate.storage.locks import is_running
from resablate.storage.spool import SPOOL, spooled
from resablate.storage.stop_requests import was_asked_for
from resablate.sweep import SweepSpec
from resablate.torch_missing import check_is_torch
from resablate.tracking import Lease, Tracker, TrialState

STATES = ("pending", "running", "finished", "diverged", "pruned", "failed")
Asked = Callable[[TrainSpec], Sequence[Question]]
"""What is asked of a trial."""


class TrialStatus(NamedTuple):
    """One trial of a sweep."""

    spec: TrainSpec
    state: str
    """One of STATES."""
    epoch: int
    """Epochs that are filed."""
    reason: str
    """Why it is not `finished`, in one line."""
    run_id: str = ""
    """Of the run that records it, if there is one."""
    missing: tuple[Question, ...] = ()
    """Questions that a finished trial has not been asked."""
    unanswered: tuple[Question, ...] = ()
    """Questions that got no answer."""

    @property
    def ended(self) -> bool:
        """Whether it runs no more by itself."""
        return self.state not in ("pending", "running")

    @property
    def complete(self) -> bool:
        """Whether it is never run again."""
        return self.state in COMPLETE


class SweepStanding(NamedTuple):
    """How far the latest submission of a sweep is."""

    sweep: SweepSpec
    trials: list[TrialStatus]
    at_most: int
    """How many there may be once a search has proposed all of them."""
    is_run_here: bool
    """Whether a process runs it now, from this folder."""
    rounds: str = ""
    """How far its rounds of seeds are; empty where seeds do not come in rounds."""
    lease: Lease | None = None
    """Who runs it, or has left it open."""
    leased: Mapping[str, str] = {}
    """Key -> another sweep, which trains it now."""
    with_questions: bool = True
    """Whether the open questions are told: not where torch is not installed."""
    to_come: int = 0
    """Trials at most that a search has still to add; 0 where it has ended."""


def trial_statuses(trials: Iterable[TrainSpec], *, sweep: str, tracker: Tracker, asked: Asked) -> list[TrialStatus]:
    """Where each of `trials` stands in the sweep of this name.

    Args:
        trials: canonical specs.
        sweep: its name.
        tracker: holds the records.
        asked: what is asked of a trial.
    """
    states = tracker.states(sweep)
    for key, result in spooled(sweep_folder(sweep) / SPOOL).items():
        known = states.get(key)
        if known is None or known.status not in COMPLETE:
            history = len(result.history)
            states[key] = TrialState(result.status, "", history, result.reason, result.measured, result.unmeasured)
    return [_trial_status(spec, states.get(spec.key), asked) for spec in trials]


def _trial_status(spec: TrainSpec, state: TrialState | None, asked: Asked) -> TrialStatus:
    if state is None:
        return TrialStatus(spec, "pending", 0, "")
    status = "pending" if state.status == "interrupted" else state.status
    missing: tuple[Question, ...] = ()
    unanswered: tuple[Question, ...] = ()
    if status == "finished":
        questions = asked(spec)
        missing = missing_questions(questions, measured=state.measured, unmeasured=state.unmeasured)
        unanswered = tuple(question for question in questions if question.id in state.unmeasured)
    return TrialStatus(spec, status, state.epoch, state.reason, state.run_id, missing, unanswered)


def to_run(found: Sequence[TrialStatus], *, retry: Collection[str] = ()) -> list[TrainSpec]:
    """What a submission runs: all that has not ended, and what ended with a status in `retry`."""
    return [trial.spec for trial in found if not trial.ended or is_run_again(trial.state, trial.reason, retry)]


def is_run_again(status: str, reason: str, retry: Collection[str]) -> bool:
    """Whether a trial that ended so is run again: one that a person stopped is not."""
    return status in retry and not was_asked_for(reason)


def run_again(sweep: SweepSpec, retry: Collection[str]) -> set[str]:
    """The endings after which the sweep runs a trial again: those in `retry`, and `pruned` if it prunes no more."""
    return {*retry, *(["pruned"] if sweep.search.pruning == "none" else [])}


def with_spooled(trials: Sequence[TrainSpec], sweep: str) -> list[TrainSpec]:
    """With those that a search proposed while the tracker was away, whose results wait to be filed."""
    known = {spec.key: spec for spec in trials}
    waiting = spooled(sweep_folder(sweep) / SPOOL)
    return list(known.values()) + [result.spec for key, result in waiting.items() if key not in known]


def sweep_standing(name: str, *, tracker: Tracker) -> SweepStanding:
    """How far the latest submission of the sweep called `name` is.

    Raises:
        TrackingError: if there is no such sweep.
    """
    sweep, trials = tracker.submitted(name)
    adaptive = is_adaptive(sweep.search.method)
    asked = _asked(sweep)
    found = trial_statuses(
        with_spooled(trials, name) if adaptive else trials,
        sweep=name,
        tracker=tracker,
        asked=asked or (lambda spec: ()),
    )
    ended = {trial.spec.key: trial.state for trial in found if trial.ended}
    to_come = trials_to_come(sweep, [trial.spec for trial in found], ended=ended)
    at_most = len(found) + to_come
    rounds = ""
    if sweep.seeds:
        at_most = len({spec.cell for spec in trials}) * sweep.seeds.most
        rounds = _rounds(sweep, tracker)
    leases = tracker.leases()
    own = next((lease for lease in leases if lease.claim.sweep == name), None)
    others = [lease for lease in leases if lease.claim.sweep != name and lease.taken]
    leased = {key: lease.claim.sweep for lease in others for key in lease.keys}
    here = is_running(sweep_folder(name))
    return SweepStanding(sweep, found, at_most, here, rounds, own, leased, asked is not None, to_come)


def trials_to_come(sweep: SweepSpec, known: Sequence[TrainSpec], *, ended: Mapping[str, str]) -> int:
    """How many trials a search adds yet at most, beyond those that are `known`: of points, and of the winner.

    0 for sweeps that do not search, and where the search has ended.

    Args:
        sweep: of any kind.
        known: its trials by now.
        ended: key -> status of those that have ended.
    """
    if any(spec.seed in sweep.new_seeds for spec in known):
        return 0  # the winner's replicates, which come last and all at once
    left = points_to_come(sweep, len(known))
    return left + (2 * len(sweep.new_seeds) if left or may_have_winner(sweep, known, ended=ended) else 0)


def points_to_come(sweep: SweepSpec, known: int) -> int:
    """How many trials a search has still to propose at most, beyond so many: 0 where none does, or it has ended."""
    if not is_adaptive(sweep.search.method):
        return 0
    left = max(0, (sweep.search.trials or 0) * len(sweep.search.seeds or [0]) - known)
    # A point may repeat another, or be no valid trial: then a search that has ended has fewer.
    return 0 if left and _has_proposed_all(sweep) else left


def may_have_winner(sweep: SweepSpec, known: Sequence[TrainSpec], *, ended: Mapping[str, str]) -> bool:
    """Whether some point is complete with a training that finished, or may still be: the others cannot win.

    Args:
        sweep: that searches.
        known: the search's trials by now.
        ended: as those of `trials_to_come`.
    """
    points: dict[str, list[str | None]] = {}
    for spec in known:
        points.setdefault(spec.cell if sweep.search.seeds else spec.key, []).append(ended.get(spec.key))
    return any(
        all(state is None or state in COMPLETE for state in states) and any(s in (None, "finished") for s in states)
        for states in points.values()
    )


def _has_proposed_all(sweep: SweepSpec) -> bool:
    """Whether the study says so; False where it is not here, or cannot be read."""
    try:
        from resablate.searches.examining import has_proposed_all

        return bool(has_proposed_all(sweep))
    except TrackingError:
        return False
    except ModuleNotFoundError as missing:
        check_is_torch(missing)
        return False


def _asked(sweep: SweepSpec) -> Asked | None:
    """What is asked of a trial of the sweep; None where torch is not installed, without which nobody can tell."""
    try:
        from resablate.answerable import check_asked, questions_for
    except ModuleNotFoundError as missing:
        check_is_torch(missing)
        return None
    try:
        asked = check_asked(sweep.analyses)
    except SpecError:  # an analysis of a package that is not installed here: its questions cannot be told
        asked = ()
    analyses = [a for a in asked if sweep.search.analyze_best is None or a.analysis.name == TEST]
    return lambda spec: questions_for(spec, analyses)


def _rounds(sweep: SweepSpec, tracker: Tracker) -> str:
    """How far the rounds of seeds are, in words."""
    try:
        from resablate.claims.answering import answer_sweeps, round_words
    except ModuleNotFoundError as missing:
        check_is_torch(missing)
        return "what is decided is told where torch is installed"
    record = tracker.load_sweep(sweep.name)
    answers = answer_sweeps([sweep], record.results, record.missing)
    return round_words(answers.followed.standing) if answers.followed else "; ".join(answers.notes)
