"""`resablate sweeps`, `resablate runs` and `resablate rm`: what there is of records, and forgetting it."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from resablate.commands.console import Json, SweepName, TrackingUri, err, out
from resablate.commands.json_keeping import ForgottenRecord, RunsRecord, SweepRecord
from resablate.commands.json_output import print_record, print_records
from resablate.commands.status import trial_records
from resablate.errors import SpecError, TrackingError


def sweeps(*, as_json: Json = False, tracking_uri: TrackingUri = None) -> None:
    """List the sweeps in the records, and how far they are."""
    from resablate.scheduling import STATES, sweep_standing
    from resablate.sweep_question import sweep_question
    from resablate.tracking import open_tracker

    tracker = open_tracker(tracking_uri)
    rows: list[SweepRecord] = []
    for name in tracker.keeping().sweeps():
        try:
            found = sweep_standing(name, tracker=tracker)
        except TrackingError as error:
            err.print(f"{name}: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
            rows.append(SweepRecord(sweep=name, question="", counts={}, to_come=0, problem=str(error)))
            continue
        counts = Counter(trial.state for trial in found.trials)
        question = sweep_question(found.sweep)
        rows.append(SweepRecord(sweep=name, question=question, counts=dict(counts), to_come=found.to_come, problem=""))
    if as_json:
        print_records(rows)
        return
    shown = Table(box=None, pad_edge=False)
    for heading in ("sweep", "trials", *STATES, "question"):
        shown.add_column(heading, overflow="fold", justify="left" if heading in ("sweep", "question") else "right")
    for row in (row for row in rows if not row.problem):
        counts = Counter(row.counts)
        total = f"{counts.total()} of at most {counts.total() + row.to_come}" if row.to_come else str(counts.total())
        numbers = [str(counts[state]) for state in STATES]
        shown.add_row(escape(row.sweep), total, *numbers, escape(row.question))
    out.print(shown)


def runs(name: SweepName, *, as_json: Json = False, tracking_uri: TrackingUri = None) -> None:
    """List the trials of a sweep: key, run, the sweep that ran it, state and label."""
    from resablate.scheduling import sweep_standing
    from resablate.tracking import open_tracker

    tracker = open_tracker(tracking_uri)
    found = sweep_standing(name, tracker=tracker)
    if as_json:
        print_record(RunsRecord(sweep=name, trials=trial_records(found)))
        return
    shown = Table(box=None, pad_edge=False)
    for heading in ("key", "run", "state", "epochs", "trial"):
        shown.add_column(heading, overflow="fold", justify="right" if heading == "epochs" else "left")
    for trial in found.trials:
        epochs = f"{trial.epoch}/{trial.spec.epochs}"
        shown.add_row(trial.spec.key, trial.run_id, trial.state, epochs, escape(found.sweep.label(trial.spec)))
    out.print(shown)


def rm(
    name: SweepName,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
    tracking_uri: TrackingUri = None,
) -> None:
    """Forget a sweep: its records, and what waits in this folder. Asks twice."""
    from resablate.searches import is_adaptive
    from resablate.searches.study import forget_study
    from resablate.storage.files import remove
    from resablate.storage.locations import TRIALS, sweep_folder
    from resablate.storage.locks import exclusive_lock
    from resablate.storage.spool import SPOOL
    from resablate.tracking import open_tracker

    tracker = open_tracker(tracking_uri)
    sweep, trials = tracker.submitted(name)
    count = len(trials)
    if not yes:
        if not sys.stdin.isatty():
            raise SpecError(f"rm: forgets {name}, {count} trials; where nobody can be asked, say --yes")
        told = f"Forget the sweep {name}, {count} trials? Sweeps that use its results train them again"
        if not typer.confirm(told, err=True):
            raise typer.Exit(1)
        if typer.prompt("Write its name to forget it", err=True) != name:
            err.print("not forgotten: that is another name", highlight=False)
            raise typer.Exit(1)
    work = sweep_folder(name)
    with exclusive_lock(work, name):
        tracker.claim_sweep(name)  # nobody runs it meanwhile, here or elsewhere
        try:
            if is_adaptive(sweep.search.method):
                forget_study(sweep)  # first: what fails is repeated only as long as there are records
            gone = tracker.keeping().forget_sweep(name)
        finally:
            tracker.release_sweep()
        for part in () if work.is_symlink() else (TRIALS, SPOOL):  # what lies behind a link, or beside, is not ours
            remove(work / part)
    if as_json:
        print_record(ForgottenRecord(sweep=name, trials=gone))
        return
    out.print(f"{name}: forgotten, with {gone} trials", markup=False, highlight=False)
