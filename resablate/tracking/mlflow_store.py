"""The connection to MLflow that writing and reading share."""

from __future__ import annotations

import logging
import os
import re
import shutil
import sqlite3
import stat
import tempfile
import urllib.parse
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, final
from urllib.request import url2pathname

from resablate.errors import TrackerAway, TrackingError
from resablate.redaction import redact
from resablate.storage.files import ABSENT
from resablate.storage.locations import home, sqlite_file
from resablate.storage.locks import file_lock
from resablate.storage.sqlite_files import why_no_database
from resablate.tracking.lost_records import lost_records
from resablate.tracking.mlflow_errors import tracking_error
from resablate.tracking.mlflow_moved import follow_moved_folder
from resablate.tracking.mlflow_probe import why_no_server
from resablate.tracking.mlflow_sqlite import holds_studies

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

log = logging.getLogger(__name__)

SCHEMA, SCHEMA_VERSION = "resablate.schema", "2"
"""The form of the records, on every run; one of another form, or of resablate 0.1, which has no such tag, counts
nowhere."""
KIND = "resablate.kind"
"""`sweep`, `trial`, `cell` (means over seeds) or `report`; a sweep's run has it once its files are there."""
SWEEP = "resablate.sweep"
CELL_KIND, REPORT_KIND = "cell", "report"
SEEDS = "resablate.cell.seeds"
"""`3 of 6`, of a cell's means: how many of the seeds that are asked for they are over."""
ERROR_WITH_INTERVAL = "test error with interval"
"""Of a cell's means, for people."""
COMMAND = "resablate.command"
KEY = "resablate.key"
CELL = "resablate.cell"
"""Of a trial and of the means over its cell: `TrainSpec.cell`."""
STATUS = "resablate.status"
"""`running` or a trial's status; set last, so that a record that says `finished` holds its result."""
REASON = "resablate.reason"
PARENT = "mlflow.parentRunId"
"""A system tag of MLflow's: its UI shows a run below its parent."""
EPOCH = "epoch"
"""The metric that counts a trial's epochs."""

ADVICE = (
    "Set MLFLOW_TRACKING_URI to http://HOST:PORT of an MLflow server or to sqlite:////FOLDER/mlflow.db; "
    "without it, records are kept in $RESABLATE_HOME/mlflow.db, else in mlflow.db of the current folder"
)
_ROOM_BYTES = 2**20
"""A database in a file that has less room than this cannot be written."""
PROBE_SECONDS = 5
"""How long a server may take to say that it is there: MLflow's own calls retry for minutes."""
PAGE = 1000
SQLITE_HEAD = b"SQLite format 3\0"
"""How every sqlite file begins that is not empty. Source: sqlite.org/fileformat.html, section 1.3.1."""


@final
class MlflowStore:
    """One MLflow server or sqlite file.

    Args:
        uri: as `location.tracking_uri` gives it.

    Raises:
        TrackingError: if nothing of the kind can be at `uri`, or the server does not answer.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri = _without_login(uri)
        self.database = sqlite_file(uri)
        self._client: MlflowClient | None = None
        if self.database is not None:
            folder = self.database.parent
            if folder != home() and not folder.is_dir():
                raise TrackingError(f"{redact(uri)}: the folder {folder} does not exist. {ADVICE}")
            self._check_file(self.database)
        elif uri.startswith(("http://", "https://")):
            self._probe()
        else:
            raise TrackingError(
                f"{redact(uri)}: records are kept by an MLflow server (http://, https://), in a file "
                f"(sqlite:///) or in memory (memory:); another database is reached through such a server. "
                f"{ADVICE}"
            )

    def client(self) -> MlflowClient:
        """The client to write with; makes the database where there is none yet.

        Raises:
            TrackingError: if the database cannot be made or read.
        """
        if self._client is None:
            _prepare()
            from mlflow import MlflowClient

            with self.errors("opening the store"), self.exclusive():
                self._client = MlflowClient(tracking_uri=self.uri)
                if self.database is not None:
                    follow_moved_folder(self.database)
        return self._client

    def reachable(self) -> bool:
        """Whether the server's database answers, which its health does not tell; whether there is room for a file."""
        if self.database is not None:
            return shutil.disk_usage(self.database.parent).free >= _ROOM_BYTES
        try:
            self._probe()
            with self.errors("asking for an experiment"):
                self.client().search_experiments(max_results=1)
        except TrackerAway:
            return False
        except TrackingError:  # refused, but by one who was reached
            return True
        return True

    def exists(self) -> bool:
        """Whether there is something to read: a sqlite file comes to be when the first sweep is started."""
        return self.database is None or self.database.is_file()

    def runs(
        self,
        filter_string: str,
        *,
        experiment_ids: list[str] | None = None,
        order: str = "attributes.start_time DESC",
        page: int = PAGE,
    ) -> Iterator[Run]:
        """Every run that passes the filter, the latest started first, by one paged query.

        Args:
            filter_string: in MLflow's search language.
            experiment_ids: where to look; all experiments where None.
            order: of the runs, in MLflow's search language.
            page: how many runs are asked for at once.
        """
        client: Any = self.client()
        if experiment_ids is None:
            experiment_ids = self._experiment_ids()
        token: str | None = None
        while experiment_ids:
            found = client.search_runs(
                experiment_ids,
                filter_string,
                max_results=page,
                order_by=[order],
                page_token=token,
            )
            yield from found
            token = found.token
            if not token:
                return

    def read_files(self, run_id: str, artifact_uri: str, names: list[str]) -> list[bytes]:
        """The contents of some of a run's files.

        Args:
            run_id: the run.
            artifact_uri: where its files are, as the run itself says.
            names: of files.

        Raises:
            TrackingError: if one is not there.
        """
        from mlflow.artifacts import download_artifacts

        with self.errors(f"reading {', '.join(names)} of run {run_id}"):
            with tempfile.TemporaryDirectory() as folder:
                for name in names:
                    # Not `client.download_artifacts`: that asks the server for the run again.
                    download_artifacts(artifact_uri=f"{artifact_uri}/{name}", dst_path=folder, tracking_uri=self.uri)
                return [Path(folder, name).read_bytes() for name in names]

    def read_file(self, run_id: str, artifact_uri: str, name: str) -> bytes | None:
        """The content of one of a run's files, None where it has none of this name.

        Raises:
            TrackingError: if it cannot be read.
        """
        if self.database and artifact_uri.startswith("file:"):  # without a copy
            with self.errors(f"reading {name} of run {run_id}"), suppress(*ABSENT):
                file = Path(url2pathname(urllib.parse.urlsplit(artifact_uri).path), name)
                return file.read_bytes() if stat.S_ISREG(file.stat().st_mode) else None  # a pipe would never end
            return None
        try:
            return self.read_files(run_id, artifact_uri, [name])[0]
        except TrackingError:
            with self.errors(f"looking for {name} of run {run_id}"):
                there = {file.path for file in self.client().list_artifacts(run_id) if not file.is_dir}
            if name in there:
                raise
            return None

    @contextmanager
    def errors(self, doing: str) -> Generator[None]:
        """What MLflow, the disk or the network raises inside, as a `TrackingError` naming what was done."""
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (MlflowException, SQLAlchemyError, sqlite3.Error, OSError) as error:
            raise tracking_error(error, doing=doing, uri=self.uri) from error

    @contextmanager
    def exclusive(self) -> Generator[None]:
        """Holds the lock file of a database in a file; a server has none, so that processes may come between there.

        Processes that make one sqlite file at once leave it unusable. Not to be entered twice.
        """
        if self.database is None:
            yield
            return
        if self.database.parent == home():
            home().mkdir(parents=True, exist_ok=True)
        with file_lock(Path(f"{self.database}.lock")):
            yield

    def _experiment_ids(self) -> list[str]:
        client: Any = self.client()  # MLflow's pages are partly untyped
        token: str | None = None
        found: list[str] = []
        while True:
            page = client.search_experiments(max_results=PAGE, page_token=token)
            found += [experiment.experiment_id for experiment in page]
            token = page.token
            if not token:
                return found

    def _check_file(self, database: Path) -> None:
        if problem := why_no_database(database):
            raise TrackingError(f"{redact(self.uri)}: {problem}. {ADVICE}")
        if not database.exists():
            return
        try:
            with database.open("rb") as file:
                head = file.read(len(SQLITE_HEAD))
        except OSError as error:
            raise TrackingError(
                f"{redact(self.uri)}: not readable as a database ({error.strerror}). {ADVICE}"
            ) from None
        if head and head != SQLITE_HEAD:
            raise TrackingError(f"{redact(self.uri)}: there is a file, but it is no sqlite database. {ADVICE}")
        if head and holds_studies(database):
            raise TrackingError(
                f"{redact(self.uri)}: holds the studies of searches, and MLflow's records in the same database would"
                f" make them unusable. {ADVICE}"
            )

        if lost := lost_records(database):
            log.warning("%s", lost)

    def _probe(self) -> None:
        if problem := why_no_server(self.uri, seconds=PROBE_SECONDS):
            raise TrackerAway(f"{redact(self.uri)}: {problem}. {ADVICE}")


def _without_login(uri: str) -> str:
    """A server's address, with its user name and password where MLflow looks first: it tells addresses in errors."""
    found = re.fullmatch(r"(https?://)([^:@/]*):([^/]+)@(.*)", uri)
    if not found:
        return uri
    scheme, name, password, place = found.groups()
    os.environ["MLFLOW_TRACKING_USERNAME"] = urllib.parse.unquote(name)
    os.environ["MLFLOW_TRACKING_PASSWORD"] = urllib.parse.unquote(password)
    return f"{scheme}{place}"


def _prepare() -> None:
    """Keeps what MLflow tells about itself off the terminal, and has a call that fails say so at once.

    MLflow's own repeating takes four minutes a call, and a run may come to be twice where an answer is lost.
    """
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # a sweep reports to its owner alone
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    import mlflow

    for name in (mlflow.__name__, "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It prints the traceback of what it raises, where a database is locked or its disk is full.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
