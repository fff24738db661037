"""The command line: one verb a file; a knob is name=value, never a flag."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, NoReturn, cast

import typer
import typer.main

from resablate.commands.analyze import analyze
from resablate.commands.calibrate import calibrate
from resablate.commands.check import check
from resablate.commands.claims import claims
from resablate.commands.clone import clone
from resablate.commands.console import err
from resablate.commands.doctor import doctor
from resablate.commands.list import list_
from resablate.commands.option_syntax import check_options, noted_problems, options_of
from resablate.commands.records import rm, runs, sweeps
from resablate.commands.report import report
from resablate.commands.status import status
from resablate.commands.stop import stop
from resablate.commands.submit import submit
from resablate.commands.sweep import sweep
from resablate.commands.sync import sync
from resablate.commands.trial import trial
from resablate.commands.ui import ui
from resablate.errors import ResablateError, SpecError
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
BAD_INPUT = 2
"""The exit code."""
GATHERING = ("sweep", "check", "trial", "clone", "submit", "analyze", "report", "claims")
"""Verbs that tell everything that is wrong with a call at once, by `Refusals`, before they do anything."""
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
        Path.cwd()
    except FileNotFoundError:  # PyTorch does not load there either
        _refuse("the current folder was removed; go to one that is there, then run the command again")
    words, problems = _checked_words()
    try:
        if problems and words[0] not in GATHERING:
            raise SpecError(problems, place=words[0])
        with noted_problems(problems):
            app(args=words)
    except ResablateError as error:
        _refuse(str(_with(problems, error, place=words[0] if words else "")))
    except SystemExit as end:
        if problems and end.code == BAD_INPUT:  # the parser has told of something else, such as a word that is missing
            _tell("\n".join(problems))
        raise
    except ModuleNotFoundError as error:
        if not (source := _source_of(error)):
            raise
        _refuse(f"this needs the package {error.name}: pip install {source}")
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        _refuse(f"{error.filename or 'a disk'}: {error.strerror}; make room, then run the command again")


def _checked_words() -> tuple[list[str], list[str]]:
    """What was typed without the options that are wrong, and what is wrong with those."""
    words = sys.argv[1:]
    verb = cast(Any, typer.main.get_command(app)).commands.get(words[0]) if words else None
    if verb is None or "--help" in words:
        return words, []
    checked = check_options(words[1:], options_of(verb))
    return [words[0], *checked.words], checked.problems


def _with(problems: Sequence[str], error: ResablateError, *, place: str) -> ResablateError:
    """The error with the problems of options, where it was raised before anything gathered them."""
    known = error.problems if isinstance(error, SpecError) else [str(error)]
    left = [problem for problem in problems if problem not in known]
    return SpecError([*left, *known], place=place) if left else error


def _refuse(problem: str) -> NoReturn:
    _tell(problem)
    sys.exit(BAD_INPUT)


def _tell(problem: str) -> None:
    err.print(problem, style="red", markup=False, highlight=False, soft_wrap=True)


def _source_of(error: ModuleNotFoundError) -> str:
    """What a missing package comes with, as pip takes it; empty for a module of ours, or of a plug-in."""
    package = (error.name or "").partition(".")[0]
    return f"'resablate[{EXTRAS[package]}]'" if package in EXTRAS else "resablate" if package in REQUIRED else ""
