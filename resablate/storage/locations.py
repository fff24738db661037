"""Where records and checkpoints are kept."""

import os
import re
from pathlib import Path

from resablate.errors import UnknownSweep

FOLDER = "folder:"
"""Begins the address of records in a plain folder."""
OFFLINE = "offline"
"""The folder of records that wait to be filed elsewhere, where none is named."""
TRIALS = "trials"
"""In a sweep's folder of checkpoints, where each trial has its own."""
RESULTS, SWEEP_FILE = "results.jsonl", "sweep.yaml"
"""In a report's folder, what came out and what was asked: `resablate sync` files them elsewhere."""
SWEEP_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}"
"""What a sweep can be called: its name is a folder's too."""
RAY_COPY = "working_dir_files"
"""The folder in which Ray unpacks a job's working directory; it is deleted when the job's node goes."""


def home() -> Path:
    """The folder of all that is kept: `$RESABLATE_HOME`, else the current one, in a Ray job `~/resablate`."""
    if given := os.environ.get("RESABLATE_HOME"):
        return Path(_expanded(given)).absolute()
    current = Path.cwd()
    return Path.home() / "resablate" if RAY_COPY in current.parts else current


def work_folder() -> Path:
    """The folder of checkpoints, which is of no use once a sweep is over."""
    return home() / ".resablate"


def printable(text: str) -> str:
    r"""The text with what no terminal or file takes written out, as `\\udcff` for a byte of a name that is no UTF-8."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def is_sweep_name(name: str) -> bool:
    """Whether a sweep can be called so: whoever writes records chooses what they say, and a name becomes a path."""
    return re.fullmatch(SWEEP_NAME, name) is not None


def sweep_folder(name: str) -> Path:
    """The folder of checkpoints of one sweep.

    Raises:
        UnknownSweep: if no sweep can be called so.
    """
    if not is_sweep_name(name):
        raise UnknownSweep(f"{name!r}: no sweep can be called so: letters, digits, _ and - alone, at most 100")
    return work_folder() / name


def tracking_uri(uri: str | None = None) -> str:
    """The address of the records: `uri`, else `$MLFLOW_TRACKING_URI`, else `mlflow.db` at home.

    `~` and variables are written out, of a path that is. A relative path counts from `home()` and comes back absolute,
    so that it may be handed to a process with another current folder.
    """
    return absolute_address(uri or os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db")


def absolute_address(uri: str) -> str:
    """An address of a database or a folder with an absolute path; another address as it is."""
    chosen = uri.strip()
    if (folder := records_folder(chosen)) is not None:
        return f"{FOLDER}{home() / folder}"
    if (database := sqlite_file(chosen)) is None:
        return chosen
    kind, _, rest = chosen.partition(":///")
    _, mark, query = rest.partition("?")
    return f"{kind}:///{home() / database}{mark}{query}"


def sqlite_file(uri: str) -> Path | None:
    """The file of a sqlite address, None for other addresses and for a database in memory."""
    found = re.fullmatch(r"sqlite(?:\+\w+)?:///([^?]+)(?:\?.*)?", uri)
    return Path(_expanded(found[1])) if found and found[1] != ":memory:" else None


def records_folder(uri: str) -> Path | None:
    """The folder of an address such as `folder:offline`, None for other addresses."""
    place = uri.removeprefix(FOLDER)
    return Path(_expanded(place)) if place and uri.startswith(FOLDER) else None


def _expanded(path: str) -> str:
    """With `~` and variables written out, which no shell does inside an address."""
    return os.path.expanduser(os.path.expandvars(path))  # noqa: PTH111 - a Path would drop what comes before
