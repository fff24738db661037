"""What killed sweeps on Ray left is cleared where the next one starts; what others own is not."""

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from resablate.scheduling import ray_tune
from resablate.scheduling.ray_sessions import TUNE_PREFIX
from resablate.storage.owned_folders import OWNER, owned_folder
from tests.faults.sweeps import SweepProcess, everything_is_in_order
from tests.scheduling.ray_home import own_ray_folder
from tests.scheduling.tiny import final_plan
from tests.tracking.databases import make_database

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")


def plant(work: Path, temporary: Path, sessions: Path) -> list[Path]:
    """What a driver that was killed leaves in all three places."""
    process = subprocess.Popen(["true"])
    process.wait()
    notes = [temporary / f"{TUNE_PREFIX}killed", work / "tiny" / "trials" / f"{TUNE_PREFIX}killed"]
    for folder in notes:
        folder.mkdir(parents=True)
        (folder / OWNER).touch()
        (folder / "notes.json").touch()
    session = sessions / f"session_2026-01-01_00-00-00_000000_{process.pid}"
    (session / "logs").mkdir(parents=True)
    mark = sessions / f"resablate-driver-{process.pid}.lock"
    mark.touch()
    return [*notes, session, mark]


def plant_of_others(temporary: Path, sessions: Path) -> list[Path]:
    new, session = temporary / f"{TUNE_PREFIX}new", sessions / "session_2026-01-01_00-00-00_000000_1"
    new.mkdir()
    session.mkdir()
    return [new, session]


@pytest.mark.ray
@pytest.mark.slow
def test_the_next_sweep_on_ray_clears_what_killed_ones_left(tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with own_ray_folder() as short, owned_folder(TUNE_PREFIX, temporary) as lives:
        left = plant(tmp_path / ".resablate", temporary, short / "ray")
        others = [lives, *plant_of_others(temporary, short / "ray")]
        environment = {"RAY_TMPDIR": str(short), "HOME": str(short), "TMPDIR": str(temporary)}
        plan = final_plan({"seed": [0]}, epochs=1)
        sweep = SweepProcess(tmp_path, plan, make_database(tmp_path), words=(), environment=environment)
        try:
            assert sweep.run() == 0, sweep.said()
            assert [path for path in left if path.exists()] == []
            assert all(path.exists() for path in others)
            assert set(temporary.glob(f"{TUNE_PREFIX}*")) == set(others[:2]), "its own is gone too"
            everything_is_in_order(sweep)
        finally:
            sweep.clean_up()


def test_they_are_cleared_before_ray_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same without Ray, in a moment."""
    temporary, sessions = tmp_path / "temporary", tmp_path / "short" / "ray"
    temporary.mkdir()
    left = plant(tmp_path / ".resablate", temporary, sessions)
    others = plant_of_others(temporary, sessions)
    there: list[Path] = []
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setenv("RAY_TMPDIR", str(sessions.parent))
    monkeypatch.setenv("RESABLATE_HOME", str(tmp_path))
    monkeypatch.setenv("RAY_AUTH_TOKEN", "of-a-test")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray_tune.ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray_tune.ray, "init", lambda **options: there.extend(path for path in left if path.exists()))
    ray_tune.connect_ray()
    assert there == []
    assert [path for path in left if path.exists()] == []
    assert all(path.exists() for path in others)
    assert (sessions / f"resablate-driver-{os.getpid()}.lock").exists(), "those of this process are in use now"
