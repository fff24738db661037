"""Serving the MLflow UI on this machine."""

import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread
from types import FrameType

from resablate.errors import TrackingError
from resablate.redaction import redact
from resablate.storage.locations import sqlite_file, tracking_uri
from resablate.tracking.mlflow_pages import charts_path
from resablate.tracking.mlflow_reader import MlflowReader
from resablate.tracking.mlflow_store import MlflowStore
from resablate.tracking.ui_gate import Gate


def serve_ui(uri: str | None, *, port: int, say: Callable[[str], None]) -> None:
    """Serve the MLflow UI on a database until it is interrupted, to who has the link that is told.

    Args:
        uri: as `open_tracker` takes it.
        port: on 127.0.0.1; a free one if 0.
        say: told where to look.

    Raises:
        TrackingError: if there is no database, the records are on a server, which has a UI of its own, or the port
            is taken.
    """
    place = tracking_uri(uri)
    database = sqlite_file(place)
    if database is None:
        raise TrackingError(f"{redact(place)}: the records are kept by a server; open that address in a browser")
    if not database.exists():
        raise TrackingError(f"{database}: no records here yet; run a sweep first, or name a --tracking-uri")
    with tempfile.TemporaryDirectory(prefix="resablate-ui-") as folder:  # which nobody else may enter
        socket_file = Path(folder, "mlflow")
        try:
            gate = Gate(port=port, upstream=socket_file)
        except OSError as error:
            raise TrackingError(
                f"port {port} cannot be used ({error.strerror}); name another --port, or none for a free one"
            ) from None
        say(f"MLflow UI: {gate.link()}  (a few seconds from now; Ctrl-C ends it)")
        for name, experiment in MlflowReader(MlflowStore(place)).sweeps().items():
            say(f"  {name}, the trials' charts: {gate.link(charts_path(experiment))}")
        say("  Who has a link may see and change everything; it ends with this command.")
        with gate:
            Thread(target=gate.serve_forever, daemon=True).start()
            try:
                _run_mlflow(place, folder=database.parent, socket_file=socket_file)
            finally:
                gate.shutdown()


def _run_mlflow(uri: str, *, folder: Path, socket_file: Path) -> None:
    """MLflow's server on a socket file, until it is interrupted."""
    command = [
        *(sys.executable, "-m", "mlflow", "server"),
        *("--backend-store-uri", uri),
        *("--workers", "1", "--uvicorn-opts", f"--uds {shlex.quote(str(socket_file))}"),
    ]
    environment = {
        **os.environ,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # Nine more processes for jobs that a viewer has no use for.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    # In a process group of its own, so that its workers end with it.
    server = subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = server.wait()
    except KeyboardInterrupt:
        return
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
            server.wait()
    if code:
        raise TrackingError(f"the MLflow server ended with code {code}")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
