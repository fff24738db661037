"""What there is of records, by the names and by the files of sweeps, and forgetting it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from resablate.processes import process_start
from resablate.scheduling import run as run_module
from resablate.searches import study
from resablate.sweep import SweepSpec
from resablate.tracking import open_tracker
from resablate.tracking.folder_tracker import FolderTracker
from resablate.tracking.leases import this_process
from tests.commands.shell import Shell
from tests.factories import make_result


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """Records in a folder: a sweep with a finished and a failed trial, and one that has yet to begin."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "folder:kept")
    shell = Shell(tmp_path, monkeypatch, capsys)
    from resablate.sweep import parse_sweep

    tracker = FolderTracker(tmp_path / "kept")
    for name, seeds in (("later", [5]), ("seeds", [0, 1, 2])):
        sweep = parse_sweep({"name": name, "question": f"What of {name}?", "axes": {"seed": seeds}})
        tracker.start_sweep(sweep, trials=[sweep.trial(point) for point in sweep.points()], command="")
        shell.write({"name": name, "axes": {"seed": seeds}}, f"{name}_file.yaml")
    for result in (make_result(seed=0), make_result(seed=1, status="failed", reason="no memory")):
        tracker.start_trial(result.spec)
        tracker.finish_trial(result, weights={}, figures={})
    tracker.end_sweep("failed")
    return shell


def test_sweeps_and_runs_are_listed(shell: Shell) -> None:
    ran = shell("sweeps")
    assert ran.code == 0
    heading, *rows = [line.split() for line in ran.out.splitlines()]
    assert heading[:4] == ["sweep", "trials", "pending", "running"]
    assert [row[:8] for row in rows] == [
        ["later", "1", "1", "0", "0", "0", "0", "0"],
        ["seeds", "3", "1", "0", "1", "0", "0", "1"],
    ]
    assert "What of seeds?" in ran.out

    by_name, by_file = shell("runs", "seeds"), shell("runs", "seeds_file.yaml")
    assert by_name.out == by_file.out
    _, *rows = [line.split() for line in by_name.out.splitlines()]
    state = open_tracker().states("seeds")[make_result(seed=0).key]
    assert rows[0][:4] == [make_result(seed=0).key, state.run_id, "finished", "3/12"]
    assert (rows[1][2], rows[2][1]) == ("failed", "pending")


@pytest.mark.parametrize("verb", ["status", "report", "runs", "rm", "analyze"])
def test_a_file_stands_for_its_sweep(verb: str, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resablate.report_figures.FIGURES", {})
    shell.write({"name": "never", "axes": {"seed": [0]}}, "never.yaml")
    ran = shell(verb, "never.yaml")
    assert ran.code == 2
    assert "no sweep called 'never'" in ran.err
    if verb in ("status", "report"):
        assert shell(verb, "seeds_file.yaml").code == (verb == "status"), "a trial has failed"
    assert shell(verb, "nowhere.yaml").code == 2


def test_a_trial_is_named_by_its_first_digits(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    key = make_result(seed=0).key
    for begun in (key[:5], open_tracker().states("seeds")[key].run_id[:5]):
        ran = shell("clone", begun, "epochs=7", "--dry-run")
        assert ran.code == 0 and "trial: 1 trials, 0 complete, 1 would run" in ran.out
        assert "no run 'abcde' with a result" not in shell("analyze", begun, "lesion").err
    for verb in ("clone", "analyze"):
        assert "no run 'abcde' with a result" in shell(verb, "abcde").err
    monkeypatch.setattr(FolderTracker, "complete_keys", lambda self: {"abcdef0": "f1", "abcdef1": "f2"})
    for verb in ("clone", "analyze"):
        ran = shell(verb, "abcde")
        assert ran.code == 2
        assert "abcde: 2 trials are named so (abcdef0, abcdef1); write more of the name" in ran.err
    assert "no sweep called 'abc'" in shell("analyze", "abc").err, "three digits begin no name"
    for name in ("0123aa", "0123bb"):
        (shell.folder / ".resablate" / "seeds" / "trials" / name).mkdir(parents=True)
    assert "0123: 2 trials are named so (0123aa, 0123bb)" in shell("stop", "0123").err
    assert shell("stop", "0123a").err.startswith("0123aa: its sweep is not running here")
    assert not caplog.records, "the lock of a result that was added to is taken for no result"


def test_a_sweep_is_forgotten_once_it_was_meant_twice(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = shell.folder / ".resablate" / "seeds" / "trials" / "0123"
    waiting.mkdir(parents=True)
    ran = shell("rm", "seeds")
    assert (ran.code, ran.err) == (2, "rm: forgets seeds, 3 trials; where nobody can be asked, say --yes\n")
    answers: list[str] = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", lambda text, err: answers.pop(0) == "y")
    monkeypatch.setattr("typer.prompt", lambda text, err: answers.pop(0))
    for given in (["n"], ["y", "seed"]):
        answers[:] = given
        assert shell("rm", "seeds").code == 1
        assert not answers
        assert waiting.exists()
    assert set(open_tracker().keeping().sweeps()) == {"later", "seeds"}
    answers[:] = ["y", "seeds"]
    ran = shell("rm", "seeds")
    assert (ran.code, ran.out) == (0, "seeds: forgotten, with 2 trials\n")
    assert not waiting.exists()
    assert open_tracker().keeping().sweeps() == ["later"]
    assert shell("rm", "later", "--yes").code == 0
    assert open_tracker().keeping().sweeps() == []


def test_a_sweep_that_somebody_runs_is_not_forgotten(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    other = this_process()._replace(process="1", start=str(process_start(1)))
    with monkeypatch.context() as patched:
        patched.setattr("resablate.tracking.folder_leases.this_process", lambda: other)
        FolderTracker(shell.folder / "kept").claim_sweep("seeds")
    ran = shell("rm", "seeds", "--yes")
    assert ran.code == 2
    assert "sweep 'seeds' is being run by process 1 on" in ran.err
    assert set(open_tracker().keeping().sweeps()) == {"later", "seeds"}


def test_the_study_of_a_search_is_forgotten_with_it(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is leased, and before its records: where the study's database is away, it can be said again."""
    shell.write(
        {
            "name": "search",
            "base": {
                "dataset": "digits",
                "dataset.train_examples": 128,
                "depth": 8,
                "width": 4,
                "epochs": 1,
                "batch_size": 32,
            },
            "axes": {"learning_rate": {"low": 0.01, "high": 0.1, "log": True}},
            "search": {"method": "tpe", "trials": 1, "minimize": "val_loss"},
            "analyses": {},
        },
        "search.yaml",
    )
    assert shell("sweep", "search.yaml", "--inline").code == 0
    import optuna

    storage = f"sqlite:///{shell.folder / 'optuna.db'}"
    assert optuna.get_all_study_names(storage) == ["search"]
    with monkeypatch.context() as patched:
        patched.setenv("RESABLATE_STUDY_STORAGE", f"sqlite:///{shell.folder}")
        assert shell("rm", "search", "--yes").code == 2
    assert "search" in open_tracker().keeping().sweeps()
    forget, leased = study.forget_study, list[str]()

    def forget_study(sweep: SweepSpec) -> None:
        leased.extend(lease.claim.sweep for lease in open_tracker().leases() if lease.state == "held")
        forget(sweep)

    monkeypatch.setattr(study, "forget_study", forget_study)
    assert shell("rm", "search", "--yes").code == 0
    assert "search" in leased
    assert optuna.get_all_study_names(storage) == []
    assert "search" not in open_tracker().keeping().sweeps()


def test_rerun_is_nothing_to_preview(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "run_batches_inline", None)
    ran = shell("sweep", "seeds_file.yaml", "--rerun", "all", "--dry-run")
    assert (ran.code, ran.err) == (2, "--rerun: sets results aside, which --dry-run does not do\n")


def test_a_report_folder_that_cannot_be_made_is_found_before_the_work(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(*args: object) -> None:
        raise AssertionError("reads the records first")

    monkeypatch.setattr(FolderTracker, "load_sweep", work)
    (shell.folder / "afile").touch()
    (shell.folder / "mine" / "seeds").mkdir(parents=True)
    (shell.folder / "mine" / "seeds" / "notes.txt").touch()
    for folder, why in (
        ("afile/x", "no report can be written there (Not a directory"),
        ("/proc/reports", "no report can be written there ("),
        ("mine", "holds files that are no report, which would be lost; name another folder"),
    ):
        ran = shell("report", "seeds", "--folder", folder)
        assert ran.code == 2
        assert why in ran.err
        assert len(ran.err.splitlines()) == 1


def test_the_backend_of_a_notebook_is_not_that_of_the_command_line(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `!` in a notebook hands on names a package that this environment may lack: importing matplotlib fails."""
    environment = {**os.environ, "MPLBACKEND": "module://nowhere.backend_inline"}
    code = "import sys; from resablate.commands import cli; sys.argv[1:] = ['list', 'shortcuts']\n"
    code += "try: cli.main()\nexcept SystemExit as end: assert not end.code\n"
    code += "import matplotlib; print(matplotlib.get_backend())"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]
    assert done.stdout.splitlines()[-1] == "agg"
