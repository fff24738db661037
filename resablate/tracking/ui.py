"""Serving the MLflow UI on this machine."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Thread
from types import FrameType
from typing import NamedTuple

from resablate.errors import TrackingError, UnknownName
from resablate.redaction import redact
from resablate.storage.locations import sqlite_file, tracking_uri
from resablate.tracking.mlflow_pages import charts_path
from resablate.tracking.mlflow_reader import MlflowReader
from resablate.tracking.mlflow_reports import sweep_paths
from resablate.tracking.mlflow_store import MlflowStore
from resablate.tracking.ui_gate import Gate
from resablate.tracking.unknown_sweeps import unknown_sweep


class UiPages(NamedTuple):
    """Where to look."""

    address: str
    """Of the first page, with a token if it is served here."""
    pages: Mapping[str, str]
    """Title -> address."""
    served: bool
    """Whether they are served here until the command ends; else a server does."""


def serve_ui(
    uri: str | None, *, port: int, tell: Callable[[UiPages], None], sweep: str | None = None, view: str | None = None
) -> None:
    """Serve the MLflow UI on a database until it is interrupted, to who has the link that is told.

    Args:
        uri: as `open_tracker` takes it.
        port: on 127.0.0.1; a free one if 0.
        tell: told where to look, before it is served.
        sweep: whose pages are wanted; of a server, which has a UI of its own, they are told and nothing is served.
        view: of its pages, such as `results`.

    Raises:
        TrackingError: if there is no database, the records are on a server and no sweep is named, or the port is taken.
        UnknownSweep: if there is no such sweep; the message names those there are.
        UnknownName: if the sweep has no such view; the message names those it has.
    """
    place = tracking_uri(uri)
    database = sqlite_file(place)
    if database is None and sweep is not None:
        server = redact(place).rstrip("/")
        found = {title: f"{server}{path}" for title, path in _paths(MlflowStore(place), sweep, view)}
        tell(UiPages(server, found, served=False))
        return
    if database is None:
        raise TrackingError(f"{redact(place)}: the records are kept by a server; open that address in a browser")
    if not database.exists():
        raise TrackingError(f"{database}: no records here yet; run a sweep first, or name a --tracking-uri")
    pages = _pages(MlflowStore(place), sweep, view)
    with tempfile.TemporaryDirectory(prefix="resablate-ui-") as folder:  # which nobody else may enter
        socket_file = Path(folder, "mlflow")
        try:
            gate = Gate(port=port, upstream=socket_file)
        except OSError as error:
            raise TrackingError(
                f"port {port} cannot be used ({error.strerror}); name another --port, or none for a free one"
            ) from None
        tell(UiPages(gate.link(), {title: gate.link(path) for title, path in pages}, served=True))
        with gate:
            Thread(target=gate.serve_forever, daemon=True).start()
            try:
                _run_mlflow(place, folder=database.parent, socket_file=socket_file)
            finally:
                gate.shutdown()


def _pages(store: MlflowStore, sweep: str | None, view: str | None) -> list[tuple[str, str]]:
    """Title and path of what is told: of one sweep, else the trials' charts of every sweep."""
    if sweep is not None:
        return _paths(store, sweep, view)
    reader = MlflowReader(store)
    names = list(reader.sweeps())
    holding = reader.experiments_of(*names)
    return [(f"{name}, the trials' charts", charts_path(*ids)) for name, ids in zip(names, holding, strict=True)]


def _paths(store: MlflowStore, sweep: str, view: str | None) -> list[tuple[str, str]]:
    reader = MlflowReader(store)
    known = reader.sweeps()
    if sweep not in known:
        raise unknown_sweep(redact(store.uri), sweep, known)
    [holding] = reader.experiments_of(sweep)
    pages = sweep_paths(store.client().get_experiment(known[sweep]), holding)
    if view is not None and view not in pages:
        raise UnknownName("view", view, pages)
    return list(pages.values()) if view is None else [pages[view]]


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
