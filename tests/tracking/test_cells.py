"""The means over the seeds of a cell: what they are, and that they are no trials."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from resablate.cell_means import error_sample, mean_error
from resablate.errors import TrackingError
from resablate.result import TrialResult
from resablate.scheduling import sweep_standing
from resablate.sweep import SweepSpec, parse_sweep
from resablate.tracking import MemoryTracker, MlflowTracker, Tracker
from resablate.tracking.cell_records import CellRecord, cell_record
from resablate.tracking.mlflow_cells import MlflowCells
from resablate.tracking.mlflow_store import MlflowStore
from resablate.tracking.mlflow_trials import cell_runs
from tests.factories import make_lesion, make_outcomes, make_result
from tests.tracking.databases import make_database

SWEEP = parse_sweep(
    {
        "name": "gates",
        "axes": {"shortcut": ["identity", "exclusive_gate"], "shortcut.bias": [0, -6], "seed": [0, 1, 2]},
        "analyses": {"lesion": {}},
    }
)


def result_of(seed: int, *, shortcut: str = "identity", status: str = "finished", **fields: object) -> TrialResult:
    errors = [0.1 + 0.01 * seed, 0.3 + 0.02 * seed]
    return make_result(
        seed=seed,
        status=status,  # pyright: ignore[reportArgumentType]
        losses=[1.0, 0.5 + seed],
        error=0.1 + 0.02 * seed,
        analyses={"lesion": make_lesion(errors, baseline=0.1)},
        fields={"shortcut": shortcut, **fields},
    )


def curve(record: CellRecord, name: str) -> dict[int, float]:
    return {point.step: point.value for point in record.curves if point.name == name}


def test_a_cell_has_the_mean_of_every_number_and_curve_over_its_seeds() -> None:
    record = cell_record([result_of(seed) for seed in range(3)])
    numbers = {point.name: point.value for point in record.numbers}
    assert numbers["test_error"] == pytest.approx(0.12)
    assert (numbers["n"], numbers["diverged"], record.seeds) == (3, 0, (0, 1, 2))
    assert curve(record, "lesion/error") == {0: pytest.approx(0.11), 1: pytest.approx(0.32)}
    assert curve(record, "train/loss") == {1: 1.0, 2: 1.5}
    assert not [point for point in (*record.numbers, *record.curves) if point.name.endswith("_standard_error")]
    assert "seed" not in record.params()
    rows = {(row[0], row[1]): row[2:] for row in record.table}
    mean, low, high, count = rows["lesion/error", 1]
    # Student's t with 2 degrees of freedom, of 0.30, 0.32 and 0.34.
    half = 4.302653 * 0.02 / math.sqrt(3)
    assert (mean, count) == (pytest.approx(0.32), 3)
    assert (low, high) == (pytest.approx(0.32 - half, abs=1e-6), pytest.approx(0.32 + half, abs=1e-6))


def test_intervals_end_where_the_numbers_do() -> None:
    errors = [[0.01, 0.9], [0.2, 1.0]]
    results = [
        make_result(
            seed=seed,
            losses=[0.1 + 3 * seed],
            analyses={"lesion": make_lesion(errors[seed], baseline=0.01 + 0.1 * seed)},
        )
        for seed in range(2)
    ]
    ends = {(row[0], row[1]): row[3:5] for row in cell_record(results).table}
    assert ends["lesion/error", 0][0] == 0.0
    assert ends["lesion/error", 1][1] == 1.0
    assert ends["lesion/baseline_error", 0][0] == 0.0
    assert ends["train/loss", 1][0] == 0.0
    low, high = ends["lesion/mean_increase", 0]
    assert isinstance(low, float) and isinstance(high, float) and -1.0 <= low < 0.4 < high <= 1.0


def test_the_interval_is_that_of_the_report() -> None:
    results = [
        make_result(seed=seed, outcomes=make_outcomes(error, seed=seed)) for seed, error in enumerate((0.2, 0.22, 0.25))
    ]
    expected = mean_error(results, error_sample(results))
    numbers = {point.name: point.value for point in cell_record(results).numbers}
    assert expected.low is not None
    assert (numbers["test_error"], numbers["test_error_low"], numbers["test_error_high"]) == expected[:3]


def test_trainings_that_diverged_are_counted_and_no_part_of_the_means() -> None:
    record = cell_record([result_of(0), result_of(1, status="diverged")])
    numbers = {point.name: point.value for point in record.numbers}
    assert (numbers["n"], numbers["diverged"], numbers["test_error"]) == (1, 1, pytest.approx(0.1))
    alone = cell_record([result_of(0, status="diverged")])
    numbers = {point.name: point.value for point in alone.numbers}
    assert numbers["n"] == 0 and math.isnan(numbers["test_error"])


def specs_of(sweep: SweepSpec) -> list[TrialResult]:
    return [
        result_of(seed, shortcut=shortcut, **fields)
        for shortcut, fields in (("identity", {}), ("exclusive_gate", {"shortcut.bias": -6}))
        for seed in range(3)
    ]


def file(tracker: Tracker, result: TrialResult, sweep: str = "gates") -> None:
    tracker.start_trial(result.spec)
    tracker.finish_trial(result, weights={}, figures={})
    tracker.update_cells(sweep, cell=result.spec.cell)


def cell_metrics(uri: str, name: str) -> dict[str, dict[str, float]]:
    """Run name -> metrics of the runs of cells."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(name)
    assert experiment
    runs = client.search_runs([experiment.experiment_id], "tags.`resablate.kind` = 'cell'")
    assert all(run.info.status == "FINISHED" for run in runs)
    return {run.info.run_name or "": run.data.metrics for run in runs}


def test_cells_are_filed_as_seeds_end_and_never_count_as_trials(tmp_path: Path) -> None:
    uri, memory = make_database(tmp_path), MemoryTracker()
    tracker, results = MlflowTracker(uri), specs_of(SWEEP)
    for one in (tracker, memory):
        one.start_sweep(SWEEP, trials=[result.spec for result in results], command="")
    file(tracker, results[0])
    [(label, metrics)] = cell_metrics(uri, "gates").items()
    assert (label, metrics["n"], metrics["test_error"]) == ("identity", 1, pytest.approx(0.1))
    assert "lesion/error" not in metrics  # a curve comes once the cell is whole
    for result in results[1:4]:
        file(tracker, result)
    for result in results[:4]:
        file(memory, result)
    tracker.update_cells("gates")
    found = cell_metrics(uri, "gates")
    assert {label: metrics["n"] for label, metrics in found.items()} == {"identity": 3, "exclusive_gate bias -6": 1}
    assert {record.seeds for record in memory.cells.values()} == {(0, 1, 2), (0,)}
    expected = cell_record(results[:3])
    assert {point.name: point.value for point in expected.numbers}.items() <= found["identity"].items()
    assert found["identity"]["lesion/error"] == pytest.approx(0.32)  # of the last block

    again = MlflowTracker(uri)
    keys = {result.key for result in results[:4]}
    assert set(again.complete_keys()) == keys
    assert {result.key for result in again.load_sweep("gates").results} == keys
    assert [key for key, state in again.states("gates").items() if state.status == "finished"] == list(
        again.states("gates")
    )
    assert len(sweep_standing("gates", tracker=again).trials) == 6
    assert len(list(again.iter_results("gates"))) == 4


def test_a_cell_of_many_seeds_takes_a_tenth_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, read, looked = [0.0], MlflowCells._read, list[str]()

    def slow(self: MlflowCells, run: Any) -> Any:
        clock[0] += 10.0
        return read(self, run)

    monkeypatch.setattr(MlflowCells, "_read", slow)

    def counted(store: MlflowStore, cell: str) -> Any:
        looked.append(cell)
        return cell_runs(store, cell)

    monkeypatch.setattr("resablate.tracking.mlflow_cells.cell_runs", counted)
    monkeypatch.setattr("resablate.tracking.mlflow_cells.time", SimpleNamespace(monotonic=lambda: clock[0]))
    results = [make_result(seed=seed) for seed in range(6)]
    sweep = parse_sweep({"name": "seeds", "axes": {"seed": list(range(6))}})
    tracker = MlflowTracker(make_database(tmp_path))
    tracker.start_sweep(sweep, trials=[result.spec for result in results], command="")
    for result in results:
        file(tracker, result, "seeds")
    assert clock[0] == 10.0 * (1 + 6), "the first, and all once the cell is whole"
    assert len(looked) == 2, "what cannot be written yet is not looked for"


def test_a_curve_that_changes_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    """MLflow would keep the points of both, and draw a zigzag."""
    from mlflow import MlflowClient

    uri = make_database(tmp_path)
    tracker, results = MlflowTracker(uri), specs_of(SWEEP)[:3]
    tracker.start_sweep(SWEEP, trials=[result.spec for result in results], command="")
    for result in results[:2]:
        file(tracker, result)
    tracker.update_cells("gates")
    tracker.update_cells("gates")  # nothing new: the same run
    file(tracker, results[2])
    client = MlflowClient(tracking_uri=uri)
    [experiment] = [one for one in client.search_experiments() if one.name == "gates"]
    [run] = client.search_runs([experiment.experiment_id], "tags.`resablate.kind` = 'cell'")
    points = client.get_metric_history(run.info.run_id, "lesion/error")
    assert [(point.step, point.value) for point in sorted(points, key=lambda point: point.step)] == [
        (0, pytest.approx(0.11)),
        (1, pytest.approx(0.32)),
    ]
    assert run.data.tags["resablate.cell.seeds"] == "3 of 3"
    assert run.data.params["shortcut"] == "identity" and "seed" not in run.data.params
    assert [file.path for file in client.list_artifacts(run.info.run_id, "tables")] == ["tables/means.csv"]


@pytest.mark.parametrize("step", ["log_batch", "set_terminated", "log_artifact"])
def test_a_process_that_is_killed_while_it_files_a_cell_leaves_none_that_is_open(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one makes it anew, with its params."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    uri, results = make_database(tmp_path), specs_of(SWEEP)[:2]
    killed = MlflowTracker(uri)
    killed.start_sweep(SWEEP, trials=[result.spec for result in specs_of(SWEEP)], command="")
    for result in results:
        killed.start_trial(result.spec)
        killed.finish_trial(result, weights={}, figures={})
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, step, lambda *args, **words: (_ for _ in ()).throw(MlflowException("killed")))
        with pytest.raises(TrackingError):
            killed.update_cells("gates")
    MlflowTracker(uri).update_cells("gates")  # `cell_metrics` looks at how each run ended
    assert cell_metrics(uri, "gates")["identity"]["n"] == 2
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("gates")
    assert experiment
    [cell] = client.search_runs([experiment.experiment_id], "tags.`resablate.kind` = 'cell'")
    assert cell.data.params["shortcut"] == "identity"


def test_a_sweep_without_replicates_has_no_cells(tmp_path: Path) -> None:
    uri = make_database(tmp_path)
    tracker, result = MlflowTracker(uri), specs_of(SWEEP)[0]
    tracker.start_sweep(SWEEP, trials=[result.spec], command="")
    file(tracker, result)
    tracker.update_cells("gates")
    assert cell_metrics(uri, "gates") == {}


def test_what_replicates_a_winner_is_no_part_of_the_cell_that_was_chosen(tmp_path: Path) -> None:
    """The tables of a report keep them apart too."""
    sweep = parse_sweep(
        {
            "name": "searched",
            "axes": {"learning_rate": {"low": 0.01, "high": 1.0, "log": True}},
            "analyses": {},
            "search": {"method": "tpe", "trials": 1, "seeds": [0, 1], "minimize": "val_error", "replicate": 2},
        }
    )
    results = [make_result(error=0.1 if seed < 2 else 0.3, seed=seed, learning_rate=0.1) for seed in range(4)]
    uri, memory = make_database(tmp_path), MemoryTracker()
    for one in (MlflowTracker(uri), memory):
        one.start_sweep(sweep, trials=[result.spec for result in results], command="")
        for result in results:
            file(one, result, "searched")
        one.update_cells("searched")
    found = cell_metrics(uri, "searched")
    assert {name.rpartition(", ")[2]: numbers["test_error"] for name, numbers in found.items()} == {
        "identity learning_rate 0.1": pytest.approx(0.1),
        "new seeds": pytest.approx(0.3),
    }
    assert {record.seeds for record in memory.cells.values()} == {(0, 1), (2, 3)}
