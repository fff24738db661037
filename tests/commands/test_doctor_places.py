"""`doctor --mend` touches nothing outside the folders of sweeps, whatever records and folders say."""

import json
import os
import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from resablate.storage.spool import write_spooled
from resablate.tracking import MlflowTracker
from resablate.tracking.mlflow_store import KIND, SWEEP
from tests.commands import test_doctor_lines
from tests.commands.shell import Shell
from tests.commands.test_doctor import kinds
from tests.commands.test_doctor_lines import GRID, RESULT, filed
from tests.factories import make_result
from tests.tracking.databases import make_database

shell = test_doctor_lines.shell
KEY = "a" * 16


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def precious(folder: Path) -> Path:
    """Files of somebody else, called as a sweep's own are."""
    for name in ("trials/study.csv", "spool/mail", f"spool/{KEY}/letter", "workers.lock/8 on nowhere", "lock", "notes"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("precious")
    (folder / f"trials/{RESULT.key}").mkdir()
    (folder / f"trials/{RESULT.key}/thesis").write_text("precious")
    return folder


def plant(client: MlflowClient, name: str) -> str:
    """Copies the submission with all its files, under another name."""
    [experiment] = [e.experiment_id for e in client.search_experiments() if e.name == "tiny"]
    [run] = client.search_runs([experiment], f"tags.`{KIND}` = 'sweep'")
    tags = {tag: value for tag, value in run.data.tags.items() if tag.startswith("resablate.")}
    planted = client.create_run(experiment, tags={**tags, SWEEP: name}).info
    files = Path(str(run.info.artifact_uri).removeprefix("file://"))
    shutil.copytree(files, Path(str(planted.artifact_uri).removeprefix("file://")), dirs_exist_ok=True)
    client.set_terminated(planted.run_id)
    return planted.run_id


@pytest.mark.parametrize("name", ["../data", "{folder}/data", ""])
def test_a_name_in_the_records_is_no_path(name: str, shell: Shell) -> None:
    client = filed(shell.folder)
    data = precious(shell.folder / "data")
    before = contents(data)
    name = name.format(folder=shell.folder)
    run = plant(client, name)
    ran = shell("doctor", "--mend")
    assert (ran.code, kinds(ran.out)) == (1, {"names": 1}), ran.out + ran.err
    assert f"names: run {run}: it is of sweep {name!r}, and no sweep can be called so; it does not count" in ran.out
    for words in (("doctor", name, "--mend"), ("status", name), ("report", name), ("rm", name, "--yes")):
        assert shell(*words).code == 2, words
    assert shell("sweeps").out.count("tiny") == 1
    assert contents(data) == before


def test_a_run_is_of_the_sweep_that_its_file_describes(shell: Shell) -> None:
    """Else `rm other` would forget the study of tiny."""
    plant(filed(shell.folder), "other")
    for command in (["status", "other"], ["rm", "other", "--yes"]):
        ran = shell(*command)
        assert ran.code == 2
        assert "it is of sweep 'tiny', and the run says 'other'" in ran.err
    assert MlflowTracker(f"sqlite:///{shell.folder}/mlflow.db").submitted("tiny")[0] == GRID


def test_folders_that_are_no_sweeps_are_told_and_left(shell: Shell) -> None:
    filed(shell.folder)
    data = precious(shell.folder / ".resablate" / "my notes")
    before = contents(data)
    ran = shell("doctor", "--mend")
    assert (ran.code, kinds(ran.out)) == (1, {"names": 1}), ran.out + ran.err
    assert contents(data) == before


@pytest.mark.parametrize("place", [".", "trials", "spool", "workers.lock"])
def test_a_link_in_the_place_of_a_folder_is_told_and_not_followed(place: str, shell: Shell) -> None:
    filed(shell.folder)
    data = precious(shell.folder / "data")
    before = contents(data)
    work = shell.folder / ".resablate" / "tiny"
    (work / place).parent.mkdir(parents=True)
    (work / place).symlink_to(data if place == "." else data / place)
    ran = shell("doctor", "--mend")
    assert (ran.code, kinds(ran.out)) == (1, {"links": 1}), ran.out + ran.err
    assert contents(data) == before
    assert (work / place).is_symlink()


@pytest.mark.parametrize("part", ["trials", "spool"])
def test_a_link_in_the_place_of_a_trial_is_itself_removed(part: str, shell: Shell) -> None:
    filed(shell.folder)
    data = precious(shell.folder / "data")
    before = contents(data)
    work = shell.folder / ".resablate" / "tiny" / part
    work.mkdir(parents=True)
    (work / RESULT.key).symlink_to(data)
    (work / "notes.txt").write_text("somebody's own")
    ran = shell("doctor", "--mend")
    assert (ran.code, kinds(ran.out)) == (0, {"links": 1}), ran.out + ran.err
    assert contents(data) == before
    assert [path.name for path in work.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("part", ["trials", "spool"])
def test_what_cannot_be_read_now_is_left(part: str, shell: Shell) -> None:
    """A link that leads to itself is refused to everybody, as a file of a server that has restarted is."""
    MlflowTracker(make_database(shell.folder))
    result = make_result(seed=9)
    work = shell.folder / ".resablate" / "tiny"
    place = write_spooled(work / "spool", result, weights={"weights.safetensors": b"days of work"})
    unreadable = place / "result.json"
    if part == "trials":
        (work / "trials").mkdir()
        place = place.rename(work / "trials" / result.key)
        (place / "after-epoch-000001.safetensors").write_bytes(b"days of work")
        unreadable = place / "checkpoint-000001.safetensors"
    unreadable.unlink(missing_ok=True)
    unreadable.symlink_to(unreadable.name)
    before = sorted(path.name for path in place.iterdir())
    ran = shell("doctor", "--mend")
    assert (ran.code, kinds(ran.out)) == (1, {"spools" if part == "spool" else "checkpoints": 1}), ran.out + ran.err
    assert "it may be whole, so --mend leaves it" in ran.out
    assert sorted(path.name for path in place.iterdir()) == before


def test_a_folder_whose_name_is_no_text_is_told_in_words_that_print(shell: Shell) -> None:
    filed(shell.folder)
    (shell.folder / ".resablate").mkdir()
    Path(os.fsdecode(os.fsencode(shell.folder) + b"/.resablate/bad\xff\x1b[31m")).mkdir()
    ran = shell("doctor")
    assert (ran.code, kinds(ran.out)) == (1, {"names": 1}), ran.out + ran.err
    assert "/.resablate/bad\\udcff\\x1b[31m: no sweep can be called so" in ran.out
    [fault] = json.loads(shell("doctor", "--json").out)["faults"]
    assert fault["place"].endswith("/.resablate/bad\\udcff\\x1b[31m")


def test_a_sweep_that_cannot_be_looked_at_hides_no_other(shell: Shell) -> None:
    client = filed(shell.folder)
    [experiment] = [e.experiment_id for e in client.search_experiments() if e.name == "tiny"]
    [run] = client.search_runs([experiment], f"tags.`{KIND}` = 'sweep'")
    (Path(str(run.info.artifact_uri).removeprefix("file://")) / "trials.json").write_text("[")
    other = client.create_experiment("another", artifact_location=(shell.folder.parent / "elsewhere").as_uri())
    tags = {tag: value for tag, value in run.data.tags.items() if tag.startswith("resablate.")}
    client.set_terminated(client.create_run(other, tags={**tags, SWEEP: "another"}).info.run_id)
    ran = shell("doctor")
    assert ran.code == 1
    lines = [line for line in ran.out.splitlines() if line.startswith("lists: ")]
    assert [line[:24] for line in lines] == ["lists: tiny, sweep tiny:", "lists: cannot be looked "], ran.out


@pytest.mark.parametrize("linked", [True, False])
def test_forgetting_a_sweep_removes_no_files_of_somebody_else(linked: bool, shell: Shell) -> None:
    filed(shell.folder)
    work = shell.folder / ".resablate" / "tiny"
    work.mkdir(parents=True)
    if linked:
        work.rmdir()
        work.symlink_to(precious(shell.folder / "data"))
        (work / "lock").unlink()  # whoever would run the sweep has it
    else:
        (work / "trials" / RESULT.key).mkdir(parents=True)
        (work / "my notes").mkdir()
        (work / "my notes" / "thesis").write_text("precious")
    before = {name: content for name, content in contents(work).items() if not name.startswith("workers")}
    assert shell("rm", "tiny", "--yes").code == 0
    assert contents(work).items() >= before.items()
    assert linked or not (work / "trials").exists()
