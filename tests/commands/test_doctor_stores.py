"""`doctor` on records that are a folder, cannot be opened, or cannot be written."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from resablate.tracking import open_tracker
from tests.commands import test_doctor_lines
from tests.commands.shell import Shell
from tests.commands.test_doctor import kinds
from tests.commands.test_doctor_lines import GRID, RESULT, SEARCH, filed, the_trial
from tests.tracking.databases import make_database

shell = test_doctor_lines.shell


def kept(shell: Shell) -> Path:
    """A folder of records with one complete trial: the folder of the sweep."""
    weights = shell.folder / "weights.safetensors"
    weights.write_bytes(b"weights")
    tracker = open_tracker("folder:offline")
    tracker.start_sweep(GRID, trials=[RESULT.spec], command="")
    tracker.start_trial(RESULT.spec)
    tracker.finish_trial(RESULT, weights={weights.name: weights}, figures={})
    tracker.end_sweep("finished")
    return shell.folder / "offline" / "tiny"


DAMAGES = {
    "submission.json": "the next sweep writes it anew",
    "trials.json": "the next sweep writes it anew",
    "results/*/files.json": "the next sweep trains it again",
    "results/*/result-*.json": "the next sweep trains it again",
    "results/*/weights-*": "the result counts, and new questions cannot be asked",
}


def test_records_in_a_folder_are_looked_at(shell: Shell) -> None:
    folder = kept(shell)
    shutil.copytree(folder, shell.folder / "whole")
    words = ("doctor", "--tracking-uri", "folder:offline")
    ran = shell(*words)
    assert (ran.code, ran.out[:13]) == (0, "sound: tiny ("), ran.out + ran.err
    for pattern, remedy in DAMAGES.items():
        [file] = folder.glob(pattern)
        file.write_bytes(file.read_bytes()[:-3])
        ran = shell(*words, "--mend")
        assert (ran.code, kinds(ran.out)) == (1, {"offline": 1}), ran.out + ran.err
        assert f"; {remedy}\n" in ran.out, pattern
        shutil.rmtree(folder)
        shutil.copytree(shell.folder / "whole", folder)


def test_checkpoints_of_what_is_complete_in_a_folder_wait_for_nothing(shell: Shell) -> None:
    kept(shell)
    place = shell.folder / ".resablate" / "tiny" / "trials" / "3333333333333333" / "x.partial"
    place.parent.mkdir(parents=True)
    place.touch()
    ran = shell("doctor", "--tracking-uri", "folder:offline", "--mend")
    assert (ran.code, kinds(ran.out)) == (0, {"checkpoints": 1}), ran.out + ran.err
    assert not place.exists()


def test_what_waits_in_the_folder_of_offline_sweeps_is_told(shell: Shell) -> None:
    kept(shell)
    make_database(shell.folder)
    ran = shell("doctor")
    told = f"no fault: 1 results wait in {shell.folder / 'offline'}; resablate sync offline files them\n"
    assert (ran.code, told in ran.out) == (0, True), ran.out + ran.err
    assert shell("sync", "offline").code == 0
    assert "wait in" not in shell("doctor").out


def lock_is_a_folder(folder: Path) -> None:
    filed(folder)
    (folder / "mlflow.db.lock").unlink(missing_ok=True)
    (folder / "mlflow.db.lock").mkdir()


def change(make: Callable[[Path], object], statement: str) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        make(folder)
        with closing(sqlite3.connect(folder / "mlflow.db")) as connection, connection:
            connection.execute(statement)

    return act


UNREAD: dict[str, tuple[Callable[[Path], None], str]] = {
    "a folder in the place of its lock": (lock_is_a_folder, "opening the store failed: .*Is a directory"),
    "a table is gone": (change(filed, "DROP TABLE runs"), "no such table"),
    # MLflow looks at it once in a process.
    "another schema": (change(make_database, "UPDATE alembic_version SET version_num = 'strange'"), "strange"),
}


@pytest.mark.parametrize("damage", UNREAD)
def test_records_that_cannot_be_opened_are_a_fault_and_the_rest_is_looked_at(damage: str, shell: Shell) -> None:
    act, text = UNREAD[damage]
    act(shell.folder)
    (shell.folder / ".cluster" / "secrets").mkdir(parents=True)
    (shell.folder / ".cluster" / "secrets" / "ray_token").touch()
    ran = shell("doctor", "--mend")
    assert ran.code == 1
    assert kinds(ran.out)["stores"] == kinds(ran.out)["clusters"] == 1, ran.out + ran.err
    [line] = [line for line in ran.out.splitlines() if line.startswith("stores: ")]
    assert re.search(text, line), line
    assert shell("doctor", "tiny").code == 2


def test_a_database_of_studies_that_holds_records_is_told(shell: Shell) -> None:
    filed(shell.folder, SEARCH)
    shutil.copy(shell.folder / "mlflow.db", shell.folder / "optuna.db")
    ran = shell("doctor")
    assert (ran.code, kinds(ran.out)) == (1, {"studies": 1}), ran.out + ran.err
    assert f"{shell.folder}/optuna.db: holds MLflow's records" in ran.out


def test_a_result_that_is_a_pipe_is_damaged(shell: Shell) -> None:
    """To read it would never end."""
    place = Path(the_trial(filed(shell.folder)).info.artifact_uri.removeprefix("file://"))
    (place / "result.json").unlink()
    os.mkfifo(place / "result.json")
    ran = shell("doctor")
    assert (ran.code, kinds(ran.out)) == (1, {"results": 1}), ran.out + ran.err


@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("setpriv"), reason="nothing is refused to root")
@pytest.mark.parametrize(("name", "mode"), [("mlflow.db", 0o444), ("mlartifacts/tiny", 0o555)])
def test_records_that_cannot_be_written_are_told(name: str, mode: int, shell: Shell) -> None:
    filed(shell.folder)
    (shell.folder / name).chmod(mode)
    program = f"""
from pathlib import Path
from resablate.checkups import Scope, disks
from resablate.tracking import MlflowExaminer
uri = "sqlite:///{shell.folder}/mlflow.db"
for fault in disks(Scope(MlflowExaminer(uri), uri, ["tiny"], Path("{shell.folder}/.resablate"))): print(fault[:2])
"""
    drop = [] if os.geteuid() else ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    said = subprocess.run([*drop, sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    (shell.folder / name).chmod(0o755)
    assert len(said.splitlines()) == 1, said
    assert str((str(shell.folder / name), "it cannot be written (Permission denied"))[:-2] in said
