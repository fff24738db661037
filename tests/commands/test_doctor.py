"""A store that is broken in every way at once: `doctor` finds each, mends what is safe, and the sweep goes on."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from resablate.checkups import CHECKUPS, Scope, disks
from resablate.processes import process_start
from resablate.scheduling.ray_sessions import abandoned_folders, clear_abandoned, mark_sessions
from resablate.storage.spool import write_spooled
from resablate.sweep import parse_sweep
from resablate.tracking import MlflowExaminer, MlflowTracker
from resablate.tracking.leases import this_process
from resablate.tracking.mlflow_leases import OWNER
from resablate.tracking.mlflow_store import STATUS
from tests.commands.shell import Shell
from tests.factories import make_result
from tests.scheduling.tiny import BASE
from tests.tracking.databases import make_database

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")

SMALL = {**BASE, "dataset.train_examples": 64, "epochs": 1, "depth": 8}
TRIALS = 5
BY_HAND = {"weights", "claimed", "curves", "clocks", "spools", "clusters"}
"""What `--mend` leaves alone."""
ALONE = {"databases", "disks", "names", "links", "stores", "offline", "calibrations"}
"""Broken in tests of their own."""


@pytest.fixture
def shell(hasty_shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    temporary = hasty_shell.folder / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    return hasty_shell


def grid(**analyses: Any) -> dict[str, Any]:
    axes = {"seed": list(range(TRIALS))}
    return {"name": "grid", "base": SMALL, "axes": axes, "analyses": analyses, "resources": {"pack": 1}}


def search() -> dict[str, Any]:
    axes = {"learning_rate": {"low": 0.01, "high": 0.1}}
    wanted = {"method": "tpe", "trials": 2, "minimize": "val_error"}
    return {"name": "found", "base": SMALL, "axes": axes, "search": wanted, "resources": {"pack": 1}}


def ended_process() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    assert process_start(process.pid) is None
    return process.pid


class Broken:
    """The store of two sweeps that have run, and what is done to it."""

    def __init__(self, shell: Shell) -> None:
        self.folder = shell.folder
        self.client = MlflowClient(tracking_uri=make_database(shell.folder))
        for content in (search(), grid(), grid(lesion={"examples": 16})):  # what is asked later has files of its own
            ran = shell("sweep", shell.write(content), "--inline")
            assert ran.code == 0, ran.err
        found = self.client.get_experiment_by_name("grid")
        assert found is not None
        self.experiment = found.experiment_id
        self.submission, *self.trials = sorted(
            self.client.search_runs([self.experiment]), key=lambda run: run.data.tags["resablate.kind"]
        )
        submissions = [run for run in self.trials if run.data.tags["resablate.kind"] == "sweep"]
        self.submission = max([run for run in [self.submission, *submissions]], key=lambda run: run.info.start_time)
        self.trials = [run for run in self.client.search_runs([self.experiment]) if "resablate.key" in run.data.tags]

    def file(self, run: Any, pattern: str) -> Path:
        [found] = (self.folder / "mlartifacts" / "grid" / run.info.run_id / "artifacts").glob(pattern)
        return found

    def new_run(self, key: str, status: str, *, hours: float = 0, kind: str = "trial", **tags: str) -> str:
        said = {"schema": "2", "kind": kind, "key": key, "status": status, "sweep": "grid"}
        start = int(1000 * (time.time() + 3600 * hours))
        all_tags = {f"resablate.{name}": value for name, value in said.items() if value} | tags
        run = self.client.create_run(self.experiment, start_time=start, tags=all_tags)
        if kind == "trial" and status != "open":
            self.client.set_terminated(run.info.run_id, "KILLED")
        return run.info.run_id

    def break_records(self) -> None:
        damaged, missing, answers, weights, curve = self.trials
        self.file(damaged, "result.json").write_text("{}")
        self.file(missing, "result.json").unlink()
        self.file(answers, "answers-*.json").write_text("{}")
        self.file(weights, "weights.safetensors").write_bytes(b"")
        self.client.log_metric(curve.info.run_id, "epoch", 1, step=1, timestamp=1)
        self.file(self.submission, "trials*.json").write_text("[")
        self.new_run("0" * 12, "finished")
        self.new_run("1" * 12, "failed", hours=5)
        self.new_run(curve.data.tags["resablate.key"], "running")
        self.client.update_run(self.new_run("2" * 12, "running"), status="RUNNING")
        self.new_run("", "", kind="cell", hours=-1)
        self.new_run("", "", kind="report", hours=-1)
        self.new_run("", "", kind="report")  # somebody may be at it
        self.new_run("", "", kind="sweep", **{OWNER: json.loads(json.dumps(self.owner(ended_process())))})

    @staticmethod
    def owner(pid: int) -> str:
        return this_process()._replace(process=str(pid), start="1").tag

    def break_study(self) -> None:
        import optuna

        study = optuna.load_study(study_name="found", storage=f"sqlite:///{self.folder / 'optuna.db'}")
        study.ask()

    def break_folder(self) -> None:
        work = self.folder / ".resablate" / "grid"
        curve = self.trials[-1].data.tags["resablate.key"]
        for key, name, content in (("3" * 16, "checkpoint-000001.safetensors", b"short"), (curve, "kept", b"")):
            (work / "trials" / key).mkdir(parents=True)
            (work / "trials" / key / name).write_bytes(content)
        (work / "trials" / ("3" * 16) / "analyses-000001.json").write_text("[]")
        write_spooled(work / "spool", make_result(seed=77), weights={})
        half = write_spooled(work / "spool", make_result(seed=78), weights={})
        (half / "result.json").write_text("{")
        (work / "lock").write_text("7 nowhere")
        (work / "workers.lock").mkdir()
        (work / "workers.lock" / "8 on nowhere").touch()

    def break_temporary(self) -> None:
        temporary = self.folder / "temporary"
        (temporary / "resablate-tune-abc").mkdir()
        (temporary / "resablate-tune-abc" / "owner.lock").touch()
        (temporary / "resablate-ui-abc").mkdir()
        (temporary / "resablate-ui-abc" / "owner.lock").touch()
        pid = ended_process()
        (temporary / "ray" / f"session_2026-01-01_00-00-00_000000_{pid}" / "logs").mkdir(parents=True)
        (temporary / "ray" / f"resablate-driver-{pid}.lock").touch()
        (temporary / "ray" / "session_2026-01-01_00-00-00_000000_1").mkdir()  # of some other program

    def break_cluster(self) -> None:
        cluster = self.folder / ".cluster"
        for name in ("processes/mlflow.json", "ports.json", "secrets/ray_token"):
            (cluster / name).parent.mkdir(parents=True, exist_ok=True)
            (cluster / name).write_text('{"pid": 7' if name.endswith("json") else "")


def kinds(said: str) -> Counter[str]:
    """How many lines each checkup has."""
    return Counter(line.partition(":")[0] for line in said.splitlines() if line.partition(":")[0] in CHECKUPS)


def test_everything_at_once(shell: Shell) -> None:
    broken = Broken(shell)
    ran = shell("doctor")
    assert (ran.code, kinds(ran.out)) == (0, Counter()), ran.out
    assert ran.out.startswith("sound: ")
    broken.break_records()
    broken.break_study()
    broken.break_folder()
    broken.break_temporary()
    broken.break_cluster()
    ran = shell("doctor")
    assert ran.code == 1
    assert kinds(ran.out) == {
        "open_runs": 4,
        "lists": 1,
        "results": 2,
        "answers": 1,
        "weights": 1,
        "claimed": 1,
        "twice": 1,
        "curves": 1,
        "clocks": 1,
        "studies": 1,
        "spools": 2,
        "checkpoints": 3,
        "locks": 2,
        "folders": 3,
        "ui_folders": 1,
        "clusters": 3,
    }, ran.out
    assert set(kinds(ran.out)) == set(CHECKUPS) - ALONE
    assert kinds(shell("doctor").out) == kinds(ran.out), "looking changes nothing"

    ran = shell("doctor", "--mend")
    assert ran.code == 1
    assert "not mended" not in ran.out
    assert set(kinds(shell("doctor").out)) == BY_HAND | {"lists"}, "the next sweep writes the list"
    assert (shell.folder / "temporary" / "ray" / "session_2026-01-01_00-00-00_000000_1").is_dir()

    ran = shell("sweep", shell.write(grid(lesion={"examples": 16})), "--inline")
    assert ran.code == 0, ran.err
    assert shell("sweep", shell.write(search()), "--inline").code == 0
    ran = shell("doctor")
    assert set(kinds(ran.out)) == BY_HAND - {"spools"}, ran.out
    for line in ran.out.splitlines():
        if ", run " in line:
            broken.client.delete_run(line.partition(", run ")[2].partition(":")[0])
    shutil.rmtree(shell.folder / ".cluster")
    assert shell("doctor", "grid").code == 0
    assert shell("sweep", shell.write(grid(lesion={"examples": 16})), "--inline").code == 0
    ran = shell("doctor")
    assert ran.code == 0, ran.out


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"", "it is empty"), (b"SQLite format 3\0" + bytes(100), "it cannot be read"), (b"hello", "it cannot be read")],
)
def test_a_database_that_is_none(shell: Shell, content: bytes, problem: str) -> None:
    (shell.folder / "mlflow.db").write_bytes(content)
    ran = shell("doctor")
    assert (ran.code, kinds(ran.out)) == (1, {"databases": 1})
    assert problem in ran.out
    assert (shell.folder / "mlflow.db").read_bytes() == content


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 5 * 2**20})())
    [fault] = disks(Scope(None, "memory:", [], tmp_path / "not" / "there"))
    assert (fault.place, fault.problem) == (str(tmp_path), "its disk has 5 MiB left")


def test_a_sweep_that_runs_is_left_alone(shell: Shell) -> None:
    from resablate.storage.locks import exclusive_lock

    make_database(shell.folder)
    with exclusive_lock(shell.folder / ".resablate" / "grid", "grid"):
        (shell.folder / ".resablate" / "grid" / "trials" / "k").mkdir(parents=True)
        (shell.folder / ".resablate" / "grid" / "trials" / "k" / "x.partial").touch()
        ran = shell("doctor", "--mend")
    assert ran.code == 0
    assert "grid: a process in this folder runs it, so it is not looked at" in ran.out
    assert (shell.folder / ".resablate" / "grid" / "trials" / "k" / "x.partial").exists()


def test_a_sweep_that_is_leased_is_left_alone(shell: Shell) -> None:
    """Also where it is run in another folder, or on another machine."""
    tracker = MlflowTracker(make_database(shell.folder))
    sweep = parse_sweep(grid())
    tracker.start_sweep(sweep, trials=[], command="")
    tracker.start_trial(make_result(seed=0).spec)
    ran = shell("doctor", "--mend")
    assert (ran.code, kinds(ran.out)) == (0, Counter()), ran.out
    assert f"grid: {this_process()} runs it, so it is not looked at" in ran.out
    assert [lease.keys for lease in tracker.leases()] == [{make_result(seed=0).key}]


def test_a_sweep_that_is_begun_meanwhile_is_not_mended(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it is run in another folder, whose locks are not ours."""
    uri = make_database(shell.folder)
    tracker = MlflowTracker(uri)
    tracker.start_sweep(parse_sweep(grid()), trials=[], command="")
    tracker.start_trial(make_result(seed=0).spec)
    other = this_process()._replace(process="1", start=str(process_start(1)))
    [lease] = tracker.leases()
    MlflowClient(tracking_uri=uri).set_tag(lease.claim.submission, OWNER, other.tag)
    monkeypatch.setattr(MlflowExaminer, "running", lambda examiner: {})  # it was not there when the doctor looked
    half = shell.folder / ".resablate" / "grid" / "trials" / ("3" * 16) / "x.partial"
    half.parent.mkdir(parents=True)
    half.touch()
    ran = shell("doctor", "--mend")
    assert ran.code == 1
    assert re.search(rf"not mended: .*grid.*{other}", ran.out), ran.out
    assert half.exists()
    assert [lease.keys for lease in tracker.leases()] == [{make_result(seed=0).key}]
    tracker.end_sweep("interrupted")
    assert f"mended: checkpoints: {half}" in shell("doctor", "--mend").out
    assert tracker.leases() == []


def test_what_was_trained_again_on_purpose_is_kept(shell: Shell) -> None:
    """`--rerun` promises that the old run stays."""
    client = MlflowClient(tracking_uri=make_database(shell.folder))
    file = shell.write({**grid(), "axes": {"seed": [0, 1]}})
    for words in ((), ("--rerun", "all", "--max-trials", "1")):
        assert shell("sweep", file, "--inline", *words).code == 0
    assert shell("doctor").code == 0
    before = runs_of(client)
    shell("doctor", "--mend")
    assert runs_of(client) == before
    assert list(before.values()).count("superseded") == 2


def runs_of(client: MlflowClient) -> dict[str, str | None]:
    """Run id -> status, of all that are not deleted."""
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return {run.info.run_id: run.data.tags.get(STATUS) for run in client.search_runs(experiments)}


def test_a_name_that_nobody_knows(shell: Shell) -> None:
    make_database(shell.folder)
    ran = shell("doctor", "gird")
    assert ran.code == 2
    assert "no sweep called 'gird'" in ran.err


def test_sessions_of_this_process_are_in_use(shell: Shell) -> None:
    mark_sessions()
    (shell.folder / "temporary" / "ray" / f"session_1_{os.getpid()}").mkdir()
    assert abandoned_folders() == []


@pytest.mark.parametrize("killed", [False, True])
def test_sessions_of_a_sweep_that_was_not_killed_are_no_fault(shell: Shell, killed: bool) -> None:
    make_database(shell.folder)
    sessions = shell.folder / "temporary" / "ray"
    end = "os._exit(1)" if killed else "sys.exit()"
    program = f"""
import os, sys
from resablate.scheduling.ray_sessions import mark_sessions, sessions_folder
mark_sessions()
if os.fork() == 0: sys.exit()
os.wait()
(sessions_folder() / f"session_1_{{os.getpid()}}").mkdir()
{end}
"""
    subprocess.run([sys.executable, "-c", program], check=not killed)
    assert len(list(sessions.iterdir())) == 2
    ran = shell("doctor")
    assert (ran.code, kinds(ran.out)) == ((1, {"folders": 2}) if killed else (0, {})), ran.out
    assert (f"no fault: files of 1 ended sweeps in {sessions}" in ran.out) is not killed
    clear_abandoned(shell.folder)
    assert list(sessions.iterdir()) == []


def test_a_process_that_began_no_session_leaves_nothing(shell: Shell) -> None:
    program = "from resablate.scheduling.ray_sessions import mark_sessions; mark_sessions()"
    subprocess.run([sys.executable, "-c", program], check=True)
    assert list((shell.folder / "temporary" / "ray").iterdir()) == []


@pytest.mark.slow
def test_a_search_that_its_limit_stopped_is_sound_and_not_said_to_be_complete(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resablate.report_figures.FIGURES", {})
    make_database(shell.folder)
    content = search()
    content["search"] = {**content["search"], "trials": 3, "seeds": [0, 1], "replicate": 2}
    file = shell.write({**content, "baseline": {"learning_rate": 0.2}})
    assert shell("sweep", file, "--inline", "--max-trials", "3").code == 0
    ran = shell("doctor", "found")
    assert (ran.code, kinds(ran.out)) == (0, Counter()), ran.out

    said = shell("status", "found").out
    assert "trials of at most 10: 0 pending, 0 running, 3 finished" in said
    assert "7 to come" in said
    asked = "What does the test error do when learning_rate changes?"
    [row] = json.loads(shell("sweeps", "--json").out)
    assert (row["counts"], row["to_come"], row["question"]) == ({"finished": 3}, 7, asked)
    [_, listed] = shell("sweeps").out.splitlines()
    assert listed.split()[:9] == "found 3 of at most 10 0 0 3".split()
    page = Path(json.loads(shell("report", "found", "--json").out)["page"])
    for text in (page.read_text(), page.with_name("index.md").read_text()):
        assert "3 of at most 10" in text
        assert "trials have ended" in text
        assert asked in text

    assert shell("sweep", file, "--inline").code == 0
    said = shell("status", "found").out
    assert "found: 10 trials: 0 pending, 0 running, 10 finished" in said
    assert "to come" not in said
    page = Path(json.loads(shell("report", "found", "--json").out)["page"])
    assert "trials have ended" not in page.read_text()
    assert kinds(shell("doctor", "found").out) == Counter()
