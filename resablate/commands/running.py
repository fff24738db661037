"""Running a plan, and telling a person how it went."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from resablate.commands.console import command_line, err, out
from resablate.commands.json_output import print_record
from resablate.commands.json_records import OutcomeRecord
from resablate.errors import ResablateError
from resablate.webhook import announce

if TYPE_CHECKING:
    from resablate.plan import SweepPlan
    from resablate.result import Status
    from resablate.scheduling import SweepOutcome, TrialStatus
    from resablate.spec import TrainSpec


def show_trials(trials: Sequence[TrialStatus], words: dict[str, str], *, label: Callable[[TrainSpec], str]) -> None:
    """A table of trials; `words` says of each key where it stands."""
    shown = Table(box=None, pad_edge=False)
    for heading in ("trial", "key", "state", "epochs", "reason"):
        shown.add_column(heading, overflow="fold", justify="right" if heading == "epochs" else "left")
    for trial in trials:
        spec, epochs = trial.spec, f"{trial.epoch}/{trial.spec.epochs}"
        shown.add_row(escape(label(spec)), spec.key, words[spec.key], epochs, escape(trial.reason))
    out.print(shown)


def run_plan(
    plan: SweepPlan,
    *,
    inline: bool,
    retry: tuple[Status, ...],
    rerun: str = "",
    max_trials: int | None = None,
    time_budget: float | None = None,
    data_root: Path | None,
    tracking_uri: str | None,
    as_json: bool = False,
) -> None:
    """Run what is missing of a plan, and say how it went and how to go on.

    Exits with 1 where a trial failed or a question got no answer, and with 129, 130 or 143 where it was interrupted.
    """
    from resablate.scheduling import run_sweep

    for note in plan.notes:
        err.print(note, markup=False, highlight=False, soft_wrap=True)
    try:
        outcome = run_sweep(
            plan,
            scheduler="inline" if inline else "ray_tune",
            command=command_line(),
            console=err,
            uri=tracking_uri,
            data_root=data_root,
            retry=retry,
            rerun=rerun,
            max_trials=max_trials,
            time_budget=time_budget,
        )
    except ResablateError as error:
        announce(plan.sweep.name, outcome="failed", text=f"sweep {plan.sweep.name} did not run: {error}")
        raise
    except KeyboardInterrupt as stop:  # before the first trial, or again while the last results were filed
        err.print(f"{_stopped(str(stop))}; run the same command again to continue", highlight=False, soft_wrap=True)
        sys.exit(_exit_code(str(stop)))
    announce(plan.sweep.name, outcome=_outcome_word(outcome), text=_in_words(plan, outcome))
    if as_json:
        print_record(_record(plan.sweep.name, outcome))
        sys.exit(_outcome_code(outcome))
    out.print(_in_words(plan, outcome), markup=False, highlight=False, soft_wrap=True)
    err.print(f"records: {outcome.records}", markup=False, highlight=False, soft_wrap=True)
    _say_how_to_go_on(outcome)


def _outcome_word(outcome: SweepOutcome) -> str:
    """`ended`, `failed`, or `needs a person`: something was not filed or answered, or waits to be continued."""
    if outcome.counts.get("failed") or outcome.not_repeated.get("failed"):
        return "failed"
    return "needs a person" if outcome.failed or outcome.remaining else "ended"


def _in_words(plan: SweepPlan, outcome: SweepOutcome) -> str:
    from resablate.scheduling import clock

    parts = [f"{count} {status} before" for status, count in outcome.not_repeated.items()]
    parts += [f"{count} {status}" for status, count in outcome.counts.items()]
    parts += [f"{outcome.measured} asked again"] if outcome.measured else []
    parts += [f"{outcome.remaining} pending"] if outcome.remaining else []
    ended = ", ".join(parts) or "nothing to run"
    return (
        f"{plan.sweep.name}: {outcome.planned} trials, {outcome.reused} complete before, {ended};"
        f" {clock(outcome.wall_seconds)}"
    )


def _say_how_to_go_on(outcome: SweepOutcome) -> None:
    """How to go on, and the exit code that says whether there is something to go on with."""
    for problem in outcome.filing_problems:
        err.print(f"not filed: {problem}", style="red", markup=False, highlight=False, soft_wrap=True)
    for problem in outcome.analysis_problems:
        err.print(f"no answer: {problem}", style="red", markup=False, highlight=False, soft_wrap=True)
    if outcome.interrupted and outcome.stopped_by:
        words = f"{_stopped(outcome.stopped_by)}; what was running continues from its last epoch"
        err.print(words, markup=False, highlight=False, soft_wrap=True)
    if outcome.remaining or outcome.filing_problems:
        err.print("run the same command again to continue", highlight=False)
    if outcome.analysis_problems:
        err.print("to ask again what got no answer, add --retry failed", highlight=False)
    if outcome.counts.get("failed") or outcome.not_repeated.get("failed"):
        err.print("to run what failed again, add --retry failed", highlight=False)
    if code := _outcome_code(outcome):
        sys.exit(code)


def _outcome_code(outcome: SweepOutcome) -> int:
    if not outcome.failed:
        return 0
    return _exit_code(outcome.stopped_by) if outcome.interrupted else 1


def _record(sweep: str, outcome: SweepOutcome) -> OutcomeRecord:
    return OutcomeRecord(
        sweep=sweep,
        planned=outcome.planned,
        reused=outcome.reused,
        ended={str(status): count for status, count in outcome.counts.items()},
        ended_before=outcome.not_repeated,
        remaining=outcome.remaining,
        asked_again=outcome.measured,
        stopped_by=outcome.stopped_by,
        not_filed=list(outcome.filing_problems),
        no_answer=list(outcome.analysis_problems),
        records=outcome.records,
        seconds=outcome.wall_seconds,
        exit_code=_outcome_code(outcome),
    )


def _stopped(stopped_by: str) -> str:
    return f"stopped by {stopped_by}" if _exit_code(stopped_by) > 1 else f"stopped: {stopped_by}"


def _exit_code(stopped_by: str) -> int:
    """As a shell says it, 128 and the signal; 1 where no signal stopped it."""
    from resablate.scheduling import HUNG_UP, INTERRUPTED, OUT_OF_TIME, TERMINATED

    signals = {TERMINATED: signal.SIGTERM, HUNG_UP: signal.SIGHUP}
    signals |= dict.fromkeys((INTERRUPTED, OUT_OF_TIME), signal.SIGINT)
    return 1 if stopped_by and stopped_by not in signals else 128 + signals.get(stopped_by, signal.SIGINT)
