"""The API reference, which `make docs` writes: `python -m tests.api_reference FOLDER`."""

from __future__ import annotations

import pkgutil
import sys
from pathlib import Path

import pdoc

import resablate

LEFT_OUT = {"local_cluster", "commands"}
"""Rooms that are programs."""


def write_pages(folder: Path) -> None:
    """Write a page for the package, with its public names, and one for every module of its rooms."""
    for name in resablate.__all__:  # pdoc looks where names are kept once they are imported, and these are when used
        setattr(resablate, name, getattr(resablate, name))
    pdoc.render.configure(docformat="google")
    rooms = [room.name for room in pkgutil.iter_modules(resablate.__path__) if room.ispkg]
    # The package names what is public, and pdoc takes that for all there is.
    wanted = [f"resablate.{room}" for room in rooms if room not in LEFT_OUT]
    pdoc.pdoc("resablate", *wanted, output_directory=folder)


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]))
