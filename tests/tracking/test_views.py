"""What is filed of a sweep as a whole: views, the report, the note; and of a run: its source and data."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from resablate.errors import TrackingError, UnknownName, UnknownSweep
from resablate.plan import plan_sweep
from resablate.sweep import SweepSpec, parse_sweep
from resablate.tracking import MlflowTracker, open_tracker, serve_ui, ui
from resablate.tracking.mlflow_pages import filed_views
from resablate.tracking.mlflow_reader import MlflowReader
from resablate.tracking.mlflow_store import MlflowStore
from resablate.tracking.mlflow_views import reads_views
from resablate.tracking.views import sweep_views, swept_params
from tests.factories import make_lesion, make_path_gradient, make_result
from tests.tracking.databases import make_database
from tests.tracking.saved_views import saved_views

METRICS = ("test_error", "val_error", "train/loss", "lesion/error", "lesion/loss", "path_gradient/norm")


def gates(**parts: Any) -> SweepSpec:
    axes = {"shortcut": ["identity", "exclusive_gate"], "shortcut.bias": [0, -6], "seed": [0, 1]}
    asked = {"name": "gates", "question": "How far?", "axes": axes, "analyses": {"lesion": {}, "path_gradient": {}}}
    return parse_sweep({**asked, **parts})


def test_views_show_what_varied_and_what_came_out() -> None:
    views = {view.key: view for view in sweep_views(gates(), METRICS, kind="cell", shared_params={"shortcut", "depth"})}
    assert list(views) == [f"resablate-{name}" for name in ("results", "lesions", "gradients", "parallel")]
    columns = views["resablate-results"].columns
    assert columns[:3] == ("params.`shortcut`", "params.`shortcut.bias`", "tags.`test error with interval`")
    assert "params.`seed`" not in columns
    assert [chart.metrics for chart in views["resablate-lesions"].charts] == [("lesion/error",), ("lesion/loss",)]
    [parallel] = views["resablate-parallel"].charts
    # MLflow drops a run without one of the params: identity has no bias.
    assert (parallel.params, parallel.metrics) == (("shortcut",), ("test_error", "val_error"))
    assert views["resablate-parallel"].kind == "trial"
    assert {"train", "lesion", "Model metrics"} <= set(views["resablate-lesions"].other_sections)


def test_only_a_search_has_views_of_a_search() -> None:
    search = gates(axes={"shortcut": ["identity", "none"]}, search={"method": "tpe", "trials": 2})
    titles = [
        {view.key: view.title for view in sweep_views(sweep, METRICS, kind="trial", shared_params={"shortcut"})}
        for sweep in (search, gates())
    ]
    assert titles[0]["resablate-search"] == "parallel coordinates of the search"
    assert titles[1]["resablate-parallel"] == "parallel coordinates of the trials"
    assert not any("search" in f"{key} {title}" for key, title in titles[1].items())


def test_a_sweep_that_asks_nothing_has_no_curves_of_it() -> None:
    views = sweep_views(gates(analyses={}), ("test_error",), kind="trial", shared_params=())
    assert [view.key for view in views] == ["resablate-results"]
    assert "tags.`resablate.status`" in views[0].columns


def test_arguments_of_listed_components_are_columns_too() -> None:
    sweep = gates(axes={"optimizer": ["sgd", {"name": "sgd", "momentum": 0.5}], "depth": [20]})
    assert swept_params(sweep) == ["optimizer", "optimizer.momentum", "depth"]


def filed(tmp_path: Path) -> tuple[str, MlflowTracker]:
    """A sweep of one cell of two seeds, and its tracker."""
    uri = make_database(tmp_path)
    tracker = MlflowTracker(uri)
    results = [
        make_result(
            seed=seed,
            error=0.1 + 0.01 * seed,
            analyses={"lesion": make_lesion([0.2, 0.3], baseline=0.1), "path_gradient": make_path_gradient([1.0, 0.5])},
        )
        for seed in (0, 1)
    ]
    tracker.start_sweep(gates(), trials=[result.spec for result in results], command="")
    for result in results:
        tracker.start_trial(result.spec)
        tracker.finish_trial(result, weights={}, figures={})
        tracker.update_cells("gates", cell=result.spec.cell)
    tracker.end_sweep("finished")
    return uri, tracker


def experiment_of(uri: str) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri).get_experiment_by_name("gates")


@saved_views
def test_an_experiment_keeps_the_views_and_says_what_is_asked(tmp_path: Path) -> None:
    uri, tracker = filed(tmp_path)
    tags = experiment_of(uri).tags
    assert list(filed_views(tags).values()) == [
        "what varied and what came out",
        "lesion curves by shortcut",
        "gradient by path length",
        "parallel coordinates of the trials",
    ]
    assert tags["mlflow.note.content"] == "How far?"
    before = dict(tags)
    tracker.update_cells("gates")
    assert experiment_of(uri).tags == before  # nothing new, nothing written
    assert tracker.links("gates")["lesion curves by shortcut"] == "resablate ui gates lesions"
    assert tracker.links("other") == {}


def test_the_charts_of_a_sweep_show_the_runs_that_it_reuses(tmp_path: Path) -> None:
    uri, tracker = filed(tmp_path)
    record = tracker.load_sweep("gates")
    tracker.start_sweep(gates(name="bars"), trials=[result.spec for result in record.results], command="")
    tracker.end_sweep("finished")
    reader = MlflowReader(MlflowStore(uri))
    of = reader.sweeps()
    assert reader.experiments_of("gates", "bars") == [[of["gates"]], [of["bars"], of["gates"]]]
    links = {title: address for title, address in ui._paths(MlflowStore(uri), "bars", "trials")}  # pyright: ignore
    [path] = links.values()
    assert quote(f'["{of["bars"]}","{of["gates"]}"]') in path


def test_a_server_that_keeps_no_views_gets_plain_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resablate.tracking.mlflow_views.version", lambda package: "3.10.1")
    uri, tracker = filed(tmp_path)
    assert not reads_views(MlflowStore(uri))
    assert filed_views(experiment_of(uri).tags) == {}
    assert list(tracker.links("gates")) == ["the trials' charts"]


def test_a_report_is_one_run_that_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    from mlflow import MlflowClient

    uri, tracker = filed(tmp_path)
    folder = tmp_path / "report"
    for name in ("index.html", "index.md", "results.jsonl", "tables/errors.csv", "figures/lesion.svg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    client = MlflowClient(tracking_uri=uri)
    for note in ("first", "**supported** H1"):
        tracker.file_report("gates", folder, note=note)
    [run] = client.search_runs([experiment_of(uri).experiment_id], "tags.`resablate.kind` = 'report'")
    listed = {
        file.path for place in (None, "tables", "figures") for file in client.list_artifacts(run.info.run_id, place)
    }
    assert listed == {"index.html", "index.md", "tables", "figures", "tables/errors.csv", "figures/lesion.svg"}
    assert experiment_of(uri).tags["mlflow.note.content"] == "**supported** H1"
    assert run.info.status == "FINISHED"
    assert len(open_tracker(uri).load_sweep("gates").results) == 2
    # The next submission leaves what a report said.
    tracker.start_sweep(gates(), trials=[], command="")
    assert experiment_of(uri).tags["mlflow.note.content"] == "**supported** H1"


@pytest.mark.parametrize("step", ["log_artifact", "log_batch", "set_terminated", "delete_run"])
def test_a_process_that_is_killed_while_it_files_a_report_leaves_none_that_is_open(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    uri, tracker = filed(tmp_path)
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "index.html").write_text("page")
    tracker.file_report("gates", tmp_path / "report", note="first")
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, step, lambda *args, **words: (_ for _ in ()).throw(MlflowException("killed")))
        with pytest.raises(TrackingError):
            tracker.file_report("gates", tmp_path / "report", note="second")
    tracker.file_report("gates", tmp_path / "report", note="third")
    runs = MlflowClient(tracking_uri=uri).search_runs([experiment_of(uri).experiment_id])
    reports = [run for run in runs if run.info.run_name and run.info.run_name.startswith("report ")]
    assert [(run.info.status, run.data.tags["mlflow.note.content"]) for run in reports] == [("FINISHED", "third")]


def test_a_run_names_its_source_and_its_data(tmp_path: Path) -> None:
    from mlflow import MlflowClient

    uri = make_database(tmp_path)
    tracker = MlflowTracker(uri)
    [spec] = (
        plan_sweep(parse_sweep({"name": "gates", "base": {"dataset.train_examples": 100, "batch_size": 32}}))
        .identified(None)
        .trials
    )
    tracker.start_sweep(gates(), trials=[spec], command="")
    tracker.start_trial(spec)
    [run] = MlflowClient(tracking_uri=uri).search_runs(
        [experiment_of(uri).experiment_id], "tags.`resablate.kind` = 'trial'"
    )
    assert run.data.tags["mlflow.source.name"] == "resablate"
    assert run.data.tags["mlflow.source.git.commit"]
    assert run.data.tags["resablate.cell"] == spec.cell
    [given] = run.inputs.dataset_inputs
    assert given.dataset.name == "digits(train_examples=100)"
    assert given.dataset.digest in spec.dataset.identity and len(given.dataset.digest) > 8
    tags = {tag.key: tag.value for tag in given.tags}
    assert tags["mlflow.data.context"] == "train, val, test"
    assert "train_examples 100" in tags["split"] and "val_fraction 0.1" in tags["split"]


@saved_views
def test_pages_of_what_is_not_there_are_refused_with_what_is(tmp_path: Path) -> None:
    uri, _ = filed(tmp_path)
    with pytest.raises(UnknownSweep, match=r"no sweep called 'gate'; did you mean 'gates'\? \(there: gates\)"):
        serve_ui(uri, port=0, tell=print, sweep="gate")
    with pytest.raises(UnknownName, match=r"unknown view 'lesion'; did you mean 'lesions'\?"):
        serve_ui(uri, port=0, tell=print, sweep="gates", view="lesion")
