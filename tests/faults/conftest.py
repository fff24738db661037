"""Where a sweep's processes run, with or without Ray."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from resablate.trial import run_trial
from tests.faults.sweeps import SweepProcess, slow_plan
from tests.scheduling.tiny import numbers
from tests.tracking.databases import make_database

INLINE, RAY = "inline", "ray"
MakeSweep = Callable[..., SweepProcess]
Numbers = list[dict[str, Any]]


@pytest.fixture(scope="session")
def numbers_undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Numbers:
    """What the sweep of three slow trials measures where nothing happens to it."""
    plan, folder = slow_plan(), tmp_path_factory.mktemp("undisturbed")
    return [numbers(run_trial(*plan.request(spec), folder=folder / spec.key)) for spec in plan.trials]


@pytest.fixture
def make_sweep(tmp_path: Path) -> Iterator[MakeSweep]:
    """Makes a sweep of slow trials that runs `inline` or on `ray`; ends what a test left running."""
    made: list[SweepProcess] = []
    # Not pytest's folder: the names of Ray's sockets must be short.
    short = Path(tempfile.mkdtemp(prefix="ra", dir="/tmp"))

    def make(where: str, *, uri: str = "", seeds: int = 3) -> SweepProcess:
        (short / "ray").mkdir(exist_ok=True)
        # A cluster that somebody else started here is not to be joined.
        (short / "ray" / "ray_current_cluster").write_text("127.0.0.1:1")
        sweep = SweepProcess(
            tmp_path,
            slow_plan(seeds),
            uri or make_database(tmp_path),
            words=("--inline",) if where == INLINE else (),
            environment={"RAY_TMPDIR": str(short), "HOME": str(short)},
        )
        made.append(sweep)
        return sweep

    yield make
    for sweep in made:
        sweep.clean_up()
    shutil.rmtree(short, ignore_errors=True)
