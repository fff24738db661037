"""`resablate clone`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from resablate.commands.assignments import parse_assignments, split_questions
from resablate.commands.console import DataRoot, Json, TrackingUri
from resablate.commands.running import run_plan
from resablate.component import Component
from resablate.errors import SpecError
from resablate.question import TEST
from resablate.sweep import parse_sweep

if TYPE_CHECKING:
    from resablate.result import TrialResult
    from resablate.spec import TrainSpec


def clone(
    target: Annotated[str, typer.Argument(metavar="KEY", help="A trial's key, or a run id.")],
    words: Annotated[
        list[str] | None, typer.Argument(metavar="NAME=VALUE ...", help="What is different, as for `resablate trial`.")
    ] = None,
    *,
    as_json: Json = False,
    data_root: DataRoot = None,
    tracking_uri: TrackingUri = None,
) -> None:
    """Run a trial like one that was run, but for some values, in this process: `resablate clone KEY epochs=200`."""
    from resablate.plan import checked_plan
    from resablate.tracking import open_tracker

    changes, asked = split_questions(parse_assignments(words or [], place="clone"))
    _, result = open_tracker(tracking_uri).load_trial(target)
    base = _changed(_plain_fields(result.spec), changes)
    content = {"name": "trial", "base": base, "analyses": _analyses(result) if asked is None else asked}
    try:
        plan = checked_plan(lambda: parse_sweep(content), place="clone")
    except SpecError as error:
        raise SpecError([problem.removeprefix("base.") for problem in error.problems], place="clone") from None
    run_plan(plan, inline=True, retry=("failed",), data_root=data_root, tracking_uri=tracking_uri, as_json=as_json)


def _plain_fields(spec: TrainSpec) -> dict[str, Any]:
    """The fields that differ from their defaults, as a sweep file holds them: where the data lie is found again."""
    found = {name: part for name, part in dict(spec).items() if name in spec.changes()}
    return {
        name: Component(part.name, part.arguments).brief() if isinstance(part, Component) else part
        for name, part in found.items()
    }


def _changed(fields: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The fields with others in their place; a component that is named anew loses the arguments it had."""
    kept = {name: value for name, value in fields.items() if name not in changes}
    return {**kept, **changes}


def _analyses(result: TrialResult) -> dict[str, Any]:
    """What the trial was asked, as a sweep file asks it."""
    epochs: dict[Component, list[int]] = {}
    for question in (measurement.question for measurement in result.measurements):
        after = epochs.setdefault(question.analysis, [])
        after += [] if question.epoch is None else [question.epoch]
    asked: dict[str, list[dict[str, Any]]] = {}
    for analysis, after in epochs.items():
        if analysis.name != TEST or analysis.arguments:
            given = dict(analysis.arguments) | ({"epochs": after} if after else {})
            asked.setdefault(analysis.name, []).append(given)
    return {name: sets[0] if len(sets) == 1 else sets for name, sets in asked.items()}
