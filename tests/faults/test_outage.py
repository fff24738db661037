"""The MLflow server goes away while a sweep runs: for a while, or for the rest of it."""

import re
import time
from pathlib import Path

import pytest

from tests.faults.conftest import MakeSweep, Numbers
from tests.faults.sweeps import SweepProcess, everything_is_in_order
from tests.scheduling.tiny import numbers
from tests.tracking.databases import make_database
from tests.tracking.servers import MlflowServer

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")
SECONDS = 10
"""How long it stays away after the first result found no server: less than two trials and the wait at the end take."""
ON_RAY = pytest.param("ray", marks=pytest.mark.ray)


def with_server(folder: Path) -> MlflowServer:
    (folder / "server").mkdir()
    make_database(folder / "server")
    return MlflowServer(folder / "server")


def loses_its_server(sweep: SweepProcess, server: MlflowServer) -> None:
    """Run until the server is gone and a result waits for it."""
    sweep.start()
    sweep.until(lambda: sweep.reached(2))
    server.kill()
    sweep.until(lambda: len(sweep.spooled()) >= 1)


@pytest.mark.slow
@pytest.mark.parametrize("where", ["inline", ON_RAY])
def test_a_server_that_comes_back_gets_everything(
    make_sweep: MakeSweep, tmp_path: Path, where: str, numbers_undisturbed: Numbers
) -> None:
    seeds = 3 if where == "inline" else 10  # two at a time: longer than a server takes to start
    with with_server(tmp_path) as server:
        sweep = make_sweep(where, uri=server.uri, seeds=seeds)
        loses_its_server(sweep, server)
        until = time.monotonic() + SECONDS
        sweep.until(lambda: time.monotonic() > until)
        server.start()
        assert sweep.ended() == 0, sweep.said()
        assert f"{seeds} finished" in sweep.said()
        assert [numbers(result) for result in sweep.results()[:3]] == numbers_undisturbed
        everything_is_in_order(sweep)


@pytest.mark.slow
@pytest.mark.parametrize("where", ["inline", ON_RAY])
def test_a_server_that_stays_away_gets_everything_by_the_next_command(
    make_sweep: MakeSweep, tmp_path: Path, where: str, numbers_undisturbed: Numbers
) -> None:
    with with_server(tmp_path) as server:
        sweep = make_sweep(where, uri=server.uri)
        loses_its_server(sweep, server)
        assert sweep.ended() == 1
        said = sweep.said()
        assert "3 finished" in said, "the trials went on"
        assert re.search(r"not filed: the tracker does not answer; results wait in .*spool and are filed when ", said)
        assert re.search(r"\(TrackerAway: http://127\.0\.0\.1:\d+: .* failed: ", said)
        assert "run the same command again to continue" in said
        waiting = sweep.spooled()
        assert waiting

        assert sweep.run() == 2, "there is no server to ask what is complete"
        assert "no MLflow server answers" in sweep.said()
        assert sweep.spooled() == waiting

        server.start()
        assert sweep.run() == 0, sweep.said()
        assert "3 of 3 trials are complete already" in sweep.said()
        assert [numbers(result) for result in sweep.results()] == numbers_undisturbed
        everything_is_in_order(sweep)
