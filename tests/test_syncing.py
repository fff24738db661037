"""Results that lie in a folder, filed where they are not filed yet."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from resablate.errors import DamagedResult, TrackingError
from resablate.plan import plan_sweep
from resablate.report import write_report
from resablate.result import TrialResult, weights_file
from resablate.storage.result_folders import read_result, write_result
from resablate.sweep import SweepSpec, parse_sweep
from resablate.syncing import Synced, damaged_sweeps, sync
from resablate.tracking import MemoryTracker
from resablate.tracking.folder_tracker import FolderTracker
from tests.factories import make_lesion, make_measurement, make_result


@pytest.fixture(autouse=True)
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resablate.figures.draw_all", lambda result: {"lesion": b"png"})


def seeds(count: int, **fields: Any) -> SweepSpec:
    return parse_sweep({"name": "seeds", "axes": {"seed": list(range(count))}, **fields})


def weights(folder: Path, *epochs: int | None) -> dict[str, Path]:
    files = {weights_file(epoch): folder / f"step-{epoch}" for epoch in epochs}
    for name, file in files.items():
        file.write_text(name)
    return files


def keep(folder: Path, *results: TrialResult, sweep: SweepSpec | None = None) -> FolderTracker:
    tracker = FolderTracker(folder / "offline")
    sweep = sweep or seeds(4)
    tracker.start_sweep(sweep, trials=[sweep.trial(point) for point in sweep.points()], command="typed")
    for result in results:
        tracker.start_trial(result.spec)
        given = weights(folder, None, *result.kept_epochs) if result.status == "finished" else {}
        tracker.finish_trial(result, weights=given, figures={})
    tracker.end_sweep("interrupted")
    return tracker


def filed(memory: MemoryTracker) -> list[str]:
    return [result.to_json() for result in memory.load_sweep("seeds").results]


def test_each_result_is_filed_once_with_its_weights(tmp_path: Path) -> None:
    results = [
        make_result(seed=0, analyses={"lesion": make_lesion([0.2], baseline=0.1)}).model_copy(
            update={"kept_epochs": (2,)}
        ),
        make_result(seed=1, status="diverged"),
        make_result(seed=2, status="failed", reason="no memory"),
    ]
    keep(tmp_path, *results)
    memory = MemoryTracker()
    assert sync(tmp_path / "offline", memory) == [Synced("seeds", 3, 0, 0, 0)]
    assert filed(memory) == [result.to_json() for result in results]
    record = memory.load_sweep("seeds")
    assert (record.command, [spec.seed for spec in record.missing]) == ("typed", [3])
    assert memory.submissions[-1].status == "interrupted"
    run_id = record.run_ids[results[0].key]
    (tmp_path / "copy").mkdir()
    for epoch in (None, 2):
        copy = memory.load_weights_file(run_id, tmp_path / "copy", epoch=epoch)
        assert copy.read_text() == weights_file(epoch)

    for _ in range(2):
        assert sync(tmp_path / "offline", memory) == [Synced("seeds", 0, 0, 3, 0)]
    assert (len(memory.runs), len(memory.submissions)) == (3, 1)

    tracker = FolderTracker(tmp_path / "offline")
    keep(tmp_path, make_result(seed=3), results[2].model_copy(update={"status": "finished", "reason": ""}))
    assert tracker.complete_keys().keys() == {make_result(seed=seed).key for seed in range(4)}
    assert sync(tmp_path / "offline", memory) == [Synced("seeds", 2, 0, 2, 0)]
    assert len(memory.runs) == 4
    assert memory.submissions[-1].status == "finished"


def test_what_was_measured_later_is_added(tmp_path: Path) -> None:
    result = make_result(seed=0)
    kept, memory = keep(tmp_path, result), MemoryTracker()
    sync(tmp_path / "offline", memory)
    (run_id,) = kept.complete_keys().values()
    more = make_measurement("lesion", make_lesion([0.4], baseline=0.1))
    kept.amend_trial(run_id, result.model_copy(update={"measurements": (more,)}), figures={})
    assert sync(tmp_path / "offline", memory) == [Synced("seeds", 0, 1, 0, 0)]
    assert memory.load_sweep("seeds").results[0].measured == result.measured | {more.question.id}
    assert sync(tmp_path / "offline", memory) == [Synced("seeds", 0, 0, 1, 0)]


def test_several_sweeps_in_one_folder(tmp_path: Path) -> None:
    shared, own = make_result(seed=0), make_result(seed=1)
    keep(tmp_path, shared)
    other = parse_sweep({"name": "other", "axes": {"seed": [0, 1]}})
    keep(tmp_path, own, sweep=other)
    memory = MemoryTracker()
    assert sync(tmp_path / "offline", memory) == [Synced("other", 2, 0, 0, 0), Synced("seeds", 0, 0, 2, 0)]
    assert [result.spec.seed for result in memory.load_sweep("seeds").results] == [0, 1]
    assert [run.spec.seed for run in memory.runs] == [0, 1]


def test_a_kept_report_goes_on_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same sweep is complete but for what is missing, and what was measured counts; the weights are gone."""
    monkeypatch.setattr("resablate.report_figures.FIGURES", {})
    results = [make_result(seed=seed, analyses={"lesion": make_lesion([0.2], baseline=0.1)}) for seed in range(2)]
    write_report(results, sweep=seeds(3, question="?"), command="", folder=tmp_path / "reports" / "seeds")
    memory = MemoryTracker()
    assert sync(tmp_path / "reports" / "seeds", memory) == [Synced("seeds", 2, 0, 0, 2)]
    assert sync(tmp_path / "reports" / "seeds", memory) == [Synced("seeds", 0, 0, 2, 0)]
    record = memory.load_sweep("seeds")
    assert record.sweep == seeds(3, question="?")
    assert filed(memory) == [result.to_json() for result in results]
    with pytest.raises(TrackingError, match=r"stored no weights; `resablate sweep FILE --rerun KEY` trains the trial"):
        memory.load_weights_file(record.run_ids[results[0].key], tmp_path)


# Folders of results


def test_a_folder_is_whole_or_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = make_result(seed=0)
    place = tmp_path / result.key
    write_result(place, result, weights=weights(tmp_path, None))
    more = result.with_measurements([make_measurement("lesion", make_lesion([0.4], baseline=0.1))])

    def full(path: Path, content: bytes) -> None:
        if path.name == "files.json":
            raise OSError(5, "Input/output error")
        path.write_bytes(content)

    with monkeypatch.context() as patch:
        patch.setattr("resablate.storage.result_folders.write_bytes", full)
        with pytest.raises(OSError, match="Input/output"):
            write_result(place, more, weights=weights(tmp_path, 1))
    assert read_result(place).result == result
    assert read_result(place).weights.keys() == {weights_file(None)}
    write_result(place, more, weights=weights(tmp_path, 1))
    assert read_result(place).result == more
    assert read_result(place).weights.keys() == {weights_file(None), weights_file(1)}
    assert len(list(place.iterdir())) == 4, "what nobody names any more is gone"


@pytest.mark.parametrize("damage", ["result", "list", "version", "elsewhere", "outside"])
def test_a_damaged_result_counts_nowhere(damage: str, tmp_path: Path) -> None:
    result = make_result(seed=0)
    keep(tmp_path, result)
    place = tmp_path / "offline" / "seeds" / "results" / result.key
    file = next(place.glob("result-*.json")) if damage == "result" else place / "files.json"
    if damage == "result":
        file.write_bytes(file.read_bytes()[:-1])
        (place / "files.json").touch()
    elif damage == "list":
        file.write_text("[")
    elif damage == "version":
        file.write_text(file.read_text().replace('"version": 1', '"version": 2'))
    elif damage == "outside":
        file.write_text(file.read_text().replace('["result-', '["../result-'))
    else:
        place.rename(place.with_name("0" * 16))
        place = place.with_name("0" * 16)
    with pytest.raises(DamagedResult, match=f"{place}: no whole result"):
        read_result(place)
    again = FolderTracker(tmp_path / "offline")
    assert again.complete_keys() == {}
    assert again.load_sweep("seeds").results == []
    assert sync(tmp_path / "offline", MemoryTracker()) == [Synced("seeds", 0, 0, 0, 0)]
    if damage != "elsewhere":
        run_id = hashlib.sha256(f"seeds/{result.key}".encode()).hexdigest()[:32]
        assert again.check_results({result.key: run_id}).keys() == {result.key}
        again.discard_trial(run_id)
        assert not place.exists()


@pytest.mark.parametrize("gone", [False, True], ids=["cut off", "missing"])
def test_a_sweep_that_cannot_be_read_keeps_no_other_from_being_filed(gone: bool, tmp_path: Path) -> None:
    keep(tmp_path, make_result(seed=0))
    keep(tmp_path, make_result(seed=1), sweep=parse_sweep({"name": "other", "axes": {"seed": [1]}}))
    file = tmp_path / "offline" / "seeds" / "submission.json"
    if gone:
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:30])
    assert sync(tmp_path / "offline", MemoryTracker()) == [Synced("other", 1, 0, 0, 0)]
    [told] = damaged_sweeps(tmp_path / "offline").values()
    assert told.startswith(f"{file}: ") and "`resablate sweep FILE`" in told


def test_a_damaged_list_of_trials_keeps_no_result_from_being_filed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keep(tmp_path, make_result(seed=0))
    (tmp_path / "offline" / "seeds" / "trials.json").write_text("{")
    memory = MemoryTracker()
    assert sync(tmp_path / "offline", memory) == [Synced("seeds", 1, 0, 0, 0)]
    assert "the trials that have ended are taken from their results" in caplog.text
    assert [spec.seed for spec in memory.submitted("seeds")[1]] == [0]


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"?")], ids=["missing", "changed"])
def test_damaged_weights_keep_no_result_from_being_filed(
    damage: Callable[[Path], object], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keep(tmp_path, make_result(seed=0), make_result(seed=1))
    damage(next((tmp_path / "offline" / "seeds" / "results" / make_result(seed=0).key).glob("weights-*")))
    memory = MemoryTracker()
    assert sync(tmp_path / "offline", memory) == [Synced("seeds", 2, 0, 0, 1)]
    assert "; its result is filed without it" in caplog.text
    assert [result.spec.seed for result in memory.load_sweep("seeds").results] == [0, 1]


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize(
    "pattern", ["results/*/files.json", "results/*/result-*.json", "submission.json", "trials.json"]
)
def test_what_cannot_be_read_is_not_taken_for_damaged(pattern: str, tmp_path: Path) -> None:
    """It may be whole: nobody trains it again, and nobody writes over it."""
    keep(tmp_path, make_result(seed=0))
    [file] = (tmp_path / "offline" / "seeds").glob(pattern)
    file.unlink()
    file.symlink_to("/proc/self/mem")  # can be opened, and reading it fails as a broken disk does
    tracker = FolderTracker(tmp_path / "offline")
    with pytest.raises(
        TrackingError, match=f"{tmp_path}/offline/seeds/.*: cannot be read .Input/output error."
    ) as caught:
        tracker.load_sweep("seeds")
    assert not isinstance(caught.value, DamagedResult)
    if pattern.startswith("results"):
        run_id = hashlib.sha256(f"seeds/{make_result(seed=0).key}".encode()).hexdigest()[:32]
        with pytest.raises(TrackingError, match="cannot be read"):
            tracker.check_results({make_result(seed=0).key: run_id})
    else:
        with pytest.raises(TrackingError, match="Input/output error"):
            tracker.start_sweep(seeds(1), trials=[], command="")
    assert file.is_symlink()


def test_a_kept_report_of_a_part_leaves_the_rest_pending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resablate.report_figures.FIGURES", {})
    base = {"dataset": "digits", "depth": 8, "width": 2, "epochs": 1}
    sweep = seeds(3, base=base)
    plan = plan_sweep(sweep).identified(None)
    results = [TrialResult(spec=spec, status="finished") for spec in plan.trials[:2]]
    write_report(results, sweep=sweep, command="", folder=tmp_path / "reports" / "seeds")
    memory = MemoryTracker()
    sync(tmp_path / "reports" / "seeds", memory)
    assert [spec.key for spec in memory.submitted("seeds")[1]] == [spec.key for spec in plan.trials]
    assert len(memory.load_sweep("seeds").missing) == 1
