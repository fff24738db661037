"""Two drivers at once, and a driver that is stopped while another one takes over: nothing is lost, nothing is twice."""

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from resablate.plan import SweepPlan
from resablate.searches.patient_study import DISCARDED
from resablate.tracking import open_tracker
from tests.faults.conftest import Numbers
from tests.faults.elsewhere import MACHINE, SECONDS
from tests.faults.sweeps import SLOW, SweepProcess, runs_of, slow_plan
from tests.scheduling.ray_home import own_ray_folder
from tests.scheduling.tiny import final_plan, numbers
from tests.tracking.databases import make_database
from tests.tracking.servers import MlflowServer

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")
MakeDriver = Callable[..., SweepProcess]
EPOCHS = 6


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return make_database(tmp_path)


@pytest.fixture
def make_driver(tmp_path: Path, uri: str) -> Iterator[MakeDriver]:
    """Makes drivers, each with a folder of its own and with the same records."""
    made: list[SweepProcess] = []

    def make(plan: Any, *, server: str = "", words: Sequence[str] = ("--inline",), **environment: str) -> SweepProcess:
        folder = tmp_path / f"driver-{len(made)}"
        folder.mkdir()
        program = "tests.faults.elsewhere"
        driver = SweepProcess(folder, plan, server or uri, words, program, environment=environment)
        made.append(driver)
        return driver

    yield make
    for driver in made:
        driver.clean_up()


def is_filed_once(uri: str, keys: set[str], *, epochs: int = EPOCHS) -> None:
    """Each of these trials has one run, which has each epoch once."""
    runs = [run for run in runs_of(uri) if "resablate.key" in run.data.tags]
    assert Counter(run.data.tags["resablate.key"] for run in runs) == dict.fromkeys(keys, 1)
    client = MlflowClient(tracking_uri=uri)
    for run in runs:
        steps = [point.step for point in client.get_metric_history(run.info.run_id, "train/loss")]
        assert steps == list(range(1, epochs + 1))
        assert len(client.get_metric_history(run.info.run_id, "test_error")) == 1
    assert [run for run in runs_of(uri) if run.info.status == "RUNNING"] == []


@pytest.mark.slow
def test_a_driver_that_is_stopped_while_another_one_takes_over(
    make_driver: MakeDriver, uri: str, tmp_path: Path, numbers_undisturbed: Numbers
) -> None:
    """It wakes while the other one is at work, notices before it writes, and stops in order.

    They reach the records through a server: one that is stopped may hold the lock of a sqlite file.
    """
    with MlflowServer(tmp_path) as server:
        soon = {SECONDS: "1.5", "server": server.uri}
        first, second = (make_driver(slow_plan(), **{MACHINE: name}, **soon) for name in ("one", "two"))
        takes_over(first, second)
        assert [numbers(result) for result in second.results()] == numbers_undisturbed
        keys = {spec.key for spec in second.plan.trials}
        is_filed_once(server.uri, keys)
        assert first.run() == 0, first.said()
        assert "3 of 3 trials are complete already" in first.said()
        is_filed_once(server.uri, keys)
        for driver in (first, second):
            assert [path for path in (driver.folder / ".resablate").rglob("*") if path.is_file()] == []


@pytest.mark.slow
def test_a_search_whose_driver_is_stopped_while_another_one_takes_over(make_driver: MakeDriver, tmp_path: Path) -> None:
    """They share the study and the store of checkpoints too: each point is in the one and none in the other."""
    shared = {"RESABLATE_STUDY_STORAGE": f"sqlite:///{tmp_path / 'studies.db'}"}
    shared |= {"RESABLATE_CHECKPOINTS": f"file://{tmp_path}/store", SECONDS: "1.5"}
    with MlflowServer(tmp_path) as server:
        first, second = (make_driver(a_search(), server=server.uri, **{MACHINE: name}, **shared) for name in "ab")
        takes_over(first, second, begun=lambda: "[1/4]" in first.said())
        assert "4 trials, 1 complete before, 3 finished" in second.said()
        assert study_states(tmp_path, counted=True) == ["COMPLETE"] * 4
        assert stored_files(tmp_path) == []
        results = second.results()
        assert len(results) == 4
        is_filed_once(server.uri, {result.key for result in results})
        before = study_states(tmp_path)
        assert first.run() == 0, first.said()
        assert "4 of 4 trials are complete already" in first.said()
        assert study_states(tmp_path) == before
        is_filed_once(server.uri, {result.key for result in results})


@pytest.mark.ray
@pytest.mark.slow
def test_a_driver_on_ray_that_is_stopped_while_another_one_takes_over(make_driver: MakeDriver, tmp_path: Path) -> None:
    """Its trials and the process that files their results go on meanwhile, and change nothing of the other's."""
    with MlflowServer(tmp_path) as server, own_ray_folder() as short:
        soon = {SECONDS: "1.5", "server": server.uri, "RAY_TMPDIR": str(short), "HOME": str(short)}
        plan = slow_plan(4)
        first = make_driver(plan, words=(), **{MACHINE: "one"}, **soon)
        second = make_driver(plan, **{MACHINE: "two"}, **soon)
        takes_over(first, second)
        assert first.gone()
        keys = {spec.key for spec in plan.trials}
        is_filed_once(server.uri, keys)
        assert first.run() == 0, first.said()
        assert "4 of 4 trials are complete already" in first.said()
        is_filed_once(server.uri, keys)
        assert [path for path in (first.folder / ".resablate").rglob("*") if path.is_file()] == []


def stored_files(folder: Path) -> list[Path]:
    return [path for path in (folder / "store").rglob("*") if path.is_file()]


def takes_over(first: SweepProcess, second: SweepProcess, *, begun: Callable[[], bool] = lambda: True) -> None:
    """The second one takes over from the first, which is stopped, and wakes in the middle of that."""
    first.start()
    first.until(lambda: begun() and first.reached(2))
    first.kill(signal.SIGSTOP)
    second.start()
    second.until(lambda: second.reached(1))
    first.kill(signal.SIGCONT)
    assert first.ended() == 1, first.said()
    said = first.said()
    assert re.search(r"stopped: the lease of sweep 'tiny' is lost: process \d+ on \S+ runs it now; what was", said)
    assert "Traceback" not in said
    assert second.ended() == 0, second.said()


@pytest.mark.slow
def test_two_sweeps_that_share_trials_train_each_once(make_driver: MakeDriver, uri: str) -> None:
    epochs = 4 * EPOCHS  # they are under way for as long as it takes to ask about them
    first = make_driver(slow_plan(2, epochs=epochs))
    second = make_driver(slow_plan(3, name="second", epochs=epochs))
    first.start()
    first.until(lambda: first.reached(1))
    second.start()
    second.until(lambda: len(open_tracker(uri).leases()) > 1)
    status = [sys.executable, "-m", "resablate", "status", "second", "--tracking-uri", uri]
    told = subprocess.run(status, cwd=first.folder, capture_output=True, text=True, check=True)
    assert "sweep 'second' is run by process" in told.stdout
    assert "leased by sweep 'tiny'" in told.stdout
    assert second.ended() == 0, second.said()
    assert first.ended() == 0, first.said()
    assert "second: 3 trials, 0 complete before, 3 finished" in second.said()
    assert [result.spec.seed for result in second.results()] == [0, 1, 2]
    is_filed_once(uri, {spec.key for spec in second.plan.trials}, epochs=epochs)


@pytest.mark.slow
def test_a_second_submitter_of_a_search_is_refused_and_disturbs_nothing(
    make_driver: MakeDriver, uri: str, tmp_path: Path
) -> None:
    plan = a_search()
    shared = {"RESABLATE_STUDY_STORAGE": f"sqlite:///{tmp_path / 'studies.db'}"}
    first, second = make_driver(plan, **shared), make_driver(plan, **shared)
    first.start()
    first.until(lambda: "[1/4]" in first.said() and first.reached(1))
    assert second.run() == 2
    assert "sweep 'tiny' is being run by process" in second.said()
    assert "FAIL" not in study_states(tmp_path)
    assert first.ended() == 0, first.said()
    assert "tiny: 4 trials, 0 complete before, 4 finished" in first.said()
    assert second.run() == 0, second.said()
    assert study_states(tmp_path) == ["COMPLETE"] * 4


def a_search() -> SweepPlan:
    axes = {"learning_rate": {"low": 0.01, "high": 0.1, "log": True}}
    return final_plan(axes, **SLOW, search={"method": "tpe", "trials": 4})


def study_states(folder: Path, *, counted: bool = False) -> list[str]:
    """The states of all points of the study, or of those that count."""
    import optuna

    study = optuna.load_study(study_name="tiny", storage=f"sqlite:///{folder / 'studies.db'}")
    gone = study.user_attrs.get(DISCARDED, []) if counted else []
    return [trial.state.name for trial in study.trials if trial.number not in gone]


@pytest.mark.slow
def test_two_that_analyze_a_run_at_once_keep_both_answers(make_driver: MakeDriver, uri: str) -> None:
    sweep = make_driver(slow_plan(1))
    assert sweep.run() == 0, sweep.said()
    [key] = open_tracker(uri).complete_keys()
    ask = [sys.executable, "-m", "resablate", "analyze", key, "--tracking-uri", uri, "lesion"]
    both = [
        subprocess.Popen([*ask, f"lesion.examples={examples}"], cwd=sweep.folder, stderr=subprocess.PIPE, text=True)
        for examples in (10, 20, 30)
    ]
    ended = [(process.communicate(timeout=120)[1], process.returncode) for process in both]
    assert [code for _, code in ended] == [0, 0, 0], ended
    _, result = open_tracker(uri).load_trial(key)
    lesions = [m.question.analysis for m in result.measurements if m.question.analysis.name == "lesion"]
    assert sorted(analysis.values["examples"] for analysis in lesions) == [10, 20, 30, 64]


@pytest.mark.ray
@pytest.mark.slow
def test_the_process_that_files_results_is_killed(make_sweep: Callable[..., SweepProcess]) -> None:
    sweep = make_sweep("ray")
    sweep.start()
    sweep.until(lambda: "[1/" in sweep.said())
    sweep.until(lambda: sweep.reached(2))
    [writer] = [pid for pid in sweep.alive() if b"ResultWriterActor" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    begun = time.monotonic()
    os.kill(writer, signal.SIGKILL)
    assert sweep.ended() == 1, sweep.said()
    assert time.monotonic() - begun < 30
    assert "stopped: the process that files results has been killed; what was running continues" in sweep.said()
    assert "Traceback" not in sweep.said()
    assert [run for run in runs_of(sweep.uri) if run.info.status == "RUNNING"] == []
    assert sweep.run() == 0, sweep.said()
    is_filed_once(sweep.uri, {spec.key for spec in sweep.plan.trials})
