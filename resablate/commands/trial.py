"""`resablate trial`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from resablate.commands.assignments import split_questions
from resablate.commands.console import DataRoot, Json, TrackingUri
from resablate.commands.refusals import Refusals
from resablate.commands.running import run_plan
from resablate.errors import SpecError
from resablate.sweep import parse_sweep

if TYPE_CHECKING:
    from resablate.plan import SweepPlan


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
    from resablate.commands.places import check_data_root, check_records

    refusals = Refusals("trial")
    base, analyses = split_questions(refusals.assignments(words or []))
    check_data_root(data_root, refusals)
    plan = refusals.of(lambda: trial_plan(base, analyses, place="trial"))
    check_records(tracking_uri, refusals)
    refusals.refuse()
    assert plan
    run_plan(plan, inline=True, retry=("failed",), data_root=data_root, tracking_uri=tracking_uri, as_json=as_json)


def trial_plan(base: Mapping[str, Any], analyses: Mapping[str, Any] | None, *, place: str) -> SweepPlan:
    """A checked sweep of one trial.

    Args:
        base: its fields, as a sweep file has them.
        analyses: what it is asked; what is asked by default where None.
        place: what the person was writing.

    Raises:
        SpecError: with all that is wrong.
    """
    from resablate.plan import checked_plan

    content = {"name": "trial", "base": base, **({} if analyses is None else {"analyses": analyses})}
    try:
        return checked_plan(lambda: parse_sweep(content), place=place)
    except SpecError as error:
        raise SpecError([problem.removeprefix("base.") for problem in error.problems], place=place) from None
