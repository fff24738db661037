"""Which process it is, asked of real ones."""

import os
import subprocess
import time
from pathlib import Path

from resablate.processes import process_start


def test_a_process_began_when_it_did() -> None:
    with subprocess.Popen(["sleep", "600"]) as process:
        began = process_start(process.pid)
        assert began is not None
        assert began >= process_start(os.getpid())
        assert process_start(process.pid) == began
        process.kill()


def test_a_process_that_has_ended_is_none_before_and_after_that_is_noted() -> None:
    process = subprocess.Popen(["sleep", "600"])
    process.kill()
    deadline = time.monotonic() + 10
    while process_start(process.pid) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert Path(f"/proc/{process.pid}").exists()  # nobody has waited for it
    process.wait()
    assert process_start(process.pid) is None
