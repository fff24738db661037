"""Serving the MLflow UI on this machine."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from types import FrameType
from typing import NamedTuple

from resablate.errors import TrackingError, UnknownName
from resablate.redaction import redact
from resablate.storage.files import remove
from resablate.storage.locations import sqlite_file, tracking_uri
from resablate.storage.owned_folders import owned_folder, ownerless_folders
from resablate.tracking import ui_guard
from resablate.tracking.mlflow_pages import charts_path
from resablate.tracking.mlflow_reader import MlflowReader
from resablate.tracking.mlflow_reports import sweep_paths
from resablate.tracking.mlflow_store import MlflowStore
from resablate.tracking.ui_gate import Gate
from resablate.tracking.unknown_sweeps import unknown_sweep

UI_PREFIX = "resablate-ui-"
"""Of the temporary folder that holds the server's socket."""
_ENDING = (signal.SIGTERM, signal.SIGHUP)


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
    for abandoned in abandoned_ui_folders():
        remove(abandoned)
    with (
        _ended_by_signals(),
        owned_folder(UI_PREFIX, Path(tempfile.gettempdir())) as folder,
    ):  # nobody else may enter it
        socket_file = folder / "mlflow"
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


def abandoned_ui_folders() -> list[Path]:
    """What commands left that were killed while they served the UI."""
    return ownerless_folders(UI_PREFIX, Path(tempfile.gettempdir()))


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
    # In a process group of its own, and ended with its standard input: by this process, or when this one is killed.
    guard = [sys.executable, "-P", ui_guard.__file__, *command]
    server = subprocess.Popen(guard, cwd=folder, env=environment, stdin=subprocess.PIPE, start_new_session=True)
    assert server.stdin
    try:
        code = server.wait()
    except KeyboardInterrupt:
        return
    finally:
        server.stdin.close()
        server.wait()
    if code:
        raise TrackingError(f"the MLflow server ended with code {code}")


@contextmanager
def _ended_by_signals() -> Generator[None]:
    """A closed terminal ends the command as Ctrl-C does; under nohup, which has it ignored, that stays so."""
    before = {number: signal.getsignal(number) for number in _ENDING}
    for number in _ENDING:
        if before[number] is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    for other in _ENDING:  # else the next one would cut off the clearing up
        signal.signal(other, signal.SIG_IGN)
    raise KeyboardInterrupt
