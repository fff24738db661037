"""A server that says that it is well while its database is away, that is too busy, or whose connections are cut."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from mlflow import MlflowClient

from resablate.errors import TrackerAway, TrackingError
from resablate.result import TrialResult
from resablate.scheduling import result_writer
from resablate.scheduling.result_writer import ResultWriter
from resablate.scheduling.stored import StoredResults
from resablate.tracking import open_tracker
from tests.factories import make_result
from tests.tracking.databases import make_database
from tests.tracking.faulty_proxy import FAULTS, HANG, FaultyProxy
from tests.tracking.records import SWEEP, TRIALS
from tests.tracking.servers import MlflowServer

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")


def test_whatever_happens_between_everything_is_filed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(result_writer, "_RETRY_SECONDS", 0.05)
    monkeypatch.setattr("resablate.figures.draw_all", lambda result: {})
    (tmp_path / "server").mkdir()
    make_database(tmp_path / "server")
    results = [make_result(seed=seed, losses=[2.0, 1.0]) for seed in range(len(FAULTS))]
    with MlflowServer(tmp_path / "server") as server, FaultyProxy(server.uri) as proxy:
        tracker = open_tracker(proxy.uri)
        assert tracker.reachable()
        writer = ResultWriter(tracker, spool=tmp_path / "spool")
        writer.start(SWEEP, trials=TRIALS, command="")
        for fault, result in zip(FAULTS, results, strict=True):
            proxy.fault = fault
            assert not tracker.reachable(), f"{fault}, though /health says that all is well"
            writer.start_trial(result.spec)
            for metrics in result.history:
                writer.epoch(result.key, metrics)
            writer.finish_trial(result, weights={"weights.safetensors": b"weights"})
            proxy.wait_for_refusals(3)
            with pytest.raises(TrackerAway):
                tracker.load_trial("0" * 32)
            proxy.fault = ""
        assert writer.end("finished") == []
        assert "results wait in" in caplog.text
        with pytest.raises(TrackingError) as caught:
            tracker.load_trial("0" * 32)
        assert not isinstance(caught.value, TrackerAway), "4xx is a refusal"
        proxy.fault = FAULTS[0]
        threading.Timer(0.5, setattr, [proxy, "fault", ""]).start()
        ended = StoredResults(SWEEP.name, tracker, tmp_path / "spool").of([result.spec for result in results])
        assert {key: found.to_json() for key, found in ended.items()} == {r.key: r.to_json() for r in results}
        assert {result.key for result in results} == set(open_tracker(server.uri).complete_keys())
        are_filed_once(server.uri, results)


def are_filed_once(uri: str, results: Sequence[TrialResult]) -> None:
    """Each with its curves, beside the sweep and the means of its cell, and nothing else."""
    reader, client = open_tracker(uri), MlflowClient(tracking_uri=uri)
    runs = [reader.load_trial(result.key) for result in results]
    for (run_id, stored), result in zip(runs, results, strict=True):
        assert stored.to_json() == result.to_json()
        assert [point.step for point in client.get_metric_history(run_id, "train/loss")] == [1, 2]
        assert len(client.get_metric_history(run_id, "test_error")) == 1
    listed = client.search_runs([client.get_run(runs[0][0]).info.experiment_id])
    assert sorted(run.data.tags["resablate.kind"] for run in listed) == ["cell", "sweep", *["trial"] * len(results)]


@pytest.fixture
def one_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """So long an answer is waited for."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")


@contextmanager
def healthy() -> Iterator[str]:
    """The address of what says that all is well, whatever it is asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.usefixtures("one_second")
def test_a_server_that_says_nothing_is_away() -> None:
    with healthy() as server, FaultyProxy(server) as proxy:
        tracker = open_tracker(proxy.uri)
        proxy.fault = HANG
        begun = time.monotonic()
        assert not tracker.reachable()
        with pytest.raises(TrackerAway, match="timed out"):
            tracker.load_trial("0" * 32)
        assert 1 < time.monotonic() - begun < 10
        proxy.fault = "404"
        assert tracker.reachable(), "it says no, but it says so"


@pytest.mark.slow
@pytest.mark.parametrize("only", ["", "mlflow-artifacts"])
@pytest.mark.usefixtures("one_second")
def test_what_waits_for_a_server_that_says_nothing_is_filed_once(
    only: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the server, or of the disk behind it, in the middle of a trial."""
    monkeypatch.setattr(result_writer, "_RETRY_SECONDS", 0.05)
    monkeypatch.setattr("resablate.figures.draw_all", lambda result: {})
    (tmp_path / "server").mkdir()
    make_database(tmp_path / "server")
    result = make_result(seed=0, losses=[2.0, 1.0])
    with MlflowServer(tmp_path / "server") as server, FaultyProxy(server.uri) as proxy:
        writer = ResultWriter(open_tracker(proxy.uri), spool=tmp_path / "spool")
        writer.start(SWEEP, trials=TRIALS, command="")
        writer.start_trial(result.spec)
        writer.epoch(result.key, result.history[0])
        proxy.fault, proxy.only = HANG, only
        writer.epoch(result.key, result.history[1])
        begun = time.monotonic()
        writer.finish_trial(result, weights={"weights.safetensors": b"weights"})
        assert time.monotonic() - begun < 0.5, "training does not wait"
        proxy.wait_for_refusals(3)
        proxy.fault = ""
        assert writer.end("finished") == []
        are_filed_once(server.uri, [result])
