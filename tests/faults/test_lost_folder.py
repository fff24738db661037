"""Killed, and the folder lost with its machine: the sweep goes on from a store that is elsewhere."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import INLINE, RAY, MakeSweep, Numbers
from tests.faults.sweeps import everything_is_in_order
from tests.s3 import S3Server, s3_server
from tests.scheduling.tiny import numbers


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as started:
        yield started


@pytest.fixture(autouse=True)
def credentials(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RESABLATE_CHECKPOINTS", server.uri("checkpoints"))


@pytest.mark.slow
@pytest.mark.parametrize("where", [INLINE, pytest.param(RAY, marks=pytest.mark.ray)])
def test_a_killed_sweep_goes_on_without_its_folder(
    make_sweep: MakeSweep, numbers_undisturbed: Numbers, server: S3Server, tmp_path: Path, where: str
) -> None:
    sweep = make_sweep(where)
    sweep.start()
    sweep.until(lambda: any("checkpoint-000003" in name for name in server.files()))
    sweep.kill()
    sweep.ended()
    assert sweep.gone()
    times = sweep.times()
    shutil.rmtree(tmp_path / ".resablate")
    assert sweep.run() == 0, sweep.said()
    everything_is_in_order(sweep)
    results = sweep.results()
    assert [numbers(result) for result in results] == numbers_undisturbed
    # An epoch that took as long to the last digit was not trained again; the last one may not have been stored.
    again = {result.key: [row.wall_seconds for row in result.history] for result in results}
    kept = [key for key, before in times.items() if len(before) > 1 and again[key][: len(before) - 1] == before[:-1]]
    assert kept
    assert server.files() == set()
