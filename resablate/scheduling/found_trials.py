"""The trials that somebody names for further questions: by run id, by key, or as a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from resablate.answerable import check_asked, questions_for, unanswerable
from resablate.errors import ResablateError, SpecError, TrackingError
from resablate.question import AskedAnalysis, Question, missing_questions
from resablate.result import TrialResult
from resablate.spec import TRIAL_NAME, TrainSpec
from resablate.sweep import Resources
from resablate.tracking import Tracker
from resablate.trial_names import may_begin_a_name, whole_name


class StoredTrial(NamedTuple):
    """A complete trial, the run that holds its record, and what is asked of it now."""

    run_id: str
    result: TrialResult
    """At least spec, status, history and kept_epochs."""
    questions: tuple[Question, ...]
    label: str = ""
    """What a reader calls it; the trial's own where empty."""


@dataclass(frozen=True)
class FoundTrials:
    """The trials that somebody named."""

    trials: tuple[StoredTrial, ...]
    resources: Resources
    """Of one trial."""
    is_one: bool
    """Whether a run was named, and not a sweep."""
    notes: tuple[str, ...] = ()
    """What a person should know, one line each."""


def find_trials(tracker: Tracker, target: str, *, asked: Sequence[AskedAnalysis], again: bool) -> FoundTrials:
    """The finished trials called `target`, with the questions that they have not answered yet.

    Args:
        tracker: where their records are.
        target: a run id, the key of a trial, the first digits of either, or the name of a sweep.
        asked: what is asked of them; what their sweep asks, or a single one was asked, where empty.
        again: put questions that were answered once more, and those that got no answer.

    Raises:
        SpecError: if an analysis or an argument is unknown; says so too where there is nothing of that name.
        TrackingError: if there is nothing of that name.
        ResablateError: if none of its trials has finished.
    """
    try:
        checked = check_asked(asked, place="analyze")
    except SpecError as error:
        raise SpecError([*error.problems, *_why_unknown(tracker, target)], place="analyze") from None
    if _is_trial(tracker, target):
        run_id, result = load_named(tracker, target)
        _check_answerable([result.spec], checked)
        known = [measurement.question for measurement in result.measurements]
        questions = questions_for(result.spec, checked) if checked else tuple(known)
        return FoundTrials((_stored(run_id, result, questions, again=again),), Resources(), is_one=True)
    record = tracker.load_sweep(target)
    finished = [result for result in record.results if result.status == "finished"]
    if not finished:
        raise ResablateError(
            f"sweep {target!r}: none of its {len(record.results) + len(record.missing)} trials has finished"
        )
    _check_answerable([result.spec for result in finished], checked)
    checked = checked or check_asked(record.sweep.analyses)
    others = len(record.results) + len(record.missing) - len(finished)
    trials = [
        _stored(record.run_ids[r.key], r, questions_for(r.spec, checked), again=again, label=record.sweep.label(r.spec))
        for r in finished
    ]
    done = sum(not trial.questions for trial in trials)
    return FoundTrials(
        tuple(trial for trial in trials if trial.questions),
        record.sweep.resources,
        is_one=False,
        notes=(
            *((f"{others} trials have not finished and are left out",) if others else ()),
            *((f"{done} trials have answered everything that is asked (--again asks once more)",) if done else ()),
        ),
    )


def load_named(tracker: Tracker, name: str) -> tuple[str, TrialResult]:
    """The run id and the result of the trial with this key or run id, or the only one that begins so.

    Raises:
        SpecError: if several begin so.
        TrackingError: if none does, or there is no result of it.
    """
    known = {} if TRIAL_NAME.fullmatch(name) else tracker.complete_keys()
    return tracker.load_trial(whole_name(name, [*known, *known.values()]))


def _is_trial(tracker: Tracker, target: str) -> bool:
    """Whether a trial is meant: a sweep may be named by digits as well."""
    if TRIAL_NAME.fullmatch(target):
        return True
    return may_begin_a_name(target) and target not in tracker.keeping().sweeps()


def _why_unknown(tracker: Tracker, target: str) -> list[str]:
    """Why there is nothing called `target`, in a list; empty where there is."""
    try:
        load_named(tracker, target) if _is_trial(tracker, target) else tracker.submitted(target)
    except (SpecError, TrackingError) as error:
        return [str(error)]
    return []


def _check_answerable(specs: Sequence[TrainSpec], asked: Sequence[AskedAnalysis]) -> None:
    """Raise SpecError for what none of the trials can answer."""
    if found := unanswerable(specs, asked):
        raise SpecError(found, place="analyze")


def _stored(
    run_id: str, result: TrialResult, questions: Sequence[Question], *, again: bool, label: str = ""
) -> StoredTrial:
    missing = missing_questions(questions, measured=() if again else result.measured)
    return StoredTrial(run_id, result, missing, label)
