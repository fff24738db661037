"""Packs on a real Ray: members end, fail and are pruned one by one, whatever happens to the process of the pack."""

import io
import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from resablate.plan import SweepPlan
from resablate.result import TrialResult
from resablate.scheduling import SweepOutcome, ray_driver, ray_tune, run, run_sweep
from resablate.scheduling.ray_trainable import PackTrainable, keys_of
from resablate.tracking import MemoryTracker, open_tracker
from resablate.trial import Trial
from tests.faults.sweeps import runs_of
from tests.scheduling.test_ray_tune import ray_folder  # noqa: F401 - a Ray for every test here
from tests.scheduling.tiny import final_plan, numbers
from tests.searches.studies import states, stored
from tests.tracking.databases import make_database

pytestmark = [
    pytest.mark.ray,
    # What Ray does when it is used and left, and a study that the test opens beside ours.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.*"),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray.*"),
]

Watch = Callable[[list[str], Mapping[str, Any]], None]
"""Told of each step: the keys of its pack, and its result."""


def plan(axes: Mapping[str, Any], *, pack: int | str, epochs: int = 4, **parts: Any) -> SweepPlan:
    fields = {"dataset.train_examples": 600, **parts.pop("fields", {})}
    asked: dict[str, Any] = {"analyses": {}, "shortcut": "dropout", "epochs": epochs, "fields": fields, **parts}
    return final_plan(axes, **asked, resources={"pack": pack})


def submit(planned: SweepPlan, uri: str, watch: Watch = lambda keys, result: None) -> tuple[SweepOutcome, str]:
    text, pass_on = io.StringIO(), ray_driver.Watcher.on_trial_result

    def watching(self: Any, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any) -> None:
        watch(keys_of(trial.config), dict(result))
        pass_on(self, iteration, trials, trial, result, **info)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ray_driver.Watcher, "on_trial_result", watching)
        console = Console(file=text, width=200)
        outcome = run_sweep(planned, scheduler="ray_tune", command="", console=console, uri=uri)
    return outcome, text.getvalue()


def undisturbed(planned: SweepPlan) -> dict[str, TrialResult]:
    """Key -> the result of a trial of the same packs, in this process."""
    memory = MemoryTracker()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "open_tracker", lambda uri: memory)
        patch.setattr("resablate.figures.draw_all", lambda result: {})
        run_sweep(planned, scheduler="inline", command="", console=Console(file=io.StringIO()))
    return {result.key: result for result in memory.load_sweep(planned.sweep.name).results}


def results_of(uri: str, name: str = "tiny") -> dict[str, TrialResult]:
    return {result.key: result for result in open_tracker(uri).load_sweep(name).results}


def nothing_twice(uri: str, planned: SweepPlan) -> None:
    """One run for each key, all closed, and every epoch once."""
    runs = runs_of(uri)
    keys = Counter(run.data.tags["resablate.key"] for run in runs if "resablate.key" in run.data.tags)
    assert keys == dict.fromkeys((spec.key for spec in planned.trials), 1)
    assert "RUNNING" not in [run.info.status for run in runs]
    for result in results_of(uri).values():
        assert [row.epoch for row in result.history] == list(range(1, len(result.history) + 1))


def test_what_ray_schedules_is_a_pack(tmp_path: Path) -> None:
    uri, planned = make_database(tmp_path), plan({"seed": [0, 1, 2, 3, 4], "width": [2, 4]}, pack=3)
    seen: dict[tuple[str, ...], set[int]] = {}

    def watch(keys: list[str], result: Mapping[str, Any]) -> None:
        seen.setdefault(tuple(keys), set()).add(result["pid"])

    outcome, shown = submit(planned, uri, watch)
    assert (outcome.counts, outcome.failed) == ({"finished": 10}, False)
    assert "2 packs of 3 trials, 2 of 2" in shown
    assert "running in 2 packs" in shown
    assert shown.count("finished, test error") == 10
    assert Counter(result.pack_size for result in results_of(uri).values()) == {3: 6, 2: 4}
    widths = {spec.key: spec.width for spec in planned.trials}
    assert sorted(len(pack) for pack in seen) == [2, 2, 3, 3]
    assert all(len({widths[key] for key in pack}) == 1 for pack in seen)
    assert all(len(pids) == 1 for pids in seen.values()), "one process for all members"
    expected = undisturbed(planned)
    assert {key: numbers(result) for key, result in results_of(uri).items()} == {
        key: numbers(result) for key, result in expected.items()
    }
    nothing_twice(uri, planned)
    assert [path for path in (tmp_path / ".resablate").rglob("*") if path.is_file()] == []


@pytest.mark.slow
@pytest.mark.parametrize("chance", [0, 1])
def test_a_pack_whose_process_is_killed_goes_on_with_those_that_are_left(tmp_path: Path, chance: int) -> None:
    """One member has diverged by then: it is over, and is neither run nor filed again."""
    source = random.Random(chance)
    uri = make_database(tmp_path)
    planned = plan({"seed": [0, 1, 2], "learning_rate": [1e9, 0.05]}, pack=6, epochs=5, schedule="constant")
    kills, pids, killed = sorted(source.sample(range(2, 5), 2)), list[int](), set[int]()

    def watch(keys: list[str], result: Mapping[str, Any]) -> None:
        pids.append(result["pid"])
        if kills and result["epoch"] >= kills[0] and result["pid"] not in killed:
            del kills[0]
            killed.add(result["pid"])
            threading.Timer(source.uniform(0, 0.2), os.kill, [result["pid"], signal.SIGKILL]).start()

    outcome, _ = submit(planned, uri, watch)
    assert (outcome.counts, outcome.interrupted) == ({"finished": 3, "diverged": 3}, False)
    assert len(set(pids)) == 3
    expected = undisturbed(planned)
    assert {key: numbers(result) for key, result in results_of(uri).items()} == {
        key: numbers(result) for key, result in expected.items()
    }
    nothing_twice(uri, planned)


@pytest.mark.slow
def test_a_pack_whose_process_always_dies_fails_but_for_what_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (ray_tune, ray_driver):
        monkeypatch.setattr(module, "MAX_PROCESS_DEATHS", 1)
    uri = make_database(tmp_path)
    planned = plan({"seed": [0, 1], "learning_rate": [1e9, 0.05]}, pack=4, epochs=8, schedule="constant")

    def watch(keys: list[str], result: Mapping[str, Any]) -> None:
        if result["epoch"] >= 2:
            os.kill(result["pid"], signal.SIGKILL)

    outcome, _ = submit(planned, uri, watch)
    assert (outcome.counts, outcome.interrupted) == ({"failed": 2, "diverged": 2}, False)
    failed = [result for result in results_of(uri).values() if result.status == "failed"]
    assert {result.reason for result in failed} == {"its process died 2 times"}


def failing_member(seed: int) -> type[PackTrainable]:
    """Packs in which the second epoch of the trial of this seed fails."""

    class Faulty(PackTrainable):  # pickled with its methods, as it is no name of a module
        def _prepare(self) -> None:
            super()._prepare()
            before_epoch = Trial.before_epoch

            def go_on_or_fail(trial: Trial) -> None:
                if trial.spec.seed == seed and trial.training.epoch == 1:
                    raise ValueError("a bug")
                before_epoch(trial)

            Trial.before_epoch = go_on_or_fail

    return Faulty


@pytest.mark.slow
def test_a_member_that_fails_is_filed_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_tune, "PackTrainable", failing_member(1))
    uri, planned = make_database(tmp_path), plan({"seed": [0, 1, 2]}, pack=3)
    outcome, _ = submit(planned, uri)
    assert (outcome.counts, outcome.interrupted) == ({"finished": 2, "failed": 1}, False)
    found = results_of(uri)
    assert [(found[spec.key].status, found[spec.key].reason) for spec in planned.trials] == [
        ("finished", ""),
        ("failed", "ValueError: a bug"),
        ("finished", ""),
    ]


@pytest.mark.slow
def test_members_are_pruned_one_by_one(tmp_path: Path) -> None:
    """By ASHA, which sees every member; the search hears of each alone."""
    uri = make_database(tmp_path)
    axes = {"learning_rate": {"low": 1e-5, "high": 1, "log": True}}
    planned = plan(axes, pack=4, epochs=5, search={"method": "tpe", "trials": 8, "pruning": "asha"})
    sizes: list[int] = []
    outcome, shown = submit(planned, uri, lambda keys, result: sizes.append(len(keys)))
    assert set(outcome.counts) == {"finished", "pruned"}
    assert outcome.ended == outcome.planned == 8
    assert set(sizes) == {4}
    assert shown.count("pruned by asha after epoch") == outcome.counts["pruned"]
    found = results_of(uri)
    for result in found.values():
        assert len(result.history) == 5 if result.status == "finished" else 1 <= len(result.history) < 5
        if result.status == "pruned":
            assert result.reason == f"pruned by asha after epoch {len(result.history)}; no question was put to it"
            assert result.measurements == ()
    study = stored("tiny")
    assert Counter(states(study)) == {"COMPLETE": outcome.counts["finished"], "PRUNED": outcome.counts["pruned"]}
    for trial in study.trials:
        result = found[trial.user_attrs["resablate.keys"][0]]
        assert trial.intermediate_values == {row.epoch: row.val_error for row in result.history}
    assert [path for path in (tmp_path / ".resablate").rglob("*") if path.is_file()] == []


@pytest.mark.slow
def test_hyperband_pauses_trials_and_so_packs_none(tmp_path: Path) -> None:
    uri, sizes = make_database(tmp_path), list[int]()
    planned = plan({"seed": [0, 1, 2, 3]}, pack="auto", epochs=4, search={"method": "grid", "pruning": "hyperband"})
    outcome, _ = submit(planned, uri, lambda keys, result: sizes.append(len(keys)))
    assert outcome.ended == 4
    assert set(sizes) == {1}
