"""`resablate sweep`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from resablate.commands.assignments import parse_assignments, parse_duration
from resablate.commands.console import Changes, DataRoot, Json, SweepFile, TrackingUri, err, out
from resablate.commands.running import run_plan, show_trials
from resablate.errors import SpecError
from resablate.redaction import redact
from resablate.storage.locations import FOLDER, OFFLINE, records_folder

if TYPE_CHECKING:
    from resablate.plan import SweepPlan
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
        int | None, typer.Option("--max-trials", min=1, help="Run no more than so many.", show_default=False)
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
    from resablate.forecast import advice
    from resablate.plan import load_plan

    if retry not in (None, "failed"):
        raise SpecError(f"--retry: takes the word failed, got {retry!r}")
    if offline:
        tracking_uri = _offline_records(tracking_uri, inline=inline)
    seconds = None if time_budget is None else parse_duration(time_budget, place="--time-budget")
    plan = load_plan(file, parse_assignments(words or [], place=str(file)))
    again: tuple[Status, ...] = ("failed",) if retry else ()
    if dry_run and rerun:
        raise SpecError("--rerun: sets results aside, which --dry-run does not do")
    if dry_run:
        _preview(plan, retry=again, max_trials=max_trials, data_root=data_root, tracking_uri=tracking_uri)
    else:
        if tip := advice(plan):
            err.print(tip, markup=False, highlight=False, soft_wrap=True)
        run_plan(
            plan,
            inline=inline,
            retry=again,
            rerun=rerun,
            max_trials=max_trials,
            time_budget=seconds,
            data_root=data_root,
            tracking_uri=tracking_uri,
            as_json=as_json,
        )


def _offline_records(tracking_uri: str | None, *, inline: bool) -> str:
    """The address of the folder of records that wait to be filed elsewhere."""
    if not inline:
        raise SpecError("--offline: goes with --inline, one trial after another in this process")
    if tracking_uri and records_folder(tracking_uri) is None:
        raise SpecError(
            f"--offline: files into a folder, which --tracking-uri names as {FOLDER}PATH; got {redact(tracking_uri)}"
        )
    return tracking_uri or f"{FOLDER}{OFFLINE}"


def _preview(
    plan: SweepPlan,
    *,
    retry: tuple[Status, ...],
    max_trials: int | None,
    data_root: Path | None,
    tracking_uri: str | None,
) -> None:
    from resablate.scheduling import describe_packs, preview
    from resablate.tracking import open_tracker

    for note in plan.notes:
        err.print(note, markup=False, highlight=False, soft_wrap=True)
    would_do = preview(plan.identified(data_root), open_tracker(tracking_uri), retry=retry, limit=max_trials)
    words: dict[str, str] = {}
    for trial in would_do.known:
        key = trial.spec.key
        would = ("run again" if trial.ended else "run") if key in would_do.todo else "leave"
        words[key] = trial.state if trial.complete else f"{trial.state}: would {would}"
        if trial.missing:
            words[key] += f": would be asked {', '.join(map(str, trial.missing))}"
    if would_do.known:
        show_trials(would_do.known, words, label=plan.sweep.label)
    if would_do.rounds:
        out.print(f"seeds: {would_do.rounds}", markup=False, highlight=False, soft_wrap=True)
    todo = [trial.spec for trial in would_do.known if trial.spec.key in would_do.todo]
    for line in describe_packs(plan, todo):
        out.print(line, markup=False, highlight=False, soft_wrap=True)
    complete = sum(trial.complete for trial in would_do.known)
    out.print(
        f"{plan.sweep.name}: {max(plan.trial_count, len(would_do.known))} trials, {complete} complete,"
        f" {len(would_do.todo) + would_do.proposed} would run, {would_do.unmeasured} questions would be put to trained"
        " networks; nothing was run",
        highlight=False,
        soft_wrap=True,
    )
