"""`resablate sweep`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from resablate.commands.console import Changes, DataRoot, Json, SweepFile, TrackingUri, err
from resablate.commands.limits import check_limits
from resablate.commands.previewing import preview_plan
from resablate.commands.refusals import Refusals
from resablate.commands.running import run_plan
from resablate.errors import SpecError
from resablate.redaction import redact
from resablate.storage.locations import FOLDER, OFFLINE, records_folder

if TYPE_CHECKING:
    from resablate.result import Status


Offline = Annotated[
    bool,
    typer.Option(
        "--offline", help="File into the folder `offline`, for `resablate sync`; with --inline, without MLflow."
    ),
]
Rerun = Annotated[
    str,
    typer.Option(
        "--rerun",
        metavar="KEY,...|changed|all",
        help="Train these again: by key, those made with other code, or all. The old runs stay and count no more.",
        show_default=False,
    ),
]


def sweep(
    file: SweepFile,
    words: Changes = None,
    *,
    inline: Annotated[bool, typer.Option("--inline", help="One after another in this process, without Ray.")] = False,
    offline: Offline = False,
    retry: Annotated[
        str | None, typer.Option("--retry", metavar="failed", help="Run and ask again what failed.", show_default=False)
    ] = None,
    rerun: Rerun = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be run, and run nothing.")] = False,
    max_trials: Annotated[
        str | None,
        typer.Option("--max-trials", metavar="NUMBER", help="Run no more than so many.", show_default=False),
    ] = None,
    time_budget: Annotated[
        str | None,
        typer.Option("--time-budget", metavar="TIME", help="Stop after so long: 90s, 30m, 2h.", show_default=False),
    ] = None,
    as_json: Json = False,
    data_root: DataRoot = None,
    tracking_uri: TrackingUri = None,
) -> None:
    """Run what is missing of a sweep: trainings that have not ended, and questions that were not asked."""
    from resablate.commands.places import check_data_root, check_records
    from resablate.forecast import advice
    from resablate.plan import load_plan

    refusals = Refusals(str(file))
    most, seconds = check_limits(refusals, retry=retry, max_trials=max_trials, time_budget=time_budget)
    if dry_run and rerun:
        refusals.add("--rerun: sets results aside, which --dry-run does not do")
    if offline:
        tracking_uri = refusals.of(lambda: _offline_records(tracking_uri, inline=inline))
    check_data_root(data_root, refusals)
    changes = refusals.assignments(words or [])
    plan = refusals.of(lambda: load_plan(file, changes))
    check_records(tracking_uri, refusals)
    refusals.refuse()
    assert plan
    again: tuple[Status, ...] = ("failed",) if retry else ()
    where: dict[str, Any] = {"max_trials": most, "data_root": data_root, "tracking_uri": tracking_uri}
    if dry_run:
        preview_plan(plan, retry=again, as_json=as_json, **where)
        return
    if tip := advice(plan):
        err.print(tip, markup=False, highlight=False, soft_wrap=True)
    run_plan(plan, inline=inline, retry=again, rerun=rerun, time_budget=seconds, as_json=as_json, **where)


def _offline_records(tracking_uri: str | None, *, inline: bool) -> str:
    """The address of the folder of records that wait to be filed elsewhere."""
    found: list[str] = []
    if not inline:
        found.append("--offline: goes with --inline, one trial after another in this process")
    if tracking_uri and records_folder(tracking_uri) is None:
        uri = redact(tracking_uri)
        found.append(f"--offline: files into a folder, which --tracking-uri names as {FOLDER}PATH; got {uri}")
    if found:
        raise SpecError(found)
    return tracking_uri or f"{FOLDER}{OFFLINE}"
