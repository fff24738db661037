"""A command line that does not wait for what is damaged to become whole."""

from pathlib import Path

import pytest

from tests.commands.shell import Shell


@pytest.fixture
def hasty_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """In a folder of its own, with a folder of its own for Ray."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr("resablate.tracking.mlflow_records._PAUSE_SECONDS", 0)  # what is damaged here stays so
    monkeypatch.setattr("resablate.tracking.mlflow_submissions._PAUSES", ())
    return Shell(tmp_path, monkeypatch, capsys)
