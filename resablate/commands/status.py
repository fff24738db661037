"""`resablate status`."""

from __future__ import annotations

import sys
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING

from resablate.commands.console import Json, SweepName, TrackingUri, err, out
from resablate.commands.json_output import print_record
from resablate.commands.json_records import StatusRecord, TrialRecord
from resablate.commands.running import show_trials
from resablate.storage.locations import FOLDER, OFFLINE, home, records_folder
from resablate.storage.locations import tracking_uri as address_of_records

if TYPE_CHECKING:
    from resablate.scheduling import SweepStanding, TrialStatus
    from resablate.tracking import Lease


def status(
    name: SweepName,
    *,
    as_json: Json = False,
    tracking_uri: TrackingUri = None,
) -> None:
    """Say how far the latest submission of a sweep is, and what has not finished; exits with 1 if something failed."""
    from resablate.scheduling import STATES, sweep_standing
    from resablate.tracking import open_tracker

    tracker = open_tracker(tracking_uri)
    found = sweep_standing(name, tracker=tracker)
    where = _options_of_records(tracking_uri)
    kept = tracker.ui_hint() if where else ""
    counts = Counter(trial.state for trial in found.trials)
    failed = bool(counts["failed"] or any(trial.unanswered for trial in found.trials))
    if as_json:
        print_record(_record(name, found, counts, kept))
        sys.exit(int(failed))
    told = ", ".join(f"{counts[state]} {state}" for state in STATES)
    told += f", {found.to_come} to come" if found.to_come else ""
    short = sum(trial.state == "failed" and trial.reason.startswith("out of") for trial in found.trials)
    told += f" ({short} out of memory)" if short else ""
    of = f" of at most {found.at_most}" if found.at_most > len(found.trials) else ""
    out.print(f"{name}: {len(found.trials)} trials{of}: {told}", highlight=False, soft_wrap=True)
    if found.lease:
        out.print(f"sweep {name!r} {_holder(found.lease)}", markup=False, highlight=False, soft_wrap=True)
    if found.rounds:
        out.print(f"seeds: {found.rounds}", markup=False, highlight=False, soft_wrap=True)
    if not found.with_questions:
        err.print("torch is not installed here: questions that are open are not told", highlight=False)
    unfinished = [t for t in found.trials if t.state != "finished" or t.missing or t.unanswered]
    if unfinished:
        words = {trial.spec.key: _standing(trial, found.leased.get(trial.spec.key)) for trial in unfinished}
        show_trials(unfinished, words, label=found.sweep.label)
    if counts["running"] and not found.is_run_here and not (found.lease and found.lease.taken):
        err.print(
            "no process here runs it: what is running runs elsewhere, or was killed and continues when the sweep is"
            " run again",
            highlight=False,
            soft_wrap=True,
        )
    if where and (counts["pending"] or counts["running"] or any(trial.missing for trial in found.trials)):
        err.print(f"to go on here: resablate sweep FILE{where}", markup=False, highlight=False, soft_wrap=True)
    if failed:
        what = "failed trials are run again" if counts["failed"] else "what got no answer is asked again"
        again = f"{what} with: resablate sweep FILE{where} --retry failed"
        err.print(again, markup=False, highlight=False, soft_wrap=True)
    if kept:
        err.print(f"records: {kept}", markup=False, highlight=False, soft_wrap=True)
    if failed:
        sys.exit(1)


def _options_of_records(uri: str | None) -> str:
    """How `resablate sweep FILE` goes on with records in a folder; empty for all others."""
    folder = records_folder(address_of_records(uri))
    if folder is None:
        return ""
    return " --inline --offline" if folder == home() / OFFLINE else f" --inline --tracking-uri {FOLDER}{folder}"


def _record(name: str, found: SweepStanding, counts: Counter[str], kept: str) -> StatusRecord:
    return StatusRecord(
        sweep=name,
        counts=dict(counts),
        at_most=max(found.at_most, len(found.trials)),
        to_come=found.to_come,
        running_here=found.is_run_here,
        rounds=found.rounds,
        with_questions=found.with_questions,
        kept=kept,
        trials=trial_records(found),
    )


def trial_records(found: SweepStanding) -> list[TrialRecord]:
    """The trials of a sweep, as a program reads them."""
    return [
        TrialRecord(
            trial=found.sweep.label(trial.spec),
            key=trial.spec.key,
            state=trial.state,
            epoch=trial.epoch,
            epochs=trial.spec.epochs,
            reason=trial.reason,
            run=trial.run_id,
            missing=list(map(str, trial.missing)),
            unanswered=list(map(str, trial.unanswered)),
            params=dict(trial.spec.params()),
        )
        for trial in found.trials
    ]


def _holder(lease: Lease) -> str:
    """Who runs a sweep, or left it."""
    owner, since = lease.claim.owner, f"{datetime.fromtimestamp(lease.claim.since / 1000):%Y-%m-%d %H:%M:%S}"
    if lease.state == "held":
        return f"is run by {owner}, since {since}"
    if lease.state == "unheard":
        return f"was begun by {owner}, another machine, at {since}; who runs it next hears whether it is at work"
    return f"was left open by {owner}, which has ended; run it again to continue"


def _standing(trial: TrialStatus, leased: str | None) -> str:
    """The state, who else trains it, and the questions that are open."""
    parts = [trial.state]
    parts += [f"leased by sweep {leased!r}"] if leased and not trial.ended else []
    parts += [f"to be asked {', '.join(map(str, trial.missing))}"] if trial.missing else []
    parts += [f"no answer to {', '.join(map(str, trial.unanswered))}"] if trial.unanswered else []
    return "; ".join(parts)
