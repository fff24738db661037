"""A folder of files that is away for a moment costs no result."""

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from resablate.errors import TrackingError
from resablate.plan import plan_sweep
from resablate.scheduling.stored import check_files_there
from resablate.tracking import MlflowTracker
from tests.commands import test_doctor_lines
from tests.commands.shell import Shell
from tests.commands.test_doctor import kinds, runs_of
from tests.commands.test_doctor_lines import RESULT, SEARCH, filed, the_trial
from tests.scheduling.tiny import BASE
from tests.tracking.databases import make_database

shell = test_doctor_lines.shell
TINY = {"name": "tiny", "base": {**BASE, "dataset.train_examples": 64, "epochs": 1, "depth": 8}, "axes": {"seed": [0]}}


@pytest.mark.parametrize("part", ["mlartifacts", "mlartifacts/tiny"])
def test_nothing_is_mended_while_all_files_are_away(part: str, shell: Shell) -> None:
    client = filed(shell.folder)
    before = runs_of(client)
    (shell.folder / part).rename(shell.folder / "away")
    ran = shell("doctor", "--mend")
    assert (ran.code, kinds(ran.out)) == (1, {"results": 1}), ran.out + ran.err
    place = shell.folder / "mlartifacts" / "tiny"
    assert f"results: tiny, {place}: none of the files of its 1 complete trials is there; put the folder ba" in ran.out
    assert runs_of(client) == before
    assert not (shell.folder / part).exists()
    (shell.folder / "away").rename(shell.folder / part)
    assert shell("doctor").code == 0


def test_a_result_that_is_missing_while_other_files_are_there_is_mended(shell: Shell) -> None:
    client = filed(shell.folder)
    place = Path(the_trial(client).info.artifact_uri.removeprefix("file://"))
    (place / "result.json").unlink()
    (place / "weights.safetensors").write_bytes(b"")
    ran = shell("doctor", "--mend")
    assert (ran.code, kinds(ran.out)["results"]) == (0, 1), ran.out + ran.err


def test_a_sweep_trains_nothing_again_while_all_files_are_away(shell: Shell) -> None:
    client = MlflowClient(tracking_uri=make_database(shell.folder))
    file = shell.write(TINY)
    assert shell("sweep", file, "--inline").code == 0
    before, files = runs_of(client), shell.folder / "mlartifacts"
    files.rename(shell.folder / "away")
    ran = shell("sweep", file, "--inline")
    assert ran.code == 2, ran.out
    told = "the files of the 1 complete trials are not there, and nothing was trained or changed: put the folder back"
    assert f"{files / 'tiny'}: {told}" in ran.err
    assert shell("sweep", file, "--dry-run").code == 2, "which would say that it is to be trained"
    assert runs_of(client) == before
    assert not files.exists()
    (shell.folder / "away").rename(files)
    ran = shell("sweep", file, "--inline")
    assert (ran.code, "1 complete before, nothing to run" in ran.out) == (0, True), ran.out

    [trial] = (run for run, status in before.items() if status)
    shutil.rmtree(files / "tiny" / trial)
    assert shell("sweep", file, "--inline").code == 2
    ran = shell("sweep", file, "--inline", "--rerun", "all")
    assert ran.code == 0, ran.err
    assert list(files.rglob("result.json"))


def test_a_search_trains_nothing_again_either(shell: Shell) -> None:
    tracker = MlflowTracker(make_database(shell.folder))
    tracker.start_sweep(SEARCH, trials=[RESULT.spec], command="")
    tracker.start_trial(RESULT.spec)
    tracker.finish_trial(RESULT, weights={}, figures={})
    tracker.end_sweep("finished")
    plan = plan_sweep(SEARCH)
    check_files_there(plan, tracker)
    (shell.folder / "mlartifacts").rename(shell.folder / "away")
    with pytest.raises(TrackingError, match=r"1 complete trials are not there, .*; if they are lost, forget"):
        check_files_there(plan, tracker)
