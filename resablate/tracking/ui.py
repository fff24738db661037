"""Serving the MLflow UI on this machine."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

from resablate.errors import TrackingError
from resablate.redaction import redact
from resablate.storage.locations import sqlite_file, tracking_uri
from resablate.tracking.mlflow_pages import charts_path
from resablate.tracking.mlflow_reader import MlflowReader
from resablate.tracking.mlflow_store import MlflowStore


def serve_ui(uri: str | None, *, port: int, say: Callable[[str], None]) -> None:
    """Serve the MLflow UI on a database until it is interrupted.

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
    chosen = _free_port(port)
    address = f"http://127.0.0.1:{chosen}"
    say(f"MLflow UI: {address}  (a few seconds from now; Ctrl-C ends it)")
    for name, experiment in MlflowReader(MlflowStore(place)).sweeps().items():
        say(f"  {name}, the trials' charts: {address}{charts_path(experiment)}")
    command = [
        *(sys.executable, "-m", "mlflow", "server"),
        *("--backend-store-uri", place),
        *("--host", "127.0.0.1", "--port", str(chosen), "--workers", "1"),
    ]
    environment = {
        **os.environ,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # Nine more processes for jobs that a viewer has no use for.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    # In a process group of its own, so that its workers end with it.
    server = subprocess.Popen(command, cwd=database.parent, env=environment, start_new_session=True)
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


def _free_port(port: int) -> int:
    """`port` if nobody has it, a free one if it is 0: the server's own message is pages long."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does it
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise TrackingError(
                f"port {port} cannot be used ({error.strerror}); name another --port, or none for a free one"
            ) from None
        return int(probe.getsockname()[1])
