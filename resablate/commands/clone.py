"""`resablate clone`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from resablate.commands.assignments import split_questions
from resablate.commands.console import DataRoot, Json, TrackingUri
from resablate.commands.previewing import preview_plan
from resablate.commands.refusals import Refusals
from resablate.commands.running import run_plan
from resablate.commands.trial import trial_plan
from resablate.component import Component
from resablate.question import TEST
from resablate.sweep import parse_sweep
from resablate.sweep_changes import without

if TYPE_CHECKING:
    from resablate.plan import SweepPlan
    from resablate.result import TrialResult
    from resablate.spec import TrainSpec


def clone(
    target: Annotated[str, typer.Argument(metavar="KEY", help="A trial's key or run id, or its first digits.")],
    words: Annotated[
        list[str] | None, typer.Argument(metavar="NAME=VALUE ...", help="What is different, as for `resablate trial`.")
    ] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be run, and run nothing.")] = False,
    as_json: Json = False,
    data_root: DataRoot = None,
    tracking_uri: TrackingUri = None,
) -> None:
    """Run a trial like one that was run, but for some values, in this process: `resablate clone KEY epochs=200`."""
    from resablate.commands.places import check_data_root
    from resablate.scheduling import load_named
    from resablate.tracking import open_tracker

    refusals = Refusals("clone")
    changes, asked = split_questions(refusals.assignments(words or []))
    check_data_root(data_root, refusals)
    found = refusals.of(lambda: load_named(open_tracker(tracking_uri), target))
    if not found:
        _look_alone(changes, asked, refusals)
    plan = refusals.of(lambda: _planned(found[1], changes, asked)) if found else None
    refusals.refuse()
    assert plan
    where: dict[str, Any] = {"data_root": data_root, "tracking_uri": tracking_uri, "as_json": as_json}
    if dry_run:
        preview_plan(plan, retry=("failed",), **where)
    else:
        run_plan(plan, inline=True, retry=("failed",), **where)


def _planned(result: TrialResult, changes: dict[str, Any], asked: dict[str, Any] | None) -> SweepPlan:
    """The plan of the trial that was run, changed."""
    fields = _changed(_plain_fields(result.spec), changes)
    return trial_plan(fields, _analyses(result) if asked is None else asked, place="clone")


def _look_alone(changes: dict[str, Any], asked: dict[str, Any] | None, refusals: Refusals) -> None:
    """Note what is wrong with the changes whatever was run: a depth may fit its network."""
    from resablate.component_tables import TABLES

    alone = {name: value for name, value in changes.items() if "." not in name}  # arguments go with what was run
    refusals.of(lambda: parse_sweep({"name": "trial", "base": alone, "analyses": {}}))
    components = {name: value for name, value in alone.items() if name in TABLES}
    refusals.of(lambda: trial_plan(components, asked, place="clone"))


def _plain_fields(spec: TrainSpec) -> dict[str, Any]:
    """The fields that differ from their defaults, as a sweep file holds them: where the data lie is found again."""
    found = {name: part for name, part in dict(spec).items() if name in spec.changes()}
    return {
        name: Component(part.name, part.arguments).brief() if isinstance(part, Component) else part
        for name, part in found.items()
    }


def _changed(fields: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The fields with others in their place; a component that is named anew loses the arguments it had."""
    for name in changes:
        fields = without(fields, name)
    return {**fields, **changes}


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
