"""A sweep whose records are damaged: what is damaged is made again, in one run, and is told before it is."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient

from resablate.errors import FilesUnreadable
from resablate.plan import SweepPlan
from resablate.scheduling.pending import preview
from resablate.storage.spool import SPOOL, write_spooled
from resablate.tracking import open_tracker
from tests.faults.sweeps import runs_of
from tests.scheduling.test_inline import run_tiny
from tests.scheduling.tiny import final_plan, numbers
from tests.tracking.databases import make_database

# MLflow 3.17 uses what SQLAlchemy 2.1 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")

PLAN = final_plan({"seed": [0, 1]}, epochs=1, analyses={"path_count": {}})
SPOILED = PLAN.trials[1]


@pytest.fixture
def uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("resablate.figures.draw_all", lambda result: {})
    uri = make_database(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    return uri


def result_file(folder: Path, uri: str, plan: SweepPlan = PLAN, trial: int = 1) -> Path:
    run_id = open_tracker(uri).complete_keys()[plan.trials[trial].key]
    [file] = folder.rglob(f"{run_id}/artifacts/result.json")
    return file


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:200])


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:30])


def copy_other(file: Path) -> None:
    """One trial's result over another's."""
    [other] = [path for path in file.parents[2].rglob("result.json") if path != file]
    file.write_bytes(other.read_bytes())


def fold_run(file: Path) -> None:
    """A file in the place of all files of a run."""
    shutil.rmtree(file.parent)
    file.parent.write_text("no folder")


@pytest.mark.parametrize("act", [cut, copy_other, Path.unlink, fold_run])
def test_a_damaged_result_is_made_again_and_told_first(
    act: Callable[[Path], object], uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run_tiny(PLAN)
    [before, lost] = [numbers(result) for result in open_tracker(uri).load_sweep("tiny").results]
    act(result_file(tmp_path, uri))
    caplog.clear()
    count = len(runs_of(uri))

    would = preview(PLAN, open_tracker(uri))
    assert would.todo == {SPOILED.key}
    told = [line for line in caplog.messages if line.startswith("1 trials are run again")]
    assert len(told) == 1
    assert len(runs_of(uri)) == count, "a look changes nothing"

    outcome, _ = run_tiny(PLAN)
    assert (outcome.reused, outcome.counts, outcome.failed) == (1, {"finished": 1}, False)
    assert [numbers(result) for result in open_tracker(uri).load_sweep("tiny").results] == [before, lost]
    keys = [run.data.tags["resablate.key"] for run in runs_of(uri) if "resablate.key" in run.data.tags]
    assert sorted(keys) == sorted(spec.key for spec in PLAN.trials)
    outcome, _ = run_tiny(PLAN)
    assert (outcome.reused, outcome.counts) == (2, {}), "and not a third time"


def test_a_damaged_result_whose_copy_still_waits_is_filed_anew(uri: str, tmp_path: Path) -> None:
    """The process was killed between filing it and taking it out of the spool."""
    run_tiny(PLAN)
    stored = open_tracker(uri).load_sweep("tiny").results
    write_spooled(tmp_path / ".resablate" / "tiny" / SPOOL, stored[1], weights={"weights.safetensors": b"w"})
    cut(result_file(tmp_path, uri))
    outcome, _ = run_tiny(PLAN)
    assert (outcome.reused, outcome.counts) == (2, {}), "nothing is trained"
    assert open_tracker(uri).load_sweep("tiny").results == stored


def test_a_search_goes_on_where_a_result_and_its_list_are_damaged(uri: str, tmp_path: Path) -> None:
    search = {"method": "random", "trials": 3}
    axes = {"learning_rate": {"low": 0.01, "high": 0.1, "log": True}}
    plan = final_plan(axes, epochs=1, analyses={}, search=search)
    run_tiny(plan)
    results = open_tracker(uri).load_sweep("tiny").results
    assert len(results) == 3
    [spoiled] = tmp_path.rglob(f"{open_tracker(uri).complete_keys()[results[1].key]}/artifacts/result.json")
    cut(spoiled)
    for file in (*tmp_path.rglob("trials.json"), *tmp_path.rglob("trials-recent*.json")):
        file.write_text('{"common": {')
    outcome, _ = run_tiny(plan)
    assert not outcome.failed
    assert {result.key for result in open_tracker(uri).load_sweep("tiny").results} == {result.key for result in results}


@pytest.mark.parametrize(
    ("search", "act"),
    [({}, cut_short), ({}, Path.unlink), ({"method": "random", "trials": 2}, cut_short)],
    ids=["grid, cut short", "grid, missing", "search, cut short"],
)
def test_a_sweep_whose_only_submission_is_damaged_is_submitted_anew(
    search: dict[str, object], act: Callable[[Path], object], uri: str, tmp_path: Path
) -> None:
    """Whoever runs it has its file in hand; nothing is trained again."""
    plan = PLAN
    if search:
        axes = {"learning_rate": {"low": 0.01, "high": 0.1, "log": True}}
        plan = final_plan(axes, epochs=1, analyses={}, search=search)
    run_tiny(plan)
    stored = open_tracker(uri).load_sweep("tiny").results
    [file] = tmp_path.rglob("sweep.json")
    act(file)
    assert not preview(plan, open_tracker(uri)).todo
    outcome, told = run_tiny(plan)
    assert (outcome.reused, outcome.counts, outcome.remaining, outcome.failed) == (2, {}, 0, False)
    assert "sweep.json of run" in told and "; this submission takes its place" in told.replace("\n", " ")
    assert open_tracker(uri).load_sweep("tiny").results == stored
    assert preview(plan, open_tracker(uri)).todo == set()


def folded(file: Path) -> None:
    """A file in the place of the folder that holds it."""
    shutil.rmtree(file.parent)
    file.parent.write_text("no folder")


KEPT: dict[str, tuple[str, Callable[[Path], object], int]] = {
    "the submission": ("submission.json", cut_short, 0),
    "the submission is gone": ("submission.json", Path.unlink, 0),
    "the list of trials": ("trials.json", cut_short, 0),
    "the list of trials is gone": ("trials.json", Path.unlink, 0),
    "the list of a result": (f"results/{SPOILED.key}/files.json", cut_short, 1),
    "a file in the place of a result": (f"results/{SPOILED.key}/files.json", folded, 1),
    "a file in the place of all results": ("results/files.json", folded, 2),
}
"""What is damaged -> its file in the sweep's folder, how, and how many trials are trained again."""


@pytest.mark.parametrize("damage", KEPT)
def test_what_is_damaged_in_a_folder_of_records_is_moved_aside_and_made_again(
    damage: str, uri: str, tmp_path: Path
) -> None:
    name, act, again = KEPT[damage]
    place = f"folder:{tmp_path / 'offline'}"
    run_tiny(PLAN, uri=place)
    stored = [numbers(result) for result in open_tracker(place).load_sweep("tiny").results]
    file = tmp_path / "offline" / "tiny" / name
    act(file)
    damaged = file if file.is_file() else file.parent
    there = damaged.read_bytes() if damaged.is_file() else None

    outcome, _ = run_tiny(PLAN, uri=place)
    assert (outcome.reused, sum(outcome.counts.values()), outcome.failed) == (2 - again, again, False)
    found = open_tracker(place).load_sweep("tiny")
    assert ([numbers(result) for result in found.results], found.missing) == (stored, [])
    aside = [path.read_bytes() for path in tmp_path.rglob("*") if ".damaged" in str(path) and path.is_file()]
    assert there is None or there in aside, "nothing is lost"
    outcome, _ = run_tiny(PLAN, uri=place)
    assert (outcome.reused, outcome.counts, outcome.failed) == (2, {}, False), "and not a third time"


def test_a_run_of_somebody_else_without_our_tags_crashes_nobody(uri: str) -> None:
    run_tiny(PLAN)
    client = MlflowClient(tracking_uri=uri)
    [experiment] = [found for found in client.search_experiments() if found.name == "tiny"]
    for tags in (
        {},
        {"resablate.key": SPOILED.key},
        {"resablate.key": SPOILED.key, "resablate.status": "finished"},
        {"resablate.kind": "trial", "resablate.schema": "2"},
        {"resablate.kind": "sweep", "resablate.schema": "2"},
        {"resablate.kind": "sweep", "resablate.schema": "2", "resablate.sweep": "tiny"},
        {
            "resablate.kind": "trial",
            "resablate.schema": "2",
            "resablate.key": SPOILED.key,
            "resablate.status": "finished",
            "resablate.record.result.json": "0" * 64,
        },
    ):
        client.create_run(experiment.experiment_id, tags=tags)
    outcome, _ = run_tiny(PLAN)
    assert (outcome.planned, outcome.failed) == (2, False)
    assert [result.spec.seed for result in open_tracker(uri).load_sweep("tiny").results] == [0, 1]


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("part", ["trials/{}/checkpoint-000001.safetensors", "spool/{}/files.json"])
def test_a_trial_whose_files_cannot_be_read_waits_for_a_person(part: str, uri: str, tmp_path: Path) -> None:
    """A disk that fails now may be well tomorrow: what is on it is not removed, nor trained again meanwhile."""
    place = f"folder:{tmp_path / 'offline'}"
    file = tmp_path / ".resablate" / "tiny" / part.format(SPOILED.key)
    file.parent.mkdir(parents=True)
    file.symlink_to("/proc/self/mem")  # can be opened, and reading it fails as a broken disk does
    if part.startswith("spool"):
        with pytest.raises(FilesUnreadable, match=r"cannot be read \(files\.json: Input/output error\)"):
            run_tiny(PLAN, uri=place)
        assert not (tmp_path / "offline" / "tiny" / "results").exists()
    else:
        outcome, _ = run_tiny(PLAN, uri=place)
        assert outcome.counts == {"finished": 1, "failed": 1}
        assert f"{file}: cannot be read (Input/output error)" in open_tracker(place).states("tiny")[SPOILED.key].reason
    assert file.is_symlink()
    file.unlink()
    outcome, _ = run_tiny(PLAN, uri=place, retry=["failed"])
    assert (outcome.reused + outcome.ended, outcome.failed) == (2, False)
