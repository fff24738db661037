"""The command line: one verb a file; a knob is name=value, never a flag."""

from __future__ import annotations

import logging
import os
import sys
from importlib.metadata import version
from typing import Annotated, NoReturn

import typer

from resablate.commands.analyze import analyze
from resablate.commands.calibrate import calibrate
from resablate.commands.check import check
from resablate.commands.claims import claims
from resablate.commands.clone import clone
from resablate.commands.console import err
from resablate.commands.doctor import doctor
from resablate.commands.list import list_
from resablate.commands.records import rm, runs, sweeps
from resablate.commands.report import report
from resablate.commands.status import status
from resablate.commands.stop import stop
from resablate.commands.submit import submit
from resablate.commands.sweep import sweep
from resablate.commands.sync import sync
from resablate.commands.trial import trial
from resablate.commands.ui import ui
from resablate.errors import ResablateError
from resablate.storage.files import DISK_FULL

EXTRAS = {name: "sweep" for name in ("mlflow", "optuna", "pyarrow", "ray", "sqlalchemy")} | {
    name: "cluster" for name in ("boto3", "psycopg")
}
"""Package -> the extra that installs it."""
REQUIRED = ("matplotlib", "numpy", "pandas", "PIL", "requests", "scipy", "sklearn", "torch", "torchvision")
"""Packages that come with every installation but one without dependencies, as a machine that only submits may have."""
app = typer.Typer(
    name="resablate",
    help="Ablation sweeps for deep residual networks: train, dissect, compare with the papers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("list")(list_)
VERBS = (
    *(check, calibrate, trial, clone, sweep, submit, status, stop, analyze, report, claims),
    *(sweeps, runs, rm, sync, doctor, ui),
)
for verb in VERBS:
    app.command()(verb)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"resablate {version('resablate')}")
        raise typer.Exit


@app.callback()
def options(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    """What every verb takes, which is nothing: `resablate --version` is the only option before a verb."""


def main() -> None:
    """Run the command line. Exit code 0: done; 1: a trial failed; 2: bad input; 129, 130, 143: interrupted."""
    # What draws here draws into files. A notebook's `!` hands on a backend that this process may not have.
    os.environ["MPLBACKEND"] = "agg"
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    try:
        app()
    except ResablateError as error:
        _refuse(str(error))
    except ModuleNotFoundError as error:
        if not (source := _source_of(error)):
            raise
        _refuse(f"this needs the package {error.name}: pip install {source}")
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        _refuse(f"{error.filename or 'a disk'}: {error.strerror}; make room, then run the command again")


def _refuse(problem: str) -> NoReturn:
    err.print(problem, style="red", markup=False, highlight=False, soft_wrap=True)
    sys.exit(2)


def _source_of(error: ModuleNotFoundError) -> str:
    """What a missing package comes with, as pip takes it; empty for a module of ours, or of a plug-in."""
    package = (error.name or "").partition(".")[0]
    return f"'resablate[{EXTRAS[package]}]'" if package in EXTRAS else "resablate" if package in REQUIRED else ""
