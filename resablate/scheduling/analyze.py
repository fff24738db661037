"""Questions to trials that are complete, from their stored weights: in this process or on Ray."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from resablate.component import parse_component
from resablate.devices import check_machine, choose_device, threads
from resablate.errors import CheckpointError, ResablateError, TrackerAway
from resablate.failures import raise_if_device_lost
from resablate.measuring import failed_measurements, measure_stored, needed_weights, trains_again
from resablate.patience import until_answered
from resablate.question import Question
from resablate.result import TrialResult, weights_file
from resablate.scheduling.found_trials import StoredTrial
from resablate.scheduling.inline import Scheduler
from resablate.scheduling.pictures import pictures
from resablate.sweep import Resources
from resablate.tracking import Tracker
from resablate.training import thread_count
from resablate.trial_data import check_trial_data


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


def analyze_trials(
    trials: Sequence[StoredTrial],
    *,
    tracker: Tracker,
    resources: Resources,
    scheduler: Scheduler,
    data_root: Path | None,
    say: Callable[[str], None],
    stop: Callable[[], bool] = lambda: False,
) -> AnalysisOutcome:
    """Put the questions of `trials` to their networks, and file the answers under the same runs.

    Records that are away meanwhile are waited for.

    Args:
        trials: with what their records hold now, and what is asked.
        tracker: where these records are.
        resources: of one trial.
        scheduler: `ray_tune` for Ray, as many trials at a time as fit, or `inline` for this process.
        data_root: where data sets are looked for first.
        say: told of every trial, in one line.
        stop: whether to wait no longer for records that are away.

    Raises:
        TrackerAway: if the records are away, and waiting for them is stopped; what was filed before stays.
        ResourceError: if a trial asks for what does not exist.
        DatasetError: if the data found are not those of the trials; nothing is filed then.
        DeviceLost: if the GPU is of no more use to this process; what was answered is filed.
    """
    check_trial_data((trial.result.spec for trial in trials), data_root)
    if again := [epoch for trial in trials if (epoch := trains_again(trial.result, trial.questions))]:
        say(f"weights of an epoch that is asked about were not kept: trains {len(again)} of the trials again up to it")
    order = _Order(str(data_root) if data_root else None, threads(resources.cpus), gpus=0.0)
    weights = partial(_weights, tracker=tracker, stop=stop)
    run = (_on_ray if scheduler == "ray_tune" else _in_this_process)(trials, weights, resources, order)
    results: list[TrialResult] = []
    problems: list[str] = []
    for count, (trial, outcome) in enumerate(run, start=1):
        place = f"{trial.label or trial.result.spec.label()} (run {trial.run_id})"
        if isinstance(outcome, ResablateError):
            found = [str(outcome)]
            failed = failed_measurements(trial.result, trial.questions, found[0])
            until_answered(partial(tracker.amend_trial, trial.run_id, failed, figures={}), stop=stop)
        else:
            result = until_answered(partial(_file, trial.run_id, outcome, tracker), stop=stop)
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


_Weights = Callable[[StoredTrial], dict[int | None, bytes]]
"""A trial -> epoch -> content of each file with weights that its questions need."""
_Outcome = tuple[StoredTrial, _Answered | ResablateError]
_Asked = list[tuple[Any, int | None]]
"""Questions as plain values: record of the analysis, epoch."""


def _in_this_process(
    trials: Sequence[StoredTrial], weights: _Weights, resources: Resources, order: _Order
) -> Iterator[_Outcome]:
    check_machine(cpus=resources.cpus, gpus=resources.gpus)
    here = order._replace(gpus=1.0 if choose_device(resources.gpus).type == "cuda" else 0.0)
    for trial in trials:
        try:
            yield trial, _analyze(_bare(trial.result), _plain(trial.questions), weights(trial), here)
        except TrackerAway:
            raise
        except Exception as error:  # one trial's failure keeps no other from being analyzed
            raise_if_device_lost(error, f"analyses of trial {trial.result.key}")
            yield trial, _as_ours(error)


def _on_ray(
    trials: Sequence[StoredTrial], weights: _Weights, resources: Resources, order: _Order
) -> Iterator[_Outcome]:
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
                files = weights(trial)
            except TrackerAway:
                raise
            except ResablateError as error:
                yield trial, error
                continue
            running[task.remote(_bare(trial.result), _plain(trial.questions), files, there)] = trial
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


def _weights(trial: StoredTrial, *, tracker: Tracker, stop: Callable[[], bool]) -> dict[int | None, bytes]:
    def load(epoch: int | None) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            return tracker.load_weights_file(trial.run_id, Path(folder), epoch=epoch).read_bytes()

    wanted = needed_weights(trial.result, trial.questions)
    return {epoch: until_answered(partial(load, epoch), stop=stop) for epoch in wanted}


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
