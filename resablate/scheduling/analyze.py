"""Questions to trials that are complete, from their stored weights: in this process or on Ray."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from resablate.answerable import check_asked, questions_for, unanswerable
from resablate.component import parse_component
from resablate.devices import check_machine, choose_device, threads
from resablate.errors import CheckpointError, ResablateError, SpecError
from resablate.failures import raise_if_device_lost
from resablate.measuring import failed_measurements, measure_stored, needed_weights, trains_again
from resablate.question import AskedAnalysis, Question, missing_questions
from resablate.result import TrialResult, weights_file
from resablate.scheduling.inline import Scheduler
from resablate.scheduling.pictures import pictures
from resablate.spec import TrainSpec
from resablate.sweep import Resources
from resablate.tracking import Tracker
from resablate.training import thread_count
from resablate.trial_data import check_trial_data

_RUN = re.compile(r"[0-9a-f]{16}|[0-9a-f]{32}")
"""How keys and run ids look."""


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


@dataclass(frozen=True)
class AnalysisOutcome:
    """How measuring some trials went."""

    results: tuple[TrialResult, ...]
    """With the new answers alone."""
    problems: tuple[str, ...]
    """One line for every trial that could not be analyzed, and every question that got no answer."""


class _Order(NamedTuple):
    """What is the same for every trial."""

    data_root: str | None
    threads: int
    gpus: float
    """Of one trial, or the part of one; 0 for the CPU."""


def find_trials(tracker: Tracker, target: str, *, asked: Sequence[AskedAnalysis], again: bool) -> FoundTrials:
    """The finished trials called `target`, with the questions that they have not answered yet.

    Args:
        tracker: where their records are.
        target: a run id, the key of a trial, or the name of a sweep.
        asked: what is asked of them; what their sweep asks, or a single one was asked, where empty.
        again: put questions that were answered once more, and those that got no answer.

    Raises:
        SpecError: if an analysis or an argument is unknown.
        TrackingError: if there is nothing of that name.
        ResablateError: if none of its trials has finished.
    """
    checked = check_asked(asked, place="analyze")
    if _RUN.fullmatch(target):
        run_id, result = tracker.load_trial(target)
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


def _check_answerable(specs: Sequence[TrainSpec], asked: Sequence[AskedAnalysis]) -> None:
    """Raise SpecError for what none of the trials can answer."""
    if found := unanswerable(specs, asked):
        raise SpecError(found, place="analyze")


def _stored(
    run_id: str, result: TrialResult, questions: Sequence[Question], *, again: bool, label: str = ""
) -> StoredTrial:
    missing = missing_questions(questions, measured=() if again else result.measured)
    return StoredTrial(run_id, result, missing, label)


def analyze_trials(
    trials: Sequence[StoredTrial],
    *,
    tracker: Tracker,
    resources: Resources,
    scheduler: Scheduler,
    data_root: Path | None,
    say: Callable[[str], None],
) -> AnalysisOutcome:
    """Put the questions of `trials` to their networks, and file the answers under the same runs.

    Args:
        trials: with what their records hold now, and what is asked.
        tracker: where these records are.
        resources: of one trial.
        scheduler: `ray_tune` for Ray, as many trials at a time as fit, or `inline` for this process.
        data_root: where data sets are looked for first.
        say: told of every trial, in one line.

    Raises:
        ResourceError: if a trial asks for what does not exist.
        DatasetError: if the data found are not those of the trials; nothing is filed then.
        DeviceLost: if the GPU is of no more use to this process; what was answered is filed.
    """
    check_trial_data((trial.result.spec for trial in trials), data_root)
    if again := [epoch for trial in trials if (epoch := trains_again(trial.result, trial.questions))]:
        say(f"weights of an epoch that is asked about were not kept: trains {len(again)} of the trials again up to it")
    order = _Order(str(data_root) if data_root else None, threads(resources.cpus), gpus=0.0)
    on_ray = scheduler == "ray_tune"
    run = _on_ray(trials, tracker, resources, order) if on_ray else _in_this_process(trials, tracker, resources, order)
    results: list[TrialResult] = []
    problems: list[str] = []
    for count, (trial, outcome) in enumerate(run, start=1):
        place = f"{trial.label or trial.result.spec.label()} (run {trial.run_id})"
        if isinstance(outcome, ResablateError):
            found = [str(outcome)]
            failed = failed_measurements(trial.result, trial.questions, found[0])
            tracker.amend_trial(trial.run_id, failed, figures={})
        else:
            result = _file(trial.run_id, outcome, tracker)
            results.append(result)
            found = [f"{question}: {why}" for question, why in result.analysis_errors.items()]
        problems += [f"{place}: {line}" for line in found]
        say(f"[{count}/{len(trials)}] {place}: {'; '.join(found) or 'analyzed'}")
    return AnalysisOutcome(tuple(results), tuple(problems))


class _Answered(NamedTuple):
    """What came of one trial, as it goes from one process to another."""

    result: str
    """As JSON."""
    weights: dict[str, bytes]
    """Name -> content of each file with weights that the run does not hold yet."""


def _file(run_id: str, answered: _Answered, tracker: Tracker) -> TrialResult:
    result = TrialResult.from_json(answered.result)
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder) / name for name in answered.weights}
        for name, file in files.items():
            file.write_bytes(answered.weights[name])
        tracker.amend_trial(run_id, result, weights=files, figures=pictures(result, tracker))
    return result


_Outcome = tuple[StoredTrial, _Answered | ResablateError]
_Asked = list[tuple[Any, int | None]]
"""Questions as plain values: record of the analysis, epoch."""


def _in_this_process(
    trials: Sequence[StoredTrial], tracker: Tracker, resources: Resources, order: _Order
) -> Iterator[_Outcome]:
    check_machine(cpus=resources.cpus, gpus=resources.gpus)
    here = order._replace(gpus=1.0 if choose_device(resources.gpus).type == "cuda" else 0.0)
    for trial in trials:
        try:
            yield trial, _analyze(_bare(trial.result), _plain(trial.questions), _weights(trial, tracker), here)
        except Exception as error:  # one trial's failure keeps no other from being analyzed
            raise_if_device_lost(error, f"analyses of trial {trial.result.key}")
            yield trial, _as_ours(error)


def _on_ray(trials: Sequence[StoredTrial], tracker: Tracker, resources: Resources, order: _Order) -> Iterator[_Outcome]:
    """As trials end; at most twice as many are on their way as run at a time, so weights never pile up."""
    import ray
    from ray.exceptions import RayError

    from resablate.scheduling.ray_capacity import ray_capacity
    from resablate.scheduling.ray_tune import connect_ray

    connect_ray()
    capacity = ray_capacity(resources)
    there = order._replace(gpus=capacity.gpus_per_trial)
    task: Any = ray.remote(num_cpus=resources.cpus, num_gpus=capacity.gpus_per_trial)(_analyze)
    waiting = list(reversed(trials))
    running: dict[Any, StoredTrial] = {}
    while waiting or running:
        while waiting and len(running) < 2 * capacity.concurrent:
            trial = waiting.pop()
            try:
                weights = _weights(trial, tracker)
            except ResablateError as error:
                yield trial, error
                continue
            running[task.remote(_bare(trial.result), _plain(trial.questions), weights, there)] = trial
        ended, _ = ray.wait(list(running), num_returns=1) if running else ([], [])
        for reference in ended:
            trial = running.pop(reference)
            try:
                yield trial, ray.get(reference)
            except RayError as error:
                yield trial, _as_ours(getattr(error, "cause", None) or error)


def _as_ours(error: Exception) -> ResablateError:
    return error if isinstance(error, ResablateError) else ResablateError(f"{type(error).__name__}: {error}")


def _bare(result: TrialResult) -> str:
    """The result without what was measured, as JSON."""
    return result.model_copy(update={"measurements": (), "failed_measurements": ()}).to_json()


def _plain(questions: Sequence[Question]) -> _Asked:
    return [(question.analysis.record(), question.epoch) for question in questions]


def _weights(trial: StoredTrial, tracker: Tracker) -> dict[int | None, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        return {
            epoch: tracker.load_weights_file(trial.run_id, Path(folder), epoch=epoch).read_bytes()
            for epoch in needed_weights(trial.result, trial.questions)
        }


def _analyze(result: str, asked: _Asked, weights: dict[int | None, bytes], order: _Order) -> _Answered:
    """The new answers; runs wherever a trial may run."""
    questions = [Question(parse_component(analysis), epoch) for analysis, epoch in asked]
    with tempfile.TemporaryDirectory() as folder, thread_count(order.threads):
        files: dict[int | None, Path] = {}
        for epoch, content in weights.items():
            files[epoch] = Path(folder) / weights_file(epoch)
            files[epoch].write_bytes(content)
        try:
            answered = measure_stored(
                TrialResult.from_json(result),
                questions,
                weights=files,
                folder=Path(folder) / "again",
                data_root=Path(order.data_root) if order.data_root else None,
                device=choose_device(order.gpus),
            )
        except CheckpointError as error:  # the copy is gone when somebody reads its path
            raise CheckpointError(str(error).replace(f"{folder}/", "the run's ")) from None
        names = [weights_file(epoch) for epoch in answered.kept_epochs]
        return _Answered(answered.to_json(), {name: (Path(folder) / "again" / name).read_bytes() for name in names})
