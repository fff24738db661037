"""How many trials of a search make a pack, measured on a real Ray that the sweep's own trials fill."""

import _thread
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from resablate.scheduling import packing
from resablate.spec import TrainSpec
from tests.scheduling.test_ray_packs import plan, results_of, submit
from tests.scheduling.test_ray_tune import ray_folder  # noqa: F401 - a Ray for every test here
from tests.tracking.databases import make_database

pytestmark = [
    pytest.mark.ray,
    # What Ray does when it is used and left, and the study.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.*"),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray.*"),
]


@pytest.fixture
def no_longer_than() -> Iterator[None]:
    """What hangs gets a Ctrl-C, which a sweep survives and tells."""
    timer = threading.Timer(150, _thread.interrupt_main)
    timer.start()
    yield
    timer.cancel()


def worth_measuring(spec: TrainSpec, asked: object) -> float:
    """Seconds that these trials do not take."""
    return 1e3


@pytest.mark.slow
@pytest.mark.usefixtures("no_longer_than")
def test_measuring_waits_for_no_process_of_the_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of four shapes, and two processes that are kept from pack to pack: the third shape comes when both are there."""
    monkeypatch.setattr(packing, "estimate_seconds", worth_measuring)
    axes: dict[str, Any] = {
        "depth": [8, 14],
        "shortcut": ["identity", "conv1x1"],
        "learning_rate": {"low": 0.01, "high": 1, "log": True},
    }
    search = {"method": "tpe", "trials": 6, "seeds": [0, 1], "replicate": 2}
    planned = plan(axes, pack="auto", epochs=1, search=search, fields={"dataset.train_examples": 128})
    uri = make_database(tmp_path)
    outcome, shown = submit(planned, uri)
    assert not outcome.interrupted, shown
    assert outcome.counts == {"finished": 16}
    assert re.search(r"measuring .* for networks of [34] shapes", shown[: shown.index("[1/")])
    assert "measuring" not in shown[shown.index("[1/") : shown.index("[12/")]
    assert len({(result.spec.depth, str(result.spec.shortcut)) for result in results_of(uri).values()}) > 2
