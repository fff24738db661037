"""What commands print: also to nobody."""

import errno
import io
import sys
from pathlib import Path

import pytest

from resablate.commands.cli import main
from resablate.commands.console import err


@pytest.mark.parametrize("number", [errno.EPIPE, errno.EIO, errno.ENOSPC])
def test_where_nobody_takes_what_is_shown_the_work_goes_on(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(number, "nobody")

        def flush(self) -> None:
            raise OSError(number, "nobody")

    monkeypatch.setattr(sys, "stderr", Gone())
    err.print("[1/3] finished")
    monkeypatch.setattr(sys, "stderr", here := io.StringIO())
    err.print("[2/3] finished")
    assert here.getvalue() == "[2/3] finished\n"


def test_a_current_folder_that_was_removed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    monkeypatch.setattr(sys, "argv", ["resablate", "sweeps"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("the current folder was removed; go to one that is there")
