"""`resablate claims`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from resablate.commands.assignments import parse_count
from resablate.commands.console import Json, TrackingUri, out
from resablate.commands.json_keeping import ClaimPlanRecord, ClaimRecord, VerdictRecord
from resablate.commands.json_output import print_record, print_records
from resablate.commands.refusals import Refusals
from resablate.errors import SpecError, UnknownName, UnknownSweep

if TYPE_CHECKING:
    from resablate.claims.answer import Answer
    from resablate.claims.answering import Answers
    from resablate.claims.planning import ClaimPlan
    from resablate.tracking import SweepRecord, Tracker


def claims(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[SWEEP ...]", help="Sweeps to decide over; with --plan, claims.")
    ] = None,
    *,
    plan: Annotated[bool, typer.Option("--plan", help="Write the smallest sweep that decides these claims.")] = False,
    dataset: Annotated[
        str | None, typer.Option("--dataset", help="Of the planned sweep; the papers' if left out.", show_default=False)
    ] = None,
    depth: Annotated[
        str | None,
        typer.Option("--depth", metavar="NUMBER", help="Layers, where a claim leaves them open.", show_default=False),
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(
            "--seeds",
            metavar="NUMBER",
            help="Of each cell, with --until-decided at most; by power if left out.",
            show_default=False,
        ),
    ] = None,
    rounds: Annotated[
        bool, typer.Option("--until-decided", help="Plan seeds in rounds until the claims are decided.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", help="The sweep file; printed if left out.", show_default=False)
    ] = None,
    as_json: Json = False,
    tracking_uri: TrackingUri = None,
) -> None:
    """List the claims of the papers, decide them over sweeps, or plan the sweep that decides them."""
    refusals = Refusals("claims --plan" if plan else "claims")
    given = {"--dataset": dataset, "--depth": depth, "--seeds": seeds, "--output": output}
    given |= {"--until-decided": rounds or None}
    if not plan and (unused := [name for name, value in given.items() if value is not None]):
        refusals.add(f"{', '.join(unused)}: only with --plan")
    layers, most = (
        None if text is None else refusals.of(partial(parse_count, text, place=place))
        for text, place in ((depth, "--depth"), (seeds, "--seeds"))
    )
    if plan:
        wanted: dict[str, Any] = {"dataset": dataset, "depth": layers, "seeds": most}
        planned = _planned(names or [], refusals, rounds=rounds, output=output, **wanted)
        _show_plan(planned, output, as_json=as_json)
    elif names:
        _decide(names, refusals, as_json=as_json, tracking_uri=tracking_uri)
    else:
        refusals.refuse()
        _list(as_json=as_json)


def _list(*, as_json: bool) -> None:
    from resablate.claims import CLAIMS

    if as_json:
        print_records(
            [
                ClaimRecord(claim=claim.id, statement=claim.statement, source=claim.source, needs=claim.needs)
                for claim in CLAIMS.values()
            ]
        )
        return
    shown = Table(box=None, pad_edge=False)
    shown.add_column("claim", no_wrap=True)
    for heading in ("statement", "source", "needs"):
        shown.add_column(heading, overflow="fold")
    for claim in CLAIMS.values():
        shown.add_row(claim.id, claim.statement, claim.source, claim.needs)
    out.print(shown, markup=False)


def _decide(names: Sequence[str], refusals: Refusals, *, as_json: bool, tracking_uri: str | None) -> None:
    from resablate.claims.answering import answer_sweeps
    from resablate.claims.effects_told import decided_first, published_answers
    from resablate.claims.rounds import LEVEL
    from resablate.tracking import open_tracker

    tracker = refusals.of(lambda: open_tracker(tracking_uri))
    given = Counter(names)
    refusals.add(*(f"SWEEP: every sweep once, got {name} again" for name, count in given.items() if count > 1))
    found_records = [refusals.of(partial(_record, tracker, name)) for name in given] if tracker else []
    refusals.refuse()
    records = [record for record in found_records if record]
    results = [result for record in records for result in record.results]
    missing = [spec for record in records for spec in record.missing]
    found = answer_sweeps([record.sweep for record in records], results, missing)
    if as_json:
        print_records([VerdictRecord(**answer.record()) for answer in found.answers])
        return
    shown = Table(box=None, pad_edge=False)
    for heading in ("claim", "verdict", "n"):
        shown.add_column(heading, no_wrap=True)
    for heading in ("difference (interval)", "what would decide it", "said"):
        shown.add_column(heading, overflow="fold")
    published = published_answers(found)
    compared = [answer for answer in published if answer.shown is not None]
    for answer in decided_first(compared):
        shown.add_row(*_row(answer))
    _print_own(found)
    if compared:
        out.print(shown, markup=False)
    if untested := len(published) - len(compared):
        _print(f"not tested: {untested} published claims (resablate claims lists them with what each needs)")
    what = "the one comparison" if found.tested == 1 else f"all {found.tested} comparisons and claims"
    shared = f"one level of {100 * LEVEL:g} % for {what} tested{' together (Holm)' if found.tested > 1 else ''}; "
    _print(f"{shared if found.tested else ''}{len(results)} trials of {', '.join(names)}")


def _record(tracker: Tracker, name: str) -> SweepRecord:
    from resablate.claims import CLAIMS

    try:
        return tracker.load_sweep(name)
    except UnknownSweep as error:
        if name in CLAIMS:
            raise SpecError(f"{error}; for a claim instead of a sweep: --plan {name}") from None
        raise


def _print_own(found: Answers) -> None:
    """What answers the sweep's own question."""
    from resablate.claims.effects_told import told_effects

    effects = [f"{told.head}: {told.told}" for told in told_effects(found)]
    for text in (*found.notes, *effects, *found.remarks):
        _print(text)
    own = Table(box=None, pad_edge=False)
    for heading in ("own", "verdict", "n"):
        own.add_column(heading, no_wrap=True)
    for heading in ("compared", "difference (interval)", "what would decide it", "said"):
        own.add_column(heading, overflow="fold")
    for answer in found.answers:
        if answer.claim.own:
            name, verdict, seeds, *rest = _row(answer)
            own.add_row(name, verdict, seeds, answer.claim.statement, *rest)
    if own.row_count:
        out.print(own, markup=False)


def _row(answer: Answer) -> list[str]:
    return [
        answer.claim.id,
        answer.word,
        answer.seeds,
        answer.numbers,
        answer.what_would_decide,
        "; ".join(answer.notes),
    ]


def _planned(
    names: Sequence[str],
    refusals: Refusals,
    *,
    dataset: str | None,
    depth: int | None,
    seeds: int | None,
    rounds: bool,
    output: Path | None,
) -> ClaimPlan:
    from resablate.claims import CLAIMS
    from resablate.claims.planning import plan_claims, until_decided
    from resablate.datasets import DATASETS

    if not names:
        refusals.add("--plan: needs one claim or more, such as --plan H1 H2; resablate claims lists them")
    unknown = [UnknownName("claim", name, CLAIMS, listing="resablate claims") for name in names if name not in CLAIMS]
    refusals.add(*map(str, unknown))
    if output is not None:
        refusals.of(lambda: _check_output(output))
    claims = [CLAIMS[name] for name in dict.fromkeys(names) if name in CLAIMS]
    planned = refusals.of(lambda: plan_claims(claims, dataset=dataset, depth=depth, seeds=seeds)) if claims else None
    if dataset and not claims:
        refusals.of(lambda: DATASETS[dataset])
    refusals.refuse()
    assert planned
    return until_decided(planned, claims, most=seeds) if rounds else planned


def _check_output(output: Path) -> None:
    """Raise SpecError unless a file can be made there that is not there yet."""
    if output.exists():
        raise SpecError(f"--output {output}: is there already; name another file")
    folder = output.absolute().parent
    if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        raise SpecError(f"--output {output}: cannot be written ({folder} is no folder that may be written)")


def _show_plan(planned: ClaimPlan, output: Path | None, *, as_json: bool) -> None:
    """Print the sweep file, or write it and print where it is."""
    from resablate.strict_yaml import dump_yaml

    record = _plan_record(planned, output)
    text = "".join(f"# {line}\n" for line in (_cost(record), *record.notes)) + dump_yaml(planned.content, width=120)
    if output is not None:
        try:
            output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise SpecError(f"--output {output}: cannot be written ({error.strerror})") from None
    if as_json:
        print_record(record)
    else:
        _print(text.rstrip() if output is None else str(output))


def _plan_record(planned: ClaimPlan, output: Path | None) -> ClaimPlanRecord:
    from resablate.forecast import planned_seconds
    from resablate.machine_speed import TYPICAL, TYPICAL_GPU
    from resablate.plan import plan_sweep
    from resablate.sweep import parse_sweep

    plan = plan_sweep(parse_sweep(planned.content))
    return ClaimPlanRecord(
        sweep=plan.sweep.name,
        content=planned.content,
        file=str(output or ""),
        count=plan.trial_count,
        at_most=plan.most_trials,
        seconds=planned_seconds(plan, TYPICAL),
        gpu_seconds=planned_seconds(plan, TYPICAL_GPU),
        notes=[*planned.notes, *plan.notes],
    )


def _cost(record: ClaimPlanRecord) -> str:
    from resablate.scheduling import clock

    def time(times: float) -> str:
        return (
            f"{clock(times * record.seconds)} in all on one CPU core, {clock(times * record.gpu_seconds)} on one H200"
        )

    cost = f"{record.count} trials; estimated, not measured: {time(1)}"
    if record.at_most > record.count:
        cost += f", to begin with, and at most {record.at_most} trials: {time(record.at_most / record.count)}"
    return cost


def _print(text: str) -> None:
    out.print(text, markup=False, highlight=False, soft_wrap=True)
