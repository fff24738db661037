"""Which code a sweep was submitted with."""

import platform
import subprocess
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("resablate", "torch", "ray", "mlflow", "optuna")


def code_versions() -> dict[str, str]:
    """Versions of Python and of the packages that matter, and the git commit where the code is under git."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return {**found, **_git_state(Path(__file__))}


def _git_state(file: Path) -> dict[str, str]:
    """`commit` and `uncommitted_changes` of the repository that tracks `file`."""

    def git(*words: str) -> str:
        command = ["git", "-C", str(file.parent), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        # An installed copy may lie in the ignored virtual environment of somebody else's repository.
        git("ls-files", "--error-unmatch", file.name)
        return {
            "commit": git("rev-parse", "HEAD"),
            "uncommitted_changes": "yes" if git("status", "--porcelain") else "no",
        }
    except (OSError, subprocess.SubprocessError):
        return {}
