"""What is wrong with the files of a cluster of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from resablate.local_cluster.ray_folder import LINK, link_problem
from resablate.local_cluster.service import damaged_records
from resablate.local_cluster.settings import (
    MADE_SECRETS,
    PORTS_FILE,
    SECRET_REMEDY,
    SECRETS_FOLDER,
    read_ports,
    secret_problem,
)


def damaged_files(folder: Path) -> Iterator[tuple[Path, str, str]]:
    """The files of the cluster in this folder that are not what it wrote: each, what is wrong, and what mends it."""
    if os.path.lexists(folder) and not folder.is_dir():
        yield folder, "it is no folder", "move it away"
        return
    for file in damaged_records(folder / "processes"):
        remedy = "make cluster-down finds its processes by their environment, ends them and removes it"
        yield file, "it is cut off or damaged", remedy
    yield from _damaged_ports(folder / PORTS_FILE)
    for name in MADE_SECRETS:
        file = folder / SECRETS_FOLDER / name
        if os.path.lexists(file) and (problem := secret_problem(file)):
            yield file, f"it {problem}", SECRET_REMEDY
    if problem := link_problem(folder):
        is_link = (folder / LINK).is_symlink()
        yield folder / LINK, problem, "make cluster-down removes the link alone" if is_link else "move it away"


def _damaged_ports(file: Path) -> Iterator[tuple[Path, str, str]]:
    if not os.path.lexists(file) or read_ports(file.parent) is not None:
        return
    remedy = "move it away" if file.is_dir() else "make cluster chooses ports anew"
    yield file, "it is cut off or damaged, or names what is no port", remedy
