"""Analyses of trials that are complete, from their stored weights: in this process or on Ray."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from resablate.datasets import load_dataset
from resablate.errors import CheckpointError, ResablateError
from resablate.figures import draw_all
from resablate.reanalysis import check_analyses, failed_analyses, repeat_analyses
from resablate.result import WEIGHTS_FILE, TrialResult
from resablate.scheduling.inline import Scheduler, check_machine, threads, wants_gpu
from resablate.sweep import Resources
from resablate.tracking import Tracker
from resablate.training import thread_count

_RUN = re.compile(r"[0-9a-f]{16}|[0-9a-f]{32}")
"""How keys and run ids look."""


class StoredTrial(NamedTuple):
    """A trial and the run that holds its record."""

    run_id: str
    result: TrialResult
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
    """How repeating the analyses of some trials went."""

    results: tuple[TrialResult, ...]
    """As they are filed now."""
    problems: tuple[str, ...]
    """One line for every trial, and every analysis of one, that could not be analyzed."""


class _Order(NamedTuple):
    """What is asked for every trial."""

    names: tuple[str, ...]
    knobs: Mapping[str, Any]
    data_root: str | None
    threads: int
    gpu: bool


def find_trials(tracker: Tracker, target: str) -> FoundTrials:
    """The finished trials called `target`.

    Args:
        tracker: where their records are.
        target: a run id, the key of a trial, or the name of a sweep.

    Raises:
        TrackingError: if there is nothing of that name.
        ResablateError: if none of its trials has finished.
    """
    if _RUN.fullmatch(target):
        return FoundTrials((StoredTrial(*tracker.load_trial(target)),), Resources(), is_one=True)
    record = tracker.load_sweep(target)
    finished = [result for result in record.results if result.status == "finished"]
    if not finished:
        raise ResablateError(
            f"sweep {target!r}: none of its {len(record.results) + len(record.missing)} trials has finished"
        )
    left = len(record.results) + len(record.missing) - len(finished)
    return FoundTrials(
        tuple(StoredTrial(record.run_ids[result.key], result, record.sweep.label(result.spec)) for result in finished),
        record.sweep.resources,
        is_one=False,
        notes=(f"{left} trials have not finished and are left out",) if left else (),
    )


def analyze_trials(
    trials: Sequence[StoredTrial],
    *,
    tracker: Tracker,
    names: Sequence[str],
    knobs: Mapping[str, Any],
    resources: Resources,
    scheduler: Scheduler,
    data_root: Path | None,
    say: Callable[[str], None],
) -> AnalysisOutcome:
    """Run analyses on the stored weights of `trials` and file the outcome under the same runs.

    Args:
        trials: with what their records hold now.
        tracker: where these records are.
        names: rows of ANALYSES; each trial's own where empty.
        knobs: fields that the analyses take, instead of each trial's own.
        resources: of one trial.
        scheduler: `ray_tune` for Ray, as many trials at a time as fit, or `inline` for this process.
        data_root: where data sets are looked for first.
        say: told of every trial, in one line.

    Raises:
        SpecError: if a name or a knob is unknown.
        DatasetError: if a data set is missing.
        ResourceError: if a trial asks for what does not exist.
    """
    check_analyses(names, knobs)
    for name in dict.fromkeys(trial.result.spec.dataset for trial in trials):
        load_dataset(name, data_root)
    order = _Order(tuple(names), dict(knobs), str(data_root) if data_root else None, threads(resources), gpu=False)
    on_ray = scheduler == "ray_tune"
    run = _on_ray(trials, tracker, resources, order) if on_ray else _in_this_process(trials, tracker, resources, order)
    results: list[TrialResult] = []
    problems: list[str] = []
    for count, (trial, outcome) in enumerate(run, start=1):
        place = f"{trial.label or trial.result.spec.label()} (run {trial.run_id})"
        if isinstance(outcome, ResablateError):
            found = [str(outcome)]
            tracker.amend_trial(trial.run_id, failed_analyses(trial.result, names, found[0]), figures={})
        else:
            tracker.amend_trial(trial.run_id, outcome, figures=draw_all(outcome))
            results.append(outcome)
            asked = names or outcome.spec.analyses
            found = [f"{name}: {outcome.analysis_errors[name]}" for name in asked if name in outcome.analysis_errors]
        problems += [f"{place}: {line}" for line in found]
        say(f"[{count}/{len(trials)}] {place}: {'; '.join(found) or 'analyzed'}")
    return AnalysisOutcome(tuple(results), tuple(problems))


_Outcome = tuple[StoredTrial, TrialResult | ResablateError]


def _in_this_process(
    trials: Sequence[StoredTrial], tracker: Tracker, resources: Resources, order: _Order
) -> Iterator[_Outcome]:
    check_machine(resources)
    here = order._replace(gpu=wants_gpu(resources, there_is_one=torch.cuda.is_available()))
    for trial in trials:
        try:
            yield trial, TrialResult.from_json(_analyze(trial.result.to_json(), _weights(trial, tracker), here))
        except Exception as error:  # one trial's failure keeps no other from being analyzed
            yield trial, _as_ours(error)


def _on_ray(trials: Sequence[StoredTrial], tracker: Tracker, resources: Resources, order: _Order) -> Iterator[_Outcome]:
    """As trials end; at most twice as many are on their way as run at a time, so weights never pile up."""
    import ray
    from ray.exceptions import RayError

    from resablate.scheduling.ray_tune import connect_ray, ray_capacity

    connect_ray()
    capacity = ray_capacity(resources)
    there = order._replace(gpu=capacity.gpus_per_trial > 0)
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
            running[task.remote(trial.result.to_json(), weights, there)] = trial
        ended, _ = ray.wait(list(running), num_returns=1) if running else ([], [])
        for reference in ended:
            trial = running.pop(reference)
            try:
                yield trial, TrialResult.from_json(ray.get(reference))
            except RayError as error:
                yield trial, _as_ours(getattr(error, "cause", None) or error)


def _as_ours(error: Exception) -> ResablateError:
    return error if isinstance(error, ResablateError) else ResablateError(f"{type(error).__name__}: {error}")


def _weights(trial: StoredTrial, tracker: Tracker) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return tracker.load_weights_file(trial.run_id, Path(folder)).read_bytes()


def _analyze(result: str, weights: bytes, order: _Order) -> str:
    """The amended result as JSON; runs wherever a trial may run."""
    with tempfile.TemporaryDirectory() as folder, thread_count(order.threads):
        file = Path(folder) / WEIGHTS_FILE
        file.write_bytes(weights)
        try:
            return repeat_analyses(
                TrialResult.from_json(result),
                file,
                names=order.names,
                knobs=order.knobs,
                data_root=Path(order.data_root) if order.data_root else None,
                device=torch.device("cuda" if order.gpu else "cpu"),
            ).to_json()
        except CheckpointError as error:  # the copy is gone when somebody reads its path
            raise CheckpointError(str(error).replace(str(file), f"the run's {WEIGHTS_FILE}")) from None
