"""Searches and pruning on a real Ray: states in the study, the tracker and the report; then nothing is left."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from resablate.model import count_parameters
from resablate.plan import SweepPlan
from resablate.report import write_report
from resablate.result import TrialResult
from resablate.scheduling import SweepOutcome, ray_tune, run, run_sweep
from resablate.tracking import MemoryTracker, open_tracker
from resablate.trial import Trial
from tests.scheduling.test_ray_tune import ray_folder  # noqa: F401 - a Ray for every test here
from tests.scheduling.tiny import numbers, tiny_plan
from tests.searches.studies import states, stored
from tests.tracking.databases import make_database

pytestmark = [
    pytest.mark.ray,
    # What Ray does when it is used and left, and a study that the test opens beside ours.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.*"),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray.*"),
]

AXES = {"shortcut": ["identity", "conv1x1"], "learning_rate": {"low": 1e-4, "high": 1, "log": True}}


def plan(
    name: str, *, epochs: int = 5, analyses: Mapping[str, Any] | None = None, cpus: int = 1, **search: Any
) -> SweepPlan:
    parts: dict[str, Any] = {"analyses": analyses or {}, "resources": {"cpus": cpus}, "search": search}
    return tiny_plan(AXES, name=name, epochs=epochs, fields={"dataset.train_examples": 600}, **parts)


def submit(planned: SweepPlan, uri: str | None = None, *, inline: bool = False) -> tuple[SweepOutcome, str]:
    text = io.StringIO()
    outcome = run_sweep(
        planned,
        scheduler="inline" if inline else "ray_tune",
        command="resablate sweep x.yaml",
        console=Console(file=text, width=200),
        uri=uri,
    )
    return outcome, text.getvalue()


def test_tpe_with_asha_and_a_second_run_that_does_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = make_database(tmp_path)
    planned = plan("pruned", analyses={"lesion": {"examples": 64}}, method="tpe", trials=8, pruning="asha")
    outcome, shown = submit(planned, uri)
    assert set(outcome.counts) == {"finished", "pruned"}
    assert outcome.ended == outcome.planned == 8
    assert not outcome.failed
    assert shown.count("pruned by asha after epoch") == outcome.counts["pruned"]

    record = open_tracker(uri).load_sweep("pruned")
    by_key = {result.key: result for result in record.results}
    pruned = [result for result in record.results if result.status == "pruned"]
    finished = [result for result in record.results if result.status == "finished"]
    assert (len(pruned), len(finished), record.missing) == (outcome.counts["pruned"], outcome.counts["finished"], [])
    for result in pruned:
        assert 1 <= len(result.history) < 5
        assert result.reason == f"pruned by asha after epoch {len(result.history)}; no question was put to it"
        assert (result.analyses, result.versions["device"]) == ({}, "cpu")
        assert result.parameter_count == count_parameters(Trial(result.spec).network)
    assert all(len(result.history) == 5 and {"test", "lesion"} == set(result.analyses) for result in finished)

    study = stored("pruned")
    assert len(study.trials) == 8
    for trial in study.trials:
        result = by_key[trial.user_attrs["resablate.keys"][0]]
        assert trial.state.name == {"finished": "COMPLETE", "pruned": "PRUNED"}[result.status]
        assert trial.intermediate_values == {row.epoch: row.val_error for row in result.history}
        assert trial.values == [result.history[-1].val_error]
    page = write_report(record.results, sweep=record.sweep, command="", folder=tmp_path / "reports" / "pruned")
    text = page.with_name("index.md").read_text()
    assert f"{len(finished)} finished, {len(pruned)} pruned" in text
    assert pruned[0].reason in text
    assert [path for path in (tmp_path / ".resablate").rglob("*") if path.is_file()] == []

    def schedule(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("nothing is to be scheduled")

    with monkeypatch.context() as patch:
        patch.setattr(ray_tune, "run_ray", schedule)
        again, _ = submit(planned, uri)
        left = {"pruned": outcome.counts["pruned"]}
        assert (again.reused, again.not_repeated, again.counts, again.failed) == (8 - left["pruned"], left, {}, False)
    assert len(stored("pruned").trials) == 8


@pytest.mark.slow
def test_hyperband_pauses_and_one_trial_at_a_time_is_what_inline_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = make_database(tmp_path)
    memory = MemoryTracker()

    def here(planned: SweepPlan) -> list[TrialResult]:
        with monkeypatch.context() as patch:
            patch.setattr(run, "open_tracker", lambda uri: memory)
            submit(planned, inline=True)
        return memory.load_sweep(planned.sweep.name).results

    # Both CPUs of this Ray for each trial, which compute on one thread as in this process.
    monkeypatch.setattr(ray_tune, "threads", lambda resources: 1)
    outcome, _ = submit(plan("paused", epochs=4, cpus=2, method="random", trials=5, pruning="hyperband"), uri)
    assert set(outcome.counts) == {"finished", "pruned"}
    assert outcome.ended == 5
    full = [result for result in open_tracker(uri).load_sweep("paused").results if result.status == "finished"]
    whole = {result.key: numbers(result) for result in here(plan("whole", epochs=4, method="random", trials=5))}
    assert [numbers(result) for result in full] == [whole[result.key] for result in full]

    submit(plan("there", epochs=1, cpus=2, method="nsga2", trials=7), uri)
    there = open_tracker(uri).load_sweep("there").results
    assert [result.key for result in there] == [r.key for r in here(plan("here", epochs=1, method="nsga2", trials=7))]
    assert states(stored("there")) == ["COMPLETE"] * 7
