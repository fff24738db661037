"""`resablate submit`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
from typer.core import TyperGroup

from resablate.commands.console import Json, SweepFile, TrackingUri, err, out
from resablate.commands.json_keeping import JobRecord
from resablate.commands.json_output import print_record
from resablate.commands.limits import check_limits
from resablate.commands.option_syntax import check_options, options_of
from resablate.commands.refusals import Refusals
from resablate.errors import SubmissionError
from resablate.redaction import holds_password
from resablate.sweep import load_sweep
from resablate.torch_missing import check_is_torch

if TYPE_CHECKING:
    from resablate.submission import Job
    from resablate.submission.server import JobSubmissionClient
    from resablate.sweep import SweepSpec

_SHOWN_FILES = 8


def submit(
    context: typer.Context,
    file: SweepFile,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[-- WORD ...]", help="More for `resablate sweep` there, such as -- --retry failed."),
    ] = None,
    *,
    address: Annotated[
        str,
        typer.Option("--address", envvar="RAY_API_SERVER_ADDRESS", help="Of the dashboard: http://HOST:8265."),
    ] = "",
    follow: Annotated[
        bool, typer.Option("--follow/--no-follow", help="Show the job's log until it ends; Ctrl-C leaves it running.")
    ] = True,
    send: Annotated[
        list[str] | None,
        typer.Option("--send", metavar="NAME", help="A variable that the job gets as it is, for all to read there."),
    ] = None,
    include: Annotated[
        list[str] | None,
        typer.Option("--include", metavar="PATH", help="A file or folder that is sent too."),
    ] = None,
    as_json: Json = False,
    tracking_uri: TrackingUri = None,
) -> None:
    """Run a sweep as a job of a Ray cluster, with what it needs of this folder; again, to follow or to continue it."""
    from resablate.submission import connect, packed, submit_sweep

    request = _checked_request(
        context, file, words or [], address=address, tracking_uri=tracking_uri, send=send or [], include=include or []
    )
    client = connect(address)
    for note in request.notes:
        _say(note)
    with packed(Path.cwd(), names=request.files) as package:
        _tell_left_out(package.left_out)
        job = submit_sweep(
            client,
            request.sweep,
            file=request.files[0],
            words=words or [],
            package=package,
            environment=request.environment,
            say=_say,
        )
        size = package.size_bytes / 2**20
    if job.attached:
        _say(f"{job.id} is running already{f'; {job.note}' if job.note else ''}")
    else:
        _say(f"submitted {len(package.files)} files, {size:.1f} MiB, as {job.id}")
    _tell_ending(client, request.sweep.name, job, follow=follow, as_json=as_json)


class _Request(NamedTuple):
    """What is submitted."""

    sweep: SweepSpec
    environment: dict[str, str]
    files: list[str]
    """Relative paths of what is sent, the sweep's first."""
    notes: list[str]
    """What the person should know, one line each."""


def _checked_request(
    context: typer.Context,
    file: Path,
    words: list[str],
    *,
    address: str,
    tracking_uri: str | None,
    send: Sequence[str],
    include: Sequence[str],
) -> _Request:
    """What is submitted, with everything found that is wrong with the call; arguments as those of `submit`."""
    from resablate.submission import job_environment

    refusals = Refusals(str(file))
    if not address:
        refusals.add("--address: which cluster? http://HOST:PORT of its dashboard, or $RAY_API_SERVER_ADDRESS")
    if any(holds_password(word) for word in words):
        refusals.add("a job's command can be read by whoever may use the cluster: leave the password out of it")
    there = refusals.of(lambda: _words_there(context, file, words, refusals))
    if there:
        check_limits(refusals, **{name: there[name] for name in ("retry", "max_trials", "time_budget")})
    changes = refusals.assignments((there or {}).get("words") or [])
    checked = refusals.of(lambda: _checked(file, changes))
    sent = refusals.of(lambda: job_environment(os.environ, tracking_uri=tracking_uri, send=send))
    files = [refusals.of(partial(_inside, path)) for path in (file, *map(Path, include))]
    refusals.refuse()
    assert checked and sent
    return _Request(checked[0], sent[0], [path for path in files if path], [*checked[1], *sent[1]])


def _words_there(context: typer.Context, file: Path, words: list[str], refusals: Refusals) -> dict[str, Any]:
    """Name -> value of what `resablate sweep` would take from these words; what it would refuse is refused here."""
    group = context.find_root().command
    verb = group.commands.get("sweep") if isinstance(group, TyperGroup) else None
    assert verb
    checked = check_options(words, options_of(verb))
    refusals.add(*checked.problems)
    with verb.make_context("resablate sweep", [str(file), *checked.words]) as there:
        return there.params


def _checked(file: Path, changes: Mapping[str, Any]) -> tuple[SweepSpec, Sequence[str]]:
    """The sweep, checked with what is changed in it as far as it can be here, and what the person should know."""
    try:
        from resablate.plan import load_plan
    except ModuleNotFoundError as missing:
        check_is_torch(missing)
        note = f"{missing.name} is not installed here: the names in the sweep are checked when it starts there"
        return load_sweep(file, changes), [note]
    plan = load_plan(file, changes)
    return plan.sweep, plan.notes


def _inside(path: Path) -> str:
    """The path there."""
    here = Path.cwd()
    if not path.absolute().is_relative_to(here):
        raise SubmissionError(f"{path}: is not among the files that are sent, which are of the current folder ({here})")
    return str(path.absolute().relative_to(here))


def _tell_left_out(files: tuple[str, ...]) -> None:
    more = len(files) - _SHOWN_FILES
    if files:
        shown = ", ".join(files[:_SHOWN_FILES]) + (f" and {more} more" if more > 0 else "")
        _say(f"not sent, because of their names: {shown}")


def _tell_ending(client: JobSubmissionClient, sweep: str, job: Job, *, follow: bool, as_json: bool) -> None:
    """Follow a job to its end, or say how to; exits with its code."""
    record = JobRecord(sweep=sweep, job=job.id, attached=job.attached, status="", exit_code=None)
    if not follow:
        print_record(record) if as_json else out.print(job.id, highlight=False, soft_wrap=True)
        _tell_how(client, job)
        return
    status, code = _follow(client, job, write=_write_aside if as_json else _write)
    if as_json:
        print_record(record.model_copy(update={"status": status, "exit_code": code}))
    if code:
        sys.exit(code)


def _follow(client: JobSubmissionClient, job: Job, *, write: Callable[[str], None]) -> tuple[str, int]:
    """How a job ended, and its exit code, once it has."""
    from resablate.submission import exit_code, follow

    try:
        ended = follow(client, job.id, write)
    except KeyboardInterrupt:
        _say(f"\n{job.id} goes on")
        _tell_how(client, job)
        sys.exit(128 + signal.SIGINT)
    code = exit_code(ended)
    _say(f"{job.id} {ended.status.value.lower()}" + (f" with exit code {code}" if code else ""))
    return ended.status.value, code


def _tell_how(client: JobSubmissionClient, job: Job) -> None:
    from resablate.submission import stop_command

    _say(f"to follow it: the same command again, or ray job logs {job.id} --follow --address {client.get_address()}")
    _say(f"to stop it:   {stop_command(job.id, client.get_address())}")


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _write_aside(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


def _say(text: str) -> None:
    err.print(text, markup=False, highlight=False, soft_wrap=True)
