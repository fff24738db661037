"""Files that may have been replaced by something else that bears their name."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def read_regular(path: Path) -> bytes:
    """The content of a regular file; of a named pipe or a device, nobody waits for the other end.

    Raises:
        OSError: if it cannot be read, or is something else.
    """
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # noqa: PTH123
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(0, "it is not a regular file", str(path))
        return file.read()
