"""Where numbers come from: the code, the packages and the machine."""

import hashlib
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


_DECIDING = (
    *("augmentations", "datasets", "model", "optimizers", "orderings.py", "regularizers", "schedules", "shortcuts"),
    *("spectral", "training"),
)
"""The parts of the package that make weights what they are."""
_SOURCE_DIGITS = 6


@lru_cache(maxsize=1)
def source() -> str:
    """A hash of the source of each part of this package that decides over weights: `augmentations=1a2b3c ...`."""
    found: list[str] = []
    for part in _DECIDING:
        place = Path(__file__).parent / part
        digest = hashlib.sha256()
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
        found.append(f"{part.removesuffix('.py')}={digest.hexdigest()[:_SOURCE_DIGITS]}")
    return " ".join(found)


def changed_parts(made_with: str) -> tuple[str, ...]:
    """The parts whose source is another one than in `made_with`, by `source`."""
    then = dict(part.split("=", 1) for part in made_with.split() if "=" in part)
    now = dict(part.split("=", 1) for part in source().split())
    return tuple(name for name in now if then.get(name, now[name]) != now[name])


@lru_cache(maxsize=8)
def versions(device: str = "none") -> dict[str, str]:
    """Name -> version for the code, Python and the packages, and the host and `device`."""
    found = {"git_commit": code_version(), "source": source(), "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return {**found, "host": socket.gethostname(), "device": device}
