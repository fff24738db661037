"""What is wrong with the files of a cluster of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from resablate.local_cluster.service import damaged_records
from resablate.local_cluster.settings import PORTS_FILE, read_ports


def damaged_files(folder: Path) -> Iterator[tuple[Path, str]]:
    """The files of the cluster in this folder that are cut off or damaged, each with what mends it."""
    for file in damaged_records(folder / "processes"):
        yield file, "make cluster-down finds its processes by their environment, ends them and removes it"
    if (folder / PORTS_FILE).is_file() and read_ports(folder) is None:
        yield folder / PORTS_FILE, "make cluster chooses ports anew"
    for file in sorted((folder / "secrets").glob("*")):
        if file.is_file() and not file.read_bytes().strip():
            yield file, "put back the secret that was there, or remove all: make cluster-clean"
