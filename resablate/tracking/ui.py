"""Serving the MLflow UI on this machine."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable

from resablate.errors import TrackingError
from resablate.tracking.location import shown, sqlite_file, tracking_uri


def serve_ui(uri: str | None, *, port: int, say: Callable[[str], None]) -> None:
    """Serve the MLflow UI on a database until it is interrupted.

    Args:
        uri: as `open_tracker` takes it.
        port: on 127.0.0.1; a free one if 0.
        say: told where to look.

    Raises:
        TrackingError: if there is no database, or the records are on a server, which has a UI of its own.
    """
    place = tracking_uri(uri)
    database = sqlite_file(place)
    if database is None:
        raise TrackingError(f"{shown(place)}: the records are kept by a server; open that address in a browser")
    if not database.exists():
        raise TrackingError(f"{database}: no records here yet; run a sweep first, or name a --tracking-uri")
    chosen = port or _free_port()
    say(f"MLflow UI: http://127.0.0.1:{chosen}  (Ctrl-C ends it)")
    command = [
        *(sys.executable, "-m", "mlflow", "server"),
        *("--backend-store-uri", place),
        *("--host", "127.0.0.1", "--port", str(chosen), "--workers", "1"),
    ]
    # MLflow would offer its assistant a way to the outside; a viewer of one's own records needs none.
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    try:
        done = subprocess.run(command, cwd=database.parent, env=environment, check=False)
    except KeyboardInterrupt:
        return
    if done.returncode:
        raise TrackingError(f"the MLflow server ended with code {done.returncode}; is port {chosen} in use?")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
