"""What the commands share: where they print, the arguments that several take, and what was typed."""

from __future__ import annotations

import shlex
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, Annotated, Any, cast

import typer
from rich.console import Console

from resablate.errors import SpecError
from resablate.redaction import holds_password, redact
from resablate.sweep import load_sweep
from resablate.sweep_files import SUFFIXES, find_sweep


class _Stderr:
    """Standard error as it is now. Where nobody takes it any more, a terminal that was closed say, the work goes on."""

    def write(self, text: str) -> int:
        with suppress(OSError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            sys.stderr.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)


_PLAIN_WIDTH = 160
"""Columns where the output is no terminal."""
out = Console(width=None if sys.stdout.isatty() else _PLAIN_WIDTH)
err = Console(file=cast("IO[str]", _Stderr()), width=None if sys.stderr.isatty() else _PLAIN_WIDTH)


def _no_password(uri: str | None) -> str | None:
    if uri and holds_password(uri):
        raise SpecError(
            f"--tracking-uri {redact(uri)}: everybody on this machine can read a command line; set"
            " MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, and leave them out of the address"
        )
    return uri


SweepFile = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        parser=find_sweep,
        help="A sweep file, such as sweeps/quickstart.yaml, or the name of one of sweeps/ or of the package.",
    ),
]
Changes = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME=VALUE ...]", help="In place of what the file says: epochs=2, 'seed=[0, 1]'."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, as `resablate list json` describes it.")]


def sweep_name(given: str) -> str:
    """The name of a sweep, of which its file is told as well."""
    path = Path(given)
    return load_sweep(path).name if path.suffix in SUFFIXES else given


SweepName = Annotated[str, typer.Argument(metavar="NAME", parser=sweep_name, help="The sweep's name, or its file.")]
DataRoot = Annotated[
    Path | None, typer.Option("--data-root", help="Where data sets are looked for first.", show_default=False)
]
TrackingUri = Annotated[
    str | None,
    typer.Option(
        "--tracking-uri",
        callback=_no_password,
        help="MLflow server or database; else $MLFLOW_TRACKING_URI, else sqlite in this folder.",
        show_default=False,
    ),
]


def command_line() -> str:
    """What the person typed, without passwords: it is kept with the results."""
    return shlex.join(["resablate", *map(redact, sys.argv[1:])])
