"""Where numbers come from: the code, the packages and the machine."""

import os
import platform
import socket
import subprocess
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

CODE_VERSION_VARIABLE = "RESABLATE_CODE_VERSION"
"""Set by whoever ships the code without its .git folder, such as a Ray job's driver."""
_PACKAGES = ("resablate", "torch", "torchvision", "numpy", "ray", "mlflow", "optuna")


@lru_cache(maxsize=1)
def code_version() -> str:
    """The git commit of this package's checkout, with `-dirty` where files differ from it; `unknown` outside one."""
    if given := os.environ.get(CODE_VERSION_VARIABLE):
        return given
    folder = Path(__file__).resolve().parent
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        return commit + ("-dirty" if _git(folder, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _git(folder: Path, *command: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *command], capture_output=True, text=True, timeout=10, check=True
    )
    return done.stdout.strip()


@lru_cache(maxsize=8)
def versions(device: str) -> dict[str, str]:
    """Name -> version for the code, Python and the packages, and the host and `device`."""
    found = {"git_commit": code_version(), "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return {**found, "host": socket.gethostname(), "device": device}
