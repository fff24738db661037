"""What a submission would do, told to a person or a program without doing any of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from resablate.commands.console import err, out
from resablate.commands.json_output import print_record
from resablate.commands.json_records import PreviewRecord, PreviewTrialRecord
from resablate.commands.running import show_trials

if TYPE_CHECKING:
    from resablate.plan import SweepPlan
    from resablate.result import Status
    from resablate.scheduling import Preview, TrialStatus


def preview_plan(
    plan: SweepPlan,
    *,
    retry: tuple[Status, ...],
    max_trials: int | None = None,
    data_root: Path | None,
    tracking_uri: str | None,
    as_json: bool,
) -> None:
    """Say what would be run of a plan, and run nothing; arguments as those of `run_plan`."""
    from resablate.scheduling import describe_packs, preview
    from resablate.tracking import open_tracker

    would_do = preview(plan.identified(data_root), open_tracker(tracking_uri), retry=retry, limit=max_trials)
    todo = [trial.spec for trial in would_do.known if trial.spec.key in would_do.todo]
    packs = describe_packs(plan, todo)
    if as_json:
        print_record(_record(plan, would_do, packs))
        return
    for note in plan.notes:
        err.print(note, markup=False, highlight=False, soft_wrap=True)
    if would_do.known:
        words = {trial.spec.key: _in_words(trial, would_do) for trial in would_do.known}
        show_trials(would_do.known, words, label=plan.sweep.label)
    for line in ([f"seeds: {would_do.rounds}"] if would_do.rounds else []) + list(packs):
        out.print(line, markup=False, highlight=False, soft_wrap=True)
    record = _record(plan, would_do, packs)
    more = f" (of them {record.would_replicate} at most with new seeds, once the search has ended)"
    out.print(
        f"{record.sweep}: {record.count} trials, {record.complete} complete, {record.would_run} would run"
        f"{more if record.would_replicate else ''}, {record.questions} questions would be put to trained networks;"
        " nothing was run",
        highlight=False,
        soft_wrap=True,
    )


def _in_words(trial: TrialStatus, would_do: Preview) -> str:
    would = ("run again" if trial.ended else "run") if trial.spec.key in would_do.todo else "leave"
    asked = f": would be asked {', '.join(map(str, trial.missing))}" if trial.missing else ""
    return (trial.state if trial.complete else f"{trial.state}: would {would}") + asked


def _record(plan: SweepPlan, would_do: Preview, packs: list[str]) -> PreviewRecord:
    return PreviewRecord(
        sweep=plan.sweep.name,
        trials=[
            PreviewTrialRecord(
                trial=plan.sweep.label(trial.spec),
                key=trial.spec.key,
                state=trial.state,
                would_run=trial.spec.key in would_do.todo,
                would_be_asked=[str(question) for question in trial.missing],
            )
            for trial in would_do.known
        ],
        count=would_do.total,
        complete=sum(trial.complete for trial in would_do.known),
        would_run=len(would_do.todo) + would_do.proposed + would_do.replicates,
        would_replicate=would_do.replicates,
        questions=would_do.unmeasured,
        rounds=would_do.rounds,
        notes=[*plan.notes, *packs],
    )
