"""The files that travel with a job."""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from resablate.errors import SubmissionError
from resablate.submission.ray_private import travelling_files

LIMIT_BYTES = 100 * 2**20
"""What a dashboard takes in one request: its DASHBOARD_CLIENT_MAX_SIZE, which nobody but its owner can raise."""
EXCLUDED = (
    *(".git", ".venv", "venv", "__pycache__", "*.egg-info", ".*_cache", "node_modules"),
    # Where people keep their passwords.
    *("*.env", ".env.*", ".netrc", ".pgpass", ".ssh", ".aws", ".ray", ".mlflow", "credentials*.json", ".cluster"),
    *("mlruns", "mlartifacts", "mlflow.db*", "optuna.db*", ".resablate"),
    *("/data", "/reports"),
)
"""What never travels, in .gitignore's words, besides what .gitignore and .rayignore name and virtual environments."""
_SHOWN_FILES = 8
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""Of every file, the earliest that a zip file knows: the same content makes the same package."""
_ENTRY_BYTES = 30 + 46
"""Of a zip file for each of its files, besides twice the name."""


@dataclass(frozen=True)
class Package:
    """A zip file, by the name of its content."""

    file: Path
    digest: str
    files: tuple[str, ...]
    """Relative paths."""

    @property
    def size_bytes(self) -> int:
        """Of the zip file."""
        return self.file.stat().st_size


@contextmanager
def packed(folder: Path) -> Generator[Package]:
    """What `folder` holds without the excluded, as a zip file that is gone at the end.

    Raises:
        SubmissionError: if it is more than a cluster takes, naming the largest files, or a file cannot be read.
    """
    folder = folder.absolute()
    try:
        sizes = _sizes(folder)
        _check_size(sizes, folder)
        with tempfile.TemporaryDirectory(prefix="resablate-") as name:
            target = Path(name, "package.zip")
            with zipfile.ZipFile(target, "w") as file:
                for path in sizes:
                    entry = zipfile.ZipInfo(path, _EPOCH)
                    entry.external_attr = (folder / path).stat().st_mode << 16  # where zip files keep it
                    file.writestr(entry, (folder / path).read_bytes())
            yield Package(target, hashlib.sha256(target.read_bytes()).hexdigest()[:12], tuple(sizes))
    except OSError as error:
        raise SubmissionError(f"{error.filename or folder}: cannot be packed ({error.strerror or error})") from None


def _sizes(folder: Path) -> Mapping[str, int]:
    """Relative path -> bytes of every file that travels, by Ray's own rules for a working directory."""
    environments = [f"/{mark.parent.relative_to(folder)}" for mark in folder.glob("*/pyvenv.cfg")]
    found = travelling_files(folder, [*EXCLUDED, *environments])
    if outside := [path for path in sorted(found) if not path.resolve().is_relative_to(folder.resolve())]:
        raise SubmissionError(
            f"{outside[0].relative_to(folder)}: a link leads out of {folder}, to {outside[0].resolve()}; nothing from"
            " there travels: name the link in .gitignore or .rayignore, or put a copy in its place"
        )
    return {str(path.relative_to(folder)): path.stat().st_size for path in sorted(found) if path.is_file()}


def _check_size(sizes: Mapping[str, int], folder: Path) -> None:
    total = sum(size + _ENTRY_BYTES + 2 * len(path.encode()) for path, size in sizes.items())
    if total <= LIMIT_BYTES:
        return
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:_SHOWN_FILES]
    raise SubmissionError(
        "\n".join(
            [
                f"{folder}: {_mib(total)} would be sent, and a Ray cluster takes at most {_mib(LIMIT_BYTES)}. Name what"
                " the sweep does not need in .gitignore or .rayignore; data sets lie on the nodes (RESABLATE_DATA)."
                " The largest files:",
                *(f"  {_mib(size):>10}  {path}" for path, size in largest),
            ]
        )
    )


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:.1f} MiB"
