"""What the commands share: where they print, the arguments that several take, and what was typed."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

_PLAIN_WIDTH = 160
"""Columns where the output is no terminal."""
out = Console(width=None if sys.stdout.isatty() else _PLAIN_WIDTH)
err = Console(stderr=True, width=None if sys.stderr.isatty() else _PLAIN_WIDTH)

SweepFile = Annotated[Path, typer.Argument(metavar="FILE", help="A sweep file, such as sweeps/quickstart.yaml.")]
DataRoot = Annotated[
    Path | None, typer.Option("--data-root", help="Where data sets are looked for first.", show_default=False)
]
TrackingUri = Annotated[
    str | None,
    typer.Option(
        "--tracking-uri",
        help="MLflow server or database; else $MLFLOW_TRACKING_URI, else sqlite in this folder.",
        show_default=False,
    ),
]


def command_line() -> str:
    """What the person typed."""
    return shlex.join(["resablate", *sys.argv[1:]])
