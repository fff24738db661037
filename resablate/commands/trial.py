"""`resablate trial`."""

from __future__ import annotations

from typing import Annotated

import typer

from resablate.commands.assignments import parse_assignments, split_questions
from resablate.commands.console import DataRoot, Json, TrackingUri
from resablate.commands.running import run_plan
from resablate.errors import SpecError
from resablate.sweep import parse_sweep


def trial(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME=VALUE ...", help="Fields and arguments; analyses=A,B and A.argument=VALUE."),
    ] = None,
    *,
    as_json: Json = False,
    data_root: DataRoot = None,
    tracking_uri: TrackingUri = None,
) -> None:
    """Run one trial in this process, such as `resablate trial shortcut=exclusive_gate shortcut.bias=-6 depth=20`."""
    from resablate.plan import checked_plan

    base, analyses = split_questions(parse_assignments(words or [], place="trial"))
    content = {"name": "trial", "base": base, **({} if analyses is None else {"analyses": analyses})}
    try:
        plan = checked_plan(lambda: parse_sweep(content), place="trial")
    except SpecError as error:
        raise SpecError([problem.removeprefix("base.") for problem in error.problems], place="trial") from None
    run_plan(plan, inline=True, retry=("failed",), data_root=data_root, tracking_uri=tracking_uri, as_json=as_json)
