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
    """The git commit of this package's checkout, with `-dirty` where files differ; `unknown` outside a checkout."""
    if given := os.environ.get(CODE_VERSION_VARIABLE):
        return given
    file = Path(__file__).resolve()
    try:
        # An installed copy may lie in the ignored virtual environment of somebody else's repository.
        _git(file.parent, "ls-files", "--error-unmatch", file.name)
        return _git(file.parent, "rev-parse", "HEAD") + ("-dirty" if _git(file.parent, "status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _git(folder: Path, *command: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *command], capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()


@lru_cache(maxsize=8)
def versions(device: str = "none") -> dict[str, str]:
    """Name -> version for the code, Python and the packages, and the host and `device`."""
    found = {"git_commit": code_version(), "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return {**found, "host": socket.gethostname(), "device": device}
