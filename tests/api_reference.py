"""The API reference, which `make docs` writes: `python -m tests.api_reference FOLDER`."""

from __future__ import annotations

import pkgutil
import sys
from importlib import import_module
from pathlib import Path

import pdoc

import resablate

LEFT_OUT = {"local_cluster", "commands"}
"""Rooms that are programs."""


def write_pages(folder: Path) -> None:
    """Write a page for the package, with its public names, and one for every module of its rooms."""
    pdoc.render.configure(docformat="google")
    rooms = [room.name for room in pkgutil.iter_modules(resablate.__path__) if room.ispkg]
    # The package names what is public, and pdoc takes that for all there is.
    wanted = ["resablate", *(f"resablate.{room}" for room in rooms if room not in LEFT_OUT)]
    for module in map(import_module, wanted):
        for name in getattr(module, "__all__", ()):
            # pdoc looks where a module keeps what it has imported; some import a name when it is used.
            setattr(module, name, getattr(module, name))
    pdoc.pdoc(*wanted, output_directory=folder)


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]))
