"""Where records and checkpoints are kept."""

import os
import re
from pathlib import Path

RAY_COPY = "working_dir_files"
"""The folder in which Ray unpacks a job's working directory; it is deleted when the job's node goes."""


def home() -> Path:
    """The folder of all that is kept: `$RESABLATE_HOME`, else the current one, in a Ray job `~/resablate`."""
    if given := os.environ.get("RESABLATE_HOME"):
        return Path(given).expanduser().absolute()
    current = Path.cwd()
    return Path.home() / "resablate" if RAY_COPY in current.parts else current


def work_folder() -> Path:
    """The folder of checkpoints, which is of no use once a sweep is over."""
    return home() / ".resablate"


def tracking_uri(uri: str | None = None) -> str:
    """The address of the records: `uri`, else `$MLFLOW_TRACKING_URI`, else `mlflow.db` at home.

    A relative sqlite path counts from `home()` and comes back absolute, so that it may be handed to a process
    with another current folder.
    """
    chosen = (uri or os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db").strip()
    database = sqlite_file(chosen)
    if database is None or database.is_absolute():
        return chosen
    return f"sqlite:///{home() / database}"


def sqlite_file(uri: str) -> Path | None:
    """The file of a sqlite address, None for other addresses and for a database in memory."""
    found = re.fullmatch(r"sqlite(?:\+\w+)?:///([^?]+)(?:\?.*)?", uri)
    return Path(found[1]).expanduser() if found and found[1] != ":memory:" else None
