"""A sweep on a database that has lost what it held says so before it trains anything again."""

from pathlib import Path

import pytest

from tests.commands.shell import Shell
from tests.scheduling.tiny import BASE
from tests.tracking.databases import make_database

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")

TINY = {"name": "tiny", "base": {**BASE, "epochs": 1, "dataset.train_examples": 64}, "axes": {"seed": [0]}}


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.chdir(tmp_path)
    return Shell(tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize("why", ["the file is empty", "it holds no run, though files of runs lie in mlartifacts"])
def test_a_sweep_says_first_that_nothing_counts_as_trained(
    why: str, shell: Shell, caplog: pytest.LogCaptureFixture
) -> None:
    database, words = shell.folder / "mlflow.db", ("sweep", shell.write(TINY), "--inline")
    if why == "the file is empty":
        database.touch()
    else:
        make_database(shell.folder)
        assert shell(*words).code == 0
        assert "1 of 1 trials are complete already" in shell(*words).err
        assert not caplog.messages, "a database that is new is none that is lost"
        make_database(shell.folder)
    ran = shell(*words)
    assert ran.code == 0, ran.err
    told = f"{database}: {why}, so no trial counts as trained; if it held records, stop now and put back a copy of it,"
    assert told in caplog.messages[0]
    assert "complete already" not in ran.err
