"""The quickstart, as `make demo` runs it once everything is installed, against version 0.1 in the same run.

The earlier tree comes out of the repository's history, so that this needs a clone; the packages are those of today.
Both run in folders of their own, one after the other.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tests.benchmarks.measuring import Row, interleaved

ROOT = Path(__file__).parents[2]
EARLIER = "8ce09b4"
"""The last commit of version 0.1."""
_VERBS = (["sweep", "sweeps/quickstart.yaml"], ["report", "quickstart"])


def rows(*, rounds: int = 2) -> list[Row]:
    """The least wall seconds of each: Ray's processes do not tell theirs on the processor."""
    with tempfile.TemporaryDirectory() as folder:
        earlier = Path(folder) / "earlier"
        archive = subprocess.run(["git", "archive", EARLIER], cwd=ROOT, check=True, capture_output=True).stdout
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(earlier, filter="data")
        before, now = interleaved(lambda: _run(earlier), lambda: _run(ROOT), rounds=rounds)
    what = f"the quickstart with its report, {os.cpu_count()} cores, after installation"
    return [Row(what, "version 0.1", before, now, asked=1.5)]


def _run(tree: Path) -> None:
    """The quickstart by the code of `tree`."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPATH": str(tree), "HOME": folder}
        environment.pop("MLFLOW_TRACKING_URI", None)
        (Path(folder) / "sweeps").symlink_to(tree / "sweeps")
        for verb in _VERBS:
            command = [sys.executable, "-m", "resablate", *verb]
            subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
