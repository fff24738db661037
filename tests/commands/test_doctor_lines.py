"""`doctor` on stores that are broken in one way each: its line, and what `--mend` leaves of it."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from mlflow import MlflowClient

from resablate.storage.checkpoint_store import CheckpointStore, checkpoint_store
from resablate.sweep import parse_sweep
from resablate.tracking import MlflowTracker, leases, mlflow_examining
from resablate.tracking.mlflow_leases import OWNER
from resablate.tracking.mlflow_store import KEY, KIND, SCHEMA, SWEEP
from resablate.trial import Trial
from tests.commands.shell import Shell
from tests.commands.test_doctor import kinds
from tests.factories import make_result
from tests.scheduling.tiny import BASE, final_plan
from tests.tracking.databases import make_database

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")

RESULT = make_result(seed=0)
GRID = parse_sweep({"name": "tiny", "base": dict(BASE), "axes": {"seed": [0]}})
SEARCH = parse_sweep(
    {
        "name": "tiny",
        "base": dict(BASE),
        "axes": {"learning_rate": {"low": 0.01, "high": 0.1}},
        "search": {"method": "tpe", "trials": 2, "minimize": "val_error"},
    }
)


@pytest.fixture
def shell(hasty_shell: Shell) -> Shell:
    return hasty_shell


def filed(folder: Path, sweep: Any = GRID) -> MlflowClient:
    """A store with one submission, and of a grid one trial that is complete."""
    tracker = MlflowTracker(make_database(folder))
    tracker.start_sweep(sweep, trials=[RESULT.spec], command="")
    if sweep is GRID:
        tracker.start_trial(RESULT.spec)
        tracker.finish_trial(RESULT, weights={}, figures={})
    tracker.end_sweep("finished")
    return MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")


def the_trial(client: MlflowClient) -> Any:
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    [run] = client.search_runs(experiments, f"tags.`{KEY}` = '{RESULT.key}'")
    return run


def files_elsewhere(folder: Path) -> None:
    """An experiment of our name that somebody made, whose results lie on the reader's disk, not beside the database."""
    client = MlflowClient(tracking_uri=make_database(folder))
    experiment = client.create_experiment("tiny", artifact_location=(folder.parent / "elsewhere").as_uri())
    for tags in ({KIND: "sweep"}, {KIND: "trial", KEY: RESULT.key, "resablate.status": "finished"}):
        run = client.create_run(experiment, tags={SCHEMA: "2", SWEEP: "tiny", **tags})
        client.set_terminated(run.info.run_id)


def without_schema(folder: Path) -> None:
    client = filed(folder)
    trial = the_trial(client).info
    # Between others: an experiment that begins or ends with such a run is refused as one of version 0.1.
    run = client.create_run(trial.experiment_id, start_time=trial.start_time - 1, tags={KIND: "trial", KEY: "0" * 12})
    client.set_terminated(run.info.run_id)


def study_is_gone(folder: Path) -> None:
    filed(folder, SEARCH)


def silent_lease(folder: Path) -> None:
    tracker = MlflowTracker(make_database(folder))
    tracker.start_sweep(GRID, trials=[RESULT.spec], command="")
    [lease] = tracker.leases()
    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
    client.set_tag(lease.claim.submission, OWNER, "another-host 7 1 another-machine")


def complete_twice(folder: Path) -> None:
    client = filed(folder)
    first = the_trial(client)
    files = folder / "mlartifacts" / "tiny" / first.info.run_id / "artifacts"
    copy = client.create_run(first.info.experiment_id, tags=first.data.tags).info.run_id
    client.log_artifacts(copy, str(files))
    client.set_terminated(copy)


def file_for_work_folder(folder: Path) -> None:
    filed(folder)
    (folder / ".resablate").touch()


def file_for_sweep_folder(folder: Path) -> None:
    filed(folder)
    (folder / ".resablate").mkdir()
    (folder / ".resablate" / "tiny").touch()


def no_run(folder: Path) -> None:
    """A new database in the place of one that is lost."""
    filed(folder)
    make_database(folder)


class Line(NamedTuple):
    """What `doctor` says of a store."""

    breaks: Callable[[Path], None]
    text: str
    mends: bool = False
    beside: tuple[str, ...] = ()
    """Checkups that cannot look, and say why."""


TWICE = f"tiny, run .*: it is trial {RESULT.key} once more, which run .* holds too; delete one of them in MLflow"
SILENT = r"a submission is open whose process says nothing \(process 7 on another-host, another machine\)"
LINES: dict[str, Line] = {
    "claimed, its files": Line(
        files_elsewhere,
        "tiny, run .*: its files lie where no results lie; it does not count; ",
        False,
        ("lists", "studies"),
    ),
    "claimed, its tags": Line(without_schema, "tiny, run .*: it has not the tags of a trial, and does not count; "),
    "studies": Line(study_is_gone, "study tiny: it is not there; the next sweep makes it anew from the results"),
    "open_runs": Line(silent_lease, f"tiny, run .*: {SILENT}; --mend closes it", True),
    "twice": Line(complete_twice, TWICE),
    "disks": Line(file_for_work_folder, r".*/\.resablate: it cannot be written \(File exists: .*\); remove what is"),
    "disks, a sweep's": Line(
        file_for_sweep_folder, r".*/\.resablate/tiny: it cannot be written \(File exists: .*\); remove what is in"
    ),
    "databases": Line(no_run, r".*/mlflow\.db: it holds no run, though files of runs lie in mlartifacts, so no trial"),
}
"""Checkup -> what it says."""


@pytest.mark.parametrize("name", LINES)
def test_a_store_that_is_broken_in_one_way_has_one_line(
    name: str, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    line, kind = LINES[name], name.partition(",")[0]
    monkeypatch.setattr(leases, "SILENT_SECONDS", 0.3)
    monkeypatch.setattr(leases, "_POLL_SECONDS", 0.05)
    monkeypatch.setattr(mlflow_examining, "_WATCH_SECONDS", 0.5)
    line.breaks(shell.folder)
    for words in ((), ("--mend",)):
        ran = shell("doctor", *words)
        assert ran.code == (0 if line.mends and words else 1), ran.out + ran.err
        assert kinds(ran.out) == dict.fromkeys((kind, *line.beside), 1), ran.out
        assert re.search(f"^{kind}: {line.text}", ran.out, re.MULTILINE), ran.out
        for other in line.beside:
            assert f"\n{other}: cannot be looked at: " in f"\n{ran.out}"
    assert ("0 left" in ran.out) is line.mends
    if line.mends:
        assert shell("doctor").out.startswith("sound: ")


def stored(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, str]:
    """A store with one trial of three epochs and one whose result is filed, and no folder: its place, the first's key.

    The node that trained them is gone.
    """
    monkeypatch.setenv("RESABLATE_CHECKPOINTS", f"file://{folder}/store")
    asked = {"path_count": {}, "norm_preservation": {"examples": 32, "epochs": [1]}}
    plan = final_plan({"seed": [1]}, epochs=4, analyses=asked)
    [spec] = plan.trials
    trial, node = Trial(spec, plan.questions(spec), folder=folder / "node" / spec.key), checkpoint_store("tiny")
    for _ in range(3):
        trial.run_epoch()
        CheckpointStore(node).upload(folder / "node" / spec.key)
    shutil.copytree(folder / "store" / "tiny" / spec.key, folder / "store" / "tiny" / RESULT.key)
    shutil.rmtree(folder / "node")
    return folder / "store" / "tiny", spec.key


def test_the_store_of_checkpoints_is_looked_at_too(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    filed(shell.folder)
    store, key = stored(shell.folder, monkeypatch)
    newest = store / key / "checkpoint-000003.safetensors"
    newest.write_bytes(newest.read_bytes()[:-1])
    (store / key / "analyses-000009.json").write_text("[]")
    (store / key / "README").write_text("somebody's own")
    place = re.escape(f"checkpoints: file://{store}/")
    lines = [
        f"{place}{RESULT.key}: its trial is complete and needs it no more; --mend removes it",
        rf"{place}{key}/{newest.name}: .*; --mend removes it, and the next sweep goes on from checkpoint-000002\.",
        rf"{place}{key}/analyses-000009\.json: it goes with no checkpoint; --mend removes it",
    ]
    before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
    ran = shell("doctor")
    assert (ran.code, kinds(ran.out)) == (1, {"checkpoints": 3}), ran.out + ran.err
    for line in lines:
        assert re.search(f"^{line}", ran.out, re.MULTILINE), ran.out
    assert {path: path.read_bytes() for path in store.rglob("*") if path.is_file()} == before, "looking changes nothing"

    ran = shell("doctor", "--mend")
    assert ran.code == 0, ran.out + ran.err
    left = {path.relative_to(store / key).name for path in store.rglob("*") if path.is_file()}
    assert left == {"README", "checkpoint-000002.safetensors", "after-epoch-000001.safetensors", "analyses-000001.json"}
    CheckpointStore(checkpoint_store("tiny")).download(shell.folder / "other" / key)
    assert (shell.folder / "other" / key / "checkpoint-000002.safetensors").exists()


def test_a_store_of_checkpoints_that_cannot_be_read_is_told(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """After what was found elsewhere."""
    filed(shell.folder)
    monkeypatch.setenv("RESABLATE_CHECKPOINTS", f"file://{shell.folder}/store")
    (shell.folder / "store").mkdir()
    (shell.folder / "store" / "tiny").touch()
    (shell.folder / ".resablate" / "tiny" / "trials" / RESULT.key).mkdir(parents=True)
    ran = shell("doctor")
    assert ran.code == 1
    first, second, *_ = ran.out.splitlines()
    assert re.fullmatch(rf"checkpoints: .*/{RESULT.key}: its trial is complete and needs it no more; .*", first)
    told = r"checkpoints: cannot be looked at: file://.*/store/tiny: looking for checkpoints failed \(.*\); mend this"
    assert re.match(told, second), second
