"""Seeds in rounds on a real Ray."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
from rich.console import Console

from resablate.claims import answering, family
from resablate.claims import trials as claim_trials
from resablate.scheduling import ray_tune, run_sweep
from resablate.tracking import open_tracker
from tests.scheduling.ray_home import own_ray_folder, ray_home
from tests.scheduling.test_rounds import FAR, FAST, LEARNS, NEAR, rounds_plan
from tests.tracking.databases import make_database

pytestmark = [
    pytest.mark.ray,
    # What Ray does when it is used and left: none of it is ours.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.*"),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray.*"),
]


@pytest.fixture
def own_ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A Ray of two CPUs, started as a sweep starts it; its files are in a folder of its own, of a short name."""
    start = ray.init
    with own_ray_folder() as folder:
        monkeypatch.setenv("RAY_TMPDIR", str(folder))
        monkeypatch.setenv("HOME", ray_home())
        monkeypatch.delenv("RAY_ADDRESS", raising=False)
        monkeypatch.setattr(ray, "init", lambda **options: start(num_cpus=2, num_gpus=0, **options))
        try:
            ray_tune.connect_ray()
            yield
        finally:
            ray.shutdown()


@pytest.mark.slow
def test_rounds_on_ray_are_those_of_inline(own_ray: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One submission with one record: cells that are decided get no more, and a second run trains nothing."""
    monkeypatch.setattr(claim_trials, "LEARNED", 2.0)
    for module in (family, answering):
        monkeypatch.setattr(module, "CLAIMS", {"T1": LEARNS})
    uri = make_database(tmp_path)
    for expected in ({"finished": 11}, {}):
        text = io.StringIO()
        outcome = run_sweep(
            rounds_plan(), scheduler="ray_tune", command="", console=Console(file=text, width=200), uri=uri
        )
        assert (outcome.planned, outcome.counts, outcome.failed) == (11, expected, False)
        assert "round 2 of 2 (4 seeds of each cell), 1 of 3 cells decided" in text.getvalue()
    record = open_tracker(uri).load_sweep("tiny")
    trained: dict[float, list[int]] = {}
    for result in record.results:
        trained.setdefault(result.spec.learning_rate, []).append(result.spec.seed)
    assert {rate: sorted(seeds) for rate, seeds in trained.items()} == {
        FAST: [0, 1, 2, 3],
        FAR: [0, 1, 2],
        NEAR: [0, 1, 2, 3],
    }
    assert record.missing == []
