"""A sweep on a machine with torch and NumPy and little else, whose results are filed somewhere else later."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from resablate.commands.json_records import CheckRecord, StatusRecord
from resablate.sweep import parse_sweep
from resablate.tracking import open_tracker
from resablate.tracking.folder_tracker import FolderTracker
from tests.commands.shell import Shell
from tests.factories import make_result
from tests.tracking.databases import make_database

MISSING = "ray,mlflow,optuna,pandas,scipy,sklearn,matplotlib,torchvision,PIL,jinja2,sqlalchemy,alembic,requests"
NEEDED = {"torch", "numpy", "yaml", "pydantic", "pydantic_core", "safetensors", "typer", "rich", "filelock"}
SWEEP = """
name: away
base: {dataset: {name: synthetic, train_examples: 64}, depth: 8, width: 4, epochs: 1, batch_size: 32}
axes:
  seed: [0, 1]
analyses:
  lesion: {examples: 16}
  path_gradient: {examples: 16, samples: 2}
resources: {cpus: 1}
"""


def run(folder: Path, *words: str, missing: str = MISSING) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.offline", missing, *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("resablate.figures.draw_all", lambda result: {"lesion": b"png"})
    (tmp_path / "away.yaml").write_text(SWEEP)
    return Shell(tmp_path, monkeypatch, capsys)


def test_it_runs_without_ray_mlflow_optuna_and_pandas_and_is_filed_elsewhere(shell: Shell) -> None:
    here = shell.folder
    ran = run(here, "sweep", "away.yaml", "--inline", "--offline", "--max-trials", "1")
    assert ran.returncode == 0, ran.stderr[-1000:]
    assert "away: 2 trials, 0 complete before, 1 finished, 1 pending" in ran.stdout
    assert f"records: {here / 'offline'}; file them where there is an MLflow with: resablate sync" in ran.stderr
    loaded = set(ran.stdout.rpartition("loaded:")[2].split())
    assert loaded >= NEEDED
    assert not loaded & set(MISSING.split(","))

    standing = shell("status", "away", "--tracking-uri", "folder:offline")
    assert standing.code == 0 and "1 pending, 0 running, 1 finished" in standing.out
    assert standing.err.splitlines() == [
        "to go on here: resablate sweep FILE --inline --offline",
        f"records: {here / 'offline'}; file them where there is an MLflow with: resablate sync {here / 'offline'}",
    ]
    for words in (["status", "away"], ["report", "away"], ["runs", "away"], ["analyze", "away", "lesion"]):
        unfiled = shell(*words)
        assert unfiled.code == 2
        assert f"; the folder offline has it: resablate sync {here / 'offline'} files it here, and" in unfiled.err, (
            words
        )

    more = shell("sweep", "away.yaml", "--inline", "--offline")
    assert more.out.startswith("away: 2 trials, 1 complete before, 1 finished;"), more.err
    standing = shell("status", "away", "--tracking-uri", "folder:offline")
    assert standing.out == "away: 2 trials: 0 pending, 0 running, 2 finished, 0 diverged, 0 pruned, 0 failed\n"

    make_database(here)
    synced = shell("sync", "offline")
    assert synced.out == "away: 2 results filed, 0 given further measurements, 0 there already\n"
    again = shell("sync", "offline")
    assert again.out == "away: 0 results filed, 0 given further measurements, 2 there already\n"
    kept, filed = (open_tracker(uri).load_sweep("away") for uri in ("folder:offline", None))
    assert [result.to_json() for result in filed.results] == [result.to_json() for result in kept.results]
    assert filed.sweep == kept.sweep
    for run_id in filed.run_ids.values():
        assert open_tracker().load_weights_file(run_id, here).stat().st_size > 1000
    assert len(list((here / "mlartifacts").rglob("lesion.png"))) == 2

    ended = shell("sweep", "away.yaml", "--inline")
    assert ended.out.startswith("away: 2 trials, 2 complete before, nothing to run;")


def test_a_machine_without_torch_checks_files_and_tells(shell: Shell) -> None:
    here, result = shell.folder, make_result(seed=0)
    kept = FolderTracker(here / "offline")
    kept.start_sweep(parse_sweep({"name": "tiny", "axes": {"seed": [0]}}), trials=[result.spec], command="")
    kept.start_trial(result.spec)
    kept.finish_trial(result, weights={}, figures={})
    kept.end_sweep("finished")

    def told(*words: str) -> str:
        ran = run(here, *words, missing=f"{MISSING},torch")
        assert ran.returncode == 0, ran.stderr[-1000:]
        return ran.stdout.rpartition("loaded:")[0]

    checked = CheckRecord.model_validate_json(told("check", "away.yaml", "--json"))
    assert (checked.count, checked.trials, checked.seconds) == (2, [], None)
    assert "torch is not installed here" in checked.notes[0]
    assert "tiny: 1 results filed" in told("sync", "offline", "--tracking-uri", "folder:filed")
    status = StatusRecord.model_validate_json(told("status", "tiny", "--json", "--tracking-uri", "folder:filed"))
    assert (status.counts, status.with_questions) == ({"finished": 1}, False)

    (here / "away.yaml").write_text(SWEEP.replace("seed:", "sed:"))
    wrong = run(here, "check", "away.yaml", missing=f"{MISSING},torch")
    assert (wrong.returncode, "did you mean 'seed'" in wrong.stderr) == (2, True)
    needed = run(here, "list", "shortcuts", missing=f"{MISSING},torch")
    assert (needed.returncode, needed.stderr) == (2, "this needs the package torch: pip install resablate\n")


def test_what_offline_goes_with(shell: Shell) -> None:
    ran = shell("sweep", "away.yaml", "--offline")
    assert (ran.code, ran.err) == (2, "--offline: goes with --inline, one trial after another in this process\n")
    ran = shell("sweep", "away.yaml", "--offline", "--inline", "--tracking-uri", "http://me@host:1")
    assert ran.code == 2
    assert "files into a folder, which --tracking-uri names as folder:PATH; got http://***@host:1" in ran.err


def test_a_folder_that_holds_nothing_of_the_kind(shell: Shell) -> None:
    (shell.folder / "reports").mkdir()
    for name in ("reports", "nowhere"):
        ran = shell("sync", name)
        assert ran.code == 2
        assert ran.err.startswith(f"{name}: neither the folder of `resablate sweep --offline` nor a report")
    (shell.folder / "reports" / "results.jsonl").write_text("{}\n")
    assert "sweep.yaml, what was asked, is not there" in shell("sync", "reports").err
    (shell.folder / "reports" / "sweep.yaml").write_text(SWEEP)
    assert "results.jsonl, line 1: no result of this version" in shell("sync", "reports").err
    (shell.folder / "offline" / "away").mkdir(parents=True)
    (shell.folder / "offline" / "away" / "submission.json").write_text(json.dumps({"version": 9}))
    assert "submission.json: not what this version writes (version 9)" in shell("sync", "offline").err


def test_what_is_damaged_is_told_and_the_rest_is_filed(shell: Shell) -> None:
    tracker = FolderTracker(shell.folder / "offline")
    for name, seed in (("tiny", 0), ("whole", 1)):
        result = make_result(seed=seed)
        tracker.start_sweep(parse_sweep({"name": name, "axes": {"seed": [seed]}}), trials=[result.spec], command="")
        tracker.start_trial(result.spec)
        tracker.finish_trial(result, weights={}, figures={})
        tracker.end_sweep("finished")
    file = shell.folder / "offline" / "tiny" / "submission.json"
    file.write_text("{")
    for count, words in ((1, "1 results filed"), (0, "1 there already")):
        ran = shell("sync", "offline", "--tracking-uri", "folder:filed")
        assert (ran.code, ran.out.startswith(f"whole: {count} results filed"), words in ran.out) == (2, True, True)
        assert f"{file}: not what this version writes" in ran.err
        assert "`resablate sweep FILE`" in ran.err
    ran = shell("status", "tiny", "--tracking-uri", "folder:offline")
    assert (ran.code, ran.err.count(str(file))) == (2, 1)
