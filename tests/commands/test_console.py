"""What commands print: also to nobody."""

import errno
import io
import sys

import pytest

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
