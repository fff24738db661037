"""Runs a command that must not outlive who started it: `python -P ui_guard.py COMMAND...`, in a group of its own.

Its standard input is a pipe of which the starter alone holds the other end, and never writes to it. However the starter
ends, killed too, the pipe ends with it, and then so does the command with all that it started. It is run as a file and
imports nothing of resablate, so that it costs a moment.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from threading import Event, Thread

_GRACE_SECONDS = 5
_WORKERS_SECONDS = 0.5
"""What the command started has so long to end after it."""


def main() -> None:
    """Run the command, end what it leaves, and end with its code."""
    server = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # which the others of the group are sent
    left = Event()
    Thread(target=_end_with_input, args=(server, left), daemon=True).start()
    code = server.wait()
    os.killpg(0, signal.SIGTERM)
    if left.is_set():  # nobody waits for the code
        time.sleep(_WORKERS_SECONDS)
        os.killpg(0, signal.SIGKILL)
    sys.exit(code)


def _end_with_input(server: subprocess.Popen[bytes], left: Event) -> None:
    while os.read(0, 1):
        pass
    left.set()
    os.killpg(0, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        server.wait(_GRACE_SECONDS)
    server.kill()


if __name__ == "__main__":
    main()
