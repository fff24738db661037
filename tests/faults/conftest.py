"""Where a sweep's processes run, with or without Ray."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.sweeps import SweepProcess, numbers_alone, slow_plan
from tests.scheduling.ray_home import own_ray_folder
from tests.tracking.databases import make_database

INLINE, RAY = "inline", "ray"
MakeSweep = Callable[..., SweepProcess]
Numbers = list[dict[str, Any]]


@pytest.fixture(scope="session")
def numbers_undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Numbers:
    """What the sweep of three slow trials measures where nothing happens to it."""
    plan, folder = slow_plan(), tmp_path_factory.mktemp("undisturbed")
    return [numbers_alone(plan, spec, folder=folder / spec.key) for spec in plan.trials]


@pytest.fixture
def make_sweep(tmp_path: Path) -> Iterator[MakeSweep]:
    """Makes a sweep of slow trials that runs `inline` or on `ray`; ends what a test left running."""
    made: list[SweepProcess] = []

    def make(where: str, *, uri: str = "", seeds: int = 3) -> SweepProcess:
        sweep = SweepProcess(
            tmp_path,
            slow_plan(seeds),
            uri or make_database(tmp_path),
            words=("--inline",) if where == INLINE else (),
            environment={"RAY_TMPDIR": str(short), "HOME": str(short)},
        )
        made.append(sweep)
        return sweep

    with own_ray_folder() as short:
        yield make
        for sweep in made:
            sweep.clean_up()
