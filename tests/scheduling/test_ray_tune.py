"""Sweeps on a real Ray: the numbers of `inline`, whatever happens to the processes."""

import ast
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import ray
from rich.console import Console

import resablate
from resablate.component import Component
from resablate.datasets import load_dataset
from resablate.errors import ResourceError
from resablate.measurement import EpochMetrics
from resablate.plan import SweepPlan
from resablate.question import AskedAnalysis
from resablate.result import TrialResult
from resablate.scheduling import (
    SweepOutcome,
    analyze_trials,
    find_trials,
    ray_capacity,
    ray_driver,
    ray_tune,
    run,
    run_sweep,
)
from resablate.scheduling.ray_trainable import PackTrainable, keys_of
from resablate.sweep import Resources
from resablate.tracking import MemoryTracker, open_tracker, work_folder
from resablate.trial import Trial
from tests.faults.sweeps import runs_of
from tests.listening import check_doors, family, listening
from tests.scheduling.ray_home import own_ray_folder, ray_home
from tests.scheduling.tiny import ANALYSES, final_plan, numbers, tiny_plan
from tests.tracking.databases import make_database

pytestmark = [
    pytest.mark.ray,
    # What Ray does when it is used and left: none of it is ours.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.*"),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray.*"),
]

FOUR = {"shortcut": ["identity", "dropout"], "seed": [0, 1]}
TUNE_LOGS = ("result.json", "progress.csv", "params.json", "events.out.tfevents.*")


@pytest.fixture(scope="module", autouse=True)
def ray_folder() -> Iterator[Path]:
    """A Ray of two CPUs, started as a sweep starts it; its files are in a folder of its own."""
    start = ray.init
    with own_ray_folder() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", str(folder))
        patch.setenv("HOME", ray_home())  # Ray keeps a token there
        patch.delenv("RAY_ADDRESS", raising=False)
        patch.setattr(ray, "init", lambda **options: start(num_cpus=2, num_gpus=0, **options))
        try:
            ray_tune.connect_ray()
            yield folder
        finally:
            ray.shutdown()


@dataclass
class Watched:
    """What Tune's results told while a sweep ran."""

    outcome: SweepOutcome
    shown: str
    steps: list[tuple[str, int]]
    """Key and process of every step, in order."""

    def pids(self, key: str | None = None) -> list[int]:
        """Process of every step, of one trial or of all."""
        return [pid for step, pid in self.steps if key in (None, step)]


def run_on_ray(
    plan: SweepPlan, uri: str, *, kills: Mapping[str, int] | None = None, data_root: Path | None = None
) -> Watched:
    """Run `plan` and kill the process of the trials named by key, so many times, in the middle of their third epoch."""
    left = Counter(kills or {})
    watched: list[tuple[str, int]] = []
    pass_on = ray_driver.Watcher.on_trial_result

    def watch(self: Any, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any) -> None:
        [key], pid = keys_of(trial.config), result["pid"]
        watched.append((key, pid))
        if result["epoch"] >= 2 and left[key]:
            left[key] -= 1
            threading.Timer(0.1, os.kill, [pid, signal.SIGKILL]).start()
        pass_on(self, iteration, trials, trial, result, **info)

    text = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ray_driver.Watcher, "on_trial_result", watch)
        outcome = run_sweep(
            plan,
            scheduler="ray_tune",
            command="resablate sweep tiny.yaml",
            console=Console(file=text, width=200),
            uri=uri,
            data_root=data_root,
        )
    return Watched(outcome, text.getvalue(), watched)


def run_inline(plan: SweepPlan) -> list[TrialResult]:
    memory = MemoryTracker()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "open_tracker", lambda uri: memory)
        run_sweep(plan, scheduler="inline", command="", console=Console(file=io.StringIO()))
    return memory.load_sweep(plan.sweep.name).results


def test_ray_gives_the_numbers_of_inline_and_a_second_run_nothing(
    ray_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    uri = make_database(tmp_path)
    plan = tiny_plan(FOUR)
    watched = run_on_ray(plan, uri)
    assert watched.outcome.counts == {"finished": 4}
    assert not watched.outcome.failed
    assert "2 trials at a time" in watched.shown

    stored = open_tracker(uri).load_sweep("tiny").results
    assert [numbers(result) for result in stored] == [numbers(result) for result in run_inline(plan)]
    assert [set(result.analyses) for result in stored] == [{"test", "lesion", "path_gradient"}] * 4

    # Four trials of three steps each, by two processes and not by four.
    assert len(watched.pids()) == 12
    assert len(set(watched.pids())) <= 2
    assert os.getpid() not in watched.pids()

    logs = [path for pattern in TUNE_LOGS for path in ray_folder.rglob(pattern)]
    assert logs == [], "Tune's own loggers are off"
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["mlflow.db", "mlflow.db.lock"]
    assert [path for path in (tmp_path / ".resablate").rglob("*") if path.is_file()] == []

    said: list[str] = []
    tracker = open_tracker(uri)
    for again, asked in ((True, ()), (False, [AskedAnalysis(Component("lesion", {"examples": 32}))])):
        analyzed = analyze_trials(
            find_trials(tracker, "tiny", asked=asked, again=again).trials,
            tracker=tracker,
            resources=plan.sweep.resources,
            scheduler="ray_tune",
            data_root=None,
            say=said.append,
        )
        assert (len(analyzed.results), analyzed.problems) == (4, ())
        repeated = open_tracker(uri).load_sweep("tiny").results
        if again:
            assert [numbers(result) for result in repeated] == [numbers(result) for result in stored]
        else:
            assert all("lesion examples 32" in result.analyses for result in repeated)
    assert len(said) == 8

    # A question more to the same sweep: no trial is begun, and weights go to Ray and come back from there.
    more = tiny_plan(FOUR, analyses={**ANALYSES, "spectrum": {"epochs": [1]}})
    with monkeypatch.context() as patch:
        patch.setattr(ray_tune, "run_ray", None)
        measured = run_on_ray(more, uri)
    assert (measured.outcome.counts, measured.outcome.measured, measured.outcome.failed) == ({}, 4, False)
    for result in open_tracker(uri).load_sweep("tiny").results:
        assert (set(result.analyses_by_epoch), result.kept_epochs) == ({1}, (1,))

    def schedule(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("nothing is to be scheduled")

    monkeypatch.setattr(ray_tune, "run_ray", schedule)
    again = run_on_ray(plan, uri)
    assert (again.outcome.reused, again.outcome.counts, again.outcome.failed) == (4, {}, False)
    assert "4 of 4 trials are complete already" in again.shown
    assert again.outcome.wall_seconds < 10


@pytest.mark.slow
def test_what_befalls_one_trial_leaves_the_others_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One process is killed once, one as often as it is begun, and one trial does not find its data."""
    for module in (ray_tune, ray_driver):
        monkeypatch.setattr(module, "MAX_PROCESS_DEATHS", 1)
    # Each node is to find its data itself, and does not, although they were there when the sweep was submitted.
    monkeypatch.setattr(SweepPlan, "identified", lambda plan, root: plan)
    monkeypatch.setattr(run, "load_dataset", lambda name, root: load_dataset("digits"))
    monkeypatch.setattr(ray_tune, "_carried", lambda datasets: {})
    uri = make_database(tmp_path)
    long: dict[str, Any] = {"epochs": 5, "batch_size": 16, "shortcut": "dropout", "analyses": {"lesion": {}}}
    long["fields"] = {"dataset.train_examples": 1400}
    plan = tiny_plan({"seed": [0, 1], "dataset": ["digits", "fashion_mnist"]}, **long)
    once, lost, always, lost_too = plan.trials
    watched = run_on_ray(plan, uri, kills={once.key: 1, always.key: 9}, data_root=tmp_path / "gone")

    assert watched.outcome.counts == {"finished": 1, "failed": 3}
    assert watched.outcome.failed
    assert not watched.outcome.interrupted
    results = open_tracker(uri).load_sweep("tiny").results
    no_folder = ("failed", f"DatasetError: --data-root {tmp_path / 'gone'}: no such folder")
    assert [(result.status, result.reason) for result in results] == [
        ("finished", ""),
        no_folder,
        ("failed", "its process died 2 times"),
        no_folder,
    ]
    # The third epoch is begun twice and told once: five epochs and an end, by two processes.
    pids = watched.pids(once.key)
    assert len(pids) == 6
    assert len(set(pids[:2])) == len(set(pids[2:])) == 1
    assert pids[0] != pids[2]
    assert [spec.key for spec in (lost, lost_too) if len(watched.pids(spec.key)) != 1] == []

    [undisturbed] = run_inline(tiny_plan({"seed": [0]}, **long))  # without a fingerprint here too
    assert numbers(results[0]) == numbers(undisturbed)


@pytest.mark.slow
def test_a_live_trial_is_stopped_from_another_process(tmp_path: Path) -> None:
    uri = make_database(tmp_path)
    plan = final_plan({"epochs": [3, 9999]}, analyses={})
    [short, endless] = sorted(plan.trials, key=lambda spec: spec.epochs)
    folder = work_folder() / "tiny" / "trials" / endless.key
    said: list[str] = []

    def stop() -> None:
        while not list(folder.glob("*")):  # under way; the test ends with pytest's limit if it never is
            time.sleep(0.1)
        command = [sys.executable, "-m", "resablate", "stop", endless.key]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        said.append(done.stdout + done.stderr)

    person = threading.Thread(target=stop, daemon=True)
    person.start()
    watched = run_on_ray(plan, uri)
    person.join()
    assert watched.outcome.counts == {"finished": 1, "pruned": 1}
    assert len(said) == 1
    assert said[0].startswith(f"{endless.key}: ends after the epoch that it is at, and counts as pruned; sweep tiny ")
    results = {result.key: result for result in open_tracker(uri).load_sweep("tiny").results}
    assert results[short.key].status == "finished"
    epochs = len(results[endless.key].history)
    assert results[endless.key].reason == f"stopped after epoch {epochs}, as somebody asked"


def break_gpus(folder: Path) -> type[PackTrainable]:
    """Trials in whose processes the GPU fails: that of seed 0 once, in its third epoch, that of seed 1 always."""

    class Faulty(PackTrainable):  # pickled with its methods, as it is no name of a module
        def _prepare(self) -> None:
            super()._prepare()
            run_epoch = Trial.run_epoch

            def run_or_fail(trial: Trial) -> EpochMetrics:
                seed, epoch = trial.spec.seed, trial.training.epoch
                failed = len(list(folder.glob(f"{seed} *")))
                if (seed == 1 and epoch == 1) or (seed == 0 and epoch == 2 and not failed):
                    (folder / f"{seed} {failed} {os.getpid()}").touch()
                    raise RuntimeError("CUDA error: an illegal memory access was encountered\nand advice")
                return run_epoch(trial)

            Trial.run_epoch = run_or_fail

    return Faulty


@pytest.mark.slow
def test_a_lost_gpu_ends_its_process_and_the_trial_continues_in_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "faults").mkdir()
    monkeypatch.setattr(ray_tune, "PackTrainable", break_gpus(tmp_path / "faults"))
    for module in (ray_tune, ray_driver):
        monkeypatch.setattr(module, "MAX_PROCESS_DEATHS", 1)
    uri, plan = make_database(tmp_path), tiny_plan({"seed": [0, 1]}, epochs=4)
    watched = run_on_ray(plan, uri)
    assert watched.outcome.counts == {"finished": 1, "failed": 1}
    first, second = open_tracker(uri).load_sweep("tiny").results
    fault = (
        f"the GPU failed during trial {second.key}, and its process had to end: RuntimeError: CUDA error: an illegal"
    )
    assert second.reason == f"its process died 2 times, the last time because {fault} memory access was encountered"
    faults = sorted(file.name.split() for file in (tmp_path / "faults").iterdir())
    assert [seed for seed, _, _ in faults] == ["0", "1", "1"]
    lost = {int(pid) for _, _, pid in faults}
    assert len(lost) == 3, "no process goes on after its fault"
    pids = watched.pids(first.key)
    assert (len(pids), len(set(pids))) == (5, 2), "two epochs here, two epochs and an end there"
    assert pids[0] in lost
    assert pids[2] not in lost
    assert numbers(first) == numbers(run_inline(plan)[0])


@pytest.mark.parametrize(
    ("resources", "asked"), [({"gpus": 1}, "1 CPUs and 1 GPUs"), ({"cpus": 3}, "3 CPUs and 0 GPUs")]
)
def test_resources_that_no_node_can_give(
    resources: dict[str, Any], asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "check_machine", lambda **asked: None)  # as in a submitted job
    with pytest.raises(ResourceError, match=rf"asks for {asked}, which no node can give \(nodes: 2 CPUs and 0 GPUs\)"):
        run_on_ray(tiny_plan(FOUR, resources=resources), make_database(tmp_path))
    assert runs_of(f"sqlite:///{tmp_path}/mlflow.db") == []
    assert not (tmp_path / ".resablate").exists()


def test_how_many_trials_fit_at_a_time() -> None:
    assert ray_capacity.ray_capacity(Resources(cpus=1)).concurrent == 2
    assert ray_capacity.ray_capacity(Resources(cpus=2)).concurrent == 1
    assert ray_capacity.ray_capacity(Resources(cpus=0.5)).concurrent == 4
    assert ray_capacity.ray_capacity(Resources()).gpus_per_trial == 0


def test_how_many_trials_fit_on_a_cluster_that_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESABLATE_MAX_NODES", "3")
    assert ray_capacity.ray_capacity(Resources(cpus=1)).concurrent == 6
    assert ray_capacity.ray_capacity(Resources(cpus=2)).concurrent == 3
    monkeypatch.setenv("RESABLATE_MAX_NODES", "1")
    assert ray_capacity.ray_capacity(Resources(cpus=1)) == ray_capacity.RayCapacity(2, 0, "1 node (2 CPUs and 0 GPUs)")
    monkeypatch.setenv("RESABLATE_MAX_NODES", "many")
    with pytest.raises(ResourceError, match=r"\$RESABLATE_MAX_NODES is a whole number of nodes, got 'many'"):
        ray_capacity.ray_capacity(Resources(cpus=1))


def test_a_process_that_ray_ended_for_its_memory_says_so() -> None:
    error = ray.exceptions.OutOfMemoryError("Task was killed due to the node running low on memory.")
    assert ray_driver._cause_of_death(repr(error)).startswith("out of memory: its process died 4 times")
    assert ray_driver._cause_of_death("ActorDiedError: SIGKILL") == "its process died 4 times"


def test_nothing_is_imported_from_ray_train() -> None:
    """`ray.train` inside a Tune trial raises since Ray 2.51."""
    package = Path(resablate.__file__).parent
    for file in package.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{name}" for name in names]
            assert not [name for name in names if name.startswith(("ray.train", "ray.air"))], file


def test_a_ray_that_a_sweep_starts_listens_on_the_loopback_and_answers_who_has_its_token() -> None:
    asking = check_doors(listening(family(os.getpid())), token=os.environ["RAY_AUTH_TOKEN"])
    assert len(asking) >= 3, "the store of the cluster, the node, the driver"
