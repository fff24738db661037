from pathlib import Path

import pytest

from resablate.storage.locations import home, sqlite_file, tracking_uri, work_folder
from resablate.tracking import MemoryTracker, open_tracker


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RESABLATE_HOME", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def test_everything_is_kept_in_the_current_folder(tmp_path: Path) -> None:
    assert home() == tmp_path
    assert work_folder() == tmp_path / ".resablate"
    assert tracking_uri() == f"sqlite:///{tmp_path}/mlflow.db"


def test_a_home_may_be_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESABLATE_HOME", "kept")
    assert home() == tmp_path / "kept"
    assert tracking_uri() == f"sqlite:///{tmp_path}/kept/mlflow.db"


def test_in_a_ray_job_nothing_is_kept_in_rays_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "working_dir_files" / "_ray_pkg_0123"
    copy.mkdir(parents=True)
    monkeypatch.chdir(copy)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home() == tmp_path / "resablate"


def test_the_environment_names_the_server_and_an_argument_goes_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking:5000")
    assert tracking_uri() == "http://tracking:5000"
    assert tracking_uri("sqlite:///mine.db") == f"sqlite:///{tmp_path}/mine.db"
    assert tracking_uri(f"sqlite:///{tmp_path}/mine.db") == f"sqlite:///{tmp_path}/mine.db"


def test_memory_is_an_address() -> None:
    assert isinstance(open_tracker("memory:"), MemoryTracker)


@pytest.mark.parametrize(
    ("address", "file"),
    [
        ("sqlite:///mine.db", "mine.db"),
        ("sqlite:////data/mine.db", "/data/mine.db"),
        ("sqlite+pysqlite:///mine.db?timeout=5", "mine.db"),
        ("sqlite:///:memory:", None),
        ("postgresql://host/records", None),
        ("http://tracking:5000", None),
    ],
)
def test_the_file_of_an_address(address: str, file: str | None) -> None:
    assert sqlite_file(address) == (None if file is None else Path(file))
